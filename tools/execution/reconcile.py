"""The broker is the truth: what its positions say beyond our sum, and whose they are. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal

from tools.core.trading import Order, OrderIntent, Position
from tools.execution.round_trips import held_after
from tools.journal.order_ids import is_flatten, leg_of


def differences(
    opening: Iterable[Position], orders: Sequence[Order], positions: Iterable[Position]
) -> Mapping[str, Decimal]:
    """By symbol, the shares that the broker says are held beyond those that add up."""
    expected = held_after(opening, orders)
    actual = {one.symbol: one.quantity for one in positions}
    nothing = Decimal(0)
    gaps = {
        symbol: actual.get(symbol, nothing) - expected.get(symbol, nothing)
        for symbol in sorted(expected.keys() | actual.keys())
    }
    return {symbol: shares for symbol, shares in gaps.items() if shares}


def foreign(orders: Iterable[Order]) -> list[Order]:
    """The orders that somebody else sent."""
    return [
        one
        for one in orders
        if leg_of(one.client_order_id) is None and not is_flatten(one.client_order_id)
    ]


def decisions_behind(
    session_on: date,
    intents: Iterable[OrderIntent],
    orders: Iterable[Order],
    opening: Iterable[Position],
) -> dict[str, str]:
    """The decision behind each order's id, and behind each symbol that was carried in.

    What nobody here decided gets a parent all the same: `recovered-…` for an order of the desk that
    its journal does not know, `external-…` for what somebody else sent or left.
    """
    orders = list(orders)
    external = {one.client_order_id for one in foreign(orders)}
    found = {one.symbol: f"external-{session_on}-{one.symbol}" for one in opening}
    for order in orders:
        kind = "external" if order.client_order_id in external else "recovered"
        found[order.client_order_id] = f"{kind}-{session_on}-{order.symbol}"
    return found | {one.client_order_id: one.decision_id for one in intents}
