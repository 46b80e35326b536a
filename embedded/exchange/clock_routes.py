"""`/sim/clock`: time on command, for who has the admin token."""

from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange.order_forms import read_body
from embedded.exchange.queries import bad_request
from embedded.exchange.timekeeper import TimeKeeper
from tools.schedule.market_hours import at_new_york, new_york
from tools.simulation.refusals import invalid


def routes(keeper: TimeKeeper | None) -> list[BaseRoute]:
    """GET shows the time; POST `{"advance_to": ...}` or `{"speed": ...}` changes it."""

    async def show(_: Request) -> Response:
        return JSONResponse(_owned(keeper).state())

    async def change(request: Request) -> Response:
        body, owned = read_body(await request.body()), _owned(keeper)
        match body:
            case {"advance_to": str(text), **rest} if not rest:
                try:
                    await owned.advance_to(_instant(text, owned.now()))
                except ValueError as error:
                    raise invalid(str(error)) from None
            case {"speed": speed, **rest} if not rest:
                owned.run_at(_speed(speed))
            case _:
                raise bad_request('expected {"advance_to": TIME} or {"speed": N, "max" or 0}')
        return JSONResponse(owned.state())

    return [
        Route("/sim/clock", show, methods=["GET"]),
        Route("/sim/clock", change, methods=["POST"]),
    ]


def _owned(keeper: TimeKeeper | None) -> TimeKeeper:
    if keeper is None:
        raise invalid("the system's clock rules: start with --session")
    return keeper


def _instant(text: str, now: datetime) -> datetime:
    """An RFC 3339 time, or HH:MM of today in New York."""
    try:
        if len(text) == len("09:30"):
            hour, minute = map(int, text.split(":"))
            return at_new_york(new_york(now).date(), hour, minute)
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(f"invalid advance_to: {text}") from None
    if instant.tzinfo is None:
        raise bad_request(f"invalid advance_to: {text} has no time zone")
    return instant


def _speed(given: Any) -> float:
    if given == "max":
        return float("inf")
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < 1e9:
        raise bad_request(f"invalid speed: {given}")
    return float(given)
