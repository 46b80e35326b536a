"""What trading costs beside the spread: the regulators' fees of 2026, collected at the close.

SEC and TAF are paid on sales, CAT on every share. A day's sum of each is rounded up to the cent.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_UP, Decimal

from tools.core.trading import Side

CENT = Decimal("0.01")
SEC_PER_DOLLAR = Decimal("20.60") / 1_000_000
TAF_PER_SHARE, TAF_MOST = Decimal("0.000195"), Decimal("9.79")
CAT_PER_SHARE = Decimal("0.000003")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One fee taken from the cash."""

    kind: str
    amount: Decimal
    at: datetime


class Fees:
    """The fees of a day so far, in dollars."""

    def __init__(self) -> None:
        self._due: dict[str, Decimal] = {}

    @property
    def accrued(self) -> Decimal:
        """What the close will take."""
        return sum((_rounded(due) for due in self._due.values()), Decimal(0))

    def accrue(self, side: Side, quantity: Decimal, price: Decimal) -> None:
        """Count an execution."""
        self._add("CAT", quantity * CAT_PER_SHARE)
        if side is Side.SELL:
            self._add("SEC", quantity * price * SEC_PER_DOLLAR)
            self._add("TAF", min(quantity * TAF_PER_SHARE, TAF_MOST))

    def collect(self, at: datetime) -> list[Charge]:
        """The day's charges; from here on a new day is counted."""
        due, self._due = self._due, {}
        return [Charge(kind=kind, amount=_rounded(due[kind]), at=at) for kind in sorted(due)]

    def _add(self, kind: str, amount: Decimal) -> None:
        self._due[kind] = self._due.get(kind, Decimal(0)) + amount


def _rounded(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, rounding=ROUND_UP)
