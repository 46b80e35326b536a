"""The embedded exchange as one ASGI app: trading, market data, simulated time and health."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from embedded.exchange import clock_routes, elsewhere, faults_routes, not_traded, timekeeper
from embedded.exchange.access import Access, AccessRequired
from embedded.exchange.account_routes import AccountRoutes
from embedded.exchange.calendar_routes import CalendarRoutes
from embedded.exchange.data_routes import DataRoutes
from embedded.exchange.diary import Commands
from embedded.exchange.faults import Faults, lag
from embedded.exchange.faults_wire import FaultyWire
from embedded.exchange.news_routes import Article, NewsRoutes
from embedded.exchange.order_routes import OrderRoutes
from embedded.exchange.streams_data import DataStream
from embedded.exchange.streams_orders import OrderStream
from embedded.exchange.timekeeper import TimeKeeper
from embedded.exchange.watchlists import WatchlistRoutes
from tools.simulation.refusals import Refused
from tools.simulation.venue import Venue

ANYBODY = Access()
DATA = "/v2/stocks", "/v1beta1", "/v1beta3", "/v1/corporate-actions"

type Layer = Callable[[ASGIApp], ASGIApp]
"""Something between a client who may ask and its answer: it can act before, after and instead."""


def create_app(
    venue: Venue,
    now: Callable[[], datetime],
    keeper: TimeKeeper | None = None,
    *,
    access: Access = ANYBODY,
    news: Sequence[Article] = (),
    commands: Commands | None = None,
    layers: Sequence[Layer] = (),
) -> ASGIApp:
    """The app over `venue` at `now()`; with a `keeper` it also owns simulated time at `/time`.

    A request goes through `layers`, the first one first, once it is known that it may be asked.
    With an admin token, `/sim` commands the time and what goes wrong. `commands` is next to the
    answer itself: it stops the clock for it and keeps what was asked.
    """
    faults = Faults()
    if access.admin_token:
        layers = [*layers, lambda app: FaultyWire(app, faults)]
    app = Starlette(
        routes=[
            *OrderRoutes(venue).routes(),
            *AccountRoutes(venue).routes(),
            *CalendarRoutes(venue).routes(),
            *WatchlistRoutes(venue).routes(),
            *NewsRoutes(venue.market.actions, news, now).routes(),
            *not_traded.routes(),
            *DataRoutes(venue.market, lambda: now() - lag.get()).routes(),
            *elsewhere.routes(),
            *OrderStream(venue, access, faults).routes(),
            *DataStream(venue.market, now, access, faults).routes(),
            Route("/health", _health),
            *(timekeeper.routes(keeper) if keeper else ()),
            *(faults_routes.routes(faults, venue) if access.admin_token else ()),
            *(clock_routes.routes(keeper) if access.admin_token else ()),
        ],
        exception_handlers={Refused: _refused, HTTPException: _no_such_endpoint},
    )
    app.router.redirect_slashes = False
    outer = commands.around(app) if commands else app
    for layer in reversed(layers):
        outer = layer(outer)
    return AccessRequired(outer, access)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _refused(request: Request, refused: Any) -> Response:
    """The trading API's errors carry a code, the data API's only a message."""
    trading = not request.url.path.startswith(DATA)
    return JSONResponse(refused.body if trading else {"message": refused.message}, refused.status)


async def _no_such_endpoint(_: Request, error: Any) -> Response:
    return JSONResponse({"code": 40410000, "message": "endpoint not found."}, 404)
