"""Getting flat: cancel, wait, close, verify, repeat. Works on the broker alone.

Every caller runs this one function. Its client order ids name session, symbol and attempt, so two
callers who know nothing of each other collide at the broker instead of selling twice. An attempt is
over when its order is terminal; the next one begins only if a read after that still shows shares.
Nothing is submitted outside the session: a day order would wait for the next open.
"""

import itertools
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from tools.core.errors import OrderRejected, OutcomeUnknown, Unavailable
from tools.core.reports import FlattenReport
from tools.core.seams import Broker
from tools.core.session import Session
from tools.core.trading import Order, OrderIntent, OrderType, Position, Side
from tools.journal.order_ids import flatten_id
from tools.risk.book import working

logger = logging.getLogger(__name__)

POLL = timedelta(seconds=1)
CANCELLING, FILLING = timedelta(seconds=1), timedelta(seconds=5)
"""How long a round waits for cancellations, and for what it sent, before it goes on."""

READS_APART = timedelta(seconds=2)
"""Between the two reads that must agree before anything is called flat."""


def flatten(
    broker: Broker,
    *,
    session: Session,
    now: Callable[[], datetime],
    wait: Callable[[datetime], None],
    caller: str,
    exempt: frozenset[str] = frozenset(),
) -> FlattenReport:
    """Close every position but those in `exempt`, until the broker says flat or the session ends.

    `wait(t)` returns at the instant `t`. Outside the session it only cancels and looks, once.
    Failures of the broker are logged, reported and outlasted; nothing is raised for them.
    """
    return _Flattening(broker, session, now, wait, exempt).run(caller)


class _Flattening:
    """One run. `_held` is every symbol that was seen held, `_errors` keeps each failure once."""

    def __init__(
        self,
        broker: Broker,
        session: Session,
        now: Callable[[], datetime],
        wait: Callable[[datetime], None],
        exempt: frozenset[str],
    ) -> None:
        self._broker, self._session, self._now, self._wait = broker, session, now, wait
        self._exempt = exempt
        self._held: dict[str, None] = {}
        self._errors: dict[str, None] = {}

    def run(self, caller: str) -> FlattenReport:
        started_at, flat = self._now(), False
        while not flat:
            try:
                self._clear()
                self._close_all()
                flat = self._settled()
            except Unavailable as error:
                self._note(f"flatten error: {error}")
            if not flat and not self._pause(POLL):
                break
        remaining = () if flat else self._remaining()
        return FlattenReport(
            session_on=self._session.on,
            started_at=started_at,
            ended_at=self._now(),
            flat=flat,
            closed_symbols=tuple(sorted(self._held.keys() - set(remaining))),
            remaining_symbols=remaining,
            errors=tuple(self._errors),
            caller=caller,
        )

    def _clear(self) -> None:
        """Cancel what is open, since resting orders hold the shares, and give that a moment."""
        if not (orders := self._orders()):
            return
        if self._exempt:
            for order in orders:
                self._cancel(order)
        else:
            self._cancel(None)
        self._let_orders_end(CANCELLING)

    def _cancel(self, order: Order | None) -> None:
        """Ask for the end of one order, or of all."""
        try:
            if order is None:
                self._broker.cancel_all()
            else:
                self._broker.cancel(order)
        except (OrderRejected, OutcomeUnknown) as error:
            logger.info("cancelling: %s", error)  # what counts is what is read back

    def _close_all(self) -> None:
        """Send one order for each position that no open order works on."""
        positions, busy = self._positions(), {order.symbol for order in self._orders()}
        for symbol in _symbols(positions):
            if symbol in busy:
                continue
            try:
                self._close(symbol)
            except (OrderRejected, OutcomeUnknown, Unavailable) as error:
                self._note(f"close {symbol} error: {error}")

    def _close(self, symbol: str) -> None:
        """Sell what is left once every earlier attempt has ended, under the first free id."""
        for attempt in itertools.count(1):
            client_order_id = flatten_id(self._session.on, symbol, attempt)
            order = self._broker.order_by_client_id(client_order_id)
            if order is None:
                break
            if order.open:
                return
        if attempt > 1:
            self._pause(POLL)  # an order may be done a moment before its position is
        # Read after that look, so that what an earlier attempt has sold is gone from it.
        left = [position for position in self._positions() if position.symbol == symbol]
        if left and self._may_submit():
            self._broker.submit(_exit_order(client_order_id, left[0]))

    def _settled(self) -> bool:
        """Nothing held and nothing open, read twice, once what was sent has had its time."""
        self._let_orders_end(FILLING)
        if self._positions() or self._orders():
            return False
        self._sleep(READS_APART)
        return not self._positions() and not self._orders()

    def _let_orders_end(self, patience: timedelta) -> None:
        deadline = self._now() + patience
        while self._orders() and self._now() < deadline and self._pause(POLL):
            pass

    def _positions(self) -> list[Position]:
        found = [p for p in self._broker.positions() if p.quantity and p.symbol not in self._exempt]
        self._held |= dict.fromkeys(position.symbol for position in found)
        return found

    def _orders(self) -> list[Order]:
        orders = working(self._broker.open_orders())
        return [order for order in orders if order.symbol not in self._exempt]

    def _may_submit(self) -> bool:
        """In the session by the table and by the broker's clock; asked right before each order."""
        if not self._in_session():
            return False
        if not self._broker.clock().market_open:
            self._note("flatten error: the broker's clock says that the market is closed")
            return False
        return True

    def _in_session(self) -> bool:
        return self._session.open_at <= self._now() < self._session.close_at

    def _pause(self, length: timedelta) -> bool:
        """Let time pass; False when that leads out of the session, or time is outside already."""
        if not self._in_session():
            return False
        self._sleep(length)
        return self._in_session()

    def _sleep(self, length: timedelta) -> None:
        """Wait for all of `length`: somebody may rouse us early."""
        until = self._now() + length
        while self._now() < until:
            self._wait(until)

    def _remaining(self) -> tuple[str, ...]:
        try:
            return _symbols(self._positions())
        except Unavailable as error:
            self._note(f"flatten error: {error}")
            return tuple(sorted(self._held))

    def _note(self, words: str) -> None:
        """Log and keep a failure, the first time that it happens."""
        if words not in self._errors:
            logger.error("%s", words)
        self._errors[words] = None


def _exit_order(client_order_id: str, position: Position) -> OrderIntent:
    return OrderIntent(
        client_order_id=client_order_id,
        symbol=position.symbol,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        quantity=abs(position.quantity),
        order_type=OrderType.MARKET,
    )


def _symbols(positions: Iterable[Position]) -> tuple[str, ...]:
    return tuple(sorted(position.symbol for position in positions))
