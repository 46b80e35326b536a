"""When an order fills, and at what price. Pure, shared by every simulation.

At an instant: at the far side of the quote. Over a minute: the price walks open-low-high-close when
the minute rose, open-high-low-close when it fell, and nothing fills outside of that walk.

* A limit fills at its own price when the walk goes *through* it. A touch is not enough: we do not
  know who stood before us.
* A stop is set off by a touch and fills at its own price; a stop-limit is a limit from there on.
* A trailing stop follows the best price of the walk, and is a stop at its distance from it.
* What is already beyond either at its start, after a gap, fills there.
"""

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import NamedTuple

from tools.core.trading import OrderType, Side
from tools.simulation.tape import Candle, Tick, dollars

CENT = Decimal("0.01")

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


class Trail(NamedTuple):
    """The distance of a trailing stop, in dollars or in percent of the best price."""

    side: Side
    price: Decimal | None
    percent: Decimal | None

    def stop(self, best: Decimal) -> Decimal:
        """Where the stop is while `best` is the best price, in whole cents."""
        away = best * (self.percent or 0) / 100 if self.price is None else self.price
        return round(best - away if self.side is Side.SELL else best + away, 2)

    def better(self, one: Decimal, other: Decimal) -> Decimal:
        """The one that moves the stop on: the higher for a sale, the lower for a buy."""
        return max(one, other) if self.side is Side.SELL else min(one, other)


def walk_of(candle: Candle) -> Walk:
    """The way of the price through one candle."""
    opened, high, low, close = (dollars(cents) for cents in candle[1:5])
    return (opened, low, high, close) if close >= opened else (opened, high, low, close)


def fill_on_walk(terms: Terms, walk: Walk) -> Hit | None:
    """The first fill of a resting order on the walk, None when there is none."""
    buys = terms.side is Side.BUY
    hit = elect_on_walk(terms, walk)
    if hit is None or terms.limit_price is None:
        return hit
    return _crossing(hit.rest, terms.limit_price, rising=not buys, through=True)


def elect_on_walk(terms: Terms, walk: Walk) -> Hit | None:
    """Where a stop is set off; what is no stop may act from the start."""
    if terms.stop_price is None:
        return Hit(walk[0], walk)
    return _crossing(walk, terms.stop_price, rising=terms.side is Side.BUY, through=False)


def trail_on_walk(trail: Trail, best: Decimal, walk: Walk) -> tuple[Decimal, Hit | None]:
    """The best price after the walk or up to the fill, and the fill."""
    stop = trail.stop(best)
    for index, price in enumerate(walk):
        if trail.better(price, stop) == stop:
            level = stop if index else price
            return best, Hit(level, (level, *walk[index:]))
        best = trail.better(best, price)
        stop = trail.stop(best)
    return best, None


def fill_at_quote(terms: Terms, quote: Tick) -> Decimal | None:
    """The price at which an order that arrives now fills at once, None when it has to wait."""
    if terms.order_type not in {OrderType.MARKET, OrderType.LIMIT}:
        return None
    price = far_side(terms.side, quote)
    if terms.limit_price is None:
        return price
    past_limit = price > terms.limit_price if terms.side is Side.BUY else price < terms.limit_price
    return None if past_limit else price


def far_side(side: Side, quote: Tick) -> Decimal:
    """The ask for a buyer, the bid for a seller."""
    return dollars(quote.ask if side is Side.BUY else quote.bid)


def slipped(price: Decimal, side: Side, bps: Decimal) -> Decimal:
    """`price` made worse by that many basis points, in whole cents against us."""
    if not bps:
        return price
    away = price * bps / 10_000
    worse = price + away if side is Side.BUY else price - away
    return worse.quantize(CENT, rounding=ROUND_CEILING if side is Side.BUY else ROUND_FLOOR)


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
