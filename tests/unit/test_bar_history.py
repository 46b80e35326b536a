"""Which bars the analysis sees: closed ones, of regular hours, with no trace of later ones."""

from datetime import datetime

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import a_bar
from tests.feeds import FRIDAY, HOURS, INTRADAY, MINUTE, MONDAY, THURSDAY, Feed, at, minutes
from tools.bar_history import BarHistory
from tools.core.errors import MarketDataUnavailable
from tools.core.market import Timeframe
from tools.schedule.market_hours import CalendarEnded


def history(feed: Feed) -> BarHistory:
    return BarHistory(feed, HOURS)


def seen(feed: Feed, timeframe: Timeframe, now: datetime) -> pd.DataFrame:
    """The frame of SPY as somebody who starts at `now` sees it."""
    new = history(feed)
    new.refresh(["SPY"], now)
    return new.frame("SPY", timeframe, now)


def test_a_bar_is_made_of_the_minutes_since_the_open() -> None:
    feed = Feed(SPY=minutes(MONDAY, 9, 30, [10, 12, 8, 9, 11, 99]))
    bars = seen(feed, Timeframe.MINUTE_5, at(MONDAY, 9, 36))

    assert bars.index.tolist() == [at(MONDAY, 9, 30)]
    assert bars.iloc[0].tolist() == [10, 12, 8, 11, 500]


@pytest.mark.parametrize(
    ("minute", "second", "closed"), [(34, 59, [4, 0, 0]), (35, 0, [5, 1, 0]), (45, 0, [15, 3, 1])]
)
def test_only_closed_bars_are_seen_whatever_the_feed_shows(
    minute: int, second: int, closed: list[int]
) -> None:
    feed = Feed(SPY=minutes(MONDAY, 9, 30, range(10, 70)))
    now = at(MONDAY, 9, minute, second)
    assert [len(seen(feed, timeframe, now)) for timeframe in INTRADAY] == closed


def test_a_gap_in_the_tape_shortens_a_bar_or_leaves_it_out() -> None:
    tape = minutes(MONDAY, 9, 30, range(30))
    feed = Feed(SPY=[*tape[:4], *tape[12:]])  # nothing traded from 9:34 to 9:42
    bars = seen(feed, Timeframe.MINUTE_5, at(MONDAY, 10, 0))

    assert [start.minute for start in bars.index] == [30, 40, 45, 50, 55]
    assert bars["close"].tolist() == [3, 14, 19, 24, 29]
    assert bars["open"].tolist() == [0, 12, 15, 20, 25]
    assert bars["volume"].tolist() == [400, 300, 500, 500, 500]


def test_what_trades_before_the_open_and_after_the_close_is_left_out() -> None:
    tape = [
        *minutes(FRIDAY, 15, 55, [1, 2, 3, 4, 5, 999, 999]),
        *minutes(MONDAY, 9, 28, [999, 999, 6, 7]),
    ]
    bars = seen(Feed(SPY=tape), Timeframe.MINUTE_1, at(MONDAY, 9, 32))
    assert bars["close"].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_the_frame_of_one_minute_shows_one_session_before_and_longer_ones_more() -> None:
    tape = [
        *minutes(THURSDAY, 9, 30, [1.0] * 390),
        *minutes(FRIDAY, 9, 30, [2.0] * 390),
        *minutes(MONDAY, 9, 30, [3.0] * 15),
    ]
    now = at(MONDAY, 9, 45)
    lengths = [len(seen(Feed(SPY=tape), timeframe, now)) for timeframe in INTRADAY]
    assert lengths == [390 + 15, 2 * 78 + 3, 2 * 26 + 1]


@settings(max_examples=40, deadline=None)
@given(traded=st.sets(st.integers(0, 89), min_size=1), length=st.sampled_from(INTRADAY))
def test_bars_are_what_pandas_resamples(traded: set[int], length: Timeframe) -> None:
    tape = minutes(MONDAY, 9, 30, [100 + (n * 37 % 11) for n in range(90)])
    kept = [tape[n] for n in sorted(traded)]
    bars = seen(Feed(SPY=kept), length, at(MONDAY, 11, 0))

    table = pd.DataFrame(
        [(b.open, b.high, b.low, b.close, b.volume) for b in kept],
        pd.DatetimeIndex([b.start for b in kept]),
        ["open", "high", "low", "close", "volume"],
        dtype=float,
    )
    rules = {"open": "first", "high": "max", "low": "min", "close": "last", "volume": "sum"}
    theirs = table.resample(f"{length.minutes}min").agg(rules).dropna()
    pd.testing.assert_frame_equal(bars, theirs, check_freq=False, check_index_type=False)


@settings(max_examples=20, deadline=None)
@given(steps=st.lists(st.integers(1, 40), min_size=1, max_size=8), length=st.sampled_from(INTRADAY))
def test_a_history_that_grew_equals_one_that_was_loaded_at_once(
    steps: list[int], length: Timeframe
) -> None:
    tape = [*minutes(FRIDAY, 9, 30, range(390)), *minutes(MONDAY, 9, 30, range(390))]
    feed = Feed(SPY=[bar for bar in tape if bar.close % 7])
    grown, now = history(feed), at(MONDAY, 9, 25)
    for step in steps:
        now += step * MINUTE
        grown.refresh(["SPY"], now)
        frame = grown.frame("SPY", length, now)
        pd.testing.assert_frame_equal(frame, seen(feed, length, now))


