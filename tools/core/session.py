"""A trading day and its parts."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum


class Phase(StrEnum):
    """Where the trader is in its day."""

    SLEEP = "SLEEP"
    PREPARE = "PREPARE"
    TRADE = "TRADE"
    FLATTEN = "FLATTEN"
    CLOSED = "CLOSED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One trading day of the exchange: a New York date and instants in aware UTC.

    The market is open in [open_at, close_at). New entries are allowed in
    [entries_start_at, entries_end_at); from `flatten_at` on only the flatten acts.
    """

    on: date
    open_at: datetime
    close_at: datetime
    wake_at: datetime
    entries_start_at: datetime
    entries_end_at: datetime
    flatten_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Timetable:
    """The configured distances from a session's own open and close."""

    flatten_before_close: timedelta = timedelta(minutes=5)
    entries_start_after_open: timedelta = timedelta(0)
    entries_end_before_close: timedelta = timedelta(minutes=15)
