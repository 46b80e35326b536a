"""Getting flat when nothing else of ours is left: `python -m tools.execution.flatten_program WHY`.

    timer              each minute around the close: leaves at once unless the session is not flat
                       two minutes after the flatten time, or has just ended and is to be certified
    failure [SERVICE]  a service stays down: pulls the kill switch and closes everything, now
    operator           closes everything, now

One shot, on the standard library alone: no library, no other process, no journal and no state file
is needed, and a broken configuration leaves it its defaults. 0 flat or nothing to do, 1 not flat,
2 a wrong argument, 78 no key or an address that is not the mode's.
"""

import logging
import os
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tools.core.errors import BrokerUnavailable, ConfigError
from tools.core.session import Session
from tools.execution.plain_settings import PlainSettings, read_plain
from tools.schedule.market_hours import MarketHours

if TYPE_CHECKING:
    from tools.core.trading import BrokerClock
    from tools.execution.last_resort import LastResort

logger = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parents[2]
AROUND = timedelta(minutes=2)
SKEW = timedelta(seconds=2)
"""From here on the broker's time counts instead of this machine's."""

CLOCK_PAUSE, CLOCK_TRIES = timedelta(seconds=2), 90
"""Without a session table only the broker can tell the hours: asked for three minutes."""


def main(arguments: list[str]) -> int:
    """Do one errand."""
    errands = {"timer": _timer, "failure": _failure, "operator": _operator}
    errand = errands.get(arguments[0]) if arguments else None
    if errand is None or len(arguments) > 2:
        sys.stderr.write("usage: flatten_program timer | failure [SERVICE] | operator\n")
        return 2
    _log_to_stdout()
    try:
        settings = read_plain(os.environ, ROOT)
        return 0 if errand(settings, *arguments[1:]) else 1
    except ConfigError as error:
        logger.critical("configuration error: %s", error)
        return 78


def _timer(settings: PlainSettings, _: str = "") -> bool:
    """Usually there is nothing to do, and no broker is asked to find that out.

    Except in simulation, where only the exchange knows what time it is.
    """
    hours = _hours(settings)
    if hours and not settings.simulated and not _near_the_end(hours, _system_time()):
        return True
    run = _Run(settings, hours)
    session = run.session()
    return session is None or run.resort().at_minute(session)


def _failure(settings: PlainSettings, service: str = "a service") -> bool:
    """Act while the market is open. While it is closed a latch would only keep tomorrow shut."""
    run = _Run(settings, _hours(settings))
    session = run.session()
    if session is None or not session.open_at <= run.now() < session.close_at:
        logger.warning("%s stays down; the market is closed, so nothing can be sold now", service)
        return True
    run.pull_the_switch(f"{service} stays down")
    return run.resort().sell(session, "failure")


def _operator(settings: PlainSettings, _: str = "") -> bool:
    run = _Run(settings, _hours(settings))
    session, resort = run.session(), run.resort()
    if session is not None and session.open_at <= run.now() < session.close_at:
        return resort.sell(session, "operator")
    flat = resort.looks_flat()
    why = "the market is closed" if session or run.told else "nobody tells the market's hours"
    words = "FLAT" if flat else "NOT FLAT: something is held or open"
    logger.info("%s: nothing can be sold now; %s", why, words)
    return flat


class _Run:
    """The account and its time. The broker's clock corrects ours where the two disagree."""

    def __init__(self, settings: PlainSettings, hours: MarketHours | None) -> None:
        from tools.alpaca_rest import RestBroker
        from tools.notifications import deliver, fault_in

        self._settings, self._hours = settings, hours
        for fault in settings.faults:
            logger.warning("%s", fault)
        if fault := fault_in(settings.alert_webhook, settings.alert_command):
            logger.warning("%s", fault)
        else:
            deliver(webhook=settings.alert_webhook, command=settings.alert_command)
        self._broker = RestBroker(key=settings.key, secret=settings.secret, url=settings.url)
        self._clock = self._ask()
        self._offset = timedelta(0)
        if self._clock and abs(self._clock.at - _system_time()) > SKEW:
            self._offset = self._clock.at - _system_time()
            logger.warning("this machine's clock is off by %s: the broker's counts", -self._offset)

    @property
    def told(self) -> bool:
        """The broker's clock has answered."""
        return self._clock is not None

    def now(self) -> datetime:
        return _system_time() + self._offset

    def wait(self, until: datetime) -> None:
        threading.Event().wait(max(0.0, (until - self.now()).total_seconds()))

    def session(self) -> Session | None:
        """The session that is on, or has just ended; without a table, the broker's next close."""
        if self._hours is not None:
            return _around(self._hours, self.now())
        for _ in range(CLOCK_TRIES):
            if self._clock is not None:
                break
            self.wait(self.now() + CLOCK_PAUSE)
            self._clock = self._ask()
        if self._clock is None or not self._clock.market_open:
            return None
        flatten = self._settings.timetable.flatten_before_close
        return _told_by(self._clock, flatten)

    def resort(self) -> "LastResort":
        from tools.execution.last_resort import LastResort

        return LastResort(
            account=self._broker,
            agent_folder=self._settings.agent_folder,
            now=self.now,
            wait=self.wait,
            exempt=self._settings.exempt,
            own_only=self._settings.own_only,
        )

    def pull_the_switch(self, reason: str) -> None:
        """So that what comes up again buys nothing until an operator has looked."""
        from tools.core.alerts import AlertKind, alert
        from tools.safety.kill_switch import pull

        try:
            pull(self._settings.home, reason=reason, actor="flatten", now=self.now())
        except OSError as error:
            logger.error("the kill switch cannot be latched: %s", error)
        logger.critical("kill switch: %s", reason, extra=alert(AlertKind.KILL_SWITCH))

    def _ask(self) -> "BrokerClock | None":
        try:
            return self._broker.clock()
        except BrokerUnavailable as error:
            logger.warning("the broker's clock: %s", error)
            return None


def _hours(settings: PlainSettings) -> MarketHours | None:
    """None where the table is missing, damaged or at its end."""
    try:
        hours = MarketHours.load(settings.session_table, settings.timetable)
        hours.current_or_next(_system_time())
    except ConfigError as error:
        logger.warning("%s: the broker's clock has to do", error)
        return None
    return hours


def _around(hours: MarketHours, now: datetime) -> Session:
    """The session that ended within the last two minutes, else the one that is on or comes."""
    ended = hours.last_ended(now)
    return ended if ended and now < ended.close_at + AROUND else hours.current_or_next(now)


def _near_the_end(hours: MarketHours, now: datetime) -> bool:
    """The timer may have something to do. What that is `last_resort` decides, once it is loaded."""
    session = _around(hours, now)
    return session.flatten_at + AROUND <= now < session.close_at + AROUND


def _told_by(clock: "BrokerClock", flatten_before_close: timedelta) -> Session:
    """A close lies on the same date in New York and in UTC."""
    close_at = clock.next_close
    return Session(
        on=close_at.date(),
        open_at=clock.at - AROUND,
        close_at=close_at,
        wake_at=clock.at - AROUND,
        entries_start_at=close_at,
        entries_end_at=close_at,
        flatten_at=close_at - flatten_before_close,
    )


def _system_time() -> datetime:
    return datetime.now(UTC)


class _Lines(logging.Formatter):
    """With journald's priorities where it listens."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if "JOURNAL_STREAM" not in os.environ:
            return text
        return f"<{3 if record.levelno >= logging.ERROR else 5}>{text}"


def _log_to_stdout() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Lines("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
