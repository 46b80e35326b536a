"""Signs that a move is tiring, with the numbers and bars they rest on: reasons to take a profit.

A sign speaks of the frame's last bar. Definitions: docs/indicators.md.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from tools.levels import peaks
from tools.technical_indicators import bars_needed, macd, rsi

FADING_BARS = 3
"""So many falls of the histogram in a row."""
RECENT_BARS = 12
"""A top older than this says nothing about now."""
VOLUME_BARS = 3
DRY_FRACTION = 0.6

type Values = npt.NDArray[np.float64]


class Sign(StrEnum):
    """What tires."""

    FADING = "fading"
    DIVERGENCE = "divergence"
    VOLUME = "volume"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhaustion:
    """One sign of the end of a rise, or of a fall.

    `first` and `last` are the starts of the bars compared; `price` is what went on from one to the
    other in dollars, `measure` what did not follow: the histogram, the RSI, shares a bar.
    """

    sign: Sign
    rising: bool
    first: datetime
    last: datetime
    price: tuple[float, float]
    measure: tuple[float, float]


def find_exhaustion(bars: pd.DataFrame) -> tuple[Exhaustion, ...]:
    """The signs at the last bar, among bars of its session: at most one of each kind and side."""
    if len(bars) < bars_needed("macd") + FADING_BARS:
        return ()
    today = int(bars.index.searchsorted(bars.index[-1].normalize()))  # a session is a UTC day
    histogram, strength = macd(bars)["histogram"], rsi(bars)
    moves = [_Move(bars, today, histogram, strength, rising=rising) for rising in (True, False)]
    return tuple(sign for move in moves for sign in move.signs())


class _Move:
    """A frame seen in one direction: of a fall the signs are turned, so that it rises too."""

    def __init__(
        self,
        bars: pd.DataFrame,
        today: int,
        histogram: object,
        strength: object,
        *,
        rising: bool,
    ) -> None:
        self._index, self._today, self._rising = cast(pd.DatetimeIndex, bars.index), today, rising
        self._tops = self._turned(bars["high" if rising else "low"])
        self._closes = self._turned(bars["close"])
        self._histogram = self._turned(histogram)
        self._rsi = self._turned(strength)
        self._volumes = np.asarray(bars["volume"], dtype=np.float64)

    def signs(self) -> Iterator[Exhaustion]:
        """What speaks against the move going on."""
        yield from self._fading()
        yield from self._divergence()
        yield from self._volume()

    def _fading(self) -> Iterator[Exhaustion]:
        """The close went on while the histogram, still on its side, shrank bar by bar."""
        first, last = len(self._closes) - 1 - FADING_BARS, len(self._closes) - 1
        shrank = (np.diff(self._histogram[first:]) < 0).all() and self._histogram[last] > 0
        if first >= self._today and shrank and self._closes[last] > self._closes[first]:
            yield self._sign(Sign.FADING, first, last, self._closes, self._histogram)

    def _divergence(self) -> Iterator[Exhaustion]:
        """The later of the session's last two tops is beyond the earlier, its RSI is not."""
        tops = [top for top in peaks(self._tops).tolist() if top >= self._today]
        if len(tops) < 2 or tops[-1] < len(self._tops) - RECENT_BARS:
            return
        first, last = tops[-2:]
        beyond = self._tops[last] > self._tops[first]
        if beyond and first >= bars_needed("rsi") and self._rsi[last] < self._rsi[first]:
            yield self._sign(Sign.DIVERGENCE, first, last, self._tops, self._rsi)

    def _volume(self) -> Iterator[Exhaustion]:
        """A new extreme of the hour on little volume."""
        recent, first = len(self._tops) - VOLUME_BARS, len(self._tops) - VOLUME_BARS - RECENT_BARS
        if first < self._today:
            return
        before, now = (float(self._volumes[part].mean()) for part in _split(first, recent))
        reach = [float(self._tops[part].max()) for part in _split(first, recent)]
        if reach[1] > reach[0] and now < DRY_FRACTION * before:
            yield Exhaustion(
                sign=Sign.VOLUME,
                rising=self._rising,
                first=self._start(first),
                last=self._start(len(self._tops) - 1),
                price=self._plain(*reach),
                measure=(before, now),
            )

    def _sign(
        self, sign: Sign, first: int, last: int, prices: Values, measures: Values
    ) -> Exhaustion:
        return Exhaustion(
            sign=sign,
            rising=self._rising,
            first=self._start(first),
            last=self._start(last),
            price=self._plain(prices[first], prices[last]),
            measure=self._plain(measures[first], measures[last]),
        )

    def _turned(self, values: object) -> Values:
        found: Values = np.asarray(values, dtype=np.float64)
        return found if self._rising else -found

    def _plain(self, first: float, last: float) -> tuple[float, float]:
        """Two turned values as they were."""
        turned = 1 if self._rising else -1
        return turned * float(first), turned * float(last)

    def _start(self, bar: int) -> datetime:
        return self._index[bar].to_pydatetime()


def _split(first: int, recent: int) -> tuple[slice, slice]:
    """The hour before, and the last bars."""
    return slice(first, recent), slice(recent, None)
