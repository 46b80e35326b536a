"""Each breaker at its limit and one step to each side; what a trip does to the state."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.builders import a_time
from tools.core.safety import RiskLimits
from tools.safety.breakers import (
    AnalysisEnded,
    Breaker,
    BreakerState,
    EquitySeen,
    Event,
    OrderRefused,
    Overfilled,
    QuoteSeen,
    TradeClosed,
    after,
    new_session,
    step,
)

LIMITS = RiskLimits()
TODAY = date(2013, 10, 7)
FRESH = BreakerState(session_on=TODAY)
NOW = a_time("10:00")


def names(state: BreakerState, now: datetime = NOW) -> list[Breaker]:
    return [trip.breaker for trip in state.open_trips(now)]


def worth(*equities: str, at: datetime = NOW) -> list[Event]:
    start = Decimal(100_000)
    return [EquitySeen(at=at, equity_usd=Decimal(one), start_equity_usd=start) for one in equities]


def closed(*pnls: int, at: datetime = NOW) -> list[Event]:
    return [TradeClosed(at=at, pnl_usd=Decimal(one)) for one in pnls]


@pytest.mark.parametrize(
    ("equities", "expected"),
    [
        (("98500.01",), []),
        (("98500",), [Breaker.DAILY_LOSS_NEAR]),
        (("98000.01",), [Breaker.DAILY_LOSS_NEAR]),
        (("98000",), [Breaker.DAILY_LOSS]),
        (("97000",), [Breaker.DAILY_LOSS]),
        (("104999.99",), []),
        (("105000",), [Breaker.PROFIT_LOCK]),
        (("106000",), [Breaker.PROFIT_LOCK]),
        (("104000", "99000.01"), []),
        (("104000", "99000"), [Breaker.DRAWDOWN]),
        (("104000", "98999"), [Breaker.DRAWDOWN]),
    ],
)
def test_the_books_worth(equities: tuple[str, ...], expected: list[Breaker]) -> None:
    assert names(after(FRESH, worth(*equities), LIMITS)) == expected


def test_the_peak_is_at_least_the_sessions_start() -> None:
    fallen = replace(LIMITS, daily_loss_fraction=Decimal("0.5"))
    assert names(after(FRESH, worth("95000"), fallen)) == [Breaker.DRAWDOWN]


def test_without_an_equity_at_the_start_nothing_is_said() -> None:
    event = EquitySeen(at=NOW, equity_usd=Decimal(1), start_equity_usd=Decimal(0))
    assert step(FRESH, event, LIMITS) == FRESH


def test_what_ends_the_day_trips_once_a_session() -> None:
    state = after(FRESH, worth("97000", "96000", "97500"), LIMITS)
    assert [trip.breaker for trip in state.trips] == [Breaker.DAILY_LOSS]
    assert {one for one in Breaker if one.ends_the_day} == {
        Breaker.DAILY_LOSS,
        Breaker.DRAWDOWN,
        Breaker.PROFIT_LOCK,
    }
    assert {one for one in Breaker if one.halts and not one.ends_the_day} == {Breaker.OVERFILL}


@pytest.mark.parametrize(
    ("pnls", "expected"),
    [
        ((-1, -1, -1), []),
        ((-1, -1, -1, -1), [Breaker.CONSECUTIVE_LOSSES]),
        ((-1, -1, -1, 1, -1), []),
        ((-1, -1, -1, 0, -1), []),
    ],
)
def test_four_losing_trades_in_a_row(pnls: tuple[int, ...], expected: list[Breaker]) -> None:
    assert names(after(FRESH, closed(*pnls), LIMITS)) == expected


def test_a_losing_streak_pauses_entries_for_half_an_hour_and_counts_afresh() -> None:
    state = after(FRESH, closed(-1, -1, -1, -1), LIMITS)
    half_an_hour = NOW + timedelta(minutes=30)
    assert names(state, half_an_hour - timedelta(seconds=1)) == [Breaker.CONSECUTIVE_LOSSES]
    assert names(state, half_an_hour) == []
    later = closed(-1, -1, -1, at=half_an_hour)
    assert names(after(state, later, LIMITS), half_an_hour) == []
    again = closed(-1, -1, -1, -1, at=half_an_hour)
    assert names(after(state, again, LIMITS), half_an_hour) == [Breaker.CONSECUTIVE_LOSSES]


@pytest.mark.parametrize(
    ("won", "trades", "expected"),
    [
        (5, 20, []),
        (4, 20, [Breaker.MODEL_DEGRADATION]),
        (0, 19, []),
        (6, 20, []),
    ],
)
def test_a_model_that_hardly_wins_is_degraded(
    won: int, trades: int, expected: list[Breaker]
) -> None:
    patient = replace(LIMITS, max_consecutive_losses=99)
    pnls = [1] * won + [-1] * (trades - won)
    assert names(after(FRESH, closed(*pnls), patient)) == expected


def test_the_win_rate_rolls_and_outlives_the_session_and_a_trip_empties_it() -> None:
    patient = replace(LIMITS, max_consecutive_losses=99)
    state = after(FRESH, closed(*[1] * 5, *[-1] * 14), patient)
    tomorrow = new_session(state, TODAY + timedelta(days=1))
    assert tomorrow.wins == state.wins
    assert (tomorrow.trades_seen, tomorrow.losses) == (0, 0)
    fine = after(tomorrow, closed(-1), patient)
    assert names(fine) == []
    degraded = after(fine, closed(-1), patient)  # the first win rolls out: 4 of 20
    assert names(degraded) == [Breaker.MODEL_DEGRADATION]
    assert degraded.wins == ()


@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        ((True,) * 4, []),
        ((True,) * 5, [Breaker.ANALYSIS_FAILURES]),
        ((True,) * 4 + (False, True), []),
    ],
)
def test_five_failed_analyses_in_a_row(failed: tuple[bool, ...], expected: list[Breaker]) -> None:
    events = [AnalysisEnded(at=NOW, failed=one) for one in failed]
    state = after(FRESH, events, LIMITS)
    assert names(state) == expected
    assert state.failures < 5


@pytest.mark.parametrize(
    ("fresh", "expected"),
    [
        ((False,) * 9, []),
        ((False,) * 10, [Breaker.STALE_DATA]),
        ((False,) * 9 + (True, False), []),
    ],
)
def test_ten_entries_without_a_fresh_quote(
    fresh: tuple[bool, ...], expected: list[Breaker]
) -> None:
    state = after(FRESH, [QuoteSeen(at=NOW, fresh=one) for one in fresh], LIMITS)
    assert names(state) == expected
    assert state.stale < 10


@pytest.mark.parametrize(
    ("unknown", "seconds_apart", "count", "expected"),
    [
        (False, 1, 4, []),
        (False, 1, 5, [Breaker.REJECT_BURST]),
        (False, 74, 5, [Breaker.REJECT_BURST]),
        (False, 75, 5, []),
        (True, 1, 2, []),
        (True, 1, 3, [Breaker.UNKNOWN_BURST]),
        (True, 149, 3, [Breaker.UNKNOWN_BURST]),
        (True, 150, 3, []),
    ],
)
def test_bursts_of_rejections_and_lost_answers(
    unknown: bool, seconds_apart: int, count: int, expected: list[Breaker]
) -> None:
    times = [NOW - timedelta(seconds=seconds_apart * (count - 1 - n)) for n in range(count)]
    events = [OrderRefused(at=at, unknown=unknown) for at in times]
    state = after(FRESH, events, LIMITS)
    assert names(state) == expected
    if expected:
        assert (state.rejects, state.unknowns) == ((), ())


def test_rejections_and_lost_answers_are_counted_apart() -> None:
    events = [OrderRefused(at=NOW, unknown=n % 2 == 0) for n in range(4)]
    state = after(FRESH, events, LIMITS)
    assert (len(state.rejects), len(state.unknowns)) == (2, 2)
    assert names(state) == []


def test_an_overfill_is_a_trip_for_the_session() -> None:
    state = step(FRESH, Overfilled(at=NOW, client_order_id="AT-1"), LIMITS)
    assert names(state, NOW + timedelta(hours=9)) == [Breaker.OVERFILL]
    assert "AT-1" in state.trips[0].reason
