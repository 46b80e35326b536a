"""How the parts of three timeframes become one view, and when it does not count."""

import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from tests.feeds import FRIDAY, HOURS, INTRADAY, MONDAY, Feed, at, minutes
from tools import ta_helper
from tools.bar_history import COLUMNS, BarHistory, Volume
from tools.core.market import Bar, Timeframe
from tools.ta_helper import (
    PART_WEIGHTS,
    TIMEFRAME_WEIGHTS,
    VWAP_WEIGHT,
    Analyst,
    Part,
    SymbolView,
    TimeframeView,
    analyse,
    assess,
)

M1, M5, M15 = INTRADAY
NOON = at(MONDAY, 12, 0)
USUAL = Volume(last=1000, usual=1000, days=3)
READ = ("ema_20", "ema_50", "rsi", "adx.adx", "atr", "vwap", "close")


def a_frame(
    timeframe: Timeframe,
    score: float | None = 0.5,
    *,
    ready: tuple[str, ...] = tuple(PART_WEIGHTS),
    atr: float = math.nan,
    close: float = 100.0,
    vwap: float = math.nan,
) -> TimeframeView:
    """A view whose `ready` parts all have the same score."""
    weight = TIMEFRAME_WEIGHTS[timeframe]
    parts = tuple(
        Part(name=name, weight=weight * share, score=score if name in ready else None)
        for name, share in PART_WEIGHTS.items()
    )
    values = dict.fromkeys(READ, math.nan) | {"atr": atr, "close": close, "vwap": vwap}
    return TimeframeView(timeframe=timeframe, bars=9, last_start=NOON, values=values, parts=parts)


def frames(score: float = 0.5, *, atr: float = math.nan) -> list[TimeframeView]:
    """Three timeframes that agree; only the shortest may have an ATR."""
    return [a_frame(M1, score, atr=atr), a_frame(M5, score), a_frame(M15, score)]


def a_view(
    views: list[TimeframeView], volume: Volume = USUAL, oldest: datetime = NOON
) -> SymbolView:
    return assess("SPY", views, volume, oldest=oldest)


def walk(count: int) -> pd.DataFrame:
    """A random walk of five-minute bars."""
    draw = np.random.default_rng(3)
    close = 100 + draw.normal(0, 0.2, count).cumsum()
    table = np.column_stack((close, close + 0.1, close - 0.1, close, np.full(count, 500.0)))
    index = pd.date_range("2013-10-04 13:30", periods=count, freq="5min", tz="UTC")
    return pd.DataFrame(table, index, COLUMNS)


def climbing(on_monday: int) -> list[Bar]:
    """A Friday at rest, then a Monday that climbs."""
    rest = [100 + 0.05 * (n % 2) for n in range(390)]
    return [
        *minutes(FRIDAY, 9, 30, rest),
        *minutes(MONDAY, 9, 30, [100 + 0.02 * n + 0.01 * (n % 3) for n in range(on_monday)]),
    ]


def look(feed: Feed, now: datetime) -> SymbolView:
    history = BarHistory(feed, HOURS)
    history.refresh(["SPY"], now)
    return Analyst(history).look("SPY", now)


def test_the_weights_make_one_whole() -> None:
    assert sum(PART_WEIGHTS.values()) == pytest.approx(1)
    assert sum(TIMEFRAME_WEIGHTS.values()) + VWAP_WEIGHT == pytest.approx(1)


def test_strength_is_the_weighted_mean_of_what_is_ready() -> None:
    views = [a_frame(M1, 1.0), a_frame(M5, -0.5), a_frame(M15, 0.25)]
    signal = a_view(views).signal
    assert signal.coverage == pytest.approx(0.8)
    assert signal.strength == pytest.approx((0.24 - 0.16 + 0.06) / 0.8)


def test_the_distance_from_vwap_is_measured_in_five_minute_atr() -> None:
    views = [a_frame(M1, None, vwap=99.0), a_frame(M5, 0.0, atr=1.0), a_frame(M15, 0.0)]
    view = a_view(views)
    assert view.signal.coverage == pytest.approx(0.32 + 0.24 + 0.20)
    assert view.signal.strength == pytest.approx(0.20 * 0.5 / 0.76)
    assert "+1.0 ATR from VWAP" in view.signal.evidence


def test_a_view_with_less_than_half_the_weight_has_no_strength_and_says_so() -> None:
    views = [a_frame(M1), a_frame(M5, ready=("rsi", "bollinger")), a_frame(M15, None)]
    view = a_view(views)
    assert view.signal.coverage == pytest.approx(0.368)
    assert (view.signal.strength, view.confidence) == (0, 0)
    assert view.signal.evidence[0] == "not ready: coverage 0.37 of 0.50"


def test_half_the_weight_is_enough() -> None:
    views = [a_frame(M1), a_frame(M5, ready=("bollinger",)), a_frame(M15, None)]
    views = [a_frame(M1, vwap=99.0, atr=1.0), *views[1:]]
    assert a_view(views).signal.coverage == pytest.approx(0.504)
    assert a_view(views).signal.strength > 0


def test_a_view_without_a_new_bar_does_not_count() -> None:
    view = a_view(frames(), oldest=at(MONDAY, 12, 1))
    assert view.signal.strength == 0
    assert view.signal.evidence[0] == "not ready: no bar since 10-07 12:00 ET"


@pytest.mark.parametrize(
    ("last", "factor"), [(2000, 1.0), (1000, 1.0), (750, 0.8), (500, 0.6), (100, 0.6), (0, 0.6)]
)
def test_thin_volume_takes_from_the_strength(last: float, factor: float) -> None:
    volume = Volume(last=last, usual=1000, days=3)
    assert a_view(frames(1.0), volume).signal.strength == pytest.approx(factor)


