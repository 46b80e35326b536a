"""The limits as a user writes them: profiles, compiled ceilings, percentages with their unit.

A key ending in `_fraction` takes a number from 0 to 1, or a text with its unit such as "5%"; a bare
5 is refused, since it may mean either. No file can pass a ceiling: those of what the profiles set
are the aggressive profile's, the others twice the default (half of it where less is looser).
"""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


class Profile(StrEnum):
    """A set of limits with a name. `production` is another name for `balanced`."""

    CONSERVATIVE = "conservative"
    BALANCED = "balanced"
    PRODUCTION = "production"
    AGGRESSIVE = "aggressive"


_KEYS = (
    "risk_per_trade_fraction",
    "daily_loss_fraction",
    "drawdown_fraction",
    "profit_lock_fraction",
    "max_entries_per_day",
    "min_confidence",
)
_BALANCED = dict(zip(_KEYS, (0.01, 0.02, 0.05, 0.05, 50, 0.6), strict=True))
PROFILES: Mapping[Profile, Mapping[str, float]] = MappingProxyType(
    {
        Profile.CONSERVATIVE: dict(zip(_KEYS, (0.005, 0.01, 0.03, 0.02, 10, 0.8), strict=True)),
        Profile.BALANCED: _BALANCED,
        Profile.PRODUCTION: _BALANCED,
        Profile.AGGRESSIVE: dict(zip(_KEYS, (0.02, 0.05, 0.10, 0.15, 100, 0.5), strict=True)),
    }
)
"""Risk per trade, loss, drawdown and gain of the day over equity; entries a day; confidence."""


def read_fraction(written: object) -> Decimal:
    """0.05 and "5%" are five percent; anything without a clear unit raises ValueError."""
    match written:
        case str() if written.endswith("%"):
            text = written.removesuffix("%").strip()
            fraction = _number(text, written) / 100
        case str() | int() | float() | Decimal() if not isinstance(written, bool):
            fraction = _number(str(written), written)
        case _:
            raise ValueError(f'{written!r} has no unit: write a fraction such as 0.05, or "5%"')
    if fraction > 1:
        raise ValueError(f'{written!r} is more than 1: write a fraction such as 0.05, or "5%"')
    return fraction


def with_profile(written: object) -> object:
    """A configuration as written, its `risk` filled up from its `profile`."""
    if not isinstance(written, Mapping):
        return written
    risk, name = written.get("risk", {}), written.get("profile", Profile.BALANCED)
    if not isinstance(risk, Mapping) or name not in tuple(Profile):
        return written
    return {**written, "risk": {**PROFILES[Profile(name)], **risk}}


def _number(text: str, written: object) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ValueError(f"{written!r} is not a number")
    return number


Fraction = Annotated[Decimal, BeforeValidator(read_fraction), Field(gt=0)]


class RiskConfig(BaseModel):
    """The numbers of `tools.core.safety.RiskLimits` with their ceilings; docs/risk.md says more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    risk_per_trade_fraction: Fraction = Field(Decimal("0.01"), le=Decimal("0.02"))
    max_position_fraction: Fraction = Field(Decimal("0.20"), le=Decimal("0.20"))
    max_positions: int = Field(5, ge=1, le=5)
    max_gross_fraction: Fraction = Field(Decimal(1), le=Decimal("1"))
    max_late_gross_fraction: Fraction = Field(Decimal("0.50"), le=Decimal("1"))
    max_open_risk_fraction: Fraction = Field(Decimal("0.025"), le=Decimal("0.05"))
    max_daily_volume_fraction: Fraction = Field(Decimal("0.001"), le=Decimal("0.002"))
    max_minute_volume_fraction: Fraction = Field(Decimal("0.10"), le=Decimal("0.20"))
    max_order_value_multiple: Decimal = Field(Decimal(5), ge=1, le=10)
    cash_reserve_fraction: Fraction = Field(Decimal("0.02"), ge=Decimal("0.01"), le=Decimal("1"))
    use_kelly_sizing: bool = False
    kelly_multiple: Decimal = Field(Decimal("0.5"), gt=0, le=1)
    daily_loss_fraction: Fraction = Field(Decimal("0.02"), le=Decimal("0.05"))
    drawdown_fraction: Fraction = Field(Decimal("0.05"), le=Decimal("0.10"))
    profit_lock_fraction: Fraction = Field(Decimal("0.05"), le=Decimal("0.15"))
    max_consecutive_losses: int = Field(4, ge=1, le=8)
    loss_pause_minutes: int = Field(30, ge=15, le=390)
    min_win_rate_fraction: Fraction = Field(Decimal("0.25"), ge=Decimal("0.125"), le=Decimal("1"))
    win_rate_trades: int = Field(20, ge=5, le=40)
    max_analysis_failures: int = Field(5, ge=1, le=10)
    max_stale_quotes: int = Field(10, ge=1, le=20)
    max_rejects: int = Field(5, ge=1, le=10)
    max_unknown_outcomes: int = Field(3, ge=1, le=6)
    max_slippage_fraction: Fraction = Field(Decimal("0.003"), le=Decimal("0.006"))
    min_confidence: float = Field(0.60, ge=0.5, le=1)
    max_entries_per_day: int = Field(50, ge=0, le=100)
    max_entries_per_minute: int = Field(4, ge=1, le=8)
    max_entries_per_five_minutes: int = Field(10, ge=1, le=20)
    max_entries_per_symbol: int = Field(3, ge=1, le=6)
    max_entries_per_cycle: int = Field(3, ge=1, le=6)
    max_symbols_per_day: int = Field(40, ge=1, le=80)
    repeat_seconds: int = Field(60, ge=30, le=3600)
    min_price_usd: Decimal = Field(Decimal(5), ge=Decimal("2.5"), le=1000)
    min_daily_value_usd: Decimal = Field(Decimal(20_000_000), ge=10_000_000)
    stop_atr_multiple: Decimal = Field(Decimal(2), gt=0, le=4)
    min_stop_distance_fraction: Fraction = Field(
        Decimal("0.003"), ge=Decimal("0.0015"), le=Decimal("0.05")
    )
    max_stop_distance_fraction: Fraction = Field(Decimal("0.05"), le=Decimal("0.10"))
    max_quote_age_seconds: int = Field(15, ge=1, le=30)
    max_spread_fraction: Fraction = Field(Decimal("0.005"), le=Decimal("0.01"))
    max_source_gap_fraction: Fraction = Field(Decimal("0.01"), le=Decimal("0.02"))
    entry_collar_fraction: Fraction = Field(Decimal("0.001"), le=Decimal("0.002"))
    max_collar_fraction: Fraction = Field(Decimal("0.01"), le=Decimal("0.02"))
    max_decision_age_seconds: int = Field(60, ge=1, le=120)
    max_decision_drift_atr: Decimal = Field(Decimal("0.5"), gt=0, le=1)
    max_correlation: float = Field(0.7, ge=0, le=0.9)
    max_correlated_positions: int = Field(3, ge=1, le=5)
    max_var_fraction: Fraction = Field(Decimal("0.05"), le=Decimal("0.10"))
    var_confidence: float = Field(0.95, ge=0.9, le=0.99)
    entry_lifetime_seconds: int = Field(60, ge=5, le=120)
