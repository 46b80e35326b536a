"""A market made from a seed: each day depends on seed, symbol and date alone.

Days first, minutes inside them. A symbol's level walks over the calendar days, pulled back to where
it began; a session gaps away from the evening before, and its high and low are drawn from the law
of a Brownian bridge. The minutes are a walk in stretches of trend, wilder and busier near the open
and the close (the U), bent so that open, high, low, close and volume of the day come out exactly.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from random import Random

from tools.schedule.market_hours import MarketHours
from tools.simulation.tape import MINUTE, Candle, Day, minute, quotes_around

FIRST_DAY = date(2010, 1, 4)
PULL_BACK = 0.01  # a day's share of the way back to the level the symbol began at
GAP, TREND = 0.35, 0.30  # of the daily volatility; of a minute's volatility
NOISE = 0.5  # the rest of a day's range comes from its trends
PRE_MARKET_MINUTES = 5  # at the opening price, so that there is a quote at the open
DAYS_KEPT = 512


@dataclass(frozen=True, slots=True)
class _Character:
    """What a symbol is like: log price, daily volatility, shares a day."""

    level: float
    volatility: float
    shares: int


class SyntheticTape:
    """A seeded market in `symbols`, from 2010 to the end of the session table."""

    first_day = FIRST_DAY

    def __init__(self, symbols: Sequence[str], hours: MarketHours, *, seed: int = 1) -> None:
        self.symbols = tuple(sorted(set(symbols)))
        self._hours, self._seed = hours, seed
        self._characters = {symbol: self._character(symbol) for symbol in self.symbols}
        self._walks = {symbol: self._walk(symbol) for symbol in self.symbols}
        self._levels: dict[str, list[tuple[float, float]]] = {s: [] for s in self.symbols}
        self._kept_day = lru_cache(maxsize=DAYS_KEPT)(self._make_day)
        self._kept_daily = lru_cache(maxsize=DAYS_KEPT * 16)(self._make_daily)

    def day(self, symbol: str, on: date) -> Day | None:
        """The minutes of that session, None when the exchange is closed."""
        return self._kept_day(symbol, on)

    def daily(self, symbol: str, on: date) -> Candle | None:
        """That session as one candle; its minutes add up to it."""
        return self._kept_daily(symbol, on)

    def _random(self, *key: object) -> Random:
        return Random("/".join(map(str, (self._seed, *key))))  # a text seeds alike everywhere

    def _character(self, symbol: str) -> _Character:
        draw = self._random(symbol)
        return _Character(
            level=math.log(draw.uniform(30, 350)),
            volatility=draw.uniform(0.010, 0.022),
            shares=int(math.exp(draw.uniform(math.log(2e6), math.log(4e7)))),
        )

    def _walk(self, symbol: str) -> Iterator[tuple[float, float]]:
        """Log open and close of each calendar day; those of closed days make the weekend's gap."""
        draw, character = self._random(symbol, "days"), self._characters[symbol]
        level, mood = character.level, 0.0
        while True:
            mood = 0.9 * mood + 0.1 * draw.gauss(0, 1)  # weeks that rise, weeks that fall
            opened = level + GAP * character.volatility * draw.gauss(0, 1)
            drift = PULL_BACK * (character.level - opened) + 0.5 * mood * character.volatility
            level = opened + drift + 0.8 * character.volatility * draw.gauss(0, 1)
            yield opened, level

    def _ends(self, symbol: str, on: date) -> tuple[float, float]:
        levels, walk = self._levels[symbol], self._walks[symbol]
        index = (on - FIRST_DAY).days
        while len(levels) <= index:
            levels.append(next(walk))
        return levels[index]

    def _make_daily(self, symbol: str, on: date) -> Candle | None:
        session = self._hours.session_on(on) if on >= FIRST_DAY else None
        if session is None or symbol not in self._characters:
            return None
        draw, character = self._random(symbol, on, "range"), self._characters[symbol]
        opened, closed = self._ends(symbol, on)
        spread = character.volatility
        above, below = (_reach(closed - opened, spread, draw.random()) for _ in range(2))
        high, low = (opened + closed + above) / 2, (opened + closed - below) / 2
        busy = 0.8 + 0.4 * abs(closed - opened) / spread
        volume = int(character.shares * busy * math.exp(draw.gauss(0, 0.25)))
        first, last, top, bottom = (round(100 * math.exp(x)) for x in (opened, closed, high, low))
        return Candle(
            int(session.open_at.timestamp()),
            first,
            max(top, first, last),
            min(bottom, first, last),
            last,
            volume,
            volume * (first + last) // 2,
        )

    def _make_day(self, symbol: str, on: date) -> Day | None:
        whole = self.daily(symbol, on)
        session = self._hours.session_on(on) if whole else None
        if whole is None or session is None:
            return None
        minutes = (session.close_at - session.open_at).seconds // MINUTE
        draw = self._random(symbol, on, "minutes")
        shape = [_busy(i, minutes) for i in range(minutes)]
        noise = NOISE * self._characters[symbol].volatility * whole.open / math.sqrt(minutes)
        prices = _bent(_rough(draw, shape, noise, whole), whole)
        before = [
            minute(whole.start - back * MINUTE, (whole.open,) * 4, whole.volume // 5_000)
            for back in range(PRE_MARKET_MINUTES, 0, -1)
        ]
        regular = [
            minute(whole.start + i * MINUTE, price, volume)
            for i, (price, volume) in enumerate(
                zip(prices, _shares(draw, shape, whole.volume), strict=True)
            )
        ]
        candles = before + regular
        return Day(candles, quotes_around(candles))


type _Prices = tuple[float, float, float, float]


def _reach(move: float, spread: float, chance: float) -> float:
    """How far a bridge over `move` goes beyond its ends, plus |move| (law of its maximum)."""
    return math.sqrt(move * move - 2 * spread * spread * math.log(1 - chance))


def _busy(index: int, minutes: int) -> float:
    """The U: about 3 at the open, 0.6 at noon, 2 at the close."""
    x = 2 * (index + 0.5) / minutes - 1
    return 0.6 + (2.4 if x < 0 else 1.4) * x**4


def _rough(draw: Random, shape: Sequence[float], noise: float, whole: Candle) -> list[_Prices]:
    """Minutes in cents that walk in stretches of trend from the day's open to its close."""
    steps, trend, left = [], 0.0, 0
    for busy in shape:
        if not left:
            trend, left = draw.gauss(0, TREND), draw.randint(20, 80)
        left -= 1
        steps.append(noise * math.sqrt(busy) * (draw.gauss(0, 1) + trend))
    correction = (whole.close - whole.open - sum(steps)) / len(steps)
    prices, price = [], float(whole.open)
    for step, busy in zip(steps, shape, strict=True):
        opened, price = price, price + step + correction
        wick = 0.4 * noise * math.sqrt(busy)
        high = max(opened, price) + abs(draw.gauss(0, wick))
        low = min(opened, price) - abs(draw.gauss(0, wick))
        prices.append((opened, high, low, price))
    return prices


def _bent(rough: list[_Prices], whole: Candle) -> list[tuple[int, int, int, int]]:
    """`rough` with what lies beyond open and close stretched to reach the day's high and low.

    The bend never turns the order of two prices around, so that candles stay candles.
    """
    top, bottom = max(whole.open, whole.close), min(whole.open, whole.close)
    highest = max(range(len(rough)), key=lambda i: rough[i][1])
    lowest = min(range(len(rough)), key=lambda i: rough[i][2])
    up = (whole.high - top) / max(rough[highest][1] - top, 1e-9)
    down = (bottom - whole.low) / max(bottom - rough[lowest][2], 1e-9)

    def bend(price: float) -> int:
        beyond, short = max(0.0, price - top), max(0.0, bottom - price)
        return round(min(max(price, bottom), top) + beyond * up - short * down)

    bent = [(bend(o), bend(h), bend(low), bend(c)) for o, h, low, c in rough]
    o, _, low, c = bent[highest]
    bent[highest] = o, whole.high, low, c
    o, high, _, c = bent[lowest]
    bent[lowest] = o, high, whole.low, c
    o, high, low, _ = bent[-1]
    bent[-1] = o, high, low, whole.close
    return bent


def _shares(draw: Random, shape: Sequence[float], volume: int) -> Iterator[int]:
    """`volume` spread over the minutes in whole shares."""
    weights = [busy * math.exp(draw.gauss(0, 0.35)) for busy in shape]
    scale, reached, given = volume / sum(weights), 0.0, 0
    for weight in weights[:-1]:
        reached += weight * scale
        yield int(reached) - given
        given = int(reached)
    yield volume - given
