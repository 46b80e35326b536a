"""When to look and when to flatten, without anybody asking.

Synchronous: `turn` does what is due, `next_wake` says when to call it again. The loop around them
belongs to the server; so does the thread, since a flatten waits in it.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tools.core.alerts import AlertKind, alert
from tools.core.errors import BrokerUnavailable, Unavailable
from tools.core.reports import FlattenReport
from tools.core.session import Session
from tools.execution.audit import Auditor
from tools.execution.books import Books
from tools.execution.breaker_watch import BreakerWatch
from tools.execution.flatten import flatten
from tools.execution.kill_switch import KILL_SWITCH, KillSwitch
from tools.execution.notary import Notary
from tools.execution.order_desk import OrderDesk
from tools.execution.overnight import Overnight
from tools.execution.premises import Premises
from tools.execution.trading_control import BREAKER, MONITOR, TradingControl
from tools.journal.state_store import StateUnavailable
from tools.risk.book import working

logger = logging.getLogger(__name__)

WATCHDOG_DELAY = timedelta(seconds=60)
"""How long after the flatten time the monitor waits for somebody to ask."""

IDLE_PERIODS = 12
"""While nothing is held, open or unanswered, only every twelfth period has an audit."""

FIRST_RETRY = timedelta(seconds=0.5)
"""After an audit that failed; the pause doubles with each failure, up to the period."""

PAST_THE_TABLE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenStatus:
    """Where the session's flatten stands; `report` is that of the last one that has ended."""

    state: Literal["idle", "running", "done"]
    report: FlattenReport | None


