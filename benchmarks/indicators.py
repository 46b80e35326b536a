"""How long a cycle's analysis takes: 10 symbols on 1, 5 and 15 minutes, beside the libraries.

`.venv/bin/python -m benchmarks.indicators [--rounds 30]`: one run, one seed, no network. The rounds
take turns, so that a busy machine slows all alike; the CPU's time says what was ours. TA-Lib is no
requirement; to see it, install it elsewhere (tests/golden/generate.py says how) and put that
site-packages folder on PYTHONPATH.

The libraries compute the eight indicators that a signal rests on. Ours makes the frames, computes
the same, and adds score, structure, exhaustion and levels.
"""

import argparse
import importlib
import os
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from tools.bar_history import BarHistory
from tools.core.market import Bar, Quote, Timeframe
from tools.core.session import Timetable
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.settings import ROOT
from tools.simulation.sim_broker import TapeData
from tools.simulation.synthetic import SyntheticTape
from tools.ta_helper import TIMEFRAME_WEIGHTS, Analyst, warm_up
from tools.technical_indicators import read

SEED, SESSION = 1, date(2025, 11, 5)
SYMBOLS = tuple(f"SYM{letter}" for letter in "ABCDEFGHIJ")
COLD_GOAL_MS, UNCHANGED_GOAL_MS = 300.0, 5.0
OURS = ("ema_20", "ema_50", "macd", "rsi", "bollinger", "atr", "adx", "vwap")
MINUTE = timedelta(minutes=1)


type Took = tuple[float, float]


class Loaded:
    """A MarketData whose bars lie in memory, so that only the analysis is measured."""

    def __init__(self, source: TapeData, until: datetime) -> None:
        long_ago = until - timedelta(days=45)
        self._bars = {
            timeframe: source.bars(SYMBOLS, timeframe, start=long_ago, end=until)
            for timeframe in (Timeframe.MINUTE_1, Timeframe.MINUTE_15)
        }

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """None are needed."""
        return {}

    def bars(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, tuple[Bar, ...]]:
        """Those that start in [start, end)."""
        return {
            symbol: tuple(bar for bar in self._bars[timeframe][symbol] if start <= bar.start < end)
            for symbol in symbols
        }


class Desk:
    """The data server's analysis without the server."""

    def __init__(self, data: Loaded, hours: MarketHours, now: datetime) -> None:
        self.history = BarHistory(data, hours)
        self.analyst = Analyst(self.history)
        self.history.refresh(SYMBOLS, now)

    def cycle(self, now: datetime) -> None:
        """What get_trading_signals rests on."""
        for symbol in SYMBOLS:
            self.analyst.look(symbol, now)
            self.analyst.look_around(symbol, now)

    def frames(self, now: datetime) -> list[Any]:
        """The thirty frames."""
        return [
            self.history.frame(symbol, timeframe, now)
            for symbol in SYMBOLS
            for timeframe in TIMEFRAME_WEIGHTS
        ]


def main(rounds: int) -> None:
    """Print the table."""
    print(f"seed {SEED}, {os.cpu_count()} cores, Python {sys.version.split()[0]}, {rounds} rounds")
    hours = MarketHours.load(ROOT / "data" / "session_table.csv", Timetable())
    now = at_new_york(SESSION, 11, 0)
    tape = TapeData(SyntheticTape(SYMBOLS, hours, seed=SEED), hours, lambda: now + 5 * MINUTE)
    data = Loaded(tape, now + 5 * MINUTE)
    warm_up()
    frames = Desk(data, hours, now).frames(now)
    print(f"{len(SYMBOLS)} symbols, {len(frames)} frames, {sum(map(len, frames)):,} bars")
    cases = {
        "pandas-ta, 8 indicators": _timed(lambda: _with_pandas_ta(frames)),
        "ours, the same 8 alone": _timed(lambda: _with_ours(frames)),
    }
    if talib := _talib():
        cases["TA-Lib, 7 (it has no VWAP)"] = _timed(lambda: _with_talib(talib, frames))
    else:
        print("TA-Lib is not installed: its row is missing (see the head of this file)")
    taken: dict[str, list[Took]] = {}
    for _ in range(rounds):
        for name, took in (*_cycles(data, hours, now), *((n, c()) for n, c in cases.items())):
            taken.setdefault(name, []).append(took)
    for name, times in taken.items():
        _print_row(name, times)


def _cycles(data: Loaded, hours: MarketHours, now: datetime) -> list[tuple[str, Took]]:
    """One desk from its first look on."""
    desk, soon = Desk(data, hours, now), now + MINUTE
    cold = _timed(lambda: desk.cycle(now))()
    unchanged = _timed(lambda: desk.cycle(now))()
    desk.history.refresh(SYMBOLS, soon)
    minute = _timed(lambda: desk.cycle(soon))()
    return [
        ("a cycle, cold", cold),
        ("a cycle, a minute later", minute),
        ("a cycle, no new bar", unchanged),
    ]


def _print_row(name: str, times: list[Took]) -> None:
    goals = {"a cycle, cold": COLD_GOAL_MS, "a cycle, no new bar": UNCHANGED_GOAL_MS}
    median, used = (1000 * statistics.median(column) for column in zip(*times, strict=True))
    goal = f"  (goal {goals[name]:g} ms)" if name in goals else ""
    print(f"{name:28s} {median:8.2f} ms at the median, {used:8.2f} ms of CPU{goal}")


def _timed(work: Callable[[], object]) -> Callable[[], Took]:
    """`work` that answers how many seconds it took, and how many of this process's CPU."""

    def run() -> Took:
        began, used = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - began, time.process_time() - used

    return run


def _with_ours(frames: Sequence[Any]) -> None:
    for bars in frames:
        read(bars, OURS)


def _with_pandas_ta(frames: Sequence[Any]) -> None:
    ta = importlib.import_module("pandas_ta")
    for bars in frames:
        high, low, close, volume = (bars[name] for name in ("high", "low", "close", "volume"))
        ta.ema(close, 20)
        ta.ema(close, 50)
        ta.macd(close, 12, 26, 9)
        ta.rsi(close, 14)
        ta.bbands(close, 20, 2.0, 2.0, ddof=0)
        ta.atr(high, low, close, 14)
        ta.adx(high, low, close, 14)
        ta.vwap(high, low, close, volume)


def _talib() -> Any:
    try:
        return importlib.import_module("talib")
    except ImportError:
        return None


def _with_talib(talib: Any, frames: Sequence[Any]) -> None:
    for bars in frames:
        high, low, close = (bars[name].to_numpy() for name in ("high", "low", "close"))
        talib.EMA(close, 20)
        talib.EMA(close, 50)
        talib.MACD(close, 12, 26, 9)
        talib.RSI(close, 14)
        talib.BBANDS(close, 20, 2.0, 2.0)
        talib.ATR(high, low, close, 14)
        talib.ADX(high, low, close, 14)
        talib.PLUS_DI(high, low, close, 14)
        talib.MINUS_DI(high, low, close, 14)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indicators")
    parser.add_argument("--rounds", type=int, default=30)
    main(parser.parse_args().rounds)
