"""The store is told again what it lost: the broker still knows every order that was sent."""

import logging
from collections.abc import Iterable
from datetime import date

from tools.core.trading import Order, OrderIntent, OrderType
from tools.journal.order_ids import Leg, our_id
from tools.journal.state_store import StateStore

logger = logging.getLogger(__name__)


def adopt_our_orders(store: StateStore, session_on: date, orders: Iterable[Order]) -> None:
    """Every entry and exit among `orders` (legs nested) that bears our id becomes an intent again.

    So the session's entries are counted, their stops are known, and no id is given twice, stops'
    ids included.
    """
    orders = list(orders)
    family = [one for order in orders for one in (order, *order.legs)]
    ours = [name for one in family if (name := our_id(one.client_order_id))]
    given = [name.counter for name in ours if name.session_on == session_on]
    store.skip_to(session_on, max(given, default=0))
    known = {record.intent.client_order_id for record in store.intents_on(session_on)}
    for order in orders:
        name = our_id(order.client_order_id)
        lost = name is not None and order.client_order_id not in known
        if name is None or not lost or name.session_on != session_on or name.leg is Leg.STOP:
            continue
        logger.warning("%s is at the broker, but not in the state file", order.client_order_id)
        store.adopt(_intent(order), name, order.submitted_at)


def _intent(order: Order) -> OrderIntent:
    stops = [leg.stop_price for leg in order.legs if leg.order_type is OrderType.STOP]
    targets = [leg.limit_price for leg in order.legs if leg.order_type is OrderType.LIMIT]
    return OrderIntent(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        order_type=order.order_type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        stop_loss_price=next(iter(stops), None),
        take_profit_price=next(iter(targets), None),
        decision_id="recovered",
    )
