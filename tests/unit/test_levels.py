"""Support and resistance, from closed bars only."""

import pandas as pd
import pytest

from tests.feeds import FRIDAY, MONDAY, at
from tools.levels import Range, Ranges, find_levels, find_ranges

OPENED = at(MONDAY, 9, 30)


def bars(*rows: tuple[str, float, float, float]) -> pd.DataFrame:
    """Bars of (`HH:MM` on Monday or `-HH:MM` on the Friday before, high, low, close)."""
    index = []
    for clock, *_ in rows:
        hour, minute = map(int, clock.lstrip("-").split(":"))
        index.append(at(FRIDAY if clock.startswith("-") else MONDAY, hour, minute))
    table = [(close, high, low, close, 100.0) for _, high, low, close in rows]
    return pd.DataFrame(
        table, pd.DatetimeIndex(index), ["open", "high", "low", "close", "volume"], dtype=float
    )


def swings(*highs: float) -> pd.DataFrame:
    """Bars of one price each."""
    return bars(*((f"10:{n:02d}", high, high, high) for n, high in enumerate(highs)))


DAY = bars(
    ("-15:58", 104, 96, 100),
    ("-15:59", 103, 97, 99),
    ("09:30", 102, 98, 101),
    ("09:44", 103.5, 100, 102),
    ("09:45", 108, 101, 106),
)


def test_the_sessions_ranges_are_kept_apart() -> None:
    ranges = find_ranges(DAY, opened_at=OPENED, now=at(MONDAY, 9, 46))
    assert ranges.session == Range(high=108, low=98, close=106)
    assert ranges.opening == Range(high=103.5, low=98, close=102)
    assert ranges.prior == Range(high=104, low=96, close=99)
    assert ranges.price == 106
    assert ranges.change_fraction == pytest.approx(106 / 99 - 1)


def test_the_opening_range_is_unknown_until_its_fifteen_minutes_are_over() -> None:
    assert find_ranges(DAY.iloc[:4], opened_at=OPENED, now=at(MONDAY, 9, 44)).opening is None


def test_before_the_open_the_price_is_the_prior_close_and_has_not_changed() -> None:
    ranges = find_ranges(DAY.iloc[:2], opened_at=OPENED, now=at(MONDAY, 9, 25))
    assert (ranges.price, ranges.change_fraction, ranges.session) == (99, None, None)


def test_without_bars_there_are_no_levels() -> None:
    ranges = find_ranges(DAY.iloc[:0], opened_at=OPENED, now=OPENED)
    levels = find_levels(ranges, DAY.iloc[:0], None)
    assert (levels.support, levels.resistance) == ((), ())


def test_support_and_resistance_come_nearest_first() -> None:
    ranges = find_ranges(DAY.iloc[:4], opened_at=OPENED, now=at(MONDAY, 9, 50))
    levels = find_levels(ranges, DAY.iloc[:0], vwap=101.5)
    assert levels.support == (101.5, 99, 98, 96)
    assert levels.resistance == (103.5, 104)


def a_range(close: float) -> Ranges:
    return Ranges(session=Range(high=close, low=close, close=close), opening=None, prior=None)


def test_a_swing_is_a_bar_that_no_neighbour_within_three_goes_beyond() -> None:
    levels = find_levels(a_range(100), swings(101, 102, 103, 110, 103, 102, 101), None)
    assert levels.resistance == (110,)
    levels = find_levels(a_range(100), swings(99, 98, 97, 90, 97, 98, 99), None)
    assert levels.support == (90,)


def test_a_top_is_no_swing_until_three_bars_have_closed_after_it() -> None:
    assert find_levels(a_range(100), swings(101, 102, 103, 110, 103, 102), None).resistance == ()


def test_levels_that_all_but_touch_count_once() -> None:
    prior = Range(high=105.05, low=90, close=105.10)
    ranges = Ranges(session=Range(high=105, low=100, close=100), opening=None, prior=prior)
    assert find_levels(ranges, DAY.iloc[:0], None).resistance == (105,)


def test_at_most_five_levels_are_given() -> None:
    saw = [price for n in range(1, 8) for price in (90.0, 90.0, 90.0, 100.0 + n)] + [90.0] * 3
    levels = find_levels(a_range(100), swings(*saw), None)
    assert levels.resistance == (101, 102, 103, 104, 105)
