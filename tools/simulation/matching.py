"""When an order fills, and at what price. Pure, shared by every simulation.

At an instant: at the far side of the quote. Over a minute: the price walks open-low-high-close when
the minute rose, open-high-low-close when it fell, and nothing fills outside of that walk.

* A limit fills at its own price when the walk goes *through* it. A touch is not enough: we do not
  know who stood before us.
* A stop is set off by a touch and fills at its own price.
* What is already beyond either at its start, after a gap, fills there.
"""

from decimal import Decimal
from typing import NamedTuple

from tools.core.trading import OrderType, Side
from tools.simulation.tape import Candle, Tick, dollars

type Walk = tuple[Decimal, ...]


class Hit(NamedTuple):
    """A fill at `price`, and the walk that is left after it."""

    price: Decimal
    rest: Walk


class Terms(NamedTuple):
    """What makes an order fill: prices in dollars."""

    side: Side
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None


def walk_of(candle: Candle) -> Walk:
    """The way of the price through one candle."""
    opened, high, low, close = (dollars(cents) for cents in candle[1:5])
    return (opened, low, high, close) if close >= opened else (opened, high, low, close)


def fill_on_walk(terms: Terms, walk: Walk) -> Hit | None:
    """The first fill of a resting order on the walk, None when there is none."""
    buys = terms.side is Side.BUY
    if terms.limit_price is not None:
        return _crossing(walk, terms.limit_price, rising=not buys, through=True)
    if terms.stop_price is not None:
        return _crossing(walk, terms.stop_price, rising=buys, through=False)
    return Hit(walk[0], walk)


def fill_at_quote(terms: Terms, quote: Tick) -> Decimal | None:
    """The price at which an order that arrives now fills at once, None when it has to wait."""
    if terms.order_type is OrderType.STOP:
        return None
    price = far_side(terms.side, quote)
    if terms.limit_price is None:
        return price
    past_limit = price > terms.limit_price if terms.side is Side.BUY else price < terms.limit_price
    return None if past_limit else price


def far_side(side: Side, quote: Tick) -> Decimal:
    """The ask for a buyer, the bid for a seller."""
    return dollars(quote.ask if side is Side.BUY else quote.bid)


def _crossing(walk: Walk, level: Decimal, *, rising: bool, through: bool) -> Hit | None:
    def beyond(price: Decimal) -> bool:
        distance = price - level if rising else level - price
        return distance > 0 if through else distance >= 0

    if beyond(walk[0]):
        return Hit(walk[0], walk)
    for index, price in enumerate(walk[1:], start=1):
        if beyond(price):
            return Hit(level, (level, *walk[index:]))
    return None
