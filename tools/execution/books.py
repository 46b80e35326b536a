"""What the desk looks at: the broker's word first, then our state, and the time last."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal

from tools.core.session import Session
from tools.core.trading import BrokerClock, Order, Position
from tools.execution.premises import Premises
from tools.execution.trading_control import TradingControl
from tools.journal.order_ids import Leg
from tools.journal.state_store import IntentRecord, IntentStatus
from tools.risk.book import Book, Claim, Entry, cycle_of, working
from tools.schedule.market_hours import CalendarEnded

COMPARED_EVERY = timedelta(seconds=15)
"""Market time; the monitor looks less often while nothing happens."""

_NEVER_SENT = (IntentStatus.REJECTED, IntentStatus.UNSENT)


class Books:
    """Reads, never writes. Raises BrokerUnavailable and StateUnavailable."""

    def __init__(self, premises: Premises, control: TradingControl) -> None:
        self._broker, self._store, self._control = premises.broker, premises.store, control
        self._hours, self._now = premises.hours, premises.now
        self.reconciled = False
        """Compared with the broker's since the start; until then there are no entries."""
        self._compared_at: datetime | None = None
        self.early = timedelta(0)
        """How much sooner the broker closes than our table says by our clock, as last heard."""
        self.compare: Callable[[], object] = lambda: None
        """Compares them; the auditor puts itself here."""

    def compared(self, agree: bool) -> None:
        """They have just been compared with the broker's."""
        self.reconciled = agree
        if agree:
            self._compared_at = self._now()

    def heard(self, said: BrokerClock) -> None:
        """The broker's clock has just said so: our clock may be slow, our table out of date."""
        session, self.early = self.session(), timedelta(0)
        if session is not None and said.market_open:
            left = said.next_close - said.at
            self.early = max(self.early, session.close_at - self._now() - left)

    def freshen(self) -> None:
        """Have them compared again before they are ruled by, if that was some time ago."""
        at = self._compared_at
        if at is not None and not timedelta(0) <= self._now() - at <= COMPARED_EVERY:
            self.compare()

    def read(self) -> Book:
        """The book as it stands; state and time are read last."""
        account, positions = self._broker.account(), self._broker.positions()
        orders, clock = self._broker.open_orders(), self._broker.clock()
        unanswered = self.unanswered(Leg.ENTRY)
        session = self.session()
        began = self._store.session(session.on) if session else None
        state = self._control.current()
        return Book(
            now=self._now(),
            session=session,
            market_open=clock.market_open,
            broker_clock=clock,
            reconciled=self.reconciled and began is not None,
            reconciled_at=self._compared_at,
            trading_state=state.trading_state,
            state_reason=state.reason,
            account=account,
            positions=positions,
            open_orders=orders,
            start_equity_usd=began.start_equity_usd if began else account.equity,
            entries=self.entries(session),
            claims=unanswered,
        )

    def session(self) -> Session | None:
        """The session that is on or comes next; None past the end of the table."""
        with suppress(CalendarEnded):
            return self._hours.current_or_next(self._now())
        return None

    def begun_session(self) -> Session | None:
        """The latest session whose wake-up has passed: the one that is on, or the last."""
        session, now = self.session(), self._now()
        if session is not None and session.wake_at <= now:
            return session
        return self._hours.last_ended(now)

    def open(self) -> bool:
        """The market is open, by the session table and by the broker's clock."""
        session = self.session()
        on = session is not None and session.open_at <= self._now()
        return on and self._broker.clock().market_open

    def unanswered(self, leg: Leg) -> tuple[Claim, ...]:
        """The intents of that kind whose outcome is not known yet."""
        return tuple(
            Claim(
                symbol=record.intent.symbol,
                notional_usd=_notional_usd(record),
                risk_usd=_notional_usd(record)
                - record.intent.quantity * (record.intent.stop_loss_price or Decimal(0)),
            )
            for record in self._store.open_intents()
            if record.leg is leg
        )

    def entries(self, session: Session | None) -> tuple[Entry, ...]:
        """The session's entries that reached the broker, or may have, oldest first."""
        return tuple(
            Entry(
                symbol=record.intent.symbol,
                at=record.created_at,
                notional_usd=_notional_usd(record),
                cycle=cycle_of(record.intent.decision_id),
            )
            for record in (self._store.intents_on(session.on) if session else ())
            if record.leg is Leg.ENTRY and record.status not in _NEVER_SENT
        )

    def position(self, symbol: str) -> Position | None:
        """What is held of `symbol`, None when that is nothing."""
        held = (one for one in self._broker.positions() if one.symbol == symbol and one.quantity)
        return next(held, None)

    def resting(self, symbol: str) -> list[Order]:
        """The orders of `symbol` that may still act, legs included."""
        return [one for one in working(self._broker.open_orders()) if one.symbol == symbol]


def _notional_usd(record: IntentRecord) -> Decimal:
    return record.intent.quantity * (record.intent.limit_price or Decimal(0))