def test_the_evidence_says_what_the_volume_is_held_against() -> None:
    evidence = a_view(frames()).signal.evidence
    assert "volume 1.0x the mean of 3 days" in evidence
    first_day = Volume(last=500, usual=1000, days=0)
    assert "volume 0.5x the mean of this session" in a_view(frames(), first_day).signal.evidence
    assert "no volume" in a_view(frames(), Volume(last=0, usual=None, days=0)).signal.evidence


def test_confidence_is_agreement_less_what_is_unknown() -> None:
    assert a_view(frames(0.5)).confidence == pytest.approx(0.9)  # all agree, coverage 0.8
    mixed = [a_frame(M1, 1.0), a_frame(M5, -0.5), a_frame(M15, 0.25)]
    assert a_view(mixed).confidence == pytest.approx((0.24 + 0.06) / 0.46 * 0.9)


def test_the_stop_is_measured_by_the_five_minute_atr() -> None:
    view = a_view([a_frame(M1, atr=0.1), a_frame(M5, atr=0.3), a_frame(M15)])
    assert view.atr == 0.3
    assert not any("ATR is" in line for line in view.signal.evidence)


def test_until_it_is_ready_the_one_minute_atr_is_scaled_and_the_evidence_says_so() -> None:
    view = a_view(frames(atr=0.1))
    assert view.atr == pytest.approx(0.1 * math.sqrt(5))
    assert "ATR is 1Min x sqrt(5), 5Min not ready" in view.signal.evidence


def test_without_any_atr_there_is_none_and_the_evidence_says_so() -> None:
    view = a_view(frames())
    assert view.atr is None
    assert "ATR not ready" in view.signal.evidence


@pytest.mark.parametrize(
    ("rsi", "score"), [(50, 0), (60, 0.5), (70, 1), (80, 0.5), (95, 0), (30, -1), (20, -0.5)]
)
def test_momentum_counts_until_it_is_stretched(rsi: float, score: float) -> None:
    assert ta_helper._along(ta_helper.RSI, rsi) == pytest.approx(score)


def test_parts_become_ready_one_after_the_other() -> None:
    counts = (19, 20, 64, 65, 81, 82, 127, 128)
    ready = [{p.name for p in analyse(M5, walk(n)).parts if p.score is not None} for n in counts]
    assert ready[:2] == [set(), {"bollinger"}]
    assert ready[2:4] == [{"bollinger"}, {"bollinger", "rsi"}]
    assert ready[4:6] == [{"bollinger", "rsi"}, {"bollinger", "rsi", "macd"}]
    assert ready[6:] == [{"bollinger", "rsi", "macd"}, {"bollinger", "rsi", "macd", "trend"}]


def test_a_timeframes_coverage_is_its_ready_share() -> None:
    assert analyse(M5, walk(70)).coverage == pytest.approx(0.4)
    assert analyse(M5, walk(130)).coverage == pytest.approx(1)


def test_a_tape_that_stands_still_has_no_view() -> None:
    still = minutes(FRIDAY, 9, 30, [50.0] * 390) + minutes(MONDAY, 9, 30, [50.0] * 150)
    view = look(Feed(SPY=still), at(MONDAY, 12, 0))
    assert view.signal.strength == 0
    assert view.signal.evidence[0].startswith("not ready: coverage 0.00")


def test_a_climb_is_seen_as_one() -> None:
    view = look(Feed(SPY=climbing(150)), at(MONDAY, 12, 0))
    assert view.signal.strength > 0.3
    assert view.price == pytest.approx(100 + 0.02 * 149 + 0.01 * 2)
    assert view.vwap == pytest.approx(101.5, abs=0.02)


def test_on_a_first_day_a_view_counts_two_hours_in() -> None:
    feed = Feed(SPY=climbing(390)[390:])
    early, counted = look(feed, at(MONDAY, 11, 37)).signal, look(feed, at(MONDAY, 11, 38)).signal
    assert early.strength == 0
    assert early.coverage == pytest.approx(0.42)
    assert counted.strength > 0
    assert counted.coverage == pytest.approx(0.504)


def test_an_unknown_symbol_is_looked_at_without_a_crash() -> None:
    view = look(Feed(), at(MONDAY, 12, 0))
    assert (view.price, view.atr, view.signal.coverage) == (None, None, 0)
    assert view.signal.evidence[0] == "not ready: no bars"


def test_yesterdays_bars_alone_make_no_signal() -> None:
    view = look(Feed(SPY=climbing(0)), at(MONDAY, 9, 31))
    assert view.signal.strength == 0
    assert view.signal.evidence[0] == "not ready: no bar since 10-04 15:59 ET"


def test_absurd_prices_planted_in_the_future_change_nothing() -> None:
    now = at(MONDAY, 11, 3)
    tape = climbing(390)
    known = [bar for bar in tape if bar.start < now]
    planted = [*known, *minutes(MONDAY, 11, 3, [1e6, 1e-6] * 50)]
    assert look(Feed(SPY=planted), now) == look(Feed(SPY=known), now)


def test_a_view_is_computed_once_per_closed_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[Timeframe] = []

    def counted(timeframe: Timeframe, bars: pd.DataFrame) -> TimeframeView:
        computed.append(timeframe)
        return analyse(timeframe, bars)

    monkeypatch.setattr(ta_helper, "analyse", counted)
    history = BarHistory(Feed(SPY=climbing(390)), HOURS)
    analyst = Analyst(history)
    for minute, expected in ((0, [M1, M5, M15]), (0, []), (1, [M1]), (5, [M1, M5])):
        computed.clear()
        now = at(MONDAY, 12, minute)
        history.refresh(["SPY"], now)
        analyst.look("SPY", now)
        assert computed == expected
