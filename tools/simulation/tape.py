"""What a tape holds: candles and quotes of one symbol and one day, in whole cents and seconds.

A tape knows the future. Only `tools.simulation.market` reads one on behalf of somebody who lives at
an instant, and only `tools.simulation.venue` walks it when time has passed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple, Protocol

MINUTE = 60
DAY = 86_400
PRICES_KEPT = 32_768


class Candle(NamedTuple):
    """One bar: where it starts in seconds since 1970, prices in cents, volume in shares.

    `turnover` is the sum of price times volume in cents; over the volume it is the average price.
    """

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int


class Tick(NamedTuple):
    """The best bid and ask in cents from the second `at` on, until the next tick."""

    at: int
    bid: int
    ask: int
    bid_size: int = 100
    ask_size: int = 100


@dataclass(frozen=True, slots=True, eq=False)
class Day:
    """One symbol's New York day: minute candles by start and ticks by instant, both ascending."""

    candles: Sequence[Candle]
    ticks: Sequence[Tick]


class Tape(Protocol):
    """A market from its first day to its last; the same answers in whatever order it is asked."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """All that trades here, in order."""
        ...

    @property
    def first_day(self) -> date:
        """No bar is older than this New York date."""
        ...

    def day(self, symbol: str, on: date) -> Day | None:
        """The minutes of that date, None without any."""
        ...

    def daily(self, symbol: str, on: date) -> Candle | None:
        """The regular session of that date as one candle that starts at its open."""
        ...


def minute(start: int, prices: tuple[int, int, int, int], volume: int) -> Candle:
    """A minute's candle from its open, high, low and close; its average price is a guess."""
    opened, high, low, close = prices
    return Candle(start, opened, high, low, close, volume, volume * (high + low + close) // 3)


def merged(candles: Sequence[Candle], start: int) -> Candle:
    """Consecutive candles (at least one) as one that starts at `start`."""
    return Candle(
        start,
        candles[0].open,
        max(candle.high for candle in candles),
        min(candle.low for candle in candles),
        candles[-1].close,
        sum(candle.volume for candle in candles),
        sum(candle.turnover for candle in candles),
    )


def half_spread(cents: int) -> int:
    """Half a spread where there is no quote: 0.5 basis points, rounded up to a whole cent."""
    return max(1, -(-cents // 20_000))


def quotes_around(candles: Iterable[Candle]) -> list[Tick]:
    """The ticks of a tape without quotes: half a spread around each close, from its end on."""
    return [
        Tick(candle.start + MINUTE, candle.close - half, candle.close + half)
        for candle in candles
        for half in (half_spread(candle.close),)
    ]


@lru_cache(maxsize=PRICES_KEPT)
def dollars(cents: int) -> Decimal:
    """Cents as dollars, exactly."""
    return Decimal(cents).scaleb(-2)
