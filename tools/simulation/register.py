"""All orders of one account, for ever: a client order id is never free again."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from tools.core.trading import OrderType, Side
from tools.simulation.orders import SimOrder, TimeInForce
from tools.simulation.refusals import malformed, not_found

_NO_STOP = {OrderType.MARKET, OrderType.LIMIT}


class OrderRegister:
    """Orders by the exchange's id and by the client's; those that may still act apart."""

    def __init__(self) -> None:
        self._all: dict[str, SimOrder] = {}
        self._by_client_id: dict[str, SimOrder] = {}
        self._open: list[SimOrder] = []

    def __iter__(self) -> Iterator[SimOrder]:
        """Every order there has been, oldest first."""
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)

    def add(self, order: SimOrder) -> None:
        """Enter a new order."""
        self._all[order.order_id] = self._by_client_id[order.client_order_id] = order
        self._open.append(order)

    def get(self, order_id: str) -> SimOrder:
        """The order with the exchange's id. Raises Refused (404)."""
        try:
            return self._all[order_id]
        except KeyError:
            raise not_found(f"order not found for {order_id}") from None

    def by_client_id(self, client_order_id: str) -> SimOrder | None:
        """The order with the client's id."""
        return self._by_client_id.get(client_order_id)

    def check_unused(self, client_order_id: str) -> None:
        """Raises Refused when an order, however old, has that id."""
        if client_order_id in self._by_client_id:
            raise malformed("client_order_id must be unique")

    @property
    def open(self) -> list[SimOrder]:
        """Orders that may still act, held legs included, oldest first."""
        self._open = [order for order in self._open if order.open]
        return list(self._open)

    def opening(self) -> list[SimOrder]:
        """Buys that still stand."""
        return [order for order in self.open if order.side is Side.BUY]

    @property
    def any_extended(self) -> bool:
        """Something may trade before the open and after the close."""
        return any(order.request.extended_hours for order in self.open)

    def watched(self, start: datetime, *, extended: bool = False) -> dict[str, list[SimOrder]]:
        """By symbol, what the minute from `start` on may fill: stops first, then by age.

        `extended` minutes are those outside of the session. What waits for the closing price is
        never among them.
        """
        found: dict[str, list[SimOrder]] = {}
        for order in self.open:
            asked, since = order.request, order.watched_from
            waits = since is None or since > start or asked.time_in_force is TimeInForce.CLS
            if not waits and (asked.extended_hours or not extended):
                found.setdefault(order.symbol, []).append(order)
        return {symbol: stops_first(found[symbol]) for symbol in sorted(found)}

    def reserved(
        self, symbol: str, besides: SimOrder | None = None
    ) -> tuple[Decimal, list[SimOrder]]:
        """Shares promised to open sales, and those sales; the legs of one entry count once.

        What `besides` and its relatives hold does not count.
        """
        relatives = besides.family if besides else []
        promised = {
            order: shares
            for order in self.open
            if order.symbol == symbol and order.side is Side.SELL and order not in relatives
            if (shares := _promised(order))
        }
        by_family = {id(order.parent or order): shares for order, shares in promised.items()}
        return sum(by_family.values(), Decimal(0)), list(promised)


def _promised(order: SimOrder) -> Decimal:
    """What a sale still has to sell: a leg that waits, what its entry has bought so far."""
    entry = order.parent
    if entry and not entry.is_exit and order.watched_from is None:
        return entry.filled_quantity
    return order.remaining


def stops_first(orders: list[SimOrder]) -> list[SimOrder]:
    """Of two legs that one minute touches, the stop is taken: the other order would flatter."""
    return sorted(orders, key=lambda order: (order.request.order_type in _NO_STOP, order.number))
