"""The embedded exchange as one ASGI app: trading, market data, simulated time and health."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from embedded.exchange import timekeeper
from embedded.exchange.account_routes import AccountRoutes
from embedded.exchange.data_routes import DataRoutes
from embedded.exchange.order_routes import OrderRoutes
from embedded.exchange.timekeeper import TimeKeeper
from tools.simulation.refusals import Refused
from tools.simulation.venue import Venue


def create_app(
    venue: Venue, now: Callable[[], datetime], keeper: TimeKeeper | None = None
) -> ASGIApp:
    """The app over `venue` at `now()`; with a `keeper` it also owns simulated time at `/time`."""
    app = Starlette(
        routes=[
            *OrderRoutes(venue).routes(),
            *AccountRoutes(venue).routes(),
            *DataRoutes(venue.market, now).routes(),
            Route("/health", _health),
            *(timekeeper.routes(keeper) if keeper else ()),
        ],
        exception_handlers={Refused: _refused, HTTPException: _no_such_endpoint},
    )
    app.router.redirect_slashes = False
    return KeyRequired(app)


class KeyRequired:
    """Asks for a key on the two APIs. Any key will do: there is one account, and it is a game."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 without a key, else pass on."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and scope["path"].startswith(("/v1", "/v2")):
            headers = Headers(scope=scope)
            pair = headers.get("apca-api-key-id"), headers.get("apca-api-secret-key")
            if not all(pair) and not headers.get("authorization"):
                answer = JSONResponse({"message": "unauthorized."}, 401)
        await answer(scope, receive, send)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refused(request: Request, refused: Any) -> Response:
    """The trading API's errors carry a code, the data API's only a message."""
    trading = not request.url.path.startswith(("/v2/stocks", "/v1beta1"))
    return JSONResponse(refused.body if trading else {"message": refused.message}, refused.status)


async def _no_such_endpoint(_: Request, error: Any) -> Response:
    return JSONResponse({"code": 40410000, "message": "endpoint not found."}, 404)
