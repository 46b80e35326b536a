"""Trading states, denials and verdicts."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class TradingState(StrEnum):
    """What the desk lets through."""

    ACTIVE = "ACTIVE"
    """Everything that passes the rules."""
    REDUCING = "REDUCING"
    """Only orders that shrink a position."""
    HALTED = "HALTED"
    """Nothing but the flatten."""


class DenialReason(StrEnum):
    """Why the desk says no: one name per rule."""

    STATE = "state"
    SESSION = "session"
    SYMBOL = "symbol"
    SIDE = "side"
    QUANTITY = "quantity"
    STOP = "stop"
    TARGET = "target"
    QUOTE = "quote"
    CONFIDENCE = "confidence"
    EXPOSURE = "exposure"
    POSITIONS = "positions"
    DUPLICATE = "duplicate"
    ENTRIES = "entries"
    DAILY_LOSS = "daily_loss"
    BUYING_POWER = "buying_power"
    BROKER = "broker"
    UNKNOWN_OUTCOME = "unknown_outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One rule's no, with its numbers in words a model can act on."""

    reason: DenialReason
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskVerdict:
    """The desk's ruling on one ticket: every reason, and a quantity that only ever shrank.

    `notes` say what was changed or assumed (a clipped size, a default stop).
    """

    symbol: str
    approved: bool
    quantity: Decimal
    entry_price: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    risk_usd: Decimal | None = None
    denials: tuple[Denial, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The configured limits. Money limits are fractions 0…1 of equity at the session's start."""

    risk_per_trade_fraction: Decimal = Decimal("0.01")
    max_position_fraction: Decimal = Decimal("0.20")
    max_positions: int = 5
    daily_loss_fraction: Decimal = Decimal("0.02")
    min_confidence: float = 0.60
    max_entries_per_day: int = 50
    stop_atr_multiple: Decimal = Decimal(2)
    max_stop_distance_fraction: Decimal = Decimal("0.05")
    max_quote_age_seconds: int = 120
    max_spread_fraction: Decimal = Decimal("0.01")
    entry_collar_fraction: Decimal = Decimal("0.001")
    entry_lifetime_seconds: int = 60
    allowed_symbols: frozenset[str] | None = None
    flatten_exempt_symbols: frozenset[str] = frozenset()
