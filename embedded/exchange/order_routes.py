"""Orders and positions of Alpaca's Trading API v2, over one venue.

Handlers do not await between a question and its answer, so that in one event loop nobody sees a
half-applied event.
"""

from decimal import ROUND_DOWN, Decimal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import queries, shapes
from embedded.exchange.listing import listed
from embedded.exchange.order_forms import order_request, read_body, replacement
from tools.simulation.floor import SHARE_PLACES
from tools.simulation.orders import SimOrder
from tools.simulation.refusals import Refused, malformed, not_found
from tools.simulation.venue import Venue

WHOLE = Decimal(100)


class OrderRoutes:
    """The handlers, over `venue`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        return [
            Route("/v2/orders", self.list, methods=["GET"]),
            Route("/v2/orders", self.submit, methods=["POST"]),
            Route("/v2/orders", self.cancel_all, methods=["DELETE"]),
            Route("/v2/orders:by_client_order_id", self.by_client_id, methods=["GET"]),
            Route("/v2/orders/{order_id}", self.get, methods=["GET"]),
            Route("/v2/orders/{order_id}", self.replace, methods=["PATCH"]),
            Route("/v2/orders/{order_id}", self.cancel, methods=["DELETE"]),
            Route("/v2/positions", self.positions, methods=["GET"]),
            Route("/v2/positions", self.close_all, methods=["DELETE"]),
            Route("/v2/positions/{symbol}", self.position, methods=["GET"]),
            Route("/v2/positions/{symbol}", self.close, methods=["DELETE"]),
        ]

    async def list(self, request: Request) -> Response:
        """GET /v2/orders."""
        query = request.query_params
        nested = queries.flag(query, "nested")
        found = listed(self._venue.orders(), query)
        return JSONResponse([shapes.order(self._venue, order, legs=nested) for order in found])

    async def submit(self, request: Request) -> Response:
        """POST /v2/orders."""
        asked = order_request(read_body(await request.body()))
        return self._answer(self._venue.submit(asked), legs=True)

    async def cancel_all(self, request: Request) -> Response:
        """DELETE /v2/orders."""
        ended = self._venue.cancel_all()
        return JSONResponse([{"id": order.order_id, "status": 200} for order in ended], 207)

    async def by_client_id(self, request: Request) -> Response:
        """GET /v2/orders:by_client_order_id."""
        name = request.query_params.get("client_order_id", "")
        if not name:
            raise malformed("client_order_id is missing")
        order = self._venue.order_by_client_id(name)
        if order is None:
            raise not_found(f"order not found for {name}")
        return self._answer(order, legs=False)

    async def get(self, request: Request) -> Response:
        """GET /v2/orders/{order_id}."""
        order = self._venue.order(request.path_params["order_id"])
        return self._answer(order, legs=queries.flag(request.query_params, "nested"))

    async def replace(self, request: Request) -> Response:
        """PATCH /v2/orders/{order_id}."""
        changes = replacement(read_body(await request.body()))
        new = self._venue.replace(request.path_params["order_id"], changes)
        return self._answer(new, legs=True)

    async def cancel(self, request: Request) -> Response:
        """DELETE /v2/orders/{order_id}."""
        self._venue.cancel(request.path_params["order_id"])
        return Response(status_code=204)

    async def positions(self, request: Request) -> Response:
        """GET /v2/positions."""
        held = self._venue.holdings()
        return JSONResponse([shapes.position(self._venue, holding) for holding in held])

    async def position(self, request: Request) -> Response:
        """GET /v2/positions/{symbol}."""
        holding = self._venue.holding(self._symbol(request))
        return JSONResponse(shapes.position(self._venue, holding))

    async def close(self, request: Request) -> Response:
        """DELETE /v2/positions/{symbol}, all of it or `qty` or `percentage`."""
        holding = self._venue.holding(self._symbol(request))
        quantity = queries.number(request.query_params, "qty")
        if (share := queries.number(request.query_params, "percentage")) is not None:
            if quantity is not None:
                raise malformed("only one of qty or percentage is accepted")
            if not 0 < share <= WHOLE:
                raise malformed("percentage must be > 0 and <= 100")
            part = holding.quantity * share / WHOLE
            quantity = part.quantize(SHARE_PLACES, rounding=ROUND_DOWN).normalize()
        return self._answer(self._venue.close_position(holding.symbol, quantity), legs=False)

    async def close_all(self, request: Request) -> Response:
        """DELETE /v2/positions."""
        if queries.flag(request.query_params, "cancel_orders"):
            self._venue.cancel_all()
        results = []
        for symbol in [holding.symbol for holding in self._venue.holdings()]:
            try:
                order = self._venue.close_position(symbol)
                status, body = 200, shapes.order(self._venue, order, legs=False)
            except Refused as refused:
                status, body = refused.status, refused.body
            results.append({"symbol": symbol, "status": status, "body": body})
        return JSONResponse(results, 207)

    def _answer(self, order: SimOrder, *, legs: bool) -> Response:
        return JSONResponse(shapes.order(self._venue, order, legs=legs))

    def _symbol(self, request: Request) -> str:
        return shapes.symbol_of(self._venue, request.path_params["symbol"])
