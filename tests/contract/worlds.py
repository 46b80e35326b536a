"""One small market, and three ways to reach it: in memory, and over HTTP with either adapter.

On Monday, 2013-10-07, SPY stands at 100.00, from 10:10 at 98.50, from 10:20 at 101.00, from 10:30
at 104.00, and at 999.99 from 15:00, which nobody may know before; IBM stands at 50.00. The Friday
before they stood at 99.00 and 49.00. The spread is two cents, a minute trades 100 shares.
"""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.builders import a_time
from tests.conftest import ROOT
from tools.alpaca_data_feed import AlpacaMarketData
from tools.alpaca_rest import RestBroker
from tools.alpaca_trading import AlpacaBroker
from tools.core.seams import Broker, MarketData
from tools.core.session import Timetable
from tools.schedule.clocks import SimulatedClock
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.simulation.recorded import RecordedTape
from tools.simulation.sim_broker import SimBroker, TapeData

FRIDAY, MONDAY, TUESDAY = (date(2013, 10, day) for day in (4, 7, 8))
PRICES: dict[str, dict[date, list[tuple[int, float]]]] = {
    "SPY": {FRIDAY: [(0, 99)], MONDAY: [(0, 100), (40, 98.5), (50, 101), (60, 104), (330, 999.99)]},
    "IBM": {FRIDAY: [(0, 49)], MONDAY: [(0, 50)]},
}
"""From which minute after the open on a symbol stands at what."""

MINUTE = timedelta(minutes=1)
MINUTES_OPEN = 390


@dataclass(slots=True)
class World:
    """A broker and its market data at one instant, which a test moves on."""

    broker: Broker
    data: MarketData
    _move: Callable[[datetime], None]

    def at(self, clock: str) -> None:
        """It becomes `clock`, New York, on the Monday."""
        self._move(a_time(clock))


def write_market(folder: Path) -> None:
    """Put the tape and the session table there."""
    lines = ["date,open,close"]
    for on in (FRIDAY, MONDAY, TUESDAY):
        open_at, close_at = at_new_york(on, 9, 30), at_new_york(on, 16, 0)
        lines.append(f"{on},{open_at.isoformat()},{close_at.isoformat()}")
    (folder / "table.csv").write_text("\n".join([*lines, ""]))
    for symbol, days in PRICES.items():
        for on, steps in days.items():
            (folder / on.isoformat()).mkdir(exist_ok=True)
            text = "\n".join(["timestamp,open,high,low,close,volume", *_rows(on, steps), ""])
            (folder / on.isoformat() / f"{symbol}.bars.csv").write_text(text)


def _rows(on: date, steps: list[tuple[int, float]]) -> Iterator[str]:
    """One minute before the open too, so that there is a quote at the open."""
    for number in range(-1, MINUTES_OPEN):
        price = [price for first, price in steps if first <= max(0, number)][-1]
        start = at_new_york(on, 9, 30) + number * MINUTE
        yield f"{start.isoformat()},{price},{price},{price},{price},100"


@contextmanager
def in_memory(folder: Path) -> Iterator[World]:
    """SimBroker and TapeData."""
    time = [a_time("08:00")]

    def now() -> datetime:
        return time[0]

    def move(when: datetime) -> None:
        time[0] = when

    hours = MarketHours.load(folder / "table.csv", Timetable())
    tape = RecordedTape(folder, hours, last_day=MONDAY)
    yield World(SimBroker(tape, hours, now), TapeData(tape, hours, now), move)


@contextmanager
def over_http(
    folder: Path, adapter: type[AlpacaBroker] | type[RestBroker] = AlpacaBroker
) -> Iterator[World]:
    """`adapter` and AlpacaMarketData, and the embedded exchange in a process of its own."""
    options = f"--port 0 --session {MONDAY} --at 08:00".split()
    command = [sys.executable, "-m", "embedded.exchange", *options]
    command += ["--data", str(folder), "--table", str(folder / "table.csv")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        banner = process.stdout.readline()
        url = next(word.rstrip(",") for word in banner.split() if word.startswith("http://"))
        time = [a_time("08:00")]

        def move(when: datetime) -> None:
            asyncio.run(_sleep(f"{url.replace('http', 'ws', 1)}/time", when))
            time[0] = when

        keys: dict[str, Any] = {"key": "k", "secret": "s", "url": url}
        data = AlpacaMarketData(**keys, now=lambda: time[0], settling=timedelta(0))
        try:
            yield World(adapter(**keys), data, move)
        finally:
            process.terminate()


async def _sleep(url: str, until: datetime) -> None:
    async with SimulatedClock(url) as clock, clock.busy("test"):
        await clock.sleep_until(until)
