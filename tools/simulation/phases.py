"""The parts of a trading day: before the open, the session, and after the close."""

from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache

from tools.core.session import Session
from tools.schedule.market_hours import MarketHours, at_new_york, new_york

HALF_DAY_CLOSE = time(13, 0)


@dataclass(frozen=True, slots=True)
class Phase:
    """[start, end) of one part; in `regular` every order trades, else only those that may."""

    session: Session
    regular: bool
    start: datetime
    end: datetime


def phase_at(hours: MarketHours, at: datetime) -> Phase:
    """The part of a day that `at` lies in, or the next one to come (which starts after `at`)."""
    ended = hours.last_ended(at)
    if ended and at < (closes := extended_close(ended)):
        return Phase(ended, False, ended.close_at, closes)
    session = hours.current_or_next(at)
    if at < session.open_at:
        return Phase(session, False, _extended(session.on, False)[0], session.open_at)
    return Phase(session, True, session.open_at, session.close_at)


def extended_close(session: Session) -> datetime:
    """When trading after the close ends: 20:00 New York, 17:00 on a half day."""
    return _extended(session.on, half_day(session))[1]


def half_day(session: Session) -> bool:
    """It closes at 13:00 New York or earlier."""
    return new_york(session.close_at).time() <= HALF_DAY_CLOSE


@lru_cache(maxsize=64)
def _extended(on: date, half: bool) -> tuple[datetime, datetime]:
    return at_new_york(on, 4, 0), at_new_york(on, 17 if half else 20, 0)
