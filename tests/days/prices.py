"""What the four symbols of a simulated day cost, minute by minute."""

import random
from functools import cache

from tests.days.plan import SYMBOLS
from tests.tapes import HandTape, candles
from tools.simulation.tape import Candle


@cache
def a_tape(number: int) -> HandTape:
    """Friday and Monday, minute by minute, of four symbols that wander."""
    dice = random.Random(f"tape {number}")
    monday = {symbol: _wander(dice) for symbol in SYMBOLS}
    return HandTape({symbol: _friday(bars) + bars for symbol, bars in monday.items()})


def _wander(dice: random.Random) -> list[Candle]:
    """A session's minutes around $100: a random walk of ten cents a minute."""
    price, bars = 100.0, []
    for _ in range(420):
        before, price = price, price + dice.gauss(0, 0.10)
        high, low = max(before, price) + 0.05, min(before, price) - 0.05
        bars.append((before, high, low, price))
    return candles(*bars, start="09:00")


def _friday(bars: list[Candle]) -> list[Candle]:
    """The same minutes, a weekend earlier."""
    return [bar._replace(start=bar.start - 3 * 86_400) for bar in bars]