class PositionMonitor:
    """See the module. `request_flatten` and `flatten_status` may be called from any thread."""

    def __init__(
        self,
        premises: Premises,
        control: TradingControl,
        books: Books,
        desk: OrderDesk,
        auditor: Auditor,
        watch: BreakerWatch,
        switch: KillSwitch,
        notary: Notary,
        overnight: Overnight,
        *,
        period: timedelta,
    ) -> None:
        """`period` is the market time between two looks while the market is open."""
        self._premises, self._control, self._books = premises, control, books
        self._desk, self._auditor, self._period = desk, auditor, period
        self._watch, self._switch, self._killed = watch, switch, False
        self._notary, self._overnight = notary, overnight
        self._audit_due = premises.now()
        self._away, self._failures = False, 0
        self._asked, self._report = self._remembered_flatten()

    def turn(self, wait: Callable[[datetime], None]) -> None:
        """Flatten if that was asked for or is overdue, else audit and certify if that is due.

        `wait(t)` returns at the instant `t`; only a flatten and a certificate wait.
        """
        killed, before = self._switch.heed() is not None, self._killed
        self._killed = killed
        if caller := self._flatten_caller():
            self._flatten(caller, wait)
            return
        if self._audit_is_due() or (killed and not before):
            self.look()
        self._look_at_the_morning()
        self._notary.turn(wait)

    def next_wake(self) -> datetime:
        """When the next turn may have something to do."""
        now, session = self._premises.now(), self._books.session()
        if self._asked or (not self._killed and self._control.latch()):
            return now
        if session is None:
            wake = now + PAST_THE_TABLE
        elif now < session.wake_at and not self._away:
            wake = session.wake_at
        else:
            wake = min(now + self._period, max(now, self._audit_due))
        others = [self._notary.next_due(), self._overnight.next_due()]
        if session is not None and now < (watchdog := self._flatten_at(session) + WATCHDOG_DELAY):
            others.append(watchdog)
        return min((wake, *(max(now, one) for one in others if one)))

    def look(self, event: str = "") -> None:
        """Audit; a broker or a state file that is away is said once, and asked again next time."""
        try:
            self._auditor.audit(event)
        except Unavailable as error:
            if not self._away:
                logger.warning("audit: %s", error)
            self._away = True
            self._failures += 1
        else:
            if self._away:
                logger.info("audit: all answer again")
            self._away = False
            self._failures = 0
        now, session = self._premises.now(), self._books.session()
        periods = IDLE_PERIODS if self._auditor.idle and not self._away else 1
        self._audit_due = now + periods * self._period
        if self._away:
            self._audit_due = now + min(self._period, FIRST_RETRY * 2 ** min(self._failures, 9))
        elif again := self._auditor.look_again_at:
            self._audit_due = min(self._audit_due, again)
        if session is not None and now < session.wake_at:
            self._audit_due = min(self._audit_due, session.wake_at)

    def _audit_is_due(self) -> bool:
        """Also when the clock was set back: it is never due later than in the longest pause."""
        until = self._audit_due - self._premises.now()
        return not timedelta(0) < until <= IDLE_PERIODS * self._period

    def _look_at_the_morning(self) -> None:
        try:
            if self._overnight.turn():
                self.look()
        except Unavailable as error:
            logger.warning("what was found overnight waits: %s", error)

    def request_flatten(self, caller: str) -> None:
        """Have the next turn flatten. Asking again while one is at work changes nothing."""
        session = self._books.begun_session()
        if self._asked or session is None:
            return
        now = self._premises.now()
        _journal(lambda: self._premises.store.begin_flatten(session.on, caller=caller, now=now))
        logger.info("flatten asked for by the %s", caller)
        self._asked = caller

    def flatten_status(self) -> FlattenStatus:
        """Of the session that is on, or was on last."""
        session, report = self._books.begun_session(), self._report
        if self._asked:
            return FlattenStatus(state="running", report=report)
        done = report is not None and session is not None and report.session_on == session.on
        return FlattenStatus(state="done" if done else "idle", report=report if done else None)

    def _flatten_caller(self) -> str | None:
        """Who wants a flatten now; the monitor itself, when the session's is overdue."""
        session, now = self._books.begun_session(), self._premises.now()
        if self._asked or session is None:
            return self._asked
        flatten_at = self._flatten_at(session)
        overdue = flatten_at + WATCHDOG_DELAY <= now < session.close_at
        if overdue and not (self._report and _settles(self._report, flatten_at)):
            words = "nobody has flattened the session: the monitor does"
            logger.warning(words, extra=alert(AlertKind.FLATTEN_OVERDUE))
            self.request_flatten(MONITOR)
        elif closer := self._closer(session):
            self.request_flatten(closer)
        return self._asked

    def _flatten_at(self, session: Session) -> datetime:
        """By the table, and earlier if the broker closes earlier."""
        return session.flatten_at - self._books.early

    def _closer(self, session: Session) -> str:
        """Who wants all closed, while there is something to close."""
        wanted = ""
        if self._switch.closing():
            wanted = KILL_SWITCH
        elif self._watch.day_over:
            wanted = BREAKER
        elif self._report and _settles(self._report, self._flatten_at(session)):
            wanted = MONITOR  # what turns up once the day's flatten is done goes as well
        if not wanted or not session.open_at <= self._premises.now() < session.close_at:
            return ""
        return wanted if self._exposed() else ""

    def _flatten(self, caller: str, wait: Callable[[datetime], None]) -> None:
        session = self._books.begun_session()
        if session is None:
            return
        with self._desk.standing_aside():
            _journal(lambda: self._control.reduce(f"flatten, asked for by the {caller}", caller))
            report = flatten(
                self._premises.broker,
                session=session,
                now=self._premises.now,
                wait=wait,
                caller=caller,
                exempt=self._premises.limits.flatten_exempt_symbols,
            )
        _journal(lambda: self._premises.store.end_flatten(report))
        self._report, self._asked = report, None
        if report.flat:
            logger.info("flat: closed %s", ", ".join(report.closed_symbols) or "nothing")
        else:
            names = ", ".join(report.remaining_symbols) or "unknown"
            logger.critical("NOT FLAT: %s", names, extra=alert(AlertKind.NOT_FLAT))
        self.look("flatten")
        self._notary.certify(report, session, wait)

    def _exposed(self) -> bool:
        """Something is held or open that a flatten would close: an entry may still be filled."""
        exempt = self._premises.limits.flatten_exempt_symbols
        try:
            positions = self._premises.broker.positions()
            orders = working(self._premises.broker.open_orders())
        except BrokerUnavailable:
            return False
        held = {one.symbol for one in positions if one.quantity}
        return bool(held.union(one.symbol for one in orders) - exempt)

    def _remembered_flatten(self) -> tuple[str | None, FlattenReport | None]:
        """What was asked for and not finished, and the last report, from before this start."""
        session = self._books.begun_session()
        record = self._premises.store.flatten(session.on) if session else None
        if session is None or record is None:
            return None, None
        unfinished = record.report is None and self._premises.now() < session.close_at
        return record.caller if unfinished else None, record.report


def _settles(report: FlattenReport, flatten_at: datetime) -> bool:
    """The session needs no other flatten: flat, and no entry can have followed."""
    return report.flat and report.ended_at >= flatten_at


def _journal(write: Callable[[], object]) -> None:
    """The flatten needs the broker alone: a state file that cannot be written does not stop it."""
    try:
        write()
    except StateUnavailable:
        logger.exception("the flatten goes on without the state file")
