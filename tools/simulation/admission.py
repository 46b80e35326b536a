"""What an order must look like before the exchange takes it. A check raises Refused or is silent.

The words are Alpaca's. What hangs on the account (buying power, shares) is the venue's to check.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal

from tools.core.trading import OrderClass, OrderType, Side
from tools.schedule.market_hours import MarketHours, new_york
from tools.simulation.orders import OrderRequest, SimOrder, TimeInForce
from tools.simulation.refusals import forbidden, invalid, malformed, wash_trade

CENT, DOLLAR, PERCENT = Decimal("0.01"), Decimal(1), Decimal(100)
SHARE_PLACES = 9
LONGEST_CLIENT_ID = 128
_LASTING = {TimeInForce.DAY, TimeInForce.GTC}
_STOPS = {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP}
_EVENING = time(19, 0)
_OPG_END = timedelta(minutes=2)  # before the open
_CLS_END = timedelta(minutes=10)  # before the close


def check_shape(request: OrderRequest) -> None:
    """Quantity, client id, and that type, class, time in force and prices fit together."""
    _check_quantity(request)
    if len(request.client_order_id) > LONGEST_CLIENT_ID:
        raise malformed("client_order_id must be no more than 128 characters")
    _check_prices_fit(request)
    _check_time_in_force(request)
    if request.fractional:
        _check_fractional(request)
    prices = {
        "limit_price": request.limit_price,
        "stop_price": request.stop_price,
        "trail_price": request.trail_price,
        "take_profit.limit_price": request.take_profit_price,
        "stop_loss.stop_price": request.stop_loss_price,
        "stop_loss.limit_price": request.stop_loss_limit_price,
    }
    for name, price in prices.items():
        if price is not None:
            check_price(name, price)


def check_hours(request: OrderRequest, hours: MarketHours, at: datetime) -> None:
    """Orders for the open and the close have their windows; those for now need an open market."""
    session, local = hours.session_on(new_york(at).date()), new_york(at).time()
    match request.time_in_force:
        case TimeInForce.OPG if session and session.open_at - _OPG_END <= at and local < _EVENING:
            raise forbidden("opg orders must be submitted after 7:00pm and before 9:28am")
        case TimeInForce.CLS if session and session.close_at - _CLS_END <= at and local < _EVENING:
            raise forbidden("cls orders must be submitted after 7:00pm and before 3:50pm")
        case TimeInForce.IOC | TimeInForce.FOK as word:
            if not session or not session.open_at <= at < session.close_at:
                raise invalid(f"{word} orders are only accepted during market hours")


def check_wash_trade(request: OrderRequest, open_orders: Iterable[SimOrder]) -> None:
    """A simple order must not be able to meet one of our own on the other side."""
    simple = request.order_class is OrderClass.SIMPLE
    if not simple or request.order_type is OrderType.TRAILING_STOP:
        return
    for order in open_orders:
        active = not order.parent or order.watched_from is not None
        if order.symbol == request.symbol and order.side is not request.side and active:
            mine, other = request.limit_price, order.request.limit_price
            if mine is None or other is None or order.request.order_type is OrderType.TRAILING_STOP:
                raise wash_trade(order.order_id, "opposite side market/stop order exists")
            buy, sell = (mine, other) if request.side is Side.BUY else (other, mine)
            if buy >= sell:
                raise wash_trade(order.order_id, "opposite side limit order exists")


def check_price(name: str, price: Decimal) -> None:
    """Positive, in cents from a dollar up and in hundredths of a cent below."""
    if price <= 0:
        raise malformed(f"{name} must be > 0")
    if price != round(price, 2 if price >= 1 else 4):
        raise invalid(
            f"invalid {name} {price:f}. "
            "sub-penny increment does not fulfill minimum pricing criteria"
        )


def check_legs(request: OrderRequest, market_price: Decimal | None) -> None:
    """The exits lie on their sides of the entry, at least a cent away."""
    if request.order_class is OrderClass.SIMPLE:
        return
    _check_class(request)
    base = request.limit_price or request.stop_price or market_price
    if base is None:
        return
    below = min(base, market_price or base)
    target, stop = request.take_profit_price, request.stop_loss_price
    if target is not None and target < base + CENT:
        message = "take_profit.limit_price must be >= base_price + 0.01"
        raise invalid(message, base_price=f"{base:f}")
    if stop is not None and stop > below - CENT:
        message = "stop_loss.stop_price must be <= base_price - 0.01"
        raise invalid(message, base_price=f"{below:f}")


def check_stop(request: OrderRequest, market_price: Decimal | None) -> None:
    """A stop waits on the far side of the market; one that is there already is refused."""
    if request.stop_price is None or market_price is None:
        return
    sells = request.side is Side.SELL
    if request.stop_price >= market_price if sells else request.stop_price <= market_price:
        raise invalid(
            f"stop price must be {'less' if sells else 'greater'} than current price",
            market_price=f"{market_price:f}",
            stop_price=f"{request.stop_price:f}",
        )


def _check_quantity(request: OrderRequest) -> None:
    notional, quantity = request.notional, request.quantity
    if notional is not None:
        if notional != round(notional, 2):
            raise invalid("notional value must be limited to 2 decimal places")
        if notional < DOLLAR:
            raise malformed("notional must be >= 1.00")
    elif quantity is None or quantity <= 0:
        raise malformed("qty must be > 0")
    elif quantity != round(quantity, SHARE_PLACES):
        raise invalid("qty must be limited to 9 decimal places")


def _check_fractional(request: OrderRequest) -> None:
    if request.order_class is not OrderClass.SIMPLE:
        raise invalid("fractional orders must be simple orders")
    if request.time_in_force is not TimeInForce.DAY:
        raise invalid("fractional orders must be DAY orders")
    if request.order_type is OrderType.TRAILING_STOP:
        raise invalid("fractional orders must be market, limit, stop, or stop_limit orders")
    if request.notional is not None and request.order_type is not OrderType.MARKET:
        raise invalid("notional orders must be market orders")


def _check_time_in_force(request: OrderRequest) -> None:
    lasting, simple = request.time_in_force in _LASTING, request.order_class is OrderClass.SIMPLE
    if request.extended_hours and not (
        lasting and simple and request.order_type is OrderType.LIMIT
    ):
        raise invalid("extended hours order must be DAY or GTC limit orders")
    if not lasting and (request.order_type in _STOPS or not simple):
        kind = request.order_type if simple else request.order_class
        raise invalid(f"invalid time_in_force {request.time_in_force} for {kind} orders")


def _check_class(request: OrderRequest) -> None:
    if request.order_class is OrderClass.OCO:
        if request.side is Side.BUY:
            raise invalid("oco orders must be exit orders")
        if request.order_type is not OrderType.LIMIT:
            raise malformed("oco orders must be limit orders")
    elif request.side is Side.SELL:
        raise invalid(f"{request.order_class} orders must be entry orders")
    elif request.order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        raise malformed(f"{request.order_class} orders must be market or limit orders")


def _check_prices_fit(request: OrderRequest) -> None:
    limit, stop = request.limit_price is not None, request.stop_price is not None
    trails = (request.trail_price is not None) + (request.trail_percent is not None)
    match request.order_type:
        case OrderType.MARKET if limit or stop:
            raise malformed("market orders require no stop or limit price")
        case OrderType.LIMIT if not limit:
            raise malformed("limit orders require a limit price")
        case OrderType.LIMIT if stop:
            raise malformed("limit orders require no stop price")
        case OrderType.STOP if not stop:
            raise malformed("stop orders require a stop price")
        case OrderType.STOP if limit:
            raise malformed("stop orders require no limit price")
        case OrderType.STOP_LIMIT if not (limit and stop):
            raise malformed("stop limit orders require both stop and limit price")
        case OrderType.TRAILING_STOP if limit or stop:
            raise malformed("trailing stop orders require no stop or limit price")
    if trails != (request.order_type is OrderType.TRAILING_STOP):
        raise malformed("trailing stop orders must specify one of trail_price or trail_percent")
    percent = request.trail_percent
    if percent is not None and not 0 < percent < PERCENT:
        raise malformed("trail_percent must be > 0 and < 100")
