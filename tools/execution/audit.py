"""Our books against the broker's: what was filled, what stands too long, what has lost its stop."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tools.core.alerts import AlertKind, alert
from tools.core.session import Session
from tools.core.trading import Account, Order, Position, Trade
from tools.execution.books import Books
from tools.execution.breaker_watch import BreakerWatch
from tools.execution.clock_check import ClockCheck
from tools.execution.day_files import DayFiles
from tools.execution.guard import Guard
from tools.execution.order_desk import OrderDesk
from tools.execution.premises import Premises
from tools.execution.rebuilding import adopt_our_orders
from tools.execution.reconcile import decisions_behind, differences, foreign
from tools.execution.round_trips import carried_into, executions, round_trips
from tools.execution.slippage import Execution, decided_prices
from tools.execution.trading_control import TradingControl
from tools.journal.order_ids import Leg, leg_of
from tools.journal.state_store import IntentStatus, SessionRecord
from tools.risk.book import working
from tools.schedule.market_hours import at_new_york

logger = logging.getLogger(__name__)

BOOKS = "books"
"""Who closes entries while the books disagree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """What the broker said: the orders of the session's day, legs nested, and what is held."""

    session: Session
    orders: tuple[Order, ...]
    account: Account
    positions: tuple[Position, ...]


