"""`/stream`: what becomes of the account's orders, as JSON in binary frames."""

import json
from typing import Any

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from embedded.exchange import shapes
from embedded.exchange.access import Access
from embedded.exchange.faults import Faults
from embedded.exchange.streams import Link
from tools.simulation.events import OrderEvent
from tools.simulation.venue import Venue

UPDATES = "trade_updates"
UNTOLD = {"held"}  # a state of legs that Alpaca has no event for


class OrderStream:
    """Everybody who listens to the orders of `venue`."""

    def __init__(self, venue: Venue, access: Access, faults: Faults) -> None:
        """Listen to the venue from now on."""
        self._venue, self._access, self._faults = venue, access, faults
        self._listening: set[Link] = set()
        venue.listeners.append(self._told)

    def routes(self) -> list[BaseRoute]:
        """The one path that is served here."""
        return [WebSocketRoute("/stream", self.connect)]

    async def connect(self, socket: WebSocket) -> None:
        """Serve one client until it leaves."""
        await socket.accept()
        link = Link(socket, self._faults, lambda message: json.dumps(message).encode())
        client = _Client(link, self._access, self._listening)
        try:
            await link.serve(client.hear, self._look)
        finally:
            self._listening.discard(link)

    def _look(self) -> None:
        if self._listening:
            self._venue.catch_up()

    def _told(self, event: OrderEvent) -> None:
        if not self._listening or event.name in UNTOLD:
            return
        message = {"stream": UPDATES, "data": _update(self._venue, event)}
        for link in self._listening:
            link.push(message)


class _Client:
    """What one client may say, and what it is answered."""

    def __init__(self, link: Link, access: Access, listening: set[Link]) -> None:
        self._link, self._access, self._listening = link, access, listening
        self._authorized = False

    def hear(self, text: str | bytes) -> None:
        match _parsed(text):
            case {"action": "authenticate", "data": {"key_id": key, "secret_key": secret}}:
                self._authenticate(str(key), str(secret))
            case {"action": "auth" | "authenticate", "key": key, "secret": secret}:
                self._authenticate(str(key), str(secret))
            case {"action": "listen", "data": {"streams": list(streams)}} if self._authorized:
                self._listen(streams)
            case {"action": "listen"} if not self._authorized:
                self._authorization("unauthorized", "listen")
            case _:
                self._link.say({"stream": "error", "data": {"error": "invalid syntax"}})

    def _authenticate(self, key: str, secret: str) -> None:
        self._authorized = self._access.accepts(key, secret)
        status = "authorized" if self._authorized else "unauthorized"
        self._authorization(status, "authenticate")
        if not self._authorized:
            self._link.close()

    def _authorization(self, status: str, action: str) -> None:
        data = {"status": status, "action": action}
        self._link.say({"stream": "authorization", "data": data})

    def _listen(self, streams: list[Any]) -> None:
        """The whole set each time: what is not in it is not listened to any more."""
        heard = [UPDATES] if UPDATES in streams else []
        self._link.say({"stream": "listening", "data": {"streams": heard}})
        (self._listening.add if heard else self._listening.discard)(self._link)


def _update(venue: Venue, event: OrderEvent) -> dict[str, Any]:
    data = {
        "event": event.name,
        "order": shapes.order(venue, event.order, legs=False),
        "timestamp": shapes.stamp(event.at),
    }
    if event.execution:
        data |= {
            "execution_id": event.execution.execution_id,
            "price": shapes.text(event.execution.price),
            "qty": shapes.text(event.execution.quantity),
            "position_qty": shapes.text(event.execution.position_quantity),
        }
    return data


def _parsed(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
