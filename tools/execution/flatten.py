"""Getting flat: cancel, wait, close, verify, repeat. Works on the broker alone.

Every caller runs this one function. Its client order ids name session, symbol and attempt, so two
callers who know nothing of each other collide at the broker instead of selling twice. Each symbol
climbs its own ladder (`exit_ladder`) and no symbol waits for another: what is sent is sent at once,
and the next look is taken while the answers are under way. Nothing is submitted outside the
session, by the table and by the broker's clock: a day order would wait for the next open.
"""

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import wait as answered
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from tools.core.alerts import AlertKind, alert
from tools.core.errors import Unavailable
from tools.core.reports import FlatRead, FlattenReport
from tools.core.seams import Broker
from tools.core.session import Session
from tools.core.trading import BrokerClock, Order, Position, Side
from tools.execution.exit_ladder import SETTLING, ExitLadder, Means, request_end
from tools.journal.order_ids import is_flatten

logger = logging.getLogger(__name__)

POLL, FIRST_POLL = timedelta(seconds=1), timedelta(seconds=0.1)
"""Between two looks with nothing to do; the second look comes sooner."""

LOOKS_AT_ONCE = 2
"""In a row, while there is something to do: cancelled, sold, flat."""

READS_APART = SETTLING
"""Between the two reads that must agree before anything is called flat."""

LAST_SEND = timedelta(seconds=1)
"""Nothing is sent this shortly before the close: it could arrive after it."""

ASK_THE_CLOCK = timedelta(seconds=10)
WITHOUT_A_CLOCK = timedelta(seconds=30)
"""Of a flatten whose broker answers all but this: from then on the session table alone counts."""

ANSWERS_SECONDS = 2.0
"""Real seconds that a round waits for answers; a symbol without one waits alone."""

HEAD_START_SECONDS = 0.008
"""Real seconds that what was sent is ahead of the next look, so that this sees its effect."""

