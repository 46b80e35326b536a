"""When the next cycle starts: every 5 to 10 minutes, by what the market does."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import fmean

from tools.core.session import Session

BUSY_MINUTES, QUIET_MINUTES = 5, 10
QUIET_VOLUME, BUSY_VOLUME = 0.8, 1.3
MINUTE = timedelta(minutes=1)
LAST_START_BEFORE_FLATTEN = 2 * MINUTE


def minutes_to_next_cycle(volume_ratios: Sequence[float], *, holding: bool) -> int:
    """5 while anything is held or volume runs at 1.3 times its average, 10 below 0.8 times.

    In between the minutes fall evenly with the mean of `volume_ratios`; without any it is quiet.
    """
    if holding:
        return BUSY_MINUTES
    ratio = fmean(volume_ratios) if volume_ratios else 0.0
    bustle = (ratio - QUIET_VOLUME) / (BUSY_VOLUME - QUIET_VOLUME)
    bustle = min(max(bustle, 0.0), 1.0)
    return round(QUIET_MINUTES - bustle * (QUIET_MINUTES - BUSY_MINUTES))


def whole_minute(instant: datetime) -> datetime:
    """The first whole minute at or after `instant`."""
    floor = instant.replace(second=0, microsecond=0)
    return floor if floor == instant else floor + MINUTE


def first_start(session: Session, now: datetime) -> datetime | None:
    """When the first cycle of a trader that is ready at `now` starts; None if it is too late."""
    return _if_in_time(max(session.open_at, whole_minute(now)), session)


def next_start(
    session: Session, started_at: datetime, minutes: int, now: datetime
) -> datetime | None:
    """`minutes` after the cycle that began at `started_at`; if that is past, the next minute.

    None when it would leave no time to reason before the flatten.
    """
    planned = started_at.replace(second=0, microsecond=0) + minutes * MINUTE
    return _if_in_time(max(planned, whole_minute(now)), session)


def _if_in_time(start: datetime, session: Session) -> datetime | None:
    return start if start <= session.flatten_at - LAST_START_BEFORE_FLATTEN else None
