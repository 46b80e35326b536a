"""AlpacaBroker: the broker seam over alpaca-py's trading client (paper, live, embedded exchange).

alpaca-py's models refuse what Alpaca adds or drops: `tools.alpaca_answers` reads the raw answers.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from alpaca.common.enums import Sort
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    OrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
)

from tools.alpaca_answers import (
    AT_ONCE,
    BEGINNING,
    PAGE,
    account_of,
    acted,
    asked,
    clock_of,
    closes_of,
    closing,
    every_order,
    found,
    instrument_of,
    nothing,
    once,
    order_of,
    orders_of,
    positions_of,
    standing,
)
from tools.alpaca_transport import Calls, Heard, outlast, unheard
from tools.core.market import Instrument, Market, market_of
from tools.core.trading import (
    Account,
    BrokerClock,
    Order,
    OrderClass,
    OrderIntent,
    OrderType,
    Position,
)

_REQUESTS: dict[OrderType, Callable[..., OrderRequest]] = {
    OrderType.MARKET: MarketOrderRequest,
    OrderType.LIMIT: LimitOrderRequest,
    OrderType.STOP: StopOrderRequest,
}


class AlpacaBroker:
    """`tools.core.seams.Broker` over HTTP. Every call ends within 13 s; none is repeated."""

    def __init__(
        self,
        *,
        key: str,
        secret: str,
        url: str,
        on_timeout: Callable[[str], None] = outlast,
        on_answer: Heard = unheard,
    ) -> None:
        """`url` is the trading host, with or without the `/v2` that alpaca-py adds itself."""
        host = url.rstrip("/").removesuffix("/v2")
        self._client = TradingClient(key, secret, raw_data=True, url_override=host)
        self._calls = Calls(self._client, on_timeout, on_answer)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="broker")

    def clock(self) -> BrokerClock:
        """The broker's own time and whether the market is open."""
        return self._ask(clock_of, self._client.get_clock)

    def closes(self, first: date, last: date) -> dict[date, time]:
        """The broker's calendar, both days included: New York dates, and until when it trades."""
        days = GetCalendarRequest(start=first, end=last)
        return self._ask(closes_of, self._client.get_calendar, days)

    def account(self) -> Account:
        """The account's money."""
        return self._ask(account_of, self._client.get_account)

    def positions(self) -> tuple[Position, ...]:
        """All positions, by symbol."""
        return self._ask(positions_of, self._client.get_all_positions)

    def open_orders(self) -> tuple[Order, ...]:
        """All orders that may still act; the legs of a filled entry stand by themselves."""
        listed = self._orders(QueryOrderStatus.OPEN, BEGINNING, nested=False)
        return standing(listed, self.orders_since)

    def orders_since(self, since: datetime) -> tuple[Order, ...]:
        """All orders submitted at or after `since` in any state, legs nested; oldest first."""
        return self._orders(QueryOrderStatus.ALL, since, nested=True)

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """The order with that id, legs nested; None is "not found now", never "was never sent"."""
        order = self._find(order_of, self._client.get_order_by_client_id, client_order_id)
        if order is None or order.order_class is OrderClass.SIMPLE or order.legs:
            return order
        # This route cannot be asked for legs; the one by id can.
        nested = GetOrderByIdRequest(nested=True)
        return self._find(order_of, self._client.get_order_by_id, order.order_id, nested)

    def submit(self, intent: OrderIntent) -> Order:
        """Send one day order. The same id twice gives the first order, never a second."""
        return self._once(intent.client_order_id, self._client.submit_order, _request(intent))

    def replace_stop(self, order: Order, *, stop_price: Decimal, client_order_id: str) -> Order:
        """Move a resting stop to `stop_price` without ever being without one."""
        change = ReplaceOrderRequest(stop_price=float(stop_price), client_order_id=client_order_id)
        replace = self._client.replace_order_by_id
        return self._once(client_order_id, replace, order.order_id, change)

    def cancel(self, order: Order) -> None:
        """Ask for the end of one order. A request, not a state: read it back."""
        self._act(nothing, self._client.cancel_order_by_id, order.order_id)

    def cancel_all(self) -> None:
        """Ask for the end of every open order."""
        self._act(nothing, self._client.cancel_orders)

    def instrument(self, symbol: str) -> Instrument | None:
        """What the broker says of `symbol`; None when it does not know it, or it is no US equity.

        The shape is checked first because alpaca-py puts the symbol into the path as it is.
        """
        if market_of(symbol) is not Market.US_EQUITY:
            return None
        return self._find(instrument_of, self._client.get_asset, symbol)

    def begin[T](self, call: Callable[[], T]) -> Future[T]:
        """Start `call` in a thread of its own."""
        return self._pool.submit(call)

    def _orders(
        self, status: QueryOrderStatus, since: datetime, *, nested: bool
    ) -> tuple[Order, ...]:
        def page_after(after: datetime) -> tuple[Order, ...]:
            query = GetOrdersRequest(
                status=status, limit=PAGE, after=after, direction=Sort.ASC, nested=nested
            )
            return self._ask(orders_of, self._client.get_orders, query)

        return every_order(page_after, since)

    def _once(self, client_order_id: str, request: Callable[..., Any], *given: Any) -> Order:
        return once(
            client_order_id,
            lambda: self._calls(order_of, request, *given),
            lambda: self.order_by_client_id(client_order_id),
        )

    def _ask[T](self, parse: Callable[[Any], T], request: Callable[..., Any], *given: Any) -> T:
        return asked(lambda: self._calls(parse, request, *given))

    def _find[T](
        self, parse: Callable[[Any], T], request: Callable[..., Any], *given: Any
    ) -> T | None:
        return found(lambda: self._calls(parse, request, *given))

    def _act[T](self, parse: Callable[[Any], T], request: Callable[..., Any], *given: Any) -> T:
        return acted(lambda: self._calls(parse, request, *given))


def _request(intent: OrderIntent) -> OrderRequest:
    """The POST's body. alpaca-py wants floats; of cents and whole shares they print exactly."""
    stop, target = intent.stop_loss_price, intent.take_profit_price
    return _REQUESTS[intent.order_type](
        symbol=intent.symbol,
        qty=float(intent.quantity),
        side=intent.side.value,
        time_in_force=TimeInForce.DAY,
        order_class=intent.order_class.value,
        position_intent=closing(intent),
        client_order_id=intent.client_order_id,
        limit_price=_float(intent.limit_price),
        stop_price=_float(intent.stop_price),
        stop_loss=StopLossRequest(stop_price=float(stop)) if stop is not None else None,
        take_profit=TakeProfitRequest(limit_price=float(target)) if target is not None else None,
    )


def _float(price: Decimal | None) -> float | None:
    return None if price is None else float(price)
