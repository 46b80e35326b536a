"""AlpacaBroker: the broker seam over alpaca-py's trading client (paper, live, embedded exchange).

Answers are read raw: alpaca-py's models refuse what Alpaca adds or drops, and an answer must
not fail on a field nobody asked for. Money becomes Decimal here, from strings, and nowhere else.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from alpaca.common.enums import Sort
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus, TimeInForce
from alpaca.trading.requests import (
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

from tools.alpaca_transport import AnswerLost, CallFailed, Calls, NotSent, Refused, outlast
from tools.core.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from tools.core.market import Instrument, Market, market_of
from tools.core.trading import (
    Account,
    BrokerClock,
    Order,
    OrderClass,
    OrderIntent,
    OrderStatus,
    OrderType,
    Position,
    Side,
)

PAGE = 500
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
JUST_BEFORE = timedelta(microseconds=1)
LEGS_LAG = timedelta(minutes=1)
"""Legs are submitted with their entry, give or take this."""

NOT_FOUND = 40410000
DUPLICATE = "client_order_id must be unique"

_REQUESTS: dict[OrderType, Callable[..., OrderRequest]] = {
    OrderType.MARKET: MarketOrderRequest,
    OrderType.LIMIT: LimitOrderRequest,
    OrderType.STOP: StopOrderRequest,
}


class AlpacaBroker:
    """`tools.core.seams.Broker` over HTTP. Every call ends within 13 s; none is repeated."""

    def __init__(
        self, *, key: str, secret: str, url: str, on_timeout: Callable[[str], None] = outlast
    ) -> None:
        """`url` is the trading host, with or without the `/v2` that alpaca-py adds itself."""
        host = url.rstrip("/").removesuffix("/v2")
        self._client = TradingClient(key, secret, raw_data=True, url_override=host)
        self._calls = Calls(self._client, on_timeout)

    def clock(self) -> BrokerClock:
        """The broker's own time and whether the market is open."""
        return self._ask(_clock, self._client.get_clock)

    def account(self) -> Account:
        """The account's money. The day-trader fields, gone since July 2026, are not looked at."""
        return self._ask(_account, self._client.get_account)

    def positions(self) -> tuple[Position, ...]:
        """All positions, by symbol."""
        return self._ask(_positions, self._client.get_all_positions)

    def open_orders(self) -> tuple[Order, ...]:
        """All orders that may still act; the legs of a filled entry stand by themselves.

        Alpaca does not call a held leg open, and with `nested` is silent about the legs of a filled
        entry altogether. So what it calls open is listed flat, and where a bracket or OTO is among
        it, everything since is listed nested, which tells all.
        """
        listed = self._orders(QueryOrderStatus.OPEN, BEGINNING, nested=False)
        began = [one.submitted_at for one in listed if one.order_class is not OrderClass.SIMPLE]
        if not began:
            return listed
        entries = self.orders_since(min(began) - LEGS_LAG)
        told = {one.order_id for entry in entries for one in (entry, *entry.legs)}
        standing = [one for entry in entries for one in _standing(entry)]
        standing += [one for one in listed if one.order_id not in told]
        return tuple(sorted(standing, key=lambda order: order.submitted_at))

    def orders_since(self, since: datetime) -> tuple[Order, ...]:
        """All orders submitted at or after `since` in any state, legs nested; oldest first."""
        return self._orders(QueryOrderStatus.ALL, since, nested=True)

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """The order with that id, legs nested; None is "not found now", never "was never sent"."""
        order = self._find(_order, self._client.get_order_by_client_id, client_order_id)
        if order is None or order.order_class is OrderClass.SIMPLE or order.legs:
            return order
        # This route cannot be asked for legs; the one by id can.
        nested = GetOrderByIdRequest(nested=True)
        return self._find(_order, self._client.get_order_by_id, order.order_id, nested)

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
        self._act(_nothing, self._client.cancel_order_by_id, order.order_id)

    def cancel_all(self) -> None:
        """Ask for the end of every open order."""
        self._act(_nothing, self._client.cancel_orders)

    def instrument(self, symbol: str) -> Instrument | None:
        """What the broker says of `symbol`; None when it does not know it, or it is no US equity.

        The shape is checked first because alpaca-py puts the symbol into the path as it is.
        """
        if market_of(symbol) is not Market.US_EQUITY:
            return None
        return self._find(_instrument, self._client.get_asset, symbol)

    def _orders(
        self, status: QueryOrderStatus, since: datetime, *, nested: bool
    ) -> tuple[Order, ...]:
        """Page by submission time. `after` is exclusive: each page begins just before the last end.

        Legs are counted as orders: whether the page limit does so too is not documented.
        """
        found: dict[str, Order] = {}
        while True:
            query = GetOrdersRequest(
                status=status,
                limit=PAGE,
                after=since - JUST_BEFORE,
                direction=Sort.ASC,
                nested=nested,
            )
            page = self._ask(_order_list, self._client.get_orders, query)
            known = len(found)
            found |= {order.order_id: order for order in page}
            if len(found) == known or sum(1 + len(order.legs) for order in page) < PAGE:
                return tuple(found.values())
            since = page[-1].submitted_at

    def _once(self, client_order_id: str, request: Callable[..., Any], *arguments: Any) -> Order:
        """Send what carries `client_order_id`; if the broker knows that id, give what it names."""
        try:
            return self._act(_order, request, *arguments)
        except OrderRejected as rejected:
            if DUPLICATE not in str(rejected):
                raise
        try:
            order = self.order_by_client_id(client_order_id)
        except BrokerUnavailable as error:
            raise OutcomeUnknown(f"{client_order_id} exists already, but: {error}") from error
        if order is None:
            raise OutcomeUnknown(f"{client_order_id} exists already, but is not found")
        return order

    def _ask[T](self, parse: Callable[[Any], T], request: Callable[..., Any], *given: Any) -> T:
        """A question: whatever fails, nothing was changed."""
        try:
            return self._calls(parse, request, *given)
        except CallFailed as failed:
            raise BrokerUnavailable(str(failed)) from failed

    def _find[T](
        self, parse: Callable[[Any], T], request: Callable[..., Any], *given: Any
    ) -> T | None:
        """A question that Alpaca (not some proxy's 404 page) may answer with "no such thing"."""
        try:
            return self._calls(parse, request, *given)
        except CallFailed as failed:
            if isinstance(failed, Refused) and failed.code == NOT_FOUND:
                return None
            raise BrokerUnavailable(str(failed)) from failed

    def _act[T](self, parse: Callable[[Any], T], request: Callable[..., Any], *given: Any) -> T:
        """A request that changes something: a lost answer leaves the outcome unknown."""
        try:
            return self._calls(parse, request, *given)
        except NotSent as failed:
            raise BrokerUnavailable(str(failed)) from failed
        except Refused as refused:
            raise OrderRejected(str(refused), code=refused.status) from refused
        except AnswerLost as lost:
            raise OutcomeUnknown(str(lost)) from lost


