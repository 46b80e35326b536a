"""Smart-money signals: each definition on a tape drawn by hand, and none that moves afterwards."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.smart_money import Direction, Kind, Sighting, Structure, read_structure

MINUTES_5 = timedelta(minutes=5)
UP, DOWN = Direction.UP, Direction.DOWN
COLUMNS = ["open", "high", "low", "close", "volume"]

# A hill of one-price bars whose top, the fourth, is confirmed by the seventh.
TOP = (101.0, 102.0, 103.0, 104.0, 103.0, 102.0, 101.0)

type Row = tuple[float, float, float, float]


def frame(rows: list[Row], start: str = "2013-10-07 13:30") -> pd.DataFrame:
    """Five-minute bars of (open, high, low, close)."""
    index = pd.date_range(start, periods=len(rows), freq="5min", tz="UTC")
    return pd.DataFrame([(*row, 100.0) for row in rows], index, COLUMNS, dtype=float)


def flat(*prices: float) -> list[Row]:
    return [(price, price, price, price) for price in prices]


def turned(bars: pd.DataFrame) -> pd.DataFrame:
    """The same tape upside down, around 100."""
    mirrored = 200 - bars
    return pd.DataFrame(
        {
            "open": mirrored["open"],
            "high": mirrored["low"],
            "low": mirrored["high"],
            "close": mirrored["close"],
            "volume": bars["volume"],
        }
    )


def seen(bars: pd.DataFrame) -> Structure:
    return read_structure(bars, MINUTES_5)


def of_kind(bars: pd.DataFrame, *kinds: Kind) -> list[tuple[str, str, int, int]]:
    """Kind, direction, and the numbers of the bars: the confirming one, the one it is about."""

    def number(at: datetime) -> int:
        return bars.index.to_list().index(at)

    return [
        (one.kind.value, one.direction.value, number(one.at), number(one.about))
        for one in seen(bars).sightings
        if one.kind in kinds
    ]


EVENTS = (Kind.BREAK_OF_STRUCTURE, Kind.CHANGE_OF_CHARACTER, Kind.LIQUIDITY_SWEEP)


def test_the_first_break_only_says_where_the_tape_is_going() -> None:
    bars = frame(flat(*TOP, 104.5))
    assert of_kind(bars, *EVENTS) == []
    assert seen(bars).direction is UP
    assert seen(frame(flat(*TOP, 104.0))).direction is None


def test_a_close_beyond_the_next_swing_in_that_direction_breaks_the_structure() -> None:
    bars = frame(flat(*TOP, 104.5, 106.0, 105.0, 104.4, 104.2, 106.5))
    assert of_kind(bars, *EVENTS) == [("break_of_structure", "up", 12, 8)]
    (one,) = (s for s in seen(bars).sightings if s.kind is Kind.BREAK_OF_STRUCTURE)
    assert (one.low, one.high) == (106, 106)
    assert of_kind(turned(bars), *EVENTS) == [("break_of_structure", "down", 12, 8)]


def test_a_close_beyond_a_swing_against_it_changes_the_character() -> None:
    bars = frame(flat(*TOP, 104.5, 103.5, 103.0, 102.0, 102.5, 103.0, 103.5, 101.5))
    assert of_kind(bars, *EVENTS) == [("change_of_character", "down", 14, 10)]
    assert seen(bars).direction is DOWN
    assert of_kind(turned(bars), *EVENTS) == [("change_of_character", "up", 14, 10)]


def test_a_swing_counts_only_after_the_third_bar_behind_it_has_closed() -> None:
    bars = frame(flat(*TOP[:6], 104.5))
    assert seen(bars).direction is None


def test_a_bar_that_reaches_beyond_a_swing_and_closes_back_has_swept_it() -> None:
    bars = frame([*flat(*TOP), (102.0, 104.5, 101.0, 102.0)])
    assert of_kind(bars, *EVENTS) == [("liquidity_sweep", "down", 7, 3)]
    assert of_kind(turned(bars), *EVENTS) == [("liquidity_sweep", "up", 7, 3)]


def test_a_swing_is_swept_once_and_can_still_be_broken() -> None:
    again: list[Row] = [(102.0, 104.5, 101.0, 102.0), (102.0, 104.6, 101.5, 103.0)]
    bars = frame([*flat(*TOP), *again, *flat(104.8)])
    assert of_kind(bars, *EVENTS) == [("liquidity_sweep", "down", 7, 3)]
    assert seen(bars).direction is UP


def test_the_last_falling_bar_before_the_rise_that_broke_out_is_an_order_block() -> None:
    rows: list[Row] = [
        *flat(*TOP[:4]),
        (103.5, 103.6, 102.8, 103.0),  # falls
        (103.0, 103.2, 101.0, 101.5),  # falls: the last before the rise
        (101.5, 102.5, 100.8, 102.4),  # the lowest low of the leg
        (102.4, 103.4, 102.2, 103.3),
        (103.3, 103.4, 103.0, 103.1),  # falls, but after the turn
        (103.1, 104.6, 103.1, 104.5),  # breaks the top at 104
    ]
    (block,) = (s for s in seen(frame(rows)).sightings if s.kind is Kind.ORDER_BLOCK)
    assert of_kind(frame(rows), Kind.ORDER_BLOCK) == [("order_block", "up", 9, 5)]
    assert (block.low, block.high, block.over_at) == (101.0, 103.2, None)
    assert of_kind(turned(frame(rows)), Kind.ORDER_BLOCK) == [("order_block", "down", 9, 5)]


def test_an_order_block_is_over_at_the_first_close_beyond_its_far_edge() -> None:
    rows: list[Row] = [
        *flat(*TOP[:4]),
        (103.0, 103.2, 101.0, 101.5),
        *flat(102.0, 103.0, 104.5),
        (104.5, 104.5, 100.0, 101.0),  # through and back: still stands
    ]
    (stands,) = (s for s in seen(frame(rows)).sightings if s.kind is Kind.ORDER_BLOCK)
    assert stands.over_at is None
    bars = frame([*rows, *flat(100.9)])
    (over,) = (s for s in seen(bars).sightings if s.kind is Kind.ORDER_BLOCK)
    assert over.over_at == bars.index[9]


GAP: list[Row] = [(100.0, 101.0, 99.0, 100.5), (100.5, 104.0, 100.5, 103.5), (103.5, 105, 102, 104)]


def test_three_bars_of_which_the_third_does_not_reach_the_first_leave_a_gap() -> None:
    bars = frame(GAP)
    (gap,) = seen(bars).sightings
    assert (gap.kind, gap.direction, gap.low, gap.high) == (Kind.FAIR_VALUE_GAP, UP, 101, 102)
    assert (gap.at, gap.about) == (bars.index[2], bars.index[0])
    (gap,) = seen(turned(bars)).sightings
    assert (gap.direction, gap.low, gap.high) == (DOWN, 98, 99)


def test_bars_that_touch_leave_no_gap() -> None:
    assert seen(frame([*GAP[:2], (103.5, 105.0, 101.0, 104.0)])).sightings == ()


def test_a_missing_bar_and_a_night_are_no_fair_value_gap() -> None:
    assert (
        seen(frame([*GAP[:2], *flat(103), GAP[2]]).drop(index=frame(GAP).index[0])).sightings == ()
    )
    bars = frame([*GAP[:2], *flat(103), GAP[2]])
    assert of_kind(bars.drop(index=bars.index[1]), Kind.FAIR_VALUE_GAP) == []


def test_a_gap_is_over_once_the_price_has_traded_through_it() -> None:
    half = frame([*GAP, (104.0, 104.0, 101.5, 103.0)])
    assert seen(half).sightings[0].over_at is None
    bars = frame([*GAP, (104.0, 104.0, 101.0, 103.0)])
    assert seen(bars).sightings[0].over_at == bars.index[3]


def test_the_latest_of_each_kind_that_stands_is_shown() -> None:
    bars = frame([*GAP, (104.0, 107.0, 104.0, 106.5), (106.5, 108.0, 106.0, 107.0)])
    assert [(one.low, one.high) for one in seen(bars).sightings] == [(101, 102), (105, 106)]
    assert [(one.low, one.high) for one in seen(bars).latest()] == [(105, 106)]


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_frame_with_too_few_bars_shows_nothing(count: int) -> None:
    assert seen(frame(flat(*TOP)[:count])) == Structure()


def walk(seed: int, count: int) -> pd.DataFrame:
    """A random walk in whole cents, so that equal highs happen, with some bars missing."""
    draw = np.random.default_rng(seed)
    close = (10_000 + draw.integers(-8, 9, count).cumsum()) / 100
    opened = np.concatenate(([100.0], close[:-1]))
    high = np.maximum(opened, close) + draw.integers(0, 6, count) / 100
    low = np.minimum(opened, close) - draw.integers(0, 6, count) / 100
    rows = frame([tuple(row) for row in np.column_stack((opened, high, low, close)).tolist()])
    return rows[draw.random(count) > 0.05]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 240))
def test_no_signal_is_ever_painted_over(seed: int, cut: int) -> None:
    bars = walk(seed, 250)
    now = bars.index[:cut][-1]
    later = tuple(as_of(one, now) for one in seen(bars).sightings if one.at <= now)
    assert seen(bars[:cut]).sightings == later


def as_of(one: Sighting, now: datetime) -> Sighting:
    """What was known of it then: a zone that ended later still stood."""
    ended = one.over_at is not None and one.over_at <= now
    return one if ended else replace(one, over_at=None)


def test_a_random_tape_shows_every_kind() -> None:
    found = {one.kind for seed in range(5) for one in seen(walk(seed, 250)).sightings}
    assert found == set(Kind)
