"""What was executed, and what that cost beyond the price at which it was decided. Pure.

Slippage is positive when the price was worse than decided: dearer for a purchase, cheaper for a
sale. A purchase is decided at the mid of the quote at which its ticket was first looked at, a sale
by decision at the broker's price of the position; a stop and a target decide their own price. What
the flatten and others send is decided nowhere.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from tools.core.trading import ExitReason, Order, OrderIntent, OrderType, Side

PLACES = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What one order executed; `quantity` is negative for a sale, `reason` is for ends only."""

    at: datetime
    symbol: str
    quantity: Decimal
    price: Decimal
    client_order_id: str
    reason: ExitReason
    decided_price: Decimal | None = None
    done: bool = True
    """The order has ended: no further share will be executed."""

    @property
    def slippage_usd(self) -> Decimal | None:
        """Dollars lost to it; negative when the price was better."""
        if not self.decided_price:
            return None
        return self.quantity * (self.price - self.decided_price)

    @property
    def slippage_fraction(self) -> Decimal | None:
        """The same over the value at the decided price."""
        if (lost := self.slippage_usd) is None or not self.decided_price or not self.quantity:
            return None
        return (lost / (abs(self.quantity) * self.decided_price)).quantize(PLACES)


def decided_prices(intents: Iterable[OrderIntent]) -> dict[str, Decimal]:
    """By client order id, the price at which it was decided."""
    return {
        one.client_order_id: one.decision_price for one in intents if one.decision_price is not None
    }


def price_decided(
    order: Order, reason: ExitReason, decided: Mapping[str, Decimal]
) -> Decimal | None:
    """The price that `order` is held against; None when nobody decided one."""
    if order.client_order_id in decided:
        return decided[order.client_order_id]
    if order.order_type is OrderType.STOP and order.side is Side.SELL:
        return order.stop_price
    return order.limit_price if reason is ExitReason.TARGET else None


def fill_lines(executions: Sequence[Execution]) -> list[dict[str, Any]]:
    """The lines of `fills/DATE_fills.jsonl`: one per order that executed anything."""
    return [
        {
            "at": one.at.isoformat(),
            "order": one.client_order_id,
            "symbol": one.symbol,
            "side": Side.BUY if one.quantity > 0 else Side.SELL,
            "quantity": abs(one.quantity),
            "price": one.price,
            "decided_price": one.decided_price,
            "slippage_fraction": one.slippage_fraction,
            "slippage_usd": one.slippage_usd,
        }
        for one in executions
    ]