def test_a_frame_is_the_same_object_until_another_bar_has_closed() -> None:
    feed = Feed(SPY=minutes(MONDAY, 9, 30, range(60)))
    known = history(feed)
    frames = []
    for minute in (40, 41, 44, 45):
        now = at(MONDAY, 9, minute)
        known.refresh(["SPY"], now)
        frames.append(known.frame("SPY", Timeframe.MINUTE_5, now))
    assert frames[0] is frames[1] is frames[2]
    assert frames[3] is not frames[0]


def test_a_bar_that_was_read_is_never_rewritten() -> None:
    feed = Feed(SPY=minutes(MONDAY, 9, 30, [10.0] * 5))
    known = history(feed)
    known.refresh(["SPY"], at(MONDAY, 9, 35))
    feed.minutes = {"SPY": minutes(MONDAY, 9, 30, [77.0] * 5 + [11.0] * 5)}
    known.refresh(["SPY"], at(MONDAY, 9, 40))
    frame = known.frame("SPY", Timeframe.MINUTE_5, at(MONDAY, 9, 40))
    assert frame["close"].tolist() == [10, 11]


def test_only_what_is_new_is_asked_for_again() -> None:
    feed = Feed(SPY=minutes(MONDAY, 9, 30, range(60)))
    known = history(feed)
    known.refresh(["SPY"], at(MONDAY, 10, 0))
    feed.asked.clear()
    known.refresh(["SPY"], at(MONDAY, 10, 5, 30))
    assert feed.asked == [(Timeframe.MINUTE_1, at(MONDAY, 9, 59), at(MONDAY, 10, 5))]


def test_a_feed_that_fails_leaves_what_was_known() -> None:
    feed = Feed(SPY=minutes(MONDAY, 9, 30, range(60)))
    known = history(feed)
    known.refresh(["SPY"], at(MONDAY, 10, 0))
    feed.down = True
    with pytest.raises(MarketDataUnavailable):
        known.refresh(["SPY", "IBM"], at(MONDAY, 10, 5))
    assert len(known.frame("SPY", Timeframe.MINUTE_1, at(MONDAY, 10, 5))) == 30


def test_before_the_open_the_next_session_is_the_current_one() -> None:
    feed = Feed(SPY=minutes(FRIDAY, 9, 30, range(390)))
    known = history(feed)
    known.refresh(["SPY"], at(MONDAY, 9, 25))
    assert known.session.on == MONDAY
    assert len(known.frame("SPY", Timeframe.MINUTE_15, at(MONDAY, 9, 25))) == 26


def test_a_new_session_begins_a_new_window() -> None:
    tape = [*minutes(FRIDAY, 9, 30, range(390)), *minutes(MONDAY, 9, 30, range(10))]
    known = history(Feed(SPY=tape))
    known.refresh(["SPY"], at(FRIDAY, 15, 59))
    known.refresh(["SPY"], at(MONDAY, 9, 40))
    frame = known.frame("SPY", Timeframe.MINUTE_1, at(MONDAY, 9, 40))
    assert (frame.index[0], len(frame)) == (at(FRIDAY, 9, 30), 400)


def test_past_the_session_table_nothing_is_known() -> None:
    with pytest.raises(CalendarEnded):
        history(Feed()).refresh(["SPY"], at(MONDAY, 16, 0))


def test_volume_is_held_against_the_same_time_of_the_completed_days() -> None:
    feed = Feed(SPY=minutes(MONDAY, 9, 30, [1.0] * 60))
    feed.quarters = {
        "SPY": [
            a_bar(at(THURSDAY, 10, 0), volume=3000),
            a_bar(at(FRIDAY, 10, 0), volume=1200),
            a_bar(at(FRIDAY, 10, 15), volume=90_000),
            a_bar(at(FRIDAY, 8, 0), volume=90_000),
        ]
    }
    known = history(feed)
    known.refresh(["SPY"], at(MONDAY, 10, 15))
    volume = known.volume("SPY", at(MONDAY, 10, 15))
    assert (volume.last, volume.usual, volume.days) == (500, 700, 2)
    assert volume.ratio == pytest.approx(5 / 7)


def test_volume_without_completed_days_is_held_against_this_session() -> None:
    tape = [*minutes(MONDAY, 9, 30, [1.0] * 10), *minutes(MONDAY, 9, 45, [1.0] * 5)]
    known = history(Feed(SPY=tape))
    known.refresh(["SPY"], at(MONDAY, 9, 50))
    volume = known.volume("SPY", at(MONDAY, 9, 50))
    assert (volume.last, volume.usual, volume.days) == (500, 375, 0)


def test_the_first_minutes_count_as_if_there_were_five() -> None:
    known = history(Feed(SPY=minutes(MONDAY, 9, 30, [1.0, 1.0])))
    known.refresh(["SPY"], at(MONDAY, 9, 32))
    assert known.volume("SPY", at(MONDAY, 9, 32)).last == 500


def test_nothing_traded_is_no_ratio() -> None:
    known = history(Feed())
    known.refresh(["SPY"], at(MONDAY, 9, 50))
    assert known.volume("SPY", at(MONDAY, 9, 50)).ratio is None
    assert known.volume("SPY", at(MONDAY, 9, 0)).ratio is None


def test_bars_are_the_frames_last_rows() -> None:
    known = history(Feed(SPY=minutes(MONDAY, 9, 30, range(30))))
    now = at(MONDAY, 10, 0)
    known.refresh(["SPY"], now)
    bars = known.bars("SPY", Timeframe.MINUTE_5, now, limit=2)
    assert [(bar.start, bar.close, bar.volume) for bar in bars] == [
        (at(MONDAY, 9, 50), 24, 500),
        (at(MONDAY, 9, 55), 29, 500),
    ]
