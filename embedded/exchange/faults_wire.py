"""Faults between client and exchange: an ASGI middleware, and what it does for each kind."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from embedded.exchange.faults import WIRE, Armed, Faults, Kind, What, lag

PAGE = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>"
TITLES = {
    429: "429 Too Many Requests",
    500: "500 Internal Server Error",
    502: "502 Bad Gateway",
    503: "503 Service Temporarily Unavailable",
    504: "504 Gateway Time-out",
}
MESSAGES: dict[int, dict[str, Any]] = {
    401: {"message": "unauthorized."},
    403: {"code": 40310000, "message": "forbidden."},
    429: {"code": 42910000, "message": "too many requests."},
}
BLOCKED = {"code": 40310000, "message": "account is blocked"}
RATE_LIMIT, RATE_WAIT_SECONDS = 200, 1


class Answer(NamedTuple):
    """A whole response."""

    start: Message
    body: bytes


class Call(NamedTuple):
    """One request on its way to the exchange."""

    app: ASGIApp
    scope: Scope
    receive: Receive
    send: Send

    async def answer(self) -> Answer:
        """Carry the request out, and keep what it answers."""
        start: Message = {}
        parts: list[bytes] = []

        async def keep(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self.app(self.scope, self.receive, keep)
        return Answer(start, b"".join(parts))

    async def reply(self, answer: Answer) -> None:
        """Send a whole response; its length is set right."""
        MutableHeaders(raw=answer.start["headers"])["content-length"] = str(len(answer.body))
        await self.send(answer.start)
        await self.send({"type": "http.response.body", "body": answer.body})

    async def respond(self, response: Response) -> None:
        """Send a response of our own."""
        await response(self.scope, self.receive, self.send)

    async def hang_up(self) -> None:
        """Close the connection behind what has been sent, like a proxy that dies.

        ASGI has no word for it, so uvicorn's transport is closed by hand.
        """
        self.send.__self__.transport.close()  # type: ignore[attr-defined]
        await self.until_gone()

    async def until_gone(self) -> None:
        """Wait for the client's end of the connection."""
        while (await self.receive())["type"] != "http.disconnect":
            pass


class FaultyWire:
    """Lets the faults that are armed befall the requests that they meet; `/sim` is out of reach."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self._app, self._faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve, or fail."""
        path = scope.get("path", "")
        if scope["type"] not in {"http", "websocket"} or path.startswith(("/sim", "/time")):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._connect(scope, receive, send)
        elif armed := self._faults.strike(WIRE, method=scope["method"], path=path):
            call = Call(self._app, scope, receive, send)
            if armed.fault.what.after:
                call = call._replace(app=_given(await call.answer()))
            await _BEFALL[armed.fault.what.kind](call, armed)
        else:
            await self._app(scope, receive, send)

    async def _connect(self, scope: Scope, receive: Receive, send: Send) -> None:
        kinds = {Kind.STATUS, Kind.DROP}
        armed = self._faults.strike(kinds, method="WS", path=scope["path"])
        if armed is None:
            await self._app(scope, receive, send)
        else:
            await receive()  # websocket.connect
            await WebSocket(scope, receive, send).send_denial_response(_error(armed.fault.what))


def _given(answer: Answer) -> ASGIApp:
    """An app that has answered already."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(answer.start)
        await send({"type": "http.response.body", "body": answer.body})

    return app


def _error(what: What) -> Response:
    default = {"code": what.status * 100_000, "message": TITLES.get(what.status, "error")}
    body = MESSAGES.get(what.status, default) if what.body is None else what.body
    headers = {}
    if what.status == 429:
        reset = int(datetime.now().astimezone().timestamp()) + RATE_WAIT_SECONDS
        headers = {
            "X-RateLimit-Limit": str(RATE_LIMIT),
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": str(reset),
            "Retry-After": str(RATE_WAIT_SECONDS),
        }
    return JSONResponse(body, what.status, headers=headers)


async def _status(call: Call, armed: Armed) -> None:
    await call.respond(_error(armed.fault.what))


async def _html(call: Call, armed: Armed) -> None:
    status = armed.fault.what.status
    await call.respond(HTMLResponse(PAGE.format(TITLES.get(status, status)), status))


async def _drop(call: Call, _: Armed) -> None:
    await call.hang_up()


async def _delay(call: Call, armed: Armed) -> None:
    """The request is in our hands: it is carried out even if its client gives up meanwhile."""
    body = await Request(call.scope, call.receive).body()
    await asyncio.sleep(armed.fault.what.seconds)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    await call.app(call.scope, receive, call.send)


async def _hang(call: Call, _: Armed) -> None:
    await call.until_gone()


async def _truncate(call: Call, _: Armed) -> None:
    answer = await call.answer()
    half = answer.body[: len(answer.body) // 2]
    await call.send(answer.start)
    await call.send({"type": "http.response.body", "body": half, "more_body": True})
    await call.hang_up()


async def _answer(call: Call, armed: Armed) -> None:
    await call.respond(JSONResponse(armed.fault.what.body))


async def _freeze(call: Call, armed: Armed) -> None:
    """The first answer to a question is the answer to it for as long as the fault stands."""
    question = f"{call.scope['path']}?{call.scope['query_string'].decode()}"
    if question not in armed.kept:
        armed.kept[question] = await call.answer()
    await call.reply(armed.kept[question])


async def _stale(call: Call, armed: Armed) -> None:
    token = lag.set(timedelta(seconds=armed.fault.what.seconds))
    try:
        await call.app(call.scope, call.receive, call.send)
    finally:
        lag.reset(token)


async def _skew(call: Call, armed: Armed) -> None:
    by = timedelta(seconds=armed.fault.what.seconds)

    def turned(body: Any) -> Any:
        if isinstance(body, list):
            return [turned(part) for part in body]
        if not isinstance(body, dict):
            return body
        if "timestamp" in body:
            return body | {
                "timestamp": (datetime.fromisoformat(body["timestamp"]) + by).isoformat()
            }
        return {name: turned(part) for name, part in body.items()}

    await _rewrite(call, turned)


async def _block(call: Call, _: Armed) -> None:
    """What changes anything is refused; the account says so."""
    if call.scope["method"] != "GET":
        await call.respond(JSONResponse(BLOCKED, 403))
    elif call.scope["path"] == "/v2/account":
        blocked = {"account_blocked": True, "trading_blocked": True}
        await _rewrite(call, lambda body: body | blocked)
    else:
        await call.app(call.scope, call.receive, call.send)


async def _rewrite(call: Call, change: Callable[[Any], Any]) -> None:
    answer = await call.answer()
    await call.reply(answer._replace(body=json.dumps(change(json.loads(answer.body))).encode()))


_BEFALL: dict[Kind, Callable[[Call, Armed], Awaitable[None]]] = {
    Kind.STATUS: _status,
    Kind.HTML: _html,
    Kind.DROP: _drop,
    Kind.DELAY: _delay,
    Kind.HANG: _hang,
    Kind.TRUNCATE: _truncate,
    Kind.ANSWER: _answer,
    Kind.FREEZE: _freeze,
    Kind.STALE: _stale,
    Kind.SKEW: _skew,
    Kind.BLOCK: _block,
}
