"""Account, its settings and its past, and assets, of Alpaca's Trading API v2, over one venue."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import queries, shapes
from embedded.exchange.order_forms import read_body
from embedded.exchange.portfolio import history
from embedded.exchange.queries import Query, bad_request
from tools.schedule.market_hours import new_york
from tools.simulation.configuration import ALLOWED
from tools.simulation.refusals import malformed, not_found
from tools.simulation.venue import Venue

type Row = tuple[datetime, dict[str, Any]]


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
            Route("/v2/account/configurations", self.configuration, methods=["GET"]),
            Route("/v2/account/configurations", self.configure, methods=["PATCH"]),
            Route("/v2/account/portfolio/history", self.portfolio, methods=["GET"]),
            Route("/v2/assets", self.assets, methods=["GET"]),
            Route("/v2/assets/{symbol:path}", self.asset, methods=["GET"]),
        ]

    async def account(self, request: Request) -> Response:
        """GET /v2/account."""
        return JSONResponse(shapes.account(self._venue, self._venue.balances()))

    async def activities(self, request: Request) -> Response:
        """GET /v2/account/activities: fills and fees, there is nothing else here."""
        query = request.query_params
        named = request.path_params.get("kind") or query.get("activity_types") or "FILL,FEE"
        kinds, category = set(named.split(",")), query.get("category")
        fills = [(it.at, shapes.fill(it)) for it in self._venue.executions()]
        fees = [(it.at, shapes.charge(self._venue, it)) for it in self._venue.charges()]
        rows: list[Row] = []
        if "FILL" in kinds and category != "non_trade_activity":
            rows += fills
        if "FEE" in kinds and category != "trade_activity":
            rows += fees
        return JSONResponse(_page(sorted(rows, key=lambda row: row[0]), query))

    async def configuration(self, request: Request) -> Response:
        """GET /v2/account/configurations."""
        return JSONResponse(shapes.configuration(self._venue.configuration))

    async def configure(self, request: Request) -> Response:
        """PATCH /v2/account/configurations: nulls and unknown keys change nothing."""
        body = read_body(await request.body())
        changes = {name: body[name] for name in ALLOWED if body.get(name) is not None}
        for name, value in changes.items():
            if type(value) is not type(ALLOWED[name][0]):
                raise bad_request("request body format is invalid")
            if value not in ALLOWED[name]:
                raise malformed(f"invalid {name}: {value}")
        return JSONResponse(shapes.configuration(self._venue.configure(**changes)))

    async def portfolio(self, request: Request) -> Response:
        """GET /v2/account/portfolio/history."""
        return JSONResponse(history(self._venue, request.query_params))

    async def assets(self, request: Request) -> Response:
        """GET /v2/assets: what is on the tape."""
        query = request.query_params
        wanted = query.get("status", "active") == "active"
        wanted = wanted and query.get("asset_class", "us_equity") == "us_equity"
        wanted = wanted and query.get("exchange", "NYSE") == "NYSE"
        symbols = self._venue.market.symbols if wanted else ()
        return JSONResponse([shapes.asset(self._venue, symbol) for symbol in symbols])

    async def asset(self, request: Request) -> Response:
        """GET /v2/assets/{symbol or id}."""
        symbol = shapes.symbol_of(self._venue, request.path_params["symbol"])
        if symbol not in self._venue.market.symbols:
            raise not_found(f"asset not found for {symbol}")
        return JSONResponse(shapes.asset(self._venue, symbol))


def _page(found: Iterable[Row], query: Query) -> list[dict[str, Any]]:
    after, until = queries.instant(query, "after"), queries.instant(query, "until")
    on, order_id = queries.day(query, "date"), query.get("order_id")
    rows = [
        row
        for at, row in found
        if (after is None or at > after)
        and (until is None or at < until)
        and (on is None or new_york(at).date() == on)
        and order_id in {None, row.get("order_id")}
    ]
    if queries.one_of(query, "direction", ("desc", "asc")) == "desc":
        rows.reverse()
    token = query.get("page_token")
    ids = [row["id"] for row in rows]
    begin = ids.index(token) + 1 if token in ids else 0
    return rows[begin : begin + queries.whole(query, "page_size", 100, most=100)]
