"""Watchlists of Alpaca's Trading API v2."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import shapes
from embedded.exchange.order_forms import Body, read_body, text
from embedded.exchange.queries import bad_request
from tools.simulation.refusals import invalid, malformed, not_found
from tools.simulation.venue import Venue


@dataclass(frozen=True, slots=True, kw_only=True)
class Watchlist:
    """Symbols under a name."""

    watchlist_id: str
    name: str
    symbols: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


class WatchlistRoutes:
    """The lists of one account and their handlers. A list is found by its id or by its name."""

    def __init__(self, venue: Venue) -> None:
        self._venue, self._made = venue, 0
        self._lists: dict[str, Watchlist] = {}

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        paths = "/v2/watchlists:by_name", "/v2/watchlists/{watchlist_id}"
        return [
            Route("/v2/watchlists", self.all, methods=["GET"]),
            Route("/v2/watchlists", self.create, methods=["POST"]),
            *(Route(path, self.get, methods=["GET"]) for path in paths),
            *(Route(path, self.update, methods=["PUT"]) for path in paths),
            *(Route(path, self.add, methods=["POST"]) for path in paths),
            *(Route(path, self.delete, methods=["DELETE"]) for path in paths),
            Route("/v2/watchlists/{watchlist_id}/{symbol:path}", self.remove, methods=["DELETE"]),
        ]

    async def all(self, request: Request) -> Response:
        """GET /v2/watchlists: without their assets."""
        return JSONResponse([self._shape(it) for it in self._lists.values()])

    async def create(self, request: Request) -> Response:
        """POST /v2/watchlists."""
        body, now = read_body(await request.body()), self._venue.catch_up()
        name, symbols = self._free(text(body, "name", "")), self._symbols(body)
        self._made += 1
        watchlist_id = self._venue.new_id("watchlist", self._made)
        return self._keep(
            Watchlist(
                watchlist_id=watchlist_id,
                name=name,
                symbols=symbols,
                created_at=now,
                updated_at=now,
            )
        )

    async def get(self, request: Request) -> Response:
        """GET one, with its assets."""
        return self._answer(self._found(request))

    async def update(self, request: Request) -> Response:
        """PUT: another name, other symbols, or both."""
        body, old = read_body(await request.body()), self._found(request)
        name = text(body, "name", old.name)
        changed = replace(
            old,
            name=name if name == old.name else self._free(name),
            symbols=old.symbols if body.get("symbols") is None else self._symbols(body),
        )
        return self._keep(changed)

    async def add(self, request: Request) -> Response:
        """POST one more symbol."""
        symbol = text(read_body(await request.body()), "symbol")
        old = self._found(request)
        if symbol in old.symbols:
            raise malformed(f"duplicate symbol {symbol}")
        return self._keep(replace(old, symbols=(*old.symbols, self._known(symbol))))

    async def remove(self, request: Request) -> Response:
        """DELETE one of its symbols."""
        old, symbol = self._found(request), request.path_params["symbol"]
        if symbol not in old.symbols:
            raise not_found(f"symbol not found in watchlist: {symbol}")
        return self._keep(replace(old, symbols=tuple(it for it in old.symbols if it != symbol)))

    async def delete(self, request: Request) -> Response:
        """DELETE the list."""
        del self._lists[self._found(request).watchlist_id]
        return Response(status_code=204)

    def _found(self, request: Request) -> Watchlist:
        wanted = request.path_params.get("watchlist_id")
        name = request.query_params.get("name", "")
        for it in self._lists.values():
            if it.watchlist_id == wanted or (wanted is None and it.name == name):
                return it
        raise not_found("watchlist not found")

    def _free(self, name: str) -> str:
        if not name:
            raise malformed("watchlist name is required")
        if any(it.name == name for it in self._lists.values()):
            raise malformed("watchlist name must be unique")
        return name

    def _symbols(self, body: Body) -> tuple[str, ...]:
        symbols = body.get("symbols") or []
        if not isinstance(symbols, list) or not all(isinstance(it, str) for it in symbols):
            raise bad_request("request body format is invalid")
        return tuple(self._known(symbol) for symbol in dict.fromkeys(symbols))

    def _known(self, symbol: str) -> str:
        if symbol not in self._venue.market.symbols:
            raise invalid(f'asset "{symbol}" not found')
        return symbol

    def _keep(self, it: Watchlist) -> Response:
        kept = replace(it, updated_at=self._venue.catch_up())
        self._lists[it.watchlist_id] = kept
        return self._answer(kept)

    def _answer(self, it: Watchlist) -> Response:
        assets = [shapes.asset(self._venue, symbol) for symbol in it.symbols]
        return JSONResponse(self._shape(it) | {"assets": assets})

    def _shape(self, it: Watchlist) -> dict[str, Any]:
        return {
            "id": it.watchlist_id,
            "account_id": self._venue.new_id("account"),
            "name": it.name,
            "created_at": shapes.stamp(it.created_at),
            "updated_at": shapes.stamp(it.updated_at),
        }