def _standing(entry: Order) -> tuple[Order, ...]:
    """What may still act of an entry and its legs: the entry with them, or they without it."""
    return (entry,) if entry.open else tuple(leg for leg in entry.legs if leg.open)


def _request(intent: OrderIntent) -> OrderRequest:
    """The POST's body. alpaca-py wants floats; of cents and whole shares they print exactly."""
    stop, target = intent.stop_loss_price, intent.take_profit_price
    return _REQUESTS[intent.order_type](
        symbol=intent.symbol,
        qty=float(intent.quantity),
        side=intent.side.value,
        time_in_force=TimeInForce.DAY,
        order_class=intent.order_class.value,
        client_order_id=intent.client_order_id,
        limit_price=_float(intent.limit_price),
        stop_price=_float(intent.stop_price),
        stop_loss=StopLossRequest(stop_price=float(stop)) if stop is not None else None,
        take_profit=TakeProfitRequest(limit_price=float(target)) if target is not None else None,
    )


def _float(price: Decimal | None) -> float | None:
    return None if price is None else float(price)


def _nothing(_: Any) -> None:
    """What a cancellation answers is not the order's state: read that back."""


def _clock(raw: Any) -> BrokerClock:
    return BrokerClock(
        at=_instant(raw["timestamp"]),
        market_open=raw["is_open"] is True,
        next_open=_instant(raw["next_open"]),
        next_close=_instant(raw["next_close"]),
    )


