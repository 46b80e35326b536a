"""What an order must look like before the exchange takes it. A check raises Refused or is silent.

The words are Alpaca's. What hangs on the account (buying power, shares) is the venue's to check.
"""

from decimal import Decimal

from tools.core.trading import OrderClass, OrderType, Side
from tools.simulation.orders import OrderRequest
from tools.simulation.refusals import forbidden, invalid, malformed

CENT = Decimal("0.01")
LONGEST_CLIENT_ID = 128


def check_shape(request: OrderRequest) -> None:
    """Quantity, client id, and that the prices fit the type."""
    if request.quantity <= 0:
        raise malformed("qty must be > 0")
    if request.quantity != request.quantity.to_integral_value():
        raise forbidden(f'asset "{request.symbol}" is not fractionable')
    if len(request.client_order_id) > LONGEST_CLIENT_ID:
        raise malformed("client_order_id must be no more than 128 characters")
    _check_prices_fit(request)
    prices = {
        "limit_price": request.limit_price,
        "stop_price": request.stop_price,
        "take_profit.limit_price": request.take_profit_price,
        "stop_loss.stop_price": request.stop_loss_price,
    }
    for name, price in prices.items():
        if price is not None:
            check_price(name, price)


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
    if request.side is Side.SELL:
        raise invalid("bracket orders must be entry orders")
    if request.order_type is OrderType.STOP and request.order_class is OrderClass.BRACKET:
        raise malformed("bracket orders must be market or limit orders")
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


def _check_prices_fit(request: OrderRequest) -> None:
    limit, stop = request.limit_price is not None, request.stop_price is not None
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
