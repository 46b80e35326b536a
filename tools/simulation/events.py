"""What the floor tells of its orders, and who may meddle with them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from tools.simulation.account import Execution
from tools.simulation.orders import SimOrder


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One change of an order, told while the order is as the change left it.

    `name` is Alpaca's word on its stream: pending_new, accepted, new, partial_fill, fill, canceled,
    expired, replaced, rejected, pending_cancel, held. Fills carry their execution.
    """

    name: str
    order: SimOrder
    at: datetime
    execution: Execution | None = None


type Listener = Callable[[OrderEvent], None]


class Mischief(Protocol):
    """What can go wrong inside of an exchange, decided order by order at the moment it matters."""

    def rejects(self, order: SimOrder) -> bool:
        """Accepted a moment ago, it is rejected now."""
        ...

    def holds_cancel(self, order: SimOrder) -> bool:
        """Its cancel hangs in `pending_cancel`."""
        ...

    def portion(self, order: SimOrder) -> Decimal | None:
        """Only this share (0 to 1) of what remains fills, None for the market's own way."""
        ...


class NoMischief:
    """Nothing goes wrong."""

    def rejects(self, order: SimOrder) -> bool:
        """Never."""
        return False

    def holds_cancel(self, order: SimOrder) -> bool:
        """Never."""
        return False

    def portion(self, order: SimOrder) -> Decimal | None:
        """The market's own way."""
        return None
