"""What moves together, and what a day like one of the last sixty would cost.

Returns are daily, of the same days for every symbol, oldest first; plain floats.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from decimal import Decimal

from tools.core.market import Bar
from tools.risk.book import Book

LEAST_RETURNS = 20
"""With fewer daily returns nothing is said about a symbol."""


def common_returns(bars: Mapping[str, Sequence[Bar]]) -> dict[str, tuple[float, ...]]:
    """Daily returns over the days that all symbols with enough days have; {} when too few."""
    closes = {
        symbol: {bar.start: bar.close for bar in daily}
        for symbol, daily in bars.items()
        if len(daily) > LEAST_RETURNS
    }
    if not closes:
        return {}
    days = sorted(set.intersection(*(set(known) for known in closes.values())))
    if len(days) <= LEAST_RETURNS:
        return {}
    return {symbol: _returns([known[day] for day in days]) for symbol, known in closes.items()}


def correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Pearson's coefficient, -1…1, of equally long series; 0 when one of them never moves."""
    count = len(one)
    a, b = sum(one) / count, sum(other) / count
    together = math.sumprod(one, other) - count * a * b
    spread = (math.sumprod(one, one) - count * a * a) * (math.sumprod(other, other) - count * b * b)
    return together / math.sqrt(spread) if spread > 0 else 0.0


def historical_var_usd(
    values_usd: Mapping[str, float], returns: Mapping[str, Sequence[float]], confidence: float
) -> float | None:
    """The loss that holdings of these values exceed on a share 1 - `confidence` of days, at most.

    None when nothing is known of a symbol that is held. Never negative.
    """
    if any(symbol not in returns for symbol in values_usd) or not values_usd:
        return None
    weights = tuple(values_usd.values())
    days = zip(*(returns[symbol] for symbol in values_usd), strict=True)
    results = sorted(math.sumprod(weights, day) for day in days)
    return max(0.0, -results[int((1 - confidence) * len(results) + 1e-9)])


def var_usd(
    book: Book, symbol: str, value_usd: Decimal, returns: Mapping[str, Sequence[float]], at: float
) -> float | None:
    """Historical VaR of the book once `value_usd` of `symbol` is added."""
    values = {name: float(exposure.value_usd) for name, exposure in book.exposures.items()}
    values[symbol] = values.get(symbol, 0.0) + float(value_usd)
    return historical_var_usd(values, returns, at)


def _returns(closes: Sequence[float]) -> tuple[float, ...]:
    return tuple(after / before - 1 for before, after in itertools.pairwise(closes))
