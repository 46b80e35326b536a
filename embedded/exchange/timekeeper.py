"""The one owner of simulated time: a conservative discrete-event barrier and its WebSocket route.

An *actor* is a named thread of control. It runs until it asks to be woken. Time moves only while no
actor runs, straight to the earliest wish, and then exactly one actor is woken (ties: rank, then
name). The order of events is therefore total.
"""

import asyncio
import mmap
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

type Wake = Callable[[str, int], None]


@dataclass(frozen=True, slots=True)
class Sleep:
    """A wish: wake me at `until_us`, answering `ticket`."""

    until_us: int
    ticket: int
    wake: Wake


@dataclass(slots=True)
class Actor:
    """A named thread of control; it ends with its connection `lease`. No `sleep` means it runs."""

    rank: int
    lease: object
    sleep: Sleep | None = None


class TimeKeeper:
    """Simulated time and who waits for it. Not thread-safe: it lives in one event loop."""

    def __init__(self, start: datetime, page: Path, *, speed: float = float("inf")) -> None:
        """Start at `start`; `page` is the file every process maps to read now().

        `speed` is market seconds per real second; it only delays moves, the events are the same.
        At 0 time moves only when told. Without actors it flows by itself once `start` was called,
        if the speed is finite.
        """
        page.write_bytes(bytes(8))
        with page.open("r+b") as file:
            self._map = memoryview(mmap.mmap(file.fileno(), 8)).cast("q")
        self.page, self.speed, self.moves = page, speed, 0
        self.actors: dict[str, Actor] = {}
        self._pause: asyncio.TimerHandle | None = None
        self._moved_at = 0.0
        self._flowed_at: float | None = None
        self._goal: tuple[int, asyncio.Event] | None = None
        self._map[0] = (start - EPOCH) // MICROSECOND

    def now(self) -> datetime:
        """The simulated instant, aware UTC."""
        self._flow()
        return EPOCH + timedelta(microseconds=self._map[0])

    def start(self) -> None:
        """From here on time flows while there are no actors."""
        self._flowed_at = time.monotonic()

    def run_at(self, speed: float) -> None:
        """Go on at another speed; 0 is a pause."""
        self._flow()
        self.speed = speed
        self._advance()

    async def advance_to(self, instant: datetime) -> None:
        """Move there, waking on the way whoever wanted it; returns once it is that time.

        Raises ValueError when that is in the past, or when somebody else is moving time already.
        """
        self._flow()
        goal = (instant - EPOCH) // MICROSECOND
        if goal < self._map[0] or self._goal:
            raise ValueError("time is being moved already" if self._goal else "that is in the past")
        reached = asyncio.Event()
        self._goal = goal, reached
        self._advance()
        await reached.wait()

    def join(self, name: str, rank: int, lease: object) -> None:
        """A new actor, running: time waits for it from here on. Raises ValueError if it exists."""
        if name in self.actors:
            raise ValueError(f"actor {name!r} exists")
        self._flow()
        self.actors[name] = Actor(rank, lease)
        self._advance()

    def wait(self, name: str, ticket: int, until_us: int, wake: Wake) -> None:
        """Actor `name` sleeps until `until_us` (microseconds since 1970, at least now)."""
        if self.actors[name].sleep:
            raise ValueError(f"actor {name!r} already sleeps")
        self.actors[name].sleep = Sleep(max(until_us, self._map[0]), ticket, wake)
        self._advance()

    def run(self, name: str) -> None:
        """The sleep of `name` was cancelled by itself: it runs."""
        if name in self.actors:
            self.actors[name].sleep = None
            self._advance()

    def rouse(self, name: str) -> None:
        """Wake `name` now, if it sleeps."""
        actor = self.actors.get(name)
        if actor and actor.sleep:
            sleep, actor.sleep = actor.sleep, None
            sleep.wake(name, sleep.ticket)
            self._advance()

    def leave(self, name: str, lease: object) -> None:
        """Actor `name` ends, if it is on that lease."""
        if name in self.actors and self.actors[name].lease is lease:
            del self.actors[name]
            self._advance()

    def lost(self, lease: object) -> None:
        """A connection ended, and its actors with it: time goes on without them."""
        self.actors = {n: actor for n, actor in self.actors.items() if actor.lease is not lease}
        self._advance()

    def state(self) -> dict[str, object]:
        """Who runs, who sleeps until when, and for how many real seconds time has stood still."""
        still = asyncio.get_running_loop().time() - self._moved_at if self._moved_at else 0.0
        return {
            "now": self.now().isoformat(),
            "speed": self.speed if self.speed < float("inf") else "max",
            "moves": self.moves,
            "still_for": round(still, 3),
            "running": sorted(name for name, actor in self.actors.items() if not actor.sleep),
            "sleeping": {
                name: (EPOCH + timedelta(microseconds=actor.sleep.until_us)).isoformat()
                for name, actor in self.actors.items()
                if actor.sleep
            },
        }

    def _flow(self) -> None:
        """Bring the time of a market without actors up to the real time that has passed."""
        if self._flowed_at is None:
            return
        real = time.monotonic()
        if self.actors or not 0 < self.speed < float("inf"):
            self._flowed_at = real
            return
        moved = int((real - self._flowed_at) * 1e6 * self.speed)
        self._map[0] += moved
        self._flowed_at += moved / 1e6 / self.speed  # what is less than a microsecond stays due

    def _advance(self) -> None:
        if self._pause:
            self._pause.cancel()
            self._pause = None
        wishes = [
            (actor.sleep.until_us, actor.rank, name, actor.sleep)
            for name, actor in self.actors.items()
            if actor.sleep
        ]
        if len(wishes) < len(self.actors):
            return
        earliest = min(wishes, key=lambda wish: wish[:3], default=None)
        if self._goal and (earliest is None or earliest[0] > self._goal[0]):
            self._map[0] = self._goal[0]
            self._goal[1].set()
            self._goal = None
        if earliest is None:
            return
        until_us, _, name, sleep = earliest
        loop = asyncio.get_running_loop()
        if self._goal:
            self._move(name, sleep)
        elif self.speed > 0:
            self._moved_at = self._moved_at or loop.time()
            # Work done since the last move counts towards the delay.
            due = self._moved_at + (until_us - self._map[0]) / 1e6 / self.speed
            if due > loop.time():
                self._pause = loop.call_at(due, self._move, name, sleep)
            else:
                self._move(name, sleep)

    def _move(self, name: str, sleep: Sleep) -> None:
        self._pause, self._moved_at = None, asyncio.get_running_loop().time()
        self.moves += 1
        self._map[0] = sleep.until_us  # before the wake-up, so that nobody reads a stale time
        self.actors[name].sleep = None
        sleep.wake(name, sleep.ticket)


