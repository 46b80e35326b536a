"""The two clocks: the system's, and one that follows the embedded exchange's simulated time.

Simulated time has one owner (`embedded.exchange.timekeeper`). Every thread of control that sleeps
on the clock is an *actor*: it runs from `busy()` until it sleeps, and time moves only while all
actors sleep, straight to the earliest wish, waking exactly one. So one actor runs at any moment and
the order of events does not depend on the machine (docs/decisions).
"""

import asyncio
import contextlib
import json
import mmap
from collections.abc import AsyncIterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from tools.core.errors import ActiveTraderError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# A long sleep is taken in legs, so that a step of the wall clock or a suspended machine is noticed.
LEG, LAST_LEG = timedelta(seconds=30), timedelta(seconds=1)

_ACTOR: ContextVar[str | None] = ContextVar("clock_actor", default=None)


class ClockLost(ActiveTraderError):
    """The owner of simulated time went away: there is no time left to live in."""


class SystemClock:
    """The machine's clock."""

    def __init__(self) -> None:
        self._alarms: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def now(self) -> datetime:
        """The system's time, aware UTC."""
        return datetime.now(UTC)

    @contextlib.asynccontextmanager
    async def busy(self, name: str, rank: int = 50) -> AsyncIterator[None]:
        """Name the code inside, so that `rouse(name)` finds its sleep."""
        token = _ACTOR.set(name)
        try:
            yield
        finally:
            _ACTOR.reset(token)

    async def sleep_until(self, when: datetime) -> None:
        """Sleep in legs of 30 s and a last one of 1 s, re-reading the clock after each.

        Never wakes early by the clock; after a step of it or a suspend late by at most one leg.
        """
        name = _ACTOR.get()
        if name is None:
            raise RuntimeError("sleep_until() outside busy()")
        if name in self._alarms:
            raise RuntimeError(f"two tasks sleep in the name of {name!r}")
        alarm = self._alarms[name] = asyncio.Event()
        try:
            while not alarm.is_set() and (left := when - self.now()) > timedelta(0):
                leg = left if left <= LAST_LEG else min(left - LAST_LEG, LEG)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(alarm.wait(), leg.total_seconds())
        finally:
            del self._alarms[name]

    async def rouse(self, name: str) -> None:
        """End the sleep of actor `name`; nothing happens if it is awake."""
        if alarm := self._alarms.get(name):
            alarm.set()


class SimulatedClock:
    """A client of the exchange's TimeKeeper: one WebSocket, the lease of all its actors."""

    def __init__(self, url: str) -> None:
        """`url` is the owner's WebSocket, `ws://127.0.0.1:8006/time`. Enter before use."""
        self._url = url
        self._out: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: dict[str, tuple[int, asyncio.Future[None]]] = {}
        self._ticket = 0

    async def __aenter__(self) -> Self:
        try:
            self._socket = await connect(self._url, compression=None, ping_interval=None)
            page = Path(json.loads(await self._socket.recv())[1])
        except (OSError, WebSocketException) as error:
            raise ClockLost(f"no owner of simulated time at {self._url}: {error}") from error
        with page.open("rb") as file:  # noqa: ASYNC230 - 8 bytes, once
            self._page = memoryview(mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)).cast("q")
        self._tasks = asyncio.create_task(self._send()), asyncio.create_task(self._receive())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()

    def now(self) -> datetime:
        """The simulated instant: 8 mapped bytes that the owner writes before it wakes anyone."""
        return EPOCH + timedelta(microseconds=self._page[0])

    @contextlib.asynccontextmanager
    async def busy(self, name: str, rank: int = 50) -> AsyncIterator[None]:
        """Be the actor `name`. Of two that wish for the same instant the lower rank wakes first."""
        if (outer := _ACTOR.get()) is not None:
            raise RuntimeError(f"busy({name!r}) inside the actor {outer!r}")
        await self._ask("join", name, rank)
        token = _ACTOR.set(name)
        try:
            yield
        finally:
            _ACTOR.reset(token)
            with contextlib.suppress(ClockLost):
                self._say("leave", name, 0)

    async def sleep_until(self, when: datetime) -> None:
        """Let time move on to `when`."""
        name = _ACTOR.get()
        if name is None:
            raise RuntimeError("sleep_until() outside busy(): time would not wait for this code")
        if name in self._waiting:
            raise RuntimeError(f"two tasks sleep in the name of {name!r}")
        try:
            await self._ask("wait", name, (when - EPOCH) // MICROSECOND)
        except asyncio.CancelledError:
            with contextlib.suppress(ClockLost):
                self._say("run", name, 0)
            raise

    async def rouse(self, name: str) -> None:
        """End the sleep of this process's actor `name`; on return its owner counts it as running.

        The acknowledgement matters: without it the caller could fall asleep first, and time move on
        before the roused actor is known to run.
        """
        await self._ask("rouse", name, 0, waiter=f"rouse {name}")

    async def _ask(self, verb: str, name: str, value: int, waiter: str = "") -> None:
        key = waiter or name
        self._ticket += 1
        ticket, answered = self._ticket, asyncio.get_running_loop().create_future()
        self._waiting[key] = ticket, answered
        try:
            self._say(verb, name, ticket, value)
            await answered
        finally:
            del self._waiting[key]

    def _say(self, *message: Any) -> None:
        """Queue one message: a single FIFO keeps `leave` behind the `wait` it follows."""
        if self._tasks[1].done():
            raise ClockLost(self._url)
        self._out.put_nowait(json.dumps(message))

    async def _send(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._socket.send(await self._out.get())

    async def _receive(self) -> None:
        try:
            async for raw in self._socket:
                verb, key, ticket, text = json.loads(raw)
                self._answer(verb, key, ticket, text)
        except ConnectionClosed:
            pass
        finally:
            for _, answered in self._waiting.values():
                if not answered.done():
                    answered.set_exception(ClockLost(self._url))

    def _answer(self, verb: str, key: str, ticket: int, text: object) -> None:
        expected, answered = self._waiting.get(key, (-1, None))
        if answered is None or answered.done() or ticket != expected:
            return  # the wake-up of a sleep that was cancelled meanwhile
        if verb == "error":
            answered.set_exception(RuntimeError(str(text)))
        else:
            answered.set_result(None)
