"""How far the numbers of an answer can be trusted, as a grade from A to F.

The grade is the worst of what the answer rests on: the feed, the age of the newest quote (of the
newest bar where no quote was asked for), minutes without a trade, the spread. docs/indicators.md.
"""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from tools.bar_history import Activity
from tools.core.market import Quote

QUOTE_AGE_SECONDS = (15, 30, 60, 300)
BAR_AGE_SECONDS = (90, 180, 300, 900)
GAPS = (0, 2, 6, 15)
SPREAD_BPS = (5, 10, 20, 50)
"""The most for an A, B, C, D; more is an F. The desk refuses older quotes and wider spreads."""

FEEDS = {"sip": "A", "iex": "B"}
OTHER_FEED = "D"

SILENT_SECONDS = 120
BUSY_GAPS = 5
"""A stock that traded in all but so many of 30 minutes and then is silent for two is halted."""


class Grade(StrEnum):
    """A: as good as it gets. C: look twice. F: do not trade on it."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    F = "F"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The grade, and what it was made from; None where the answer does not rest on it.

    `age_seconds` is the quote's, or else that of the newest minute's end. `gaps` counts minutes
    without a bar among the session's last 30. `halted` is inferred from silence.
    """

    grade: Grade
    feed: str
    age_seconds: int | None
    gaps: int | None
    spread_bps: float | None
    halted: bool


def judge(feed: str, now: datetime, activity: Activity | None, quote: Quote | None) -> Quality:
    """The quality of what is known of one symbol at `now`."""
    bar_age = activity.age_seconds(now) if activity else None
    quote_age = round(quote.age(now).total_seconds()) if quote else None
    spread = float(quote.spread_fraction) * 10_000 if quote else None
    gaps = activity.gaps if activity else None
    halted = _fell_silent(activity, bar_age, quote_age)
    grades = [
        Grade(FEEDS.get(feed, OTHER_FEED)),
        _grade(quote_age, QUOTE_AGE_SECONDS) if quote else _grade(bar_age, BAR_AGE_SECONDS),
        *([_grade(gaps, GAPS)] if gaps is not None else []),
        *([_grade(spread, SPREAD_BPS)] if spread is not None else []),
        *([Grade.F] if halted else []),
    ]
    return Quality(
        grade=max(grades),
        feed=feed,
        age_seconds=bar_age if quote_age is None else quote_age,
        gaps=gaps,
        spread_bps=spread,
        halted=halted,
    )


def _grade(measure: float | None, most: tuple[float, ...]) -> Grade:
    """The first grade whose limit holds; nothing known, or less than nothing, is an F."""
    if measure is None or measure < 0:
        return Grade.F
    return list(Grade)[bisect_left(most, measure)]


def _fell_silent(activity: Activity | None, bar_age: int | None, quote_age: int | None) -> bool:
    """Whether a busy stock has neither traded nor been quoted for two minutes of a session."""
    if activity is None or activity.gaps_before is None or activity.gaps_before > BUSY_GAPS:
        return False
    ages = [age for age in (bar_age, quote_age) if age is not None]
    return min(ages) > SILENT_SECONDS