def routes(keeper: TimeKeeper) -> list[BaseRoute]:
    """`/time`: a WebSocket for each process (one FIFO for all its actors), and a GET for people."""

    async def link(socket: WebSocket) -> None:
        await socket.accept()
        out: asyncio.Queue[list[object]] = asyncio.Queue()
        out.put_nowait(["page", str(keeper.page)])

        def wake(key: str, ticket: int) -> None:
            out.put_nowait(["wake", key, ticket, ""])

        async def send() -> None:
            while True:
                await socket.send_json(await out.get())

        sender = asyncio.create_task(send())
        try:
            while True:
                verb, name, ticket, *rest = await socket.receive_json()
                try:
                    _obey(keeper, socket, wake, (verb, name, ticket, *rest))
                except (KeyError, ValueError) as error:
                    out.put_nowait(["error", name, ticket, str(error)])
        except WebSocketDisconnect:
            pass
        finally:
            sender.cancel()
            keeper.lost(socket)

    async def show(_: Request) -> JSONResponse:
        return JSONResponse(keeper.state())

    return [WebSocketRoute("/time", link), Route("/time", show)]


def _obey(keeper: TimeKeeper, lease: object, wake: Wake, message: tuple[object, ...]) -> None:
    match message:
        case ("join", str(name), int(ticket), int(rank)):
            keeper.join(name, rank, lease)
            wake(name, ticket)
        case ("wait", str(name), int(ticket), int(until_us)):
            keeper.wait(name, ticket, until_us, wake)
        case ("run", str(name), _):
            keeper.run(name)
        case ("rouse", str(name), int(ticket), _):
            keeper.rouse(name)
            wake(f"rouse {name}", ticket)
        case ("leave", str(name), _):
            keeper.leave(name, lease)
        case _:
            raise ValueError(f"not understood: {message!r}")