def _account(raw: Any) -> Account:
    blocks = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    return Account(
        account_number=str(raw["account_number"]),
        cash=_decimal(raw["cash"]),
        equity=_decimal(raw["equity"]),
        last_equity=_decimal(raw["last_equity"]),
        buying_power=_decimal(raw["buying_power"]),
        trading_blocked=any(raw.get(block) for block in blocks),
    )


def _positions(raw: Any) -> tuple[Position, ...]:
    return tuple(sorted(map(_position, raw), key=lambda position: position.symbol))


def _position(raw: Any) -> Position:
    """A position nobody has traded yet today has no current price, and for a moment no last one."""
    price = raw["current_price"] or raw["lastday_price"] or raw["avg_entry_price"]
    return Position(
        symbol=raw["symbol"],
        quantity=_decimal(raw["qty"]),
        average_entry_price=_decimal(raw["avg_entry_price"]),
        current_price=_decimal(price),
    )


def _instrument(raw: Any) -> Instrument:
    return Instrument(
        symbol=raw["symbol"],
        name=raw.get("name") or "",
        exchange=raw.get("exchange") or "",
        market=_named(raw["class"], Market.UNKNOWN),
        active=raw["status"] == "active",
        tradable=raw["tradable"] is True,
        shortable=raw.get("shortable") is True,
        fractionable=raw.get("fractionable") is True,
    )


def _order_list(raw: Any) -> tuple[Order, ...]:
    return tuple(map(_order, raw))


def _order(raw: Any) -> Order:
    """One order, its legs included.

    Orders of other hands come in kinds we do not use: a state we do not know may still act, so it
    counts as NEW; stop-limit and trailing stops are stops; an order by dollars has no quantity but
    its fills.
    """
    filled_quantity = _decimal(raw["filled_qty"])
    kind = "stop" if raw["type"] in ("stop_limit", "trailing_stop") else raw["type"]
    return Order(
        order_id=str(raw["id"]),
        client_order_id=str(raw["client_order_id"]),
        symbol=raw["symbol"],
        side=Side(raw["side"]),
        order_type=OrderType(kind),
        order_class=_named(raw["order_class"], OrderClass.SIMPLE),
        status=_named(raw["status"], OrderStatus.NEW),
        quantity=filled_quantity if raw["qty"] is None else _decimal(raw["qty"]),
        filled_quantity=filled_quantity,
        submitted_at=_instant(raw["submitted_at"]),
        average_fill_price=_optional(_decimal, raw["filled_avg_price"]),
        limit_price=_optional(_decimal, raw["limit_price"]),
        stop_price=_optional(_decimal, raw["stop_price"]),
        filled_at=_optional(_instant, raw["filled_at"]),
        legs=_order_list(raw["legs"] or ()),
    )


def _named[E: StrEnum](value: str, otherwise: E) -> E:
    """The member of `otherwise`'s enumeration that `value` names, if there is one."""
    kind = type(otherwise)
    return kind(value) if value in kind else otherwise


def _decimal(value: str | float) -> Decimal:
    """Raises ValueError for what is not a finite number."""
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"not a number: {value!r}")
    return number


def _instant(text: str) -> datetime:
    """An RFC 3339 time as aware UTC; digits beyond the microsecond are dropped."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _optional[T](parse: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else parse(value)
