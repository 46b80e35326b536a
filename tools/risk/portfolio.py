"""What moves together, and what a day like one of the last sixty would cost. Plain floats."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tools.core.market import Bar

LEAST_RETURNS = 20
"""With fewer daily returns nothing is said about a symbol."""

NOTHING = 0.0

type Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Moves:
    """Daily returns of the same days, oldest first: a row per day, a column per symbol."""

    symbols: tuple[str, ...] = ()
    returns: Values

    @property
    def days(self) -> int:
        """How many returns there are of each symbol."""
        return len(self.returns)

    @cached_property
    def correlations(self) -> list[list[float]]:
        """Pearson's coefficients, -1…1, of each pair; 0 with a symbol that never moves."""
        centred = self.returns - self.returns.mean(axis=0)
        lengths = np.sqrt((centred**2).sum(axis=0))
        units = np.divide(centred, lengths, out=np.zeros_like(centred), where=lengths > NOTHING)
        table: list[list[float]] = np.minimum(units.T @ units, 1.0).tolist()
        return table

    def correlated(self, symbol: str, others: Iterable[str], above: float) -> int:
        """How many of `others`, where they are known, are correlated with `symbol` above that."""
        places = self._places
        row = self.correlations[places[symbol]]
        return sum(row[places[one]] > above for one in others if one in places)

    def knows(self, symbol: str) -> bool:
        """Its returns are there, and enough of them."""
        return symbol in self._places and self.days >= LEAST_RETURNS

    def value_at_risk_usd(self, values_usd: Mapping[str, float], confidence: float) -> float | None:
        """The loss that such holdings exceed on a share 1 - `confidence` of days, at most.

        None when a symbol among them is not known. Never negative.
        """
        known = self.days >= LEAST_RETURNS and values_usd.keys() <= self._places.keys()
        if not values_usd or not known:
            return None
        weights = [values_usd.get(symbol, NOTHING) for symbol in self.symbols]
        results = np.sort(self.returns @ np.array(weights))
        return max(NOTHING, -float(results[_worst_days(confidence, self.days)]))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {symbol: place for place, symbol in enumerate(self.symbols)}


def _worst_days(confidence: float, days: int) -> int:
    """How many days may be worse: 1 - `confidence` of all, rounded down."""
    return days - math.ceil(Decimal(str(confidence)) * days)


NO_MOVES = Moves(returns=np.array([]))


def common_moves(bars: Mapping[str, Sequence[Bar]]) -> Moves:
    """Returns over the days that all symbols with enough days have; none without such days."""
    closes = {
        symbol: {bar.start: bar.close for bar in daily}
        for symbol, daily in bars.items()
        if len(daily) > LEAST_RETURNS
    }
    days = sorted(set.intersection(*(set(known) for known in closes.values()))) if closes else []
    if not days:
        return NO_MOVES
    prices = np.array([[known[day] for known in closes.values()] for day in days])
    return Moves(symbols=tuple(closes), returns=prices[1:] / prices[:-1] - 1)
