"""Prices that have mattered: where a move may stall, for stops and targets.

Every level rests on closed bars, and none moves when later bars arrive: a swing counts only once
three lower highs, or higher lows, stand on both sides of it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The extremes of some bars, and the last of their closes."""

    high: float
    low: float
    close: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Support below and resistance above `price`, nearest first; and the ranges among them.

    `opening` is the range of the session's first 15 minutes, once they are over. None: no bars.
    """

    price: float | None
    support: tuple[float, ...]
    resistance: tuple[float, ...]
    session: Range | None
    opening: Range | None
    prior: Range | None


def find_levels(
    minutes: pd.DataFrame,
    fives: pd.DataFrame,
    *,
    opened_at: datetime,
    now: datetime,
    vwap: float | None,
) -> Levels:
    """Levels at `now` from the bar frames of one and five minutes (`tools.bar_history`).

    `minutes` holds the session that opened at `opened_at` and the one before it.
    """
    today, before = minutes[minutes.index >= opened_at], minutes[minutes.index < opened_at]
    session, prior = _range(today), _range(before)
    range_end = opened_at + OPENING_RANGE
    opening = _range(today[today.index < range_end]) if now >= range_end else None
    latest = session or prior
    price = latest.close if latest else None
    found = [vwap] if vwap else []
    found += [edge for span in (session, opening) if span for edge in (span.high, span.low)]
    found += [prior.high, prior.low, prior.close] if prior else []
    found += _swings(fives)
    return Levels(
        price=price,
        support=_nearest(price, (level for level in found if price and level < price)),
        resistance=_nearest(price, (level for level in found if price and level > price)),
        session=session,
        opening=opening,
        prior=prior,
    )


def _range(bars: pd.DataFrame) -> Range | None:
    if bars.empty:
        return None
    return Range(
        high=float(bars["high"].max()),
        low=float(bars["low"].min()),
        close=float(bars["close"].to_numpy()[-1]),
    )


def _swings(bars: pd.DataFrame) -> list[float]:
    """The highs that top, and the lows that undercut, three bars before and three after."""
    highs, lows = bars["high"].to_numpy(dtype=np.float64), bars["low"].to_numpy(dtype=np.float64)
    return [*_peaks(highs), *(-_peaks(-lows))]


def _peaks(values: Values) -> Values:
    width = 2 * SWING_BARS + 1
    if len(values) < width:
        return np.empty(0)
    windows = np.lib.stride_tricks.sliding_window_view(values, width)
    middle: Values = windows[:, SWING_BARS]
    others: Values = np.delete(windows, SWING_BARS, axis=1)
    peaks: Values = middle[middle > others.max(axis=1)]
    return peaks


def _nearest(price: float | None, levels: Iterable[float]) -> tuple[float, ...]:
    """The nearest few, apart from each other."""
    if price is None:
        return ()
    kept: list[float] = []
    for level in sorted(levels, key=lambda level: abs(level - price)):
        if all(abs(level - other) >= APART_FRACTION * price for other in kept):
            kept.append(level)
    return tuple(kept[:MOST])
