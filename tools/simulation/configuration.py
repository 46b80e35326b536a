"""What the account's holder may set about it."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """`GET /v2/account/configurations`, in Alpaca's words. Nothing here trades options or short."""

    disable_overnight_trading: bool = False
    fractional_trading: bool = True
    max_margin_multiplier: str = "4"
    max_options_trading_level: int = 0
    no_shorting: bool = True
    ptp_no_exception_entry: bool = False
    suspend_trade: bool = False
    trade_confirm_email: str = "all"

    @property
    def most_leverage(self) -> Decimal:
        """The largest multiplier of the buying power."""
        return Decimal(self.max_margin_multiplier)


ALLOWED: dict[str, tuple[bool | int | str, ...]] = {
    "disable_overnight_trading": (False, True),
    "fractional_trading": (False, True),
    "max_margin_multiplier": ("1", "2", "4"),
    "max_options_trading_level": (0, 1, 2, 3),
    "no_shorting": (False, True),
    "ptp_no_exception_entry": (False, True),
    "suspend_trade": (False, True),
    "trade_confirm_email": ("all", "none"),
}
"""The values that each setting may have."""
