"""The exchange's refusals: HTTP status, code and message as Alpaca documents them.

Codes are reused there, so clients match on status and message. `details` are further keys of the
error's body.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal

UNPROCESSABLE, INVALID = 40010001, 42210000


class Refused(Exception):
    """The exchange says no; nothing was changed."""

    def __init__(
        self, status: int, code: int, message: str, details: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = details or {}

    @property
    def body(self) -> dict[str, object]:
        """The error as the API answers it."""
        return {"code": self.code, "message": self.message, **self.details}


def malformed(message: str) -> Refused:
    """The request is incomplete or contradicts itself."""
    return Refused(422, UNPROCESSABLE, message)


def invalid(message: str, **details: object) -> Refused:
    """The request is complete, but cannot be done."""
    return Refused(422, INVALID, message, details)


def forbidden(message: str, **details: object) -> Refused:
    """The account may not do that, or not now."""
    return Refused(403, 40310000, message, details)


def not_found(message: str) -> Refused:
    """There is no such thing."""
    return Refused(404, 40410000, message)


def insufficient_buying_power(buying_power: Decimal, cost: Decimal) -> Refused:
    """An opening order costs more than the account may spend."""
    return forbidden(
        "insufficient buying power", buying_power=f"{buying_power:f}", cost_basis=f"{cost:f}"
    )


def wash_trade(existing_order_id: str, reason: str) -> Refused:
    """The order could trade with one of the account's own."""
    return forbidden(
        "potential wash trade detected. use complex orders",
        existing_order_id=existing_order_id,
        reject_reason=reason,
    )


def insufficient_quantity(
    symbol: str, requested: Decimal, held: Decimal, reserved: Decimal, orders: Sequence[str]
) -> Refused:
    """A sale of more shares than are there and not yet promised to other `orders`."""
    return forbidden(
        f"insufficient qty available for order "
        f"(requested: {requested:f}, available: {held - reserved:f})",
        available=f"{held - reserved:f}",
        existing_qty=f"{held:f}",
        held_for_orders=f"{reserved:f}",
        related_orders=list(orders),
        symbol=symbol,
    )
