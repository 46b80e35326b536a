"""What makes a grade, and that the worst of it does."""

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.feeds import HOURS, MONDAY, Feed, at, minutes
from tools.bar_history import Activity, BarHistory
from tools.core.market import Bar, Quote
from tools.data_quality import Grade, judge

NOW = at(MONDAY, 12, 0)


def a_quote(age_seconds: float = 0, spread: str = "0.02") -> Quote:
    """Around 100 dollars: a cent is a basis point."""
    bid = Decimal(100)
    age = timedelta(seconds=age_seconds)
    return Quote(symbol="SPY", at=NOW - age, bid=bid, ask=bid + Decimal(spread))


def an_activity(age_seconds: float = 0, gaps: int = 0, gaps_before: int = 0) -> Activity:
    newest = NOW - timedelta(seconds=age_seconds)
    return Activity(newest_end=newest, gaps=gaps, gaps_before=gaps_before)


def test_a_fresh_liquid_consolidated_quote_is_an_a() -> None:
    quality = judge("sip", NOW, an_activity(), a_quote())
    assert (quality.grade, quality.age_seconds, quality.gaps) == (Grade.A, 0, 0)
    assert quality.spread_bps == pytest.approx(2, abs=0.001)
    assert quality.halted is False


@pytest.mark.parametrize(("feed", "grade"), [("sip", "A"), ("iex", "B"), ("delayed_sip", "D")])
def test_one_venues_tape_is_no_better_than_a_b(feed: str, grade: str) -> None:
    assert judge(feed, NOW, an_activity(), a_quote()).grade == grade


@pytest.mark.parametrize(
    ("age", "grade"),
    [(15, "A"), (16, "B"), (31, "C"), (61, "D"), (300, "D"), (301, "F"), (-1, "F")],
)
def test_the_age_of_a_quote_makes_the_grade(age: float, grade: str) -> None:
    assert judge("sip", NOW, None, a_quote(age)).grade == grade


@pytest.mark.parametrize(
    ("age", "grade"), [(90, "A"), (180, "B"), (300, "C"), (900, "D"), (901, "F")]
)
def test_without_a_quote_the_age_of_the_bar_does(age: float, grade: str) -> None:
    quality = judge("sip", NOW, an_activity(age, gaps_before=30), None)
    assert (quality.grade, quality.age_seconds, quality.spread_bps) == (grade, age, None)


@pytest.mark.parametrize(("gaps", "grade"), [(0, "A"), (2, "B"), (6, "C"), (15, "D"), (16, "F")])
def test_minutes_without_a_trade_make_the_grade(gaps: int, grade: str) -> None:
    assert judge("sip", NOW, an_activity(gaps=gaps), a_quote()).grade == grade


@pytest.mark.parametrize(
    ("spread", "grade"),
    [("0.05", "A"), ("0.10", "B"), ("0.20", "C"), ("0.50", "D"), ("0.51", "F"), ("-0.01", "F")],
)
def test_the_spread_makes_the_grade(spread: str, grade: str) -> None:
    assert judge("sip", NOW, None, a_quote(spread=spread)).grade == grade


def test_nothing_known_is_an_f() -> None:
    nothing = Activity(newest_end=None, gaps=None, gaps_before=None)
    assert judge("sip", NOW, nothing, None).grade == "F"
    assert judge("sip", NOW, None, None).grade == "F"


@pytest.mark.parametrize(
    ("bar_age", "quote_age", "gaps_before", "halted"),
    [
        (121, 121, 5, True),
        (121, None, 5, True),
        (120, 121, 5, False),  # it traded a moment ago
        (121, 10, 5, False),  # somebody quotes it
        (600, 600, 6, False),  # it is often silent
        (600, 600, None, False),  # the market is closed
    ],
)
def test_a_busy_stock_that_falls_silent_is_halted(
    bar_age: float, quote_age: float | None, gaps_before: int | None, halted: bool
) -> None:
    quote = None if quote_age is None else a_quote(quote_age)
    activity = Activity(
        newest_end=NOW - timedelta(seconds=bar_age), gaps=2, gaps_before=gaps_before
    )
    quality = judge("sip", NOW, activity, quote)
    assert quality.halted is halted
    assert not halted or quality.grade == "F"


def activity(bars: list[Bar], hour: int, minute: int, second: int = 0) -> Activity:
    now = at(MONDAY, hour, minute, second)
    history = BarHistory(Feed(SPY=bars), HOURS)
    history.refresh(["SPY"], now)
    return history.activity("SPY", now)


STEADY = minutes(MONDAY, 9, 30, [100.0] * 390)


def test_a_stock_that_trades_each_minute_has_no_gaps() -> None:
    found = activity(STEADY, 11, 0, 20)
    assert (found.gaps, found.gaps_before) == (0, 0)
    assert found.newest_end == at(MONDAY, 11, 0)
    assert found.age_seconds(at(MONDAY, 11, 0, 20)) == 20


def test_the_minute_that_has_just_ended_may_be_on_its_way() -> None:
    late = [bar for bar in STEADY if bar.start < at(MONDAY, 10, 59)]
    assert activity(late, 11, 0, 1).gaps == 0
    assert activity(late, 11, 1, 1).gaps == 1


def test_gaps_are_counted_in_the_sessions_last_half_hour() -> None:
    holes = {at(MONDAY, 10, minute) for minute in (0, 28, 29, 31, 45)}
    bars = [bar for bar in STEADY if bar.start not in holes]
    assert activity(bars, 11, 0).gaps == 3  # from 10:29 on
    assert activity(STEADY[5:], 9, 40).gaps == 5  # none before the open
    assert activity(STEADY, 9, 31).gaps is None


def test_gaps_before_the_newest_bar_need_an_open_market_and_ten_minutes() -> None:
    stopped = [bar for bar in STEADY if bar.start < at(MONDAY, 10, 0)]
    assert activity(stopped, 10, 30).gaps_before == 0
    assert activity(stopped, 10, 30).gaps == 29
    assert activity(STEADY, 9, 39).gaps_before is None
    assert activity([], 9, 0).gaps_before is None


def test_before_the_open_and_without_bars_nothing_is_counted() -> None:
    assert activity([], 11, 0) == Activity(newest_end=None, gaps=29 + 1, gaps_before=None)
    assert activity([], 9, 0) == Activity(newest_end=None, gaps=None, gaps_before=None)
