"""What both of Alpaca's streams have in common: one client's WebSocket, and how it can go wrong.

Streams look at the market's time a few times a second while somebody listens, and tell what has
happened since. They ask as any client does, so they change nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from embedded.exchange.faults import STREAM, Faults, Kind

LOOK_SECONDS = 0.05
MOST_WAITING = 10_000

type Pack = Callable[[Any], str | bytes]


class Link:
    """One client: what is said to it leaves in order, packed as it wants it."""

    def __init__(self, socket: WebSocket, faults: Faults, pack: Pack) -> None:
        self._socket, self._faults, self._pack = socket, faults, pack
        self._out: asyncio.Queue[Any] = asyncio.Queue()
        self._late: list[Any] = []  # comes behind the next one
        self.closing = False

    def say(self, message: Any) -> None:
        """Answer the client."""
        self._out.put_nowait(message)

    def push(self, message: Any) -> None:
        """Tell the client what has happened, unless a fault has it otherwise."""
        path = self._socket.scope["path"]
        armed = self._faults.strike(STREAM | {Kind.DROP}, method="WS", path=path)
        kind = armed.fault.what.kind if armed else None
        if kind is Kind.DROP:
            self.close()
        elif kind is Kind.REORDER:
            self._late.append(message)
        elif kind is not Kind.SILENCE:
            for one in (message,) * (2 if kind is Kind.DUPLICATE else 1) + (*self._late,):
                self.say(one)
            self._late.clear()

    @property
    def slow(self) -> bool:
        """The client does not read what it is told."""
        return self._out.qsize() > MOST_WAITING

    def close(self) -> None:
        """End the connection behind what has been said."""
        self.closing = True
        self._out.put_nowait(None)

    async def serve(self, hear: Callable[[str | bytes], None], look: Callable[[], None]) -> None:
        """Until the connection ends: `hear` what the client says, `look` what has happened."""
        tasks = [asyncio.create_task(self._send()), asyncio.create_task(self._watch(look))]
        try:
            while (message := await self._socket.receive())["type"] != "websocket.disconnect":
                hear(message.get("bytes") or message.get("text") or "")
        finally:
            for task in tasks:
                task.cancel()

    async def _send(self) -> None:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # the client has gone
            while (message := await self._out.get()) is not None:
                packed = self._pack(message)
                if isinstance(packed, bytes):
                    await self._socket.send_bytes(packed)
                else:
                    await self._socket.send_text(packed)
            await self._socket.close()

    async def _watch(self, look: Callable[[], None]) -> None:
        while True:
            look()
            await asyncio.sleep(LOOK_SECONDS)
