"""Signs that a move tires, on tapes drawn by hand, with the numbers they rest on."""

import numpy as np
import pandas as pd
import pytest

from tools import exhaustion
from tools.exhaustion import Exhaustion, Sign, find_exhaustion
from tools.technical_indicators import macd, rsi

COLUMNS = ["open", "high", "low", "close", "volume"]
BEFORE = 100
"""Bars of the sessions before, for the averages."""


def frame(closes: list[float], volumes: list[float] | None = None) -> pd.DataFrame:
    """A day and more of slow swings, then a session with these closes, each with a short range."""
    before = [100 + 0.2 * np.sin(n / 5) for n in range(BEFORE)]
    index = pd.date_range("2013-10-04 06:00", periods=BEFORE, freq="5min", tz="UTC").append(
        pd.date_range("2013-10-07 13:30", periods=len(closes), freq="5min", tz="UTC")
    )
    close = np.array([*before, *closes])
    traded = [1000.0] * BEFORE + (volumes or [1000.0] * len(closes))
    table = np.column_stack((close, close + 0.01, close - 0.01, close, traded))
    return pd.DataFrame(table, index, COLUMNS, dtype=float)


def signs(bars: pd.DataFrame) -> dict[tuple[Sign, bool], Exhaustion]:
    return {(one.sign, one.rising): one for one in find_exhaustion(bars)}


def turned(bars: pd.DataFrame) -> pd.DataFrame:
    """The same tape upside down."""
    mirrored = (200 - bars).rename(columns={"high": "low", "low": "high"})
    return mirrored.assign(volume=bars["volume"])[COLUMNS]


SLOWING = [100 + 3 * (1 - 0.9**n) for n in range(18)]
"""A rise that never turns and gains less with every bar."""


def test_a_rise_whose_histogram_shrinks_bar_by_bar_is_fading() -> None:
    bars = frame(SLOWING)
    sign = signs(bars)[Sign.FADING, True]
    histogram = macd(bars).to_numpy()[:, 2]
    assert (sign.first, sign.last) == (bars.index[-4], bars.index[-1])
    assert sign.price == pytest.approx((SLOWING[-4], SLOWING[-1]))
    assert sign.measure == pytest.approx((histogram[-4], histogram[-1]))
    assert sign.measure[0] > sign.measure[1] > 0


def test_a_rise_that_quickens_is_not() -> None:
    assert signs(frame([100 + 0.01 * n * n for n in range(24)])) == {}


def test_three_bars_into_a_session_nothing_is_fading_yet() -> None:
    assert (Sign.FADING, True) not in signs(frame(SLOWING[:3]))


def double_top(second: float) -> list[float]:
    """A steep top, a pause, and a later one reached in small steps."""
    steep = [100, 100.5, 101, 101.5, 102, 101.6, 101.3, 101.1]
    slow = [101.3, 101.1, 101.4, 101.2, 101.5, 101.4, 101.7, 101.6]
    return [*steep, *slow, second, second - 0.2, second - 0.3, second - 0.4]


def test_a_higher_top_with_a_lower_rsi_diverges() -> None:
    bars = frame(double_top(102.1))
    sign = signs(bars)[Sign.DIVERGENCE, True]
    strength = rsi(bars)
    assert (sign.first, sign.last) == (bars.index[BEFORE + 4], bars.index[BEFORE + 16])
    assert sign.price == pytest.approx((102.01, 102.11))
    assert sign.measure == pytest.approx((strength[sign.first], strength[sign.last]))


def test_a_lower_top_is_no_divergence() -> None:
    assert (Sign.DIVERGENCE, True) not in signs(frame(double_top(101.9)))


def test_a_divergence_is_forgotten_after_an_hour() -> None:
    later = [*double_top(102.1), *[101.6 - n / 100 for n in range(exhaustion.RECENT_BARS - 4)]]
    assert (Sign.DIVERGENCE, True) in signs(frame(later))
    assert (Sign.DIVERGENCE, True) not in signs(frame([*later, 101.5]))


RISE = [100 + 0.1 * n for n in range(15)]


def test_a_new_high_on_little_volume_is_dry() -> None:
    bars = frame(RISE, [1000.0] * 12 + [590.0] * 3)
    sign = signs(bars)[Sign.VOLUME, True]
    assert sign.measure == (1000, 590)
    assert sign.price == pytest.approx((101.11, 101.41))
    assert (sign.first, sign.last) == (bars.index[-15], bars.index[-1])


@pytest.mark.parametrize(
    ("closes", "volumes"),
    [
        (RISE, [1000.0] * 12 + [600.0] * 3),  # not little enough
        ([*RISE[:12], 101, 101, 101], [1000.0] * 12 + [100.0] * 3),  # no new high
        (RISE[:14], [1000.0] * 12 + [100.0] * 2),  # the hour began yesterday
    ],
)
def test_otherwise_it_is_not(closes: list[float], volumes: list[float]) -> None:
    assert (Sign.VOLUME, True) not in signs(frame(closes, volumes))


@pytest.mark.parametrize(
    "bars",
    [frame(SLOWING), frame(double_top(102.1)), frame(RISE, [1000.0] * 12 + [590.0] * 3)],
    ids=["fading", "divergence", "volume"],
)
def test_a_fall_tires_as_a_rise_does(bars: pd.DataFrame) -> None:
    rising, falling = signs(bars), signs(turned(bars))
    assert falling.keys() == {(sign, not side) for sign, side in rising}
    for (sign, side), one in rising.items():
        mirror = falling[sign, not side]
        assert (mirror.first, mirror.last) == (one.first, one.last)
        assert mirror.price == pytest.approx(tuple(200 - price for price in one.price))


def test_without_enough_bars_for_the_averages_there_are_no_signs() -> None:
    assert find_exhaustion(frame(SLOWING).iloc[-84:]) == ()
    assert find_exhaustion(frame(SLOWING).iloc[-85:]) != ()
    assert find_exhaustion(frame(SLOWING).iloc[:0]) == ()
