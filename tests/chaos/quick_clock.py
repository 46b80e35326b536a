"""Market time that runs `PACE` times as fast as the machine's, the same for every process."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tools.schedule.clocks import SystemClock

PACE = 10
"""Market seconds in a real one. Time-outs and pauses of the programs are shortened alike."""


class QuickClock(SystemClock):
    """A Clock that showed `start` when the machine's showed `zero`.

    An actor that begins leaves a line with the market's time in `births`: from there on it runs.
    """

    def __init__(self, start: datetime, zero: datetime, births: Path) -> None:
        super().__init__()
        self._start, self._zero, self._births = start, zero, births
        self._roused: dict[str, asyncio.Event] = {}

    def now(self) -> datetime:
        """The market's time, aware UTC."""
        return self._start + (datetime.now(UTC) - self._zero) * PACE

    @contextlib.asynccontextmanager
    async def busy(self, name: str, rank: int = 50) -> AsyncIterator[None]:
        """Be the one actor of this process."""
        with self._births.open("a", encoding="utf-8") as file:
            file.write(f"{self.now().isoformat()}\n")
        yield

    async def sleep_until(self, when: datetime) -> None:
        """Return at `when`, or when anybody is roused: there is one actor here."""
        alarm = self._roused["anybody"] = asyncio.Event()
        left = (when - self.now()) / PACE
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(alarm.wait(), max(left, timedelta(0)).total_seconds())

    async def rouse(self, name: str) -> None:
        """End the sleep."""
        if alarm := self._roused.get("anybody"):
            alarm.set()
