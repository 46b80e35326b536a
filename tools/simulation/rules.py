"""How kind the market is."""

from dataclasses import dataclass
from decimal import Decimal
from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """By default all fills are whole, and cost the spread alone.

    `partial_fills` is the chance (0 to 1) that a fill is a part; `slippage_bps` is what market
    orders and stops pay beyond the price; `bands` are the price bands of LULD.
    """

    partial_fills: float = 0.0
    slippage_bps: Decimal = Decimal(0)
    fees: bool = False
    bands: bool = False

    def portion(self, key: str) -> Decimal | None:
        """The share (0 to 1) that fills, drawn from `key`; None when all of it does."""
        if not self.partial_fills:
            return None
        draw = Random(key)
        whole = draw.random() >= self.partial_fills
        return None if whole else Decimal(draw.random())
