"""Sessions and their instants, from the session table. The only room that shows New York time."""

import bisect
import functools
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from tools.core.errors import ConfigError
from tools.core.session import Session, Timetable

WAKE_BEFORE_OPEN = timedelta(minutes=5)


class CalendarEnded(ConfigError):
    """The session table says nothing about that day: refresh it. Until then no entries."""


class MarketHours:
    """The exchange's sessions under one timetable. Only `renew` changes them."""

    def __init__(self, rows: list[tuple[date, datetime, datetime]], timetable: Timetable) -> None:
        """`rows` are (New York date, open, close) in order, the instants aware UTC."""
        self._rows, self._timetable = rows, timetable
        self._closes = [close for _, _, close in rows]

    @classmethod
    def load(cls, path: Path, timetable: Timetable) -> "MarketHours":
        """Read the table at `path`. Raises ConfigError when it is missing, unreadable or torn."""
        try:
            lines = path.read_text(encoding="utf-8").splitlines()[1:]
            rows = [_row(line) for line in lines]
            if not rows:
                raise ValueError("it names no session")
        except OSError as error:
            words, cure = f"{path}: {error.strerror}", "run ./manage_services.sh setup"
            raise ConfigError(f"the session table cannot be read, {words}: {cure}") from None
        except ValueError as error:
            cure = f"delete it and run python -m tools.schedule.session_table {path}"
            raise ConfigError(f"the session table {path} is damaged ({error}): {cure}") from None
        return cls(rows, timetable)

    def renew(self, path: Path) -> None:
        """Read the table again. Raises ConfigError, and then nothing has changed."""
        fresh = MarketHours.load(path, self._timetable)
        self._rows, self._closes = fresh._rows, fresh._closes

    @property
    def last_day(self) -> date:
        """The last date the table speaks of."""
        return self._rows[-1][0]

    def session_on(self, day: date) -> Session | None:
        """The session of New York date `day`, None when the exchange is closed all day.

        Raises CalendarEnded outside the table.
        """
        if not self._rows[0][0] <= day <= self.last_day:
            raise CalendarEnded(f"the session table does not reach {day}; it ends {self.last_day}")
        index = bisect.bisect_left(self._rows, (day,), key=lambda row: row[:1])
        found = self._rows[index] if index < len(self._rows) else None
        return self._session(found) if found and found[0] == day else None

    def current_or_next(self, now: datetime) -> Session:
        """The first session whose close lies after `now`. Raises CalendarEnded past the table."""
        index = bisect.bisect_right(self._closes, now)
        if index == len(self._rows):
            raise CalendarEnded(f"the session table ended on {self.last_day}")
        return self._session(self._rows[index])

    def last_ended(self, now: datetime) -> Session | None:
        """The latest session whose close is at or before `now`."""
        index = bisect.bisect_right(self._closes, now)
        return self._session(self._rows[index - 1]) if index else None

    def sessions_before(self, now: datetime, count: int) -> list[Session]:
        """Up to `count` sessions that opened before `now`, oldest first."""
        opened = bisect.bisect_left([open_at for _, open_at, _ in self._rows], now)
        return [self._session(row) for row in self._rows[max(0, opened - count) : opened]]

    def _session(self, row: tuple[date, datetime, datetime]) -> Session:
        day, open_at, close_at = row
        times = self._timetable
        return Session(
            on=day,
            open_at=open_at,
            close_at=close_at,
            wake_at=open_at - WAKE_BEFORE_OPEN,
            entries_start_at=open_at + times.entries_start_after_open,
            entries_end_at=close_at - times.entries_end_before_close,
            flatten_at=close_at - times.flatten_before_close,
        )


def new_york(instant: datetime) -> datetime:
    """`instant` (aware) as New York wall time, for showing and for dates."""
    return instant.astimezone(_zone())


def at_new_york(day: date, hour: int, minute: int) -> datetime:
    """The aware instant of a New York wall time."""
    localized: datetime = _zone().localize(datetime.combine(day, time(hour, minute)))
    return localized


@functools.cache
def _zone() -> Any:
    """Loaded when a time is shown: the flatten program reads the table without any library."""
    import pytz

    return pytz.timezone("America/New_York")


def _row(line: str) -> tuple[date, datetime, datetime]:
    day, open_at, close_at = line.split(",")
    instant = datetime.fromisoformat
    return date.fromisoformat(day), instant(open_at), instant(close_at)