class Auditor:
    """`audit` may be called by anyone at any time; it does nothing twice."""

    def __init__(
        self,
        premises: Premises,
        control: TradingControl,
        books: Books,
        desk: OrderDesk,
        files: DayFiles,
        watch: BreakerWatch,
        guard: Guard,
    ) -> None:
        self._premises, self._broker, self._store = premises, premises.broker, premises.store
        self._control, self._books, self._desk, self._files = control, books, desk, files
        self._watch, self._guard = watch, guard
        self._clock = ClockCheck(premises, control)
        books.compare = self.audit
        self._lock = threading.Lock()
        self._executed: dict[str, Decimal] | None = None
        self.trades: tuple[Trade, ...] = ()
        """The session's closed round trips as of the last audit."""
        self._executions: Sequence[Execution] = ()
        self._written: object = None
        """What trades and executions were last made from; of the same come the same."""
        self._differences: Mapping[str, Decimal] = {}
        self._adopted: dict[str, Decimal] = {}
        self._strangers: set[str] = set()
        self.look_again_at: datetime | None = None
        """When the last audit left something that is not to wait for the next period."""
        self.idle = False
        """The last audit found nothing held, nothing open and nothing unanswered."""

    def audit(self, event: str = "") -> None:
        """Compare and act; `event` names a line of `position.jsonl` that is due in any case.

        Raises Unavailable. Until the first audit has succeeded there are no entries.
        """
        with self._lock:
            session = self._books.begun_session()
            if session is None:
                return
            if self._store.open_intents():
                # First, since the answer about an intent may keep us waiting: a sale that was cut
                # off has taken the stop away.
                self._guard.protect(session.on, self._orders(session), self._broker.positions())
            resolved = self._desk.resolve_open_intents()
            look = _Look(
                session=session,
                orders=self._orders(session),
                account=self._broker.account(),
                positions=self._broker.positions(),
            )
            adopt_our_orders(self._store, session.on, look.orders)
            if self._begin_session(look):
                event = event or "reconciliation"
            self._cancel_stale_entries(look)
            self._find_late_arrivals(look)
            self.look_again_at = self._guard.protect(session.on, look.orders, look.positions)
            if began := self._store.session(session.on):
                self._write_trades(look, began)
                self._watch_breakers(look, began)
            self._write_position(look, event)
            self._books.heard(self._clock.look())
            self._books.compared(resolved and (began is None or self._agree(look, began)))
            busy = working(look.orders) or self._store.open_intents() or look.positions
            self.idle = not busy

    def _begin_session(self, look: _Look) -> bool:
        """Keep how the session began, at its first audit: its equity, and what it carries."""
        now = self._premises.now()
        if self._store.session(look.session.on) or now >= look.session.close_at:
            return False
        # Once trading is on, the equity of the evening before is what the session started with.
        late = now >= look.session.open_at and look.account.last_equity > 0
        self._store.begin_session(
            SessionRecord(
                session_on=look.session.on,
                start_equity_usd=look.account.last_equity if late else look.account.equity,
                opening=carried_into(look.positions, look.orders),
            )
        )
        self._control.begin_session()
        return True

    def _cancel_stale_entries(self, look: _Look) -> None:
        lifetime = timedelta(seconds=self._premises.limits.entry_lifetime_seconds)
        if self._control.latch():
            lifetime = timedelta(0)
        for order in look.orders:
            entry = leg_of(order.client_order_id) is Leg.ENTRY
            if entry and order.open and self._premises.now() - order.submitted_at >= lifetime:
                logger.info("%s was not filled in time: cancelled", order.client_order_id)
                self._desk.cancel(order.client_order_id)

    def _find_late_arrivals(self, look: _Look) -> None:
        """What was given up and came after all is known again; an entry so late is not wanted."""
        given_up = {
            record.intent.client_order_id: record
            for record in self._store.intents_on(look.session.on)
            if record.status not in (IntentStatus.OPEN, IntentStatus.ACCEPTED)
        }
        for order in look.orders:
            if record := given_up.get(order.client_order_id):
                logger.warning("%s has arrived late: %s", order.client_order_id, order.status)
                self._desk.adopt(record, order)

    def _orders(self, session: Session) -> tuple[Order, ...]:
        return self._broker.orders_since(at_new_york(session.on, 0, 0))

    def _agree(self, look: _Look, began: SessionRecord) -> bool:
        """The broker's positions are what the fills add up to, or were adopted as EXTERNAL.

        A difference counts when two looks show it: a fill may come between two questions.
        """
        for order in foreign(look.orders):
            if order.order_id not in self._strangers:
                self._strangers.add(order.order_id)
                words = f"{order.side} {order.quantity} {order.symbol} is not ours"
                self._note(look, "external_order", order.symbol, words)
        found = differences(began.opening, look.orders, look.positions)
        new = {one: shares for one, shares in found.items() if self._adopted.get(one) != shares}
        confirmed = {one for one, shares in new.items() if self._differences.get(one) == shares}
        for symbol in sorted(confirmed):
            words = f"{new[symbol]} shares of {symbol} are not in our books: adopted as EXTERNAL"
            self._note(look, "difference", symbol, words, alert(AlertKind.BOOKS_DISAGREE))
            self._adopted[symbol] = new[symbol]
        self._differences = found
        if new:
            words = ", ".join(f"{shares:+} {symbol}" for symbol, shares in new.items())
            self._control.close_entries(BOOKS, f"the broker's books and ours disagree: {words}")
        else:
            self._control.open_entries(BOOKS)
        return not new

    def _note(
        self,
        look: _Look,
        kind: str,
        symbol: str,
        words: str,
        extra: Mapping[str, AlertKind] | None = None,
    ) -> None:
        logger.warning("%s", words, extra=extra)
        self._files.append_event(look.session.on, self._premises.now(), kind, symbol, words)

    def _write_trades(self, look: _Look, began: SessionRecord) -> None:
        intents = [record.intent for record in self._store.intents_on(look.session.on)]
        rests_on = look.session.on, look.orders, began.opening, intents
        if rests_on == self._written:
            return
        decided = decided_prices(intents)
        trades = round_trips(
            look.orders,
            began.opening,
            opened_at=look.session.wake_at,
            decisions=decisions_behind(look.session.on, intents, look.orders, began.opening),
            decided=decided,
        )
        prompts = {one.client_order_id: one.prompt_hash for one in intents}
        self.trades = tuple(
            replace(trade, prompt_hash=prompts.get(trade.entry_client_order_id, ""))
            for trade in trades
        )
        self._files.write_trades(look.session.on, self.trades)
        done = executions(look.orders, decided)
        self._files.write_fills(look.session.on, done)
        self._executions = [one for one in done if one.client_order_id in decided]
        self._written = rests_on

    def _watch_breakers(self, look: _Look, began: SessionRecord) -> None:
        if self._premises.now() >= look.session.close_at:
            return
        asked = {
            record.intent.client_order_id: record.intent.quantity
            for record in self._store.intents_on(look.session.on)
        }
        overfilled = [
            order.client_order_id
            for order in look.orders
            if order.filled_quantity > asked.get(order.client_order_id, order.filled_quantity)
        ]
        self._watch.look(began, look.account, self.trades, self._executions, overfilled)

    def _write_position(self, look: _Look, event: str) -> None:
        """A line at the start, after each fill, and for a named event."""
        family = [one for order in look.orders for one in (order, *order.legs)]
        executed = {one.order_id: one.filled_quantity for one in family if one.filled_quantity}
        if self._executed is None:
            event = "start"
        elif executed != self._executed:
            event = event or "fill"
        self._executed = executed
        if event:
            self._files.append_position(
                event,
                at=self._premises.now(),
                session_on=look.session.on,
                account=look.account,
                positions=look.positions,
            )
