"""Prices that have mattered: where a move may stall, for stops and targets.

Every level rests on closed bars, and none moves when later bars arrive: a swing counts only once
three bars on either side of it have closed without going beyond.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

SWING_BARS = 3
OPENING_RANGE = timedelta(minutes=15)
APART_FRACTION = 0.001
"""Levels closer together than this share of the price count once."""
MOST = 5

type Values = npt.NDArray[np.float64]
type Positions = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The extremes of some bars in dollars, and their last close."""

    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """This session's range so far, that of its first 15 minutes, and the session's before it.

    None where there are no bars, and for `opening` until the 15 minutes are over.
    """

    session: Range | None
    opening: Range | None
    prior: Range | None

    @property
    def price(self) -> float | None:
        """The latest close."""
        latest = self.session or self.prior
        return latest.close if latest else None

    @property
    def change_fraction(self) -> float | None:
        """The price's change since the prior close."""
        if self.session is None or self.prior is None:
            return None
        return self.session.close / self.prior.close - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Support below and resistance above the price, nearest first."""

    support: tuple[float, ...]
    resistance: tuple[float, ...]


def find_ranges(minutes: pd.DataFrame, *, opened_at: datetime, now: datetime) -> Ranges:
    """The ranges in a frame of the session that opened at `opened_at` and the one before it."""
    range_end = opened_at + OPENING_RANGE
    first, later = minutes.index.searchsorted([opened_at, range_end])
    prices = minutes[["high", "low", "close"]].to_numpy()
    return Ranges(
        session=_range(prices[first:]),
        opening=_range(prices[first:later]) if now >= range_end else None,
        prior=_range(prices[:first]),
    )


def find_levels(ranges: Ranges, fives: pd.DataFrame, vwap: float | None) -> Levels:
    """VWAP, the edges of the ranges, the prior close, and the swings of the 5-minute bars."""
    if (price := ranges.price) is None:
        return Levels(support=(), resistance=())
    spans = [span for span in (ranges.session, ranges.opening, ranges.prior) if span]
    known = [edge for span in spans for edge in (span.high, span.low)]
    known += [ranges.prior.close] if ranges.prior else []
    known += [vwap] if vwap else []
    known += _swings(fives)
    return Levels(
        support=_nearest(price, (level for level in known if level < price)),
        resistance=_nearest(price, (level for level in known if level > price)),
    )


def _range(prices: Values) -> Range | None:
    """Of rows of high, low and close."""
    if not len(prices):
        return None
    high, low, close = prices[:, 0].max(), prices[:, 1].min(), prices[-1, 2]
    return Range(high=float(high), low=float(low), close=float(close))


def peaks(values: Values) -> Positions:
    """Where no value within three on either side is higher. The lows are the peaks of `-values`."""
    width = 2 * SWING_BARS + 1
    if len(values) < width:
        return np.empty(0, np.int64)
    count = len(values) - width + 1
    shifted = np.array([values[first : first + count] for first in range(width)])
    return SWING_BARS + np.flatnonzero(shifted[SWING_BARS] == shifted.max(axis=0))


def _swings(bars: pd.DataFrame) -> list[float]:
    """The highs and lows that no bar goes beyond, three bars before and three after."""
    highs, lows = (bars[name].to_numpy(dtype=np.float64) for name in ("high", "low"))
    return [*highs[peaks(highs)], *lows[peaks(-lows)]]


def _nearest(price: float, levels: Iterable[float]) -> tuple[float, ...]:
    """The nearest few, apart from each other."""
    kept: list[float] = []
    for level in sorted(levels, key=lambda level: abs(level - price)):
        if all(abs(level - other) >= APART_FRACTION * price for other in kept):
            kept.append(float(level))
    return tuple(kept[:MOST])
