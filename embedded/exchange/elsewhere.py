"""Market data of what is not a US stock: none, in the documented shape.

A client that asks in passing does not break, and nobody is told that something is there.
"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from tools.simulation.refusals import forbidden, not_found

CRYPTO, OPTIONS = "/v1beta3/crypto/{loc}", "/v1beta1/options"

EMPTY: dict[str, dict[str, object]] = {
    **{f"{CRYPTO}/{it}": {it: {}, "next_page_token": None} for it in ("bars", "quotes", "trades")},
    **{f"{CRYPTO}/latest/{it}": {it: {}} for it in ("bars", "orderbooks", "quotes", "trades")},
    f"{CRYPTO}/snapshots": {"snapshots": {}},
    **{f"{OPTIONS}/{it}": {it: {}, "next_page_token": None} for it in ("bars", "trades")},
    **{f"{OPTIONS}/{it}/latest": {it: {}} for it in ("quotes", "trades")},
    f"{OPTIONS}/snapshots": {"snapshots": {}, "next_page_token": None},
    f"{OPTIONS}/snapshots/{{underlying_symbol}}": {"snapshots": {}, "next_page_token": None},
    f"{OPTIONS}/meta/exchanges": {},
    f"{OPTIONS}/meta/conditions/{{ticktype}}": {},
    "/v1beta1/forex/latest/rates": {"rates": {}},
    "/v1beta1/forex/rates": {"rates": {}, "next_page_token": None},
    "/v1beta1/fixed_income/latest/prices": {"prices": {}},
    "/v1beta1/fixed_income/latest/quotes": {"quotes": {}},
}


def routes() -> list[BaseRoute]:
    """Every path that is served here."""
    return [
        *(_empty(path, body) for path, body in EMPTY.items()),
        Route("/v1beta1/logos/{symbol}", _no_logo),
        Route("/v1beta1/events/corporate-actions", _no_events),
        Route("/v2beta1/events/activities", _no_events),
    ]


def _empty(path: str, body: dict[str, object]) -> Route:
    async def answer(_: Request) -> Response:
        return JSONResponse(body)

    return Route(path, answer)


async def _no_logo(request: Request) -> Response:
    raise not_found(f"logo not found for {request.path_params['symbol']}")


async def _no_events(_: Request) -> Response:
    raise forbidden("server-sent events are not simulated")
