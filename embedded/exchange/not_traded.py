"""What Alpaca trades and this exchange does not: options, crypto, locates, tokens.

Lists are empty in the documented shape; whatever would change something is refused with words, so
that a client that asks does not break.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import queries
from tools.simulation.refusals import Refused, not_found

EMPTY: dict[str, Any] = {
    "/v2/options/contracts": {"option_contracts": [], "next_page_token": None},
    "/v1/locates": {"locates": [], "next_page_token": None},
    "/v2/tokenization/requests": [],
    "/v2/wallets/travel-rule/vasps": {"vasps": [], "page": 1, "pages": 0, "total": 0},
}
UNKNOWN = {
    "/v2/options/contracts/{name}": "option contract",
    "/v1/locates/{name}": "locate",
    "/v2/tokenization/requests/{name}": "tokenization request",
    "/v2/tokenization/requests:by_client_request_id": "tokenization request",
    "/v2/wallets/transfers/{name}": "transfer",
}
REFUSED = {
    "/v1/locates": "short sales are not simulated",
    "/v2/tokenization/mint": "tokenization is not simulated",
    "/v2/positions/{name}/exercise": "options are not simulated",
    "/v2/positions/{name}/do-not-exercise": "options are not simulated",
}
NO_CRYPTO = "/v2/wallets", "/v2/wallets/{rest:path}"


def routes() -> list[BaseRoute]:
    """Every path that is served here."""
    empty = [Route(path, _empty, methods=["GET"]) for path in EMPTY]
    refused = [Route(path, _refused, methods=["POST"]) for path in REFUSED]
    unknown = [Route(path, _unknown, methods=["GET"]) for path in UNKNOWN]
    every = ["GET", "POST", "PATCH", "DELETE"]
    wallets = [Route(path, _no_crypto, methods=every) for path in NO_CRYPTO]
    quotes = Route("/v1/locates/quotes", _locate_quotes, methods=["GET"])
    return [*empty, *refused, quotes, *unknown, *wallets]


async def _empty(request: Request) -> Response:
    return JSONResponse(EMPTY[request.url.path])


async def _unknown(request: Request) -> Response:
    name = request.path_params.get("name") or request.query_params.get("client_request_id", "")
    raise not_found(f"{UNKNOWN[request.scope['route'].path]} not found for {name}")


async def _refused(request: Request) -> Response:
    raise _not_here(REFUSED[request.scope["route"].path])


async def _no_crypto(_: Request) -> Response:
    raise _not_here("crypto is not simulated")


async def _locate_quotes(request: Request) -> Response:
    errors = [
        {"symbol": symbol, "code": "quote_unavailable", "message": "nobody lends shares here"}
        for symbol in queries.names(request.query_params)
    ]
    return JSONResponse({"quotes": [], "errors": errors})


def _not_here(message: str) -> Refused:
    return Refused(403, 40310000, message)
