"""Whose shares: what our own orders bought and have not sold is ours, everything else is foreign.

Read from the broker's orders alone, so that the flatten program knows it as well; no library is
needed. Ours is every order with an id of the desk or of the flatten, with its legs. What such
orders of the last `LOOKBACK` bought, less what they sold, is ours, but never more than is held.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from tools.core.errors import OrderRejected
from tools.core.market import Instrument
from tools.core.seams import Broker
from tools.core.trading import Account, BrokerClock, Order, OrderIntent, Position, Side
from tools.journal.order_ids import is_flatten, leg_of

LOOKBACK = timedelta(days=10)
"""Longer than any pause between two sessions: by then the agent is flat, or nobody has run it."""

NOTHING = Decimal(0)


def is_ours(order: Order) -> bool:
    """The desk sent it, or a flatten."""
    return leg_of(order.client_order_id) is not None or is_flatten(order.client_order_id)


def bought_by_us(orders: Iterable[Order]) -> dict[str, Decimal]:
    """By symbol, what our orders among these (legs nested) bought less what they sold."""
    net: dict[str, Decimal] = {}
    for order in _family(orders):
        shares = order.filled_quantity if order.side is Side.BUY else -order.filled_quantity
        net[order.symbol] = net.get(order.symbol, NOTHING) + shares
    return net


def split(
    positions: Iterable[Position], ours: Mapping[str, Decimal]
) -> tuple[tuple[Position, ...], tuple[Position, ...]]:
    """What is held, as our own part and the foreign one."""
    own, foreign = [], []
    for one in positions:
        shares = min(max(ours.get(one.symbol, NOTHING), NOTHING), max(one.quantity, NOTHING))
        if shares:
            own.append(replace(one, quantity=shares))
        if one.quantity - shares:
            foreign.append(replace(one, quantity=one.quantity - shares))
    return tuple(own), tuple(foreign)


class OwnBroker:
    """A broker that shows, cancels and so flattens what is ours, and nothing else.

    Money is the whole account's. Raises what the broker inside raises.
    """

    def __init__(self, inner: Broker, now: Callable[[], datetime]) -> None:
        self.inner, self._now = inner, now
        self._earlier: tuple[date, Mapping[str, Decimal]] | None = None

    def foreign(self) -> tuple[Position, ...]:
        """What is held and is not ours."""
        return self._split()[1]

    def clock(self) -> BrokerClock:
        """As the broker says."""
        return self.inner.clock()

    def account(self) -> Account:
        """As the broker says: the foreign shares' value is in it."""
        return self.inner.account()

    def positions(self) -> tuple[Position, ...]:
        """Our own shares."""
        return self._split()[0]

    def open_orders(self) -> tuple[Order, ...]:
        """Our own orders that may still act."""
        listed = self.inner.open_orders()
        if all(is_ours(order) for order in listed):
            return listed
        family = {one.order_id for one in _family(self.inner.orders_since(self._today()))}
        return tuple(one for one in listed if is_ours(one) or one.order_id in family)

    def orders_since(self, since: datetime) -> tuple[Order, ...]:
        """Our own orders."""
        return tuple(order for order in self.inner.orders_since(since) if is_ours(order))

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """As the broker says."""
        return self.inner.order_by_client_id(client_order_id)

    def submit(self, intent: OrderIntent) -> Order:
        """Send one order."""
        return self.inner.submit(intent)

    def replace_stop(self, order: Order, *, stop_price: Decimal, client_order_id: str) -> Order:
        """Move a stop of ours."""
        return self.inner.replace_stop(
            order, stop_price=stop_price, client_order_id=client_order_id
        )

    def cancel(self, order: Order) -> None:
        """Ask for the end of one order."""
        self.inner.cancel(order)

    def cancel_all(self) -> None:
        """Ask for the end of each of ours; one that has ended meanwhile is none the worse."""
        for order in self.open_orders():
            with suppress(OrderRejected):
                self.inner.cancel(order)

    def instrument(self, symbol: str) -> Instrument | None:
        """As the broker says."""
        return self.inner.instrument(symbol)

    def begin[T](self, call: Callable[[], T]) -> Future[T]:
        """As the broker does it."""
        return self.inner.begin(call)

    def _split(self) -> tuple[tuple[Position, ...], tuple[Position, ...]]:
        positions = self.inner.positions()
        if not positions:
            return (), ()
        ours = dict(self._bought_earlier())
        for symbol, shares in bought_by_us(self.inner.orders_since(self._today())).items():
            ours[symbol] = ours.get(symbol, NOTHING) + shares
        return split(positions, ours)

    def _bought_earlier(self) -> Mapping[str, Decimal]:
        """Before today: those orders have ended, so they are asked for once."""
        today = self._today()
        if self._earlier is None or self._earlier[0] != today.date():
            orders = self.inner.orders_since(today - LOOKBACK)
            before = [order for order in orders if order.submitted_at < today]
            self._earlier = today.date(), bought_by_us(before)
        return self._earlier[1]

    def _today(self) -> datetime:
        """A session lies within one date of UTC."""
        return datetime.combine(self._now().astimezone(UTC), time(), UTC)


def _family(orders: Iterable[Order]) -> Iterator[Order]:
    """Our orders, and all legs of them."""
    for order in orders:
        if is_ours(order):
            yield order
            yield from order.legs
