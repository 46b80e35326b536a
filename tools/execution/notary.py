"""Has every session certified, and keeps entries closed while one is not.

After each flatten, and a minute after the close whoever has flattened. A session that nobody
certified is made good at the next start, when two reads show nothing held and nothing open. Shares
held, a last line that says NOT FLAT, or a broken chain keep entries closed until an operator
acknowledges.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from tools.core.alerts import AlertKind, alert
from tools.core.reports import FlattenReport
from tools.core.seams import Broker
from tools.core.session import Session
from tools.execution.books import Books
from tools.execution.certificates import (
    VERIFY_DELAY,
    Certificate,
    Certifier,
    Occasion,
    Standing,
    acknowledge,
    read_standing,
)
from tools.execution.premises import Premises
from tools.execution.trading_control import MONITOR, TradingControl
from tools.schedule.market_hours import CalendarEnded

logger = logging.getLogger(__name__)

CERTIFICATES = "certificates"
"""Who keeps the entries closed."""

MISSING = "has no flat certificate yet"
"""No alarm of its own: the verification that follows says what it finds."""

GRACE = timedelta(seconds=60)
"""For orders that end a little late and a broker that is away, before NOT FLAT is written."""

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=30)
"""Between two looks at a session whose end could not be seen; the pause doubles."""

LATE = timedelta(minutes=10)
"""After the close; from then on a verification is called late."""


class Notary:
    """`turn` does what is due; all of it may be called at any time by the monitor's thread."""

    def __init__(
        self,
        premises: Premises,
        control: TradingControl,
        books: Books,
        path: Path,
        everything: Broker,
    ) -> None:
        """`everything` is the broker with the foreign shares in sight, where there are any."""
        self._premises, self._control, self._books = premises, control, books
        self._path, self._now = path, premises.now
        self._certifier = Certifier(
            broker=premises.broker,
            path=path,
            now=premises.now,
            outside=premises.limits.flatten_exempt_symbols,
            everything=everything,
        )
        self._seen: object = None
        self._standing: Standing | None = None
        self._reason = ""
        self._watched: date | None = None
        self._first_try, self._pause = premises.now(), FIRST_PAUSE
        self._look_at: datetime | None = None
        self._judge()

    def certify(
        self, report: FlattenReport, session: Session, wait: Callable[[datetime], None]
    ) -> None:
        """Write how a flatten ended."""
        try:
            self._certifier.certify_flatten(report, session, wait)
        except OSError as error:
            self._unwritten(error)
        self._judge()

    def turn(self, wait: Callable[[datetime], None]) -> None:
        """Verify a session's end if that is due, and judge what stands in the file."""
        self._judge()
        if self._standing is not None:
            try:
                self._verify(self._standing, wait)
            except OSError as error:
                self._unwritten(error)
                self._look_at = self._now() + GRACE
            self._judge()

    def next_due(self) -> datetime | None:
        """When a session's end is to be looked at; None when nothing is known to be due."""
        if self._look_at is not None:
            return self._look_at
        session, now = self._books.begun_session(), self._now()
        if session is None or now >= session.close_at + VERIFY_DELAY:
            return None
        return session.close_at + VERIFY_DELAY

    def acknowledge(self, session_on: date, *, by: str, reason: str) -> None:
        """An operator has looked. Raises OSError."""
        acknowledge(self._path, session_on, by=by, reason=reason, now=self._now())
        logger.warning("%s is acknowledged by the %s: %s", session_on, by, reason)
        self._judge()

    def last(self) -> Standing | None:
        """What the file says, None when it cannot be read."""
        self._judge()
        return self._standing

    def _verify(self, standing: Standing, wait: Callable[[datetime], None]) -> None:
        found = self._to_verify(standing)
        if found is None:
            self._watched = self._look_at = None
            return
        session, occasion = found
        if session.on != self._watched:
            self._watched, self._first_try, self._pause = session.on, self._now(), FIRST_PAUSE
            self._look_at = self._now()
        if self._look_at and self._now() < self._look_at:
            return
        certificate = self._certifier.look(session, occasion, MONITOR, wait)
        self._look_at = None
        if not certificate.flat:
            self._look_at = self._now() + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            if not certificate.held and self._now() < self._first_try + GRACE:
                return
        if _news(certificate, standing):
            self._certifier.write(certificate)
            _tell(certificate)

    def _to_verify(self, standing: Standing) -> tuple[Session, Occasion] | None:
        """The session whose end is to be looked at now."""
        now = self._now()
        session = self._latest(now - VERIFY_DELAY, standing)
        if session is None or session.on in standing.acknowledged:
            return None
        occasion = Occasion.LATE if now >= session.close_at + LATE else Occasion.CLOSE
        last = standing.last.get(session.on)
        if last is None or not _of_the_end(last, session):
            return session, occasion
        coming = self._books.session()
        idle = coming is None or now < coming.wake_at
        early = datetime.fromisoformat(last["at"]) < session.close_at + VERIFY_DELAY
        unseen = not last["flat"] and not any(read["held"] for read in last["reads"][-1:])
        return (session, occasion) if (idle and early) or unseen else None

    def _latest(self, now: datetime, standing: Standing) -> Session | None:
        """The last session that had ended by `now` and that this agent began."""
        ended = self._premises.hours.last_ended(now)
        if ended is None:
            return None
        store = self._premises.store
        if ended.on in standing.last or store.session(ended.on):
            return ended
        begun = store.last_session_before(ended.on)
        with suppress(CalendarEnded):
            return self._premises.hours.session_on(begun) if begun else None
        return None

    def _judge(self) -> None:
        """Read the file when it has changed, and open or close the entries by it."""
        try:
            stamp = self._stamp()
            if stamp == self._seen:
                return
            self._standing = standing = read_standing(self._path)
            self._seen = stamp
            reason = self._objection(standing)
        except (OSError, ValueError, LookupError, TypeError) as error:
            self._standing, self._seen = None, None
            reason = f"the certificates cannot be read, {self._path}: {error!r}"
        if reason:
            self._control.close_entries(CERTIFICATES, reason)
        else:
            self._control.open_entries(CERTIFICATES)
        if reason and reason != self._reason and not reason.endswith(MISSING):
            cure = f"python active_trader.py acknowledge --session {self._in_question()}"
            words = "%s; look at the account, then: %s"
            logger.critical(words, reason, cure, extra=alert(AlertKind.CERTIFICATE))
        self._reason = reason

    def _objection(self, standing: Standing) -> str:
        """Why there may be no entries; "" when all earlier sessions are settled."""
        coming = self._books.session()
        if standing.unfinished:
            logger.warning("%s ends in the middle of a line: it does not count", self._path)
        if standing.fault:
            return f"{self._path} is damaged: {standing.fault}"
        if unsettled := standing.unsettled(coming.on if coming else date.max):
            why = "; ".join(standing.last[unsettled[-1]]["why_not"])
            return f"the session of {unsettled[-1]} did not end flat: {why}"
        latest = self._latest(self._now() - VERIFY_DELAY, standing)
        if latest and latest.on not in standing.acknowledged:
            last = standing.last.get(latest.on)
            if last is None or not _of_the_end(last, latest):
                return f"the session of {latest.on} {MISSING}"
        return ""

    def _in_question(self) -> date | str:
        """The session that an operator is to acknowledge."""
        coming = self._books.session()
        known = (
            self._standing.unsettled(coming.on if coming else date.max) if self._standing else []
        )
        ended = self._premises.hours.last_ended(self._now())
        return known[-1] if known else ended.on if ended else "YYYY-MM-DD"

    def _stamp(self) -> object:
        """Changes when the file does, and with the session that counts as the coming one."""
        coming = self._books.session()
        ended = self._premises.hours.last_ended(self._now() - VERIFY_DELAY)
        files = [self._path, self._path.with_suffix(".head")]
        stats = [one.stat() if one.exists() else None for one in files]
        marks = tuple((one.st_mtime_ns, one.st_size, one.st_ino) if one else None for one in stats)
        return marks, coming and coming.on, ended and ended.on

    def _unwritten(self, error: OSError) -> None:
        words = "no certificate could be written: %s"
        logger.critical(words, error, extra=alert(AlertKind.CERTIFICATE))


def _of_the_end(last: Mapping[str, Any], session: Session) -> bool:
    """Flat at noon says nothing of the evening: trading may have gone on."""
    return not last["flat"] or datetime.fromisoformat(last["at"]) >= session.flatten_at


def _news(certificate: Certificate, standing: Standing) -> bool:
    """The line says something that the last one of its session does not."""
    last = standing.last.get(certificate.session_on)
    if last is None or certificate.flat or certificate.held:
        return True
    return bool(last["flat"]) or last["occasion"] == Occasion.FLATTEN


def _tell(certificate: Certificate) -> None:
    one = certificate
    late = " late" if one.occasion is Occasion.LATE else ""
    if one.flat:
        logger.info("the session of %s is verified%s: flat", one.session_on, late)
        return
    words = "; ".join(one.why_not)
    logger.critical("NOT FLAT: %s: %s", one.session_on, words, extra=alert(AlertKind.NOT_FLAT))
