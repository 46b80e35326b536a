"""How one symbol is closed: what to ask of the broker next, from what it says of the symbol now.

The rungs: free the shares (cancel what rests; a protective stop whose cancel hangs is moved to
where the next downtick fills it), a limit 1 % through the price, then the market. An attempt has an
id of its own and ends with its order; the next one begins when a read two seconds after that end
still shows shares.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from tools.core.errors import OrderRejected, OutcomeUnknown, Unavailable
from tools.core.seams import Broker
from tools.core.session import Session
from tools.core.trading import Order, OrderIntent, OrderType, Position, Side
from tools.journal.order_ids import flatten_id, is_flatten

logger = logging.getLogger(__name__)

SETTLING = timedelta(seconds=2)
"""After an order's end, and between the two reads that must agree: a position may lag behind."""

PATIENCE = timedelta(seconds=5)
"""For a limit to fill, and for a cancel to take effect, before the next rung."""

ASK_AGAIN = timedelta(seconds=2)
"""Between two requests to cancel the same order."""

TRY_AGAIN = timedelta(seconds=1)
"""Between two sendings: what was refused a moment ago is refused again."""

MARKET_ONLY = timedelta(seconds=15)
"""Before the close there is no time left to try a limit first."""

COLLAR = Decimal("0.01")
"""How far through the price the limit goes."""

CENT, TENTH_OF_A_CENT, DOLLAR = Decimal("0.01"), Decimal("0.0001"), Decimal(1)

type Step = Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every ladder of one flatten works with.

    `may_submit` is asked right before each order; `note` keeps a failure for the report.
    """

    broker: Broker
    session: Session
    now: Callable[[], datetime]
    may_submit: Callable[[], bool]
    note: Callable[[str], None]


class ExitLadder:
    """One symbol's way out. `next_step` is asked after each look; its step may run in a thread."""

    def __init__(self, means: Means, symbol: str) -> None:
        self._means, self._symbol = means, symbol
        self._attempt = 1
        self._at_market = False
        self._not_before = datetime.min.replace(tzinfo=means.session.close_at.tzinfo)
        self._seen: dict[str, datetime] = {}
        self._asked: dict[str, datetime] = {}
        self._moved: dict[str, datetime] = {}

    def asked_to_cancel(self, orders: Sequence[Order]) -> None:
        """Somebody has just asked for the end of these."""
        self._asked |= {order.order_id: self._means.now() for order in orders}

    def next_step(self, position: Position | None, orders: Sequence[Order]) -> Step | None:
        """What to do now, None when there is only waiting. `orders` may still act."""
        if orders:
            return self._free(position, orders)
        if position is None or self._means.now() < self._not_before:
            return None
        return lambda: self._sell(position)

    def _free(self, position: Position | None, orders: Sequence[Order]) -> Step | None:
        """Have what rests on the shares end; our own market orders may stand."""
        now = self._means.now()
        steps: list[Step] = []
        for order in orders:
            age = now - self._seen.setdefault(order.order_id, now)
            ours = is_flatten(order.client_order_id)
            if ours and (order.order_type is OrderType.MARKET or age < PATIENCE):
                continue
            self._at_market = self._at_market or ours
            moved = self._moved.get(order.order_id, now - PATIENCE)
            if position and _protects(order, position) and min(age, now - moved) >= PATIENCE:
                steps.append(_moving(self._move, order, position))
            if now - self._asked.get(order.order_id, now - ASK_AGAIN) >= ASK_AGAIN:
                steps.append(_ending(self._cancel, order))
        return _in_turn(steps) if steps else None

    def _cancel(self, order: Order) -> None:
        self._asked[order.order_id] = self._means.now()
        request_end(lambda: self._means.broker.cancel(order), self._means.note)

    def _move(self, stop: Order, position: Position) -> None:
        """Put a stop whose cancel hangs where the next tick against us fills it.

        It only ever comes nearer: a price that has passed it fills it, unless it flees.
        """
        if not self._means.may_submit():
            return
        self._moved[stop.order_id] = self._means.now()
        tick = _tick(position.current_price)
        step = -tick if stop.side is Side.SELL else tick
        price = _rounded(position.current_price + step, stop.side)
        if stop.stop_price is not None and (price - stop.stop_price) * step >= 0:
            return
        name = flatten_id(self._means.session.on, self._symbol, self._attempt)
        broker = self._means.broker

        def move() -> None:
            broker.replace_stop(stop, stop_price=price, client_order_id=name)
            self._attempt += 1

        self._try("moving the stop of", move)

    def _sell(self, position: Position) -> None:
        """Send this attempt's order, or learn what became of it; then look for the next id."""
        if self._means.may_submit():
            self._not_before = self._means.now() + TRY_AGAIN
            self._try("close", lambda: self._send(position))

    def _send(self, position: Position) -> None:
        broker, on = self._means.broker, self._means.session.on
        try:
            order: Order | None = broker.submit(self._intent(position))
        except OrderRejected:
            self._at_market = True
            raise
        while order is not None and not order.open:
            self._attempt += 1
            self._at_market = True
            self._not_before = self._means.now() + SETTLING
            order = broker.order_by_client_id(flatten_id(on, self._symbol, self._attempt))

    def _intent(self, position: Position) -> OrderIntent:
        side = Side.SELL if position.quantity > 0 else Side.BUY
        limit = None if self._at_market or self._late() else _limit(position, side)
        return OrderIntent(
            client_order_id=flatten_id(self._means.session.on, self._symbol, self._attempt),
            symbol=self._symbol,
            side=side,
            quantity=abs(position.quantity),
            order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
            limit_price=limit,
        )

    def _late(self) -> bool:
        return self._means.now() >= self._means.session.close_at - MARKET_ONLY

    def _try(self, what: str, act: Step) -> None:
        """A failure is noted; what counts is what is read back."""
        try:
            act()
        except (OrderRejected, OutcomeUnknown, Unavailable) as error:
            self._means.note(f"{what} {self._symbol} error: {error}")


def request_end(cancel: Step, note: Callable[[str], None]) -> bool:
    """Ask for a cancel; whether the request may have arrived. What counts is what is read back."""
    try:
        cancel()
    except (OrderRejected, OutcomeUnknown) as error:
        logger.info("cancelling: %s", error)
    except Unavailable as error:
        note(f"cancelling: {error}")
        return False
    return True


def _protects(order: Order, position: Position) -> bool:
    """It is a stop that makes the position smaller."""
    away = Side.SELL if position.quantity > 0 else Side.BUY
    return order.order_type is OrderType.STOP and order.side is away


def _limit(position: Position, side: Side) -> Decimal | None:
    """A limit that any ordinary quote satisfies; None where no price is known."""
    through = -COLLAR if side is Side.SELL else COLLAR
    price = _rounded(position.current_price * (1 + through), side)
    return price if price > 0 else None


def _rounded(price: Decimal, side: Side) -> Decimal:
    """To a price that the exchange takes, on the side that fills sooner."""
    rounding = ROUND_FLOOR if side is Side.SELL else ROUND_CEILING
    return price.quantize(_tick(price), rounding)


def _tick(price: Decimal) -> Decimal:
    return CENT if price >= DOLLAR else TENTH_OF_A_CENT


def _moving(move: Callable[[Order, Position], None], order: Order, position: Position) -> Step:
    return lambda: move(order, position)


def _ending(cancel: Callable[[Order], None], order: Order) -> Step:
    return lambda: cancel(order)


def _in_turn(steps: Sequence[Step]) -> Step:
    def run() -> None:
        for step in steps:
            step()

    return run
