"""Trading states, denials and verdicts."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple


class TradingState(StrEnum):
    """What the desk lets through."""

    ACTIVE = "ACTIVE"
    """Everything that passes the rules."""
    REDUCING = "REDUCING"
    """Only orders that shrink a position."""
    HALTED = "HALTED"
    """Nothing but the flatten."""


class FlattenScope(StrEnum):
    """What getting flat closes."""

    ALL = "all"
    """Every position of the account."""
    OWN = "own"
    """What our own orders bought."""


class OvernightRule(StrEnum):
    """What becomes of our own shares that are found in the morning."""

    CLOSE_AT_OPEN = "close_at_open"
    KEEP = "keep"
    """They stay, and end with the session's flatten."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingRules:
    """What is done with what is held. Without a scope there are no entries, and OWN holds."""

    flatten_scope: FlattenScope | None = FlattenScope.ALL
    overnight: OvernightRule = OvernightRule.CLOSE_AT_OPEN
    close_on_stop: bool = False


class DenialReason(StrEnum):
    """Why the desk says no: one name per rule."""

    STATE = "state"
    RECONCILE = "reconcile"
    SESSION = "session"
    SYMBOL = "symbol"
    SIDE = "side"
    QUANTITY = "quantity"
    STOP = "stop"
    TARGET = "target"
    QUOTE = "quote"
    COLLAR = "collar"
    STALE = "stale"
    CITATION = "citation"
    CONFIDENCE = "confidence"
    VOLUME = "volume"
    VALUE = "value"
    EXPOSURE = "exposure"
    GROSS = "gross"
    OPEN_RISK = "open_risk"
    POSITIONS = "positions"
    DUPLICATE = "duplicate"
    REPEAT = "repeat"
    RATE = "rate"
    ENTRIES = "entries"
    CORRELATION = "correlation"
    VAR = "var"
    KELLY = "kelly"
    DAILY_LOSS = "daily_loss"
    BUYING_POWER = "buying_power"
    LEASE = "lease"
    BROKER = "broker"
    UNKNOWN_OUTCOME = "unknown_outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """One rule's no, with its numbers in words a model can act on."""

    reason: DenialReason
    message: str


class Gate(StrEnum):
    """What one rule did to a proposal."""

    PASS = "pass"
    CLAMP = "clamp"
    DENIAL = "denial"
    UNKNOWN = "unknown"
    """Not judged: what it needs to know is not there. Another rule denies where that matters."""


type Measure = Decimal | int | float | str | None


class Finding(NamedTuple):
    """What one rule found: `measured` against `limit`, which the configuration calls `key`.

    `message` is empty for a plain pass.
    """

    gate: Gate
    reason: DenialReason
    measured: Measure
    limit: Measure
    key: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskVerdict:
    """The desk's ruling on one ticket: every reason, and a quantity that only ever shrank.

    `decision_price` is the quote's mid at the first look at the ticket; `notes` say what was
    changed or assumed (a clipped size, a default stop); `findings` are what each rule found, by its
    name.
    """

    symbol: str
    approved: bool
    quantity: Decimal
    entry_price: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    risk_usd: Decimal | None = None
    decision_price: Decimal | None = None
    denials: tuple[Denial, ...] = ()
    notes: tuple[str, ...] = ()
    findings: tuple[tuple[str, Finding], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskLimits:
    """The configured limits; the defaults are the balanced profile. docs/risk.md explains each.

    Money limits are fractions 0…1 of equity at the session's start.
    """

    risk_per_trade_fraction: Decimal = Decimal("0.01")
    max_position_fraction: Decimal = Decimal("0.20")
    max_positions: int = 5
    max_gross_fraction: Decimal = Decimal(1)
    max_late_gross_fraction: Decimal = Decimal("0.50")
    max_open_risk_fraction: Decimal = Decimal("0.025")
    max_daily_volume_fraction: Decimal = Decimal("0.001")
    max_minute_volume_fraction: Decimal = Decimal("0.10")
    max_order_value_multiple: Decimal = Decimal(5)
    cash_reserve_fraction: Decimal = Decimal("0.02")
    use_kelly_sizing: bool = False
    kelly_multiple: Decimal = Decimal("0.5")
    daily_loss_fraction: Decimal = Decimal("0.02")
    drawdown_fraction: Decimal = Decimal("0.05")
    profit_lock_fraction: Decimal = Decimal("0.05")
    max_consecutive_losses: int = 4
    loss_pause_minutes: int = 30
    min_win_rate_fraction: Decimal = Decimal("0.25")
    win_rate_trades: int = 20
    max_analysis_failures: int = 5
    max_stale_quotes: int = 10
    max_rejects: int = 5
    max_unknown_outcomes: int = 3
    max_slippage_fraction: Decimal = Decimal("0.003")
    min_confidence: float = 0.60
    max_entries_per_day: int = 50
    max_entries_per_minute: int = 4
    max_entries_per_five_minutes: int = 10
    max_entries_per_symbol: int = 3
    max_entries_per_cycle: int = 3
    max_symbols_per_day: int = 40
    repeat_seconds: int = 60
    min_price_usd: Decimal = Decimal(5)
    min_daily_value_usd: Decimal = Decimal(20_000_000)
    stop_atr_multiple: Decimal = Decimal(2)
    min_stop_distance_fraction: Decimal = Decimal("0.003")
    max_stop_distance_fraction: Decimal = Decimal("0.05")
    max_quote_age_seconds: int = 15
    max_spread_fraction: Decimal = Decimal("0.005")
    max_source_gap_fraction: Decimal = Decimal("0.01")
    entry_collar_fraction: Decimal = Decimal("0.001")
    max_collar_fraction: Decimal = Decimal("0.01")
    max_decision_age_seconds: int = 60
    max_decision_drift_atr: Decimal = Decimal("0.5")
    max_correlation: float = 0.7
    max_correlated_positions: int = 3
    max_var_fraction: Decimal = Decimal("0.05")
    var_confidence: float = 0.95
    entry_lifetime_seconds: int = 60
    allowed_symbols: frozenset[str] | None = None
    banned_symbols: frozenset[str] = frozenset()
    flatten_exempt_symbols: frozenset[str] = frozenset()
