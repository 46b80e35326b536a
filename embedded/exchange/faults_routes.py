"""`/sim/faults`: arm, list and disarm faults. What a script says is read strictly."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange.faults import PARAMETERS, Armed, Fault, Faults, Kind, What, Where
from embedded.exchange.faults_venue import FaultyVenue
from embedded.exchange.order_forms import read_body
from embedded.exchange.queries import bad_request
from tools.simulation.refusals import not_found
from tools.simulation.venue import Venue

LONGEST_DELAY_SECONDS = 60
FAULT_KEYS = frozenset({"where", "what", "times", "probability", "seed"})
WHERE_KEYS = frozenset({"method", "path", "symbol"})


def routes(faults: Faults, venue: Venue) -> list[BaseRoute]:
    """POST one fault, GET all, DELETE all or one; who may is not decided here."""
    inside = FaultyVenue(venue, faults)

    async def arm(request: Request) -> Response:
        armed = faults.arm(read_fault(read_body(await request.body())))
        inside.arm(armed)
        return JSONResponse(_shape(armed), 201)

    async def show(_: Request) -> Response:
        return JSONResponse([_shape(armed) for armed in faults])

    async def disarm(request: Request) -> Response:
        number = request.path_params.get("number")
        try:
            removed = faults.disarm(number)
        except KeyError:
            raise not_found(f"fault not found for {number}") from None
        for armed in removed:
            inside.disarm(armed)
        return Response(status_code=204)

    return [
        Route("/sim/faults", arm, methods=["POST"]),
        Route("/sim/faults", show, methods=["GET"]),
        Route("/sim/faults", disarm, methods=["DELETE"]),
        Route("/sim/faults/{number:int}", disarm, methods=["DELETE"]),
    ]


def read_fault(body: Mapping[str, Any]) -> Fault:
    """The fault that a script describes. Raises Refused (400) for what is not understood."""
    _check_known(body, FAULT_KEYS)
    where, what = body.get("where", {}), body.get("what", {})
    if not isinstance(where, dict) or not isinstance(what, dict):
        raise bad_request("where and what are objects")
    times = body.get("times", 1)
    if times is not None and (not isinstance(times, int) or times < 1):
        raise bad_request(f"invalid times: {times}")
    return Fault(
        where=_where(where),
        what=_what(what),
        times=times,
        probability=_number(body, "probability", 1, most=1),
        seed=int(_number(body, "seed", 1, most=2**53)),
    )


def _where(given: Mapping[str, Any]) -> Where:
    _check_known(given, WHERE_KEYS)
    if not all(isinstance(value, str) for value in given.values()):
        raise bad_request("method, path and symbol are strings")
    return Where(**given)


def _what(given: Mapping[str, Any]) -> What:
    name = given.get("kind")
    if name not in list(Kind):
        raise bad_request(f"invalid kind: {name} (there are {', '.join(Kind)})")
    kind = Kind(name)
    _check_known(given, PARAMETERS.get(kind, frozenset()) | {"kind"})
    farthest = LONGEST_DELAY_SECONDS if kind is Kind.DELAY else 2**31
    least = -farthest if kind is Kind.SKEW else 0  # nobody is shown the market of tomorrow
    return What(
        kind=kind,
        after=bool(given.get("after", False)),
        status=int(_number(given, "status", 500, least=400, most=599)),
        seconds=_number(given, "seconds", 0, least=least, most=farthest),
        body=given.get("body"),
        share=_number(given, "share", 0.5, most=1),
    )


def _check_known(given: Mapping[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted({*given} - known):
        raise bad_request(f"unknown: {', '.join(unknown)} (known are {', '.join(sorted(known))})")


def _number(
    given: Mapping[str, Any], name: str, default: float, *, least: float = 0, most: float
) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise bad_request(f"invalid {name}: {value} ({least:g} to {most:g})")
    return value


def _shape(armed: Armed) -> dict[str, Any]:
    fault = armed.fault
    known = PARAMETERS.get(fault.what.kind, frozenset())
    return {
        "number": armed.number,
        "where": {name: getattr(fault.where, name) for name in sorted(WHERE_KEYS)},
        "what": {"kind": fault.what.kind}
        | {name: getattr(fault.what, name) for name in sorted(known)},
        "times": fault.times,
        "probability": fault.probability,
        "seed": fault.seed,
        "struck": armed.struck,
        "left": armed.left,
    }
