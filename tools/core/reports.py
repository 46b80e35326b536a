"""What a cycle, a flatten and a day leave behind."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatRead:
    """One look at the broker: shares by symbol, and the ids of the orders that may still act."""

    at: datetime
    held: tuple[tuple[str, Decimal], ...]
    open_orders: tuple[str, ...]

    @property
    def flat(self) -> bool:
        """Nothing held and nothing open."""
        return not self.held and not self.open_orders


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
    reads: tuple[FlatRead, ...] = ()
    """The last two looks, what is exempt left out; fewer when the broker did not answer."""


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
    profit_factor: float | None = None
    """Gross profit over gross loss; None without a loss."""
    model_cost_usd: Decimal | None = None
    """None when nobody counts it."""

    @property
    def flat(self) -> bool:
        """Nothing is held."""
        return not self.remaining_symbols
