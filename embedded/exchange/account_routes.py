"""Account, clock, calendar and assets of Alpaca's Trading API v2, over one venue."""

from datetime import time, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import queries, shapes
from embedded.exchange.queries import Query
from tools.core.session import Session
from tools.schedule.market_hours import MarketHours, at_new_york, new_york
from tools.simulation.account import Execution
from tools.simulation.refusals import not_found
from tools.simulation.venue import Venue

ONE_DAY = timedelta(days=1)
HALF_DAY_CLOSE = time(13, 0)


class AccountRoutes:
    """The handlers, over `venue`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        return [
            Route("/v2/account", self.account, methods=["GET"]),
            Route("/v2/account/activities", self.activities, methods=["GET"]),
            Route("/v2/account/activities/{kind}", self.activities, methods=["GET"]),
            Route("/v2/clock", self.clock, methods=["GET"]),
            Route("/v2/calendar", self.calendar, methods=["GET"]),
            Route("/v2/assets", self.assets, methods=["GET"]),
            Route("/v2/assets/{symbol:path}", self.asset, methods=["GET"]),
        ]

    async def account(self, request: Request) -> Response:
        """GET /v2/account."""
        return JSONResponse(shapes.account(self._venue, self._venue.balances()))

    async def activities(self, request: Request) -> Response:
        """GET /v2/account/activities: fills, there is nothing else here."""
        query = request.query_params
        kinds = request.path_params.get("kind") or query.get("activity_types") or "FILL"
        fills = self._venue.executions() if "FILL" in kinds.split(",") else []
        return JSONResponse(_page(fills, query))

    async def clock(self, request: Request) -> Response:
        """GET /v2/clock."""
        now = self._venue.catch_up()
        clock = self._venue.market.clock(now)
        return JSONResponse(
            {
                "timestamp": new_york(now).isoformat(),
                "is_open": clock.market_open,
                "next_open": new_york(clock.next_open).isoformat(),
                "next_close": new_york(clock.next_close).isoformat(),
            }
        )

    async def calendar(self, request: Request) -> Response:
        """GET /v2/calendar: sessions from `start` to `end`, both inclusive; a year by default."""
        query, hours = request.query_params, self._venue.market.hours
        start = queries.day(query, "start") or new_york(self._venue.catch_up()).date()
        end = queries.day(query, "end") or start + 365 * ONE_DAY
        end = min(end, hours.last_day - ONE_DAY)  # the last one's settlement day is not known
        midnight = at_new_york(end + ONE_DAY, 0, 0)
        sessions = hours.sessions_before(midnight, max(0, (end - start).days + 1))
        return JSONResponse([_day(hours, it) for it in sessions if it.on >= start])

    async def assets(self, request: Request) -> Response:
        """GET /v2/assets: what is on the tape."""
        query = request.query_params
        wanted = query.get("status", "active") == "active"
        wanted = wanted and query.get("asset_class", "us_equity") == "us_equity"
        symbols = self._venue.market.symbols if wanted else ()
        return JSONResponse([shapes.asset(self._venue, symbol) for symbol in symbols])

    async def asset(self, request: Request) -> Response:
        """GET /v2/assets/{symbol or id}."""
        symbol = shapes.symbol_of(self._venue, request.path_params["symbol"])
        if symbol not in self._venue.market.symbols:
            raise not_found(f"asset not found for {symbol}")
        return JSONResponse(shapes.asset(self._venue, symbol))


def _page(fills: list[Execution], query: Query) -> list[dict[str, Any]]:
    after, until = queries.instant(query, "after"), queries.instant(query, "until")
    on, order_id = queries.day(query, "date"), query.get("order_id")
    rows = [
        shapes.fill(fill)
        for fill in fills
        if (after is None or fill.at > after)
        and (until is None or fill.at < until)
        and (on is None or new_york(fill.at).date() == on)
        and order_id in {None, fill.order.order_id}
    ]
    if queries.one_of(query, "direction", ("desc", "asc")) == "desc":
        rows.reverse()
    token = query.get("page_token")
    ids = [row["id"] for row in rows]
    begin = ids.index(token) + 1 if token in ids else 0
    return rows[begin : begin + queries.whole(query, "page_size", 100, most=100)]


def _day(hours: MarketHours, session: Session) -> dict[str, str]:
    opens, closes = new_york(session.open_at), new_york(session.close_at)
    return {
        "date": session.on.isoformat(),
        "open": f"{opens:%H:%M}",
        "close": f"{closes:%H:%M}",
        "session_open": "0400",
        "session_close": "1700" if closes.time() <= HALF_DAY_CLOSE else "2000",
        "settlement_date": hours.current_or_next(session.close_at).on.isoformat(),
    }
