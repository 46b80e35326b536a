"""Market time that runs at most `PACE` times as fast as the machine's, the same for every process.

A busy machine lets processes wait for a core, and what waits cannot place a stop. So market time
is counted, not read: one ticker lets it advance by the time that the watched processes, and the
ticker itself, did not have to wait.
"""

import asyncio
import contextlib
import mmap
import struct
import time
from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta
from pathlib import Path

from tools.schedule.clocks import SystemClock

PACE = 10
"""Market seconds in a real one. Time-outs and pauses of the programs are shortened alike."""

TICK_SECONDS = 0.01
_NANO = 1e-9
_SHOWN, _WATCHED = struct.Struct("dd"), struct.Struct("iii")


class QuickClock(SystemClock):
    """A Clock that showed `start` when the ticker began; its seconds stand in the file `hand`.

    An actor that begins leaves a line with the market's time in `births`: from there on it runs.
    """

    def __init__(self, start: datetime, hand: Path, births: Path) -> None:
        super().__init__()
        self._start, self._births = start, births
        with hand.open("rb") as file:
            self._hand = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._roused: dict[str, asyncio.Event] = {}

    def now(self) -> datetime:
        """The market's time, aware UTC."""
        seconds, _ = _SHOWN.unpack_from(self._hand)
        return self._start + timedelta(seconds=seconds)

    def wait(self, seconds: float) -> None:
        """Until so many market seconds have passed."""
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:
            time.sleep(max(left / PACE, TICK_SECONDS / 2))

    @contextlib.asynccontextmanager
    async def busy(self, name: str, rank: int = 50) -> AsyncIterator[None]:
        """Be the one actor of this process."""
        with self._births.open("a", encoding="utf-8") as file:
            file.write(f"{self.now().isoformat()}\n")
        yield

    async def sleep_until(self, when: datetime) -> None:
        """Return at `when`, or when anybody is roused: there is one actor here."""
        alarm = self._roused["anybody"] = asyncio.Event()
        while not alarm.is_set() and (left := (when - self.now()).total_seconds()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(alarm.wait(), max(left / PACE, TICK_SECONDS / 2))

    async def rouse(self, name: str) -> None:
        """End the sleep."""
        if alarm := self._roused.get("anybody"):
            alarm.set()


class Hand:
    """What the ticker shows: market seconds, and real ones that it withheld; whom it watches."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(bytes(_SHOWN.size + _WATCHED.size))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)

    @property
    def withheld(self) -> float:
        """Real seconds that were no market time."""
        return float(_SHOWN.unpack_from(self._map)[1])

    def watch(self, *processes: int) -> None:
        """Time waits while one of these three waits for a core."""
        _WATCHED.pack_into(self._map, _SHOWN.size, *processes)

    async def tick(self) -> None:
        """Advance, for ever; the life of a process of its own."""
        market = withheld = 0.0
        last, waited = time.monotonic(), dict[str, int]()
        while True:
            time.sleep(TICK_SECONDS)  # noqa: ASYNC251 - nothing else lives here
            now, before = time.monotonic(), waited
            waited = waits(_WATCHED.unpack_from(self._map, _SHOWN.size))
            lost = sum(spent - before.get(task, spent) for task, spent in waited.items()) * _NANO
            fair = max(0.0, min(now - last, 2 * TICK_SECONDS) - lost)
            withheld += now - last - fair
            market, last = market + fair * PACE, now
            _SHOWN.pack_into(self._map, 0, market, withheld)


def waits(processes: Iterable[int]) -> dict[str, int]:
    """By task, the nanoseconds that it was ready to run and had no core to run on."""
    found = {}
    for process in processes:
        for task in Path(f"/proc/{process}/task").glob("*"):
            with contextlib.suppress(OSError, IndexError):
                found[str(task)] = int((task / "schedstat").read_text("ascii").split()[1])
    return found