OVERDUE = timedelta(seconds=30)
"""Not flat after that is an alert."""


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

    `wait(t)` returns at the instant `t`; `now` may be called from any thread. Outside the session
    it cancels what could buy, looks, and leaves it at that. Failures of the broker are logged,
    reported and outlasted; nothing is raised for them.
    """
    return _Flattening(broker, session, now, wait, exempt).run(caller)


@dataclass(frozen=True, slots=True)
class _Look:
    """What the broker says at one moment, by symbol and without what is exempt."""

    at: datetime
    positions: Mapping[str, Position]
    orders: Mapping[str, list[Order]]

    @property
    def clean(self) -> bool:
        return not self.positions and not self.orders

    @property
    def symbols(self) -> list[str]:
        return sorted(self.positions.keys() | self.orders.keys())

    @property
    def open_orders(self) -> list[Order]:
        return [order for found in self.orders.values() for order in found]

    def read(self) -> FlatRead:
        held = tuple((symbol, self.positions[symbol].quantity) for symbol in sorted(self.positions))
        ids = sorted(order.client_order_id for order in self.open_orders)
        return FlatRead(at=self.at, held=held, open_orders=tuple(ids))


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
        self._started_at = now()
        self._held: dict[str, None] = {}
        self._errors: dict[str, None] = {}
        self._reads: tuple[FlatRead, ...] = ()
        self._ladders: dict[str, ExitLadder] = {}
        self._errands: dict[str, Future[None]] = {}
        self._closes_at: datetime | None = None
        self._clock_asked_at: datetime | None = None
        self._all_cancelled = self._alerted = False

    def run(self, caller: str) -> FlattenReport:
        """Do all of it."""
        flat = self._close_all() if self._in_session() else self._tidy_up()
        return self._report(caller, flat=flat)

    def _close_all(self) -> bool:
        """Round after round until two reads say flat; False when the session ends before."""
        if not self._exempt:
            self._errands[""] = self._broker.begin(self._cancel_all)
        pause, at_once = FIRST_POLL, 0
        while True:
            look = self._look()
            if self._clean_twice(look):
                return True
            if look and self._act(look) and at_once < LOOKS_AT_ONCE:
                at_once += 1
                continue  # the next look goes out with what was sent, and may see it done
            if not self._pause(pause):
                return False
            pause, at_once = POLL, 0
            self._alert_when_overdue(look)

    def _tidy_up(self) -> bool:
        """Outside the session: nothing can be sold, and what protects a holding is left alone."""
        if (look := self._look()) and not look.clean:
            for order in look.open_orders:
                if not _shields(order, look.positions.get(order.symbol)):
                    request_end(partial(self._broker.cancel, order), self._note)
            look = self._look()
        return self._clean_twice(look)

    def _look(self) -> _Look | None:
        """What is held and open, asked at once, and what is on its way; None without an answer."""
        answered(self._errands.values(), timeout=HEAD_START_SECONDS)
        asked = self._now()
        orders = self._broker.begin(self._broker.open_orders)
        positions = self._broker.begin(self._broker.positions)
        clock = self._broker.begin(self._broker.clock) if self._clock_is_due(asked) else None
        try:
            look = self._seen(asked, positions.result(), orders.result())
        except Unavailable as error:
            self._note(f"flatten error: {error}")
            look = None
        if clock:
            self._heard(clock)
        answered(self._errands.values(), timeout=ANSWERS_SECONDS)
        self._errands = {name: one for name, one in self._errands.items() if not one.done()}
        return look

    def _seen(
        self, at: datetime, positions: tuple[Position, ...], orders: tuple[Order, ...]
    ) -> _Look:
        open_orders: dict[str, list[Order]] = {}
        for order in orders:
            for one in (order, *order.legs):
                if one.open and one.symbol not in self._exempt:
                    open_orders.setdefault(one.symbol, []).append(one)
        held = {p.symbol: p for p in positions if p.quantity and p.symbol not in self._exempt}
        self._held |= dict.fromkeys(held)
        look = _Look(at, held, open_orders)
        self._reads = (*self._reads[-1:], look.read())
        return look

    def _clean_twice(self, look: _Look | None) -> bool:
        """Nothing held and nothing open; neither two seconds later."""
        if look is None or not look.clean or self._errands:
            return False
        self._sleep(READS_APART - (self._now() - look.at))
        again = self._look()
        return again is not None and again.clean

    def _act(self, look: _Look) -> bool:
        """Have each symbol take its next step; whether anything was sent."""
        steps = []
        for symbol in look.symbols:
            orders = look.orders.get(symbol, [])
            if symbol not in self._ladders:
                self._ladders[symbol] = self._ladder(symbol, orders)
            if symbol in self._errands:
                continue
            if step := self._ladders[symbol].next_step(look.positions.get(symbol), orders):
                steps.append((symbol, step))
        for symbol, step in steps:
            self._errands[symbol] = self._broker.begin(step)
        return bool(steps)

    def _ladder(self, symbol: str, orders: list[Order]) -> ExitLadder:
        means = Means(
            broker=self._broker,
            session=self._session,
            now=self._now,
            may_submit=self._may_submit,
            note=self._note,
        )
        ladder = ExitLadder(means, symbol)
        if self._all_cancelled:
            ladder.asked_to_cancel(orders)
        return ladder

    def _cancel_all(self) -> None:
        self._all_cancelled = request_end(self._broker.cancel_all, self._note)

    def _clock_is_due(self, now: datetime) -> bool:
        if not self._in_session():
            return False
        unknown = self._closes_at is None or self._clock_asked_at is None
        return unknown or now - (self._clock_asked_at or now) >= ASK_THE_CLOCK

    def _heard(self, clock: Future[BrokerClock]) -> None:
        """A clock that does not answer is believed as it was; one that never did is waited for."""
        try:
            told = clock.result()
        except Unavailable as error:
            self._note(f"flatten error: {error}")
            return
        self._clock_asked_at = self._now()
        if told.market_open:
            self._closes_at = self._now() + (told.next_close - told.at)
        else:
            self._closes_at = None
            self._note("flatten error: the broker's clock says that the market is closed")

    def _may_submit(self) -> bool:
        """In the session by the table and by the broker's clock; asked right before each order."""
        closes_at = self._closes_at
        if self._clock_asked_at is None and self._now() >= self._started_at + WITHOUT_A_CLOCK:
            closes_at = self._session.close_at
        if closes_at is None or not self._in_session():
            return False
        return self._now() < min(closes_at, self._session.close_at) - LAST_SEND

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

    def _alert_when_overdue(self, look: _Look | None) -> None:
        if self._alerted or self._now() < self._started_at + OVERDUE:
            return
        self._alerted = True
        left = ", ".join(look.symbols if look else self._held) or "unknown"
        logger.critical("not flat yet: %s", left, extra=alert(AlertKind.FLATTEN_OVERDUE))

    def _report(self, caller: str, *, flat: bool) -> FlattenReport:
        remaining: tuple[str, ...] = ()
        if not flat:
            look = self._look()
            remaining = tuple(sorted(look.positions if look else self._held))
            if look and look.orders:
                self._note(f"orders are open: {', '.join(look.read().open_orders)}")
        return FlattenReport(
            session_on=self._session.on,
            started_at=self._started_at,
            ended_at=self._now(),
            flat=flat,
            closed_symbols=tuple(sorted(self._held.keys() - set(remaining))),
            remaining_symbols=remaining,
            errors=tuple(self._errors),
            caller=caller,
            reads=self._reads,
        )

    def _note(self, words: str) -> None:
        """Log and keep a failure, the first time that it happens."""
        if words not in self._errors:
            logger.error("%s", words)
        self._errors[words] = None


def _shields(order: Order, position: Position | None) -> bool:
    """It only makes a holding smaller, and is no flatten's: that would wait for the next open."""
    if position is None or is_flatten(order.client_order_id):
        return False
    return order.side is (Side.SELL if position.quantity > 0 else Side.BUY)
