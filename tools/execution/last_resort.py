"""What the flatten program does once it is time: sell, or verify, and certify it.

On an account alone: no journal, no state file and none of our processes is needed.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tools.core.alerts import AlertKind, alert
from tools.core.errors import Unavailable
from tools.core.seams import Broker
from tools.core.session import Session
from tools.execution.certificates import (
    Certificate,
    Certifier,
    Occasion,
    certificates_path,
    read_standing,
)
from tools.execution.flatten import flatten
from tools.execution.ownership import OwnBroker

logger = logging.getLogger(__name__)

VERIFY_FROM, VERIFY_UNTIL = timedelta(seconds=30), timedelta(minutes=2)
"""After the close: the one run of the timer that looks whether the session ended flat."""

TIMER_DELAY = timedelta(seconds=120)
"""After the flatten time: by then the trader or the monitor should have done it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastResort:
    """One run. `wait(t)` returns at the instant `t`; `now` may be called from any thread."""

    account: Broker
    agent_folder: Path
    now: Callable[[], datetime]
    wait: Callable[[datetime], None]
    exempt: frozenset[str] = frozenset()
    own_only: bool = False

    def at_minute(self, session: Session) -> bool:
        """The timer's errand, each minute around the close; False when the account is not flat."""
        if overdue(session, self.now()):
            return self.looks_flat() or self.sell(session, "timer")
        return self.verify(session) if to_verify(session, self.now()) else True

    def looks_flat(self) -> bool:
        """One look. False also when the broker does not answer."""
        broker = self._broker()
        try:
            held = [one.symbol for one in broker.positions() if one.quantity]
            resting = [one.symbol for one in broker.open_orders()]
        except Unavailable as error:
            logger.warning("is it flat? %s", error)
            return False
        return not set(held + resting) - self.exempt

    def sell(self, session: Session, caller: str) -> bool:
        """Flatten and certify; whether the account is flat."""
        logger.warning("flatten: the %s closes all positions", caller)
        report = flatten(
            self._broker(),
            session=session,
            now=self.now,
            wait=self.wait,
            caller=caller,
            exempt=self.exempt,
        )
        certifier = self._certifier()
        try:
            certificate = certifier.certify_flatten(report, session, self.wait)
        except OSError as error:
            self._unwritten(error)
            return _told(report.flat, report.remaining_symbols or report.errors)
        _tell_exits(certificate)
        return _told(certificate.flat, certificate.why_not)

    def verify(self, session: Session) -> bool:
        """The session is over: whether it ended flat, on record."""
        path = certificates_path(self.agent_folder)
        try:
            last = read_standing(path).last.get(session.on)
            if last and datetime.fromisoformat(last["at"]) >= session.close_at + VERIFY_FROM:
                return bool(last["flat"])
        except (OSError, ValueError, KeyError) as error:
            logger.warning("%s: %s", path, error)
        certifier = self._certifier()
        certificate = certifier.look(session, Occasion.CLOSE, "timer", self.wait)
        try:
            certifier.write(certificate)
        except OSError as error:
            self._unwritten(error)
        return _told(certificate.flat, certificate.why_not)

    def _broker(self) -> Broker:
        return OwnBroker(self.account, self.now) if self.own_only else self.account

    def _certifier(self) -> Certifier:
        return Certifier(
            broker=self._broker(),
            path=certificates_path(self.agent_folder),
            now=self.now,
            outside=self.exempt,
            everything=self.account,
        )

    def _unwritten(self, error: OSError) -> None:
        words = "no certificate could be written: %s"
        logger.critical(words, error, extra=alert(AlertKind.CERTIFICATE))


def overdue(session: Session, now: datetime) -> bool:
    """The flatten should have been done, and there is time for it left."""
    return session.flatten_at + TIMER_DELAY <= now < session.close_at


def to_verify(session: Session, now: datetime) -> bool:
    """The session has just ended."""
    return session.close_at + VERIFY_FROM <= now < session.close_at + VERIFY_UNTIL


def _tell_exits(certificate: Certificate) -> None:
    for one in certificate.exits:
        price = "" if one.price is None else f" at {one.price}"
        words = "%s %s %s%s by %s"
        logger.info(words, one.side, one.quantity, one.symbol, price, one.client_order_id)


def _told(flat: bool, why_not: tuple[str, ...]) -> bool:
    if flat:
        logger.info("FLAT")
    else:
        words = "; ".join(why_not) or "unknown"
        logger.critical("NOT FLAT: %s", words, extra=alert(AlertKind.NOT_FLAT))
    return flat
