"""What a cycle, a flatten and a day leave behind."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenReport:
    """How a flatten went. `flat` is the broker's word: no position, no open order, read twice."""

    session_on: date
    started_at: datetime
    ended_at: datetime
    flat: bool
    closed_symbols: tuple[str, ...]
    remaining_symbols: tuple[str, ...]
    errors: tuple[str, ...]
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DailySummary:
    """The day in numbers, from the broker's fills."""

    session_on: date
    trades: int
    winning_trades: int
    pnl_usd: Decimal
    cash_usd: Decimal
    equity_usd: Decimal
    remaining_symbols: tuple[str, ...]

    @property
    def flat(self) -> bool:
        """Nothing is held."""
        return not self.remaining_symbols
