"""Which shares lie under no live stop, and which entries stand half done. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from tools.core.trading import Order, OrderType, Position, Side
from tools.journal.order_ids import Leg, leg_of

HALF_DONE = timedelta(seconds=5)
"""How old an entry may get that is filled in part: until its end its shares have no stop."""


def uncovered(positions: Iterable[Position], standing: Iterable[Order]) -> Mapping[str, Decimal]:
    """By symbol, the shares held long beyond those that a live stop would sell.

    `standing` are the broker's open orders. The legs nested in an open entry are not live: the
    broker holds them until all of the entry is filled.
    """
    stopped: dict[str, Decimal] = {}
    for order in standing:
        if is_stop(order) and order.open:
            so_far = stopped.get(order.symbol, Decimal(0))
            stopped[order.symbol] = so_far + order.remaining_quantity
    gaps = {one.symbol: one.quantity - stopped.get(one.symbol, Decimal(0)) for one in positions}
    return {symbol: shares for symbol, shares in gaps.items() if shares > 0}


def live(orders: Iterable[Order]) -> Iterator[Order]:
    """Of orders with their legs nested, those that may act: legs only once their entry is done."""
    for order in orders:
        yield order
        if not order.open:
            yield from order.legs


def half_done(orders: Iterable[Order]) -> Iterator[tuple[Order, datetime]]:
    """Our open entries of which a part is filled, and the instant at which the rest is to go."""
    for order in orders:
        if order.open and order.filled_quantity and leg_of(order.client_order_id) is Leg.ENTRY:
            yield order, order.submitted_at + HALF_DONE


def is_stop(order: Order) -> bool:
    """It sells when the price falls to it."""
    return order.order_type is OrderType.STOP and order.side is Side.SELL
