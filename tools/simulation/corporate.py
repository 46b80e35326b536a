"""Corporate actions from a file: splits and cash dividends, and what they do to older prices.

One line each, `ex_date,symbol,action,rate`: an action is a `split` at a rate of new shares for old
ones (`4:1`, `1:10`), or a `dividend` in dollars a share.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from tools.core.errors import ConfigError
from tools.simulation.tape import Candle, Day, Tape, Tick

HEADER = "ex_date,symbol,action,rate"
SPLIT = re.compile(r"([1-9]\d*):([1-9]\d*)")
DAYS_KEPT = 512


class Adjustment(StrEnum):
    """What older bars are made comparable for."""

    RAW = "raw"
    SPLIT = "split"
    DIVIDEND = "dividend"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorporateAction:
    """A split of `old` shares into `new` ones, or `cash` a share, from the open of `ex_date` on."""

    ex_date: date
    symbol: str
    new: int = 1
    old: int = 1
    cash: Decimal = Decimal(0)

    @property
    def splits(self) -> bool:
        """A split, not a dividend."""
        return not self.cash


def read_actions(path: Path) -> tuple[CorporateAction, ...]:
    """The actions of a file by date. Raises ConfigError that names file and line."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or lines[0] != HEADER:
        raise ConfigError(f"{path} line 1: expected the header {HEADER}")
    found = []
    for number, line in enumerate(lines[1:], start=2):
        try:
            found.append(_action(*line.split(",")))
        except (ValueError, TypeError, ArithmeticError):
            raise ConfigError(f"{path} line {number}: cannot read {line[:80]!r}") from None
    return tuple(sorted(found, key=lambda it: (it.ex_date, it.symbol)))


def _action(on: str, symbol: str, action: str, rate: str) -> CorporateAction:
    ex_date, split = date.fromisoformat(on), SPLIT.fullmatch(rate)
    if action == "split" and split:
        new, old = int(split[1]), int(split[2])
        return CorporateAction(ex_date=ex_date, symbol=symbol, new=new, old=old)
    cash = Decimal(rate)
    if action != "dividend" or not 0 < cash < 1_000:
        raise ValueError(rate)
    return CorporateAction(ex_date=ex_date, symbol=symbol, cash=cash)


def scaled(candle: Candle, price: float, shares: float) -> Candle:
    """`candle` at `price` times its prices, to the cent, and `shares` times its volume."""
    opened, high, low, close = (max(1, round(cents * price)) for cents in candle[1:5])
    turnover = round(candle.turnover * price * shares)
    volume = round(candle.volume * shares)
    return Candle(candle.start, opened, high, low, close, volume, turnover)


def split_factor(actions: Iterable[CorporateAction]) -> float:
    """What prices before all of these splits count in shares after them."""
    factor = 1.0
    for action in actions:
        factor *= action.old / action.new
    return factor


class SplitTape:
    """A tape without splits as it was before them: dearer, and in fewer shares."""

    def __init__(self, tape: Tape, actions: Sequence[CorporateAction]) -> None:
        self._tape = tape
        self._splits = [action for action in actions if action.splits]
        self.symbols, self.first_day = tape.symbols, tape.first_day
        self._kept_day = lru_cache(maxsize=DAYS_KEPT)(self._scaled_day)

    def day(self, symbol: str, on: date) -> Day | None:
        """The minutes of that date, None without any."""
        return self._kept_day(symbol, on)

    def daily(self, symbol: str, on: date) -> Candle | None:
        """The regular session of that date as one candle."""
        found, factor = self._tape.daily(symbol, on), self._factor(symbol, on)
        return found and scaled(found, 1 / factor, factor)

    def _factor(self, symbol: str, on: date) -> float:
        return split_factor(it for it in self._splits if it.symbol == symbol and on < it.ex_date)

    def _scaled_day(self, symbol: str, on: date) -> Day | None:
        day, factor = self._tape.day(symbol, on), self._factor(symbol, on)
        if day is None or factor == 1:
            return day
        ticks = [
            Tick(it.at, max(1, round(it.bid / factor)), round(it.ask / factor) or 1, *it[3:])
            for it in day.ticks
        ]
        return Day([scaled(it, 1 / factor, factor) for it in day.candles], ticks)
