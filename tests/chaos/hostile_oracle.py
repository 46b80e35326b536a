"""The limits again, written down a second time: judged by the exchange's own records alone."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from tests.builders import a_time
from tools.core.trading import Order, OrderType, Side
from tools.simulation.events import OrderEvent
from tools.simulation.sim_broker import SimBroker

CASH = Decimal(100_000)
OPENS, ENDS = a_time("09:30"), a_time("15:45")
MOST_POSITIONS, MOST_ENTRIES, MOST_PER_SYMBOL = 5, 50, 3
MOST_A_MINUTE, MOST_IN_FIVE = 4, 10
MOST_OF_EQUITY, MOST_RISKED = Decimal("0.20"), Decimal("0.01")
SLACK = Decimal("1.10")
"""The limits rest on the session's first equity; a day's gain may not raise them by more."""


class HostileOracle:
    """Look after every call: it compares with what it saw before, once an order has changed."""

    def __init__(self, broker: SimBroker) -> None:
        self._broker, self._changed = broker, True
        broker.venue.listeners.append(self._heard)
        self._known: set[str] = set()
        self._busy: frozenset[str] = frozenset()
        self._entries: list[tuple[datetime, str]] = []
        self.breaks: list[str] = []

    def look(self) -> None:
        """Judge what has come since, and what is held now."""
        self._broker.positions()  # whatever is due by now happens
        if not self._changed:
            return
        self._changed = False
        orders = self._broker.orders_since(a_time("00:00"))
        for order in orders:
            if order.order_id not in self._known and order.side is Side.BUY:
                self._judge_entry(order)
            self._known.add(order.order_id)
        self._judge_cover(orders)
        held = {one.symbol for one in self._broker.positions()}
        buying = {one.symbol for one in orders if one.open and one.side is Side.BUY}
        self._busy = frozenset(held | buying)
        self._demand(len(self._busy) <= MOST_POSITIONS, f"{len(self._busy)} positions")

    def _heard(self, _: OrderEvent) -> None:
        self._changed = True

    @property
    def entries(self) -> int:
        """Orders to buy that there have been."""
        return len(self._entries)

    def _judge_entry(self, order: Order) -> None:
        at, symbol, name = order.submitted_at, order.symbol, order.client_order_id
        self._entries.append((at, symbol))
        price, stop = order.limit_price, _stop_of(order)
        self._demand(OPENS <= at < ENDS, f"{name} outside of the entry window: {at}")
        self._demand(symbol not in self._busy, f"{name}: a second order for {symbol}")
        self._demand(order.quantity >= 1 and not order.quantity % 1, f"{name}: {order.quantity}")
        if price is None or stop is None or not 0 < stop < price:
            self.breaks.append(f"{name}: limit {price}, stop {stop}")
            return
        value, risk = order.quantity * price, order.quantity * (price - stop)
        self._demand(value <= CASH * MOST_OF_EQUITY * SLACK, f"{name} is worth {value}")
        self._demand(risk <= CASH * MOST_RISKED * SLACK, f"{name} risks {risk}")
        self._judge_rates(at, symbol)

    def _judge_rates(self, at: datetime, symbol: str) -> None:
        mine = sum(one == symbol for _, one in self._entries)
        minute = sum(then > at - timedelta(minutes=1) for then, _ in self._entries)
        five = sum(then > at - timedelta(minutes=5) for then, _ in self._entries)
        self._demand(len(self._entries) <= MOST_ENTRIES, f"{len(self._entries)} entries")
        self._demand(mine <= MOST_PER_SYMBOL, f"{mine} entries into {symbol}")
        self._demand(minute <= MOST_A_MINUTE, f"{minute} entries within a minute")
        self._demand(five <= MOST_IN_FIVE, f"{five} entries within five minutes")

    def _judge_cover(self, orders: Sequence[Order]) -> None:
        live = [one for order in orders for one in (order, *order.legs) if _is_live_stop(one)]
        for position in self._broker.positions():
            stopped = sum(one.remaining_quantity for one in live if one.symbol == position.symbol)
            self._demand(position.quantity > 0, f"short of {position.symbol}")
            words = f"{position.quantity} {position.symbol}, {stopped} under a stop"
            self._demand(stopped >= position.quantity, words)

    def _demand(self, kept: bool, words: str) -> None:
        if not kept:
            self.breaks.append(words)


def _stop_of(entry: Order) -> Decimal | None:
    return next((leg.stop_price for leg in entry.legs if leg.stop_price is not None), None)


def _is_live_stop(order: Order) -> bool:
    return order.open and order.order_type is OrderType.STOP and order.side is Side.SELL
