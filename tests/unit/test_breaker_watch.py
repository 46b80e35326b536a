"""Breakers in the trade room: what they do, what they remember, and without what they still do."""

import logging
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket
from tests.trading import Bench, Hands, a_bench, a_tape
from tools.core.safety import DenialReason, RiskLimits, TradingState
from tools.execution.trading_control import BREAKER


def opened(bench: Bench) -> Bench:
    bench.room.monitor.look()
    return bench


def state(bench: Bench) -> TradingState:
    return bench.room.control.current().trading_state


def turn(bench: Bench, clock: str) -> None:
    """The monitor's turn at that time; a flatten waits in it."""
    bench.hands.at(clock)
    bench.room.monitor.look()
    bench.room.monitor.turn(bench.hands.wait)


@pytest.fixture
def losing(tmp_path: Path) -> Bench:
    """A fifth of the equity in SPY, which falls by 12 % at half past ten, far below any stop."""
    bench = opened(a_bench(tmp_path, Hands("10:00"), tape=a_tape(("10:30", 88.0))))
    bench.buy(quantity="200")
    bench.room.monitor.look()
    return bench


def test_a_lost_day_is_halted_closed_and_said(
    losing: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        turn(losing, "10:31")
    assert losing.held() == {}
    assert state(losing) is TradingState.HALTED
    warned = [r for r in caplog.records if "circuit breaker daily_loss:" in r.getMessage()]
    assert [record.levelname for record in warned] == ["WARNING"]
    assert losing.room.control.current().actor == BREAKER


def test_a_deleted_state_file_does_not_arm_a_halted_day_again(losing: Bench) -> None:
    turn(losing, "10:31")
    losing.room.premises.store.close()
    for file in (losing.home / "data").glob("state.sqlite3*"):
        file.unlink()
    again = a_bench(losing.home, losing.hands, losing.broker)
    assert state(again) is TradingState.ACTIVE
    again.room.monitor.look()
    assert state(again) is TradingState.HALTED
    assert not again.room.desk.submit(a_ticket("IBM")).verdict.approved


def test_an_operator_may_reset_it_and_it_does_not_trip_again_that_day(losing: Bench) -> None:
    turn(losing, "10:31")
    losing.room.control.reset("looked into it", "operator")
    turn(losing, "10:32")
    assert state(losing) is TradingState.ACTIVE
    denials = losing.room.desk.submit(a_ticket("IBM")).verdict.denials
    assert DenialReason.DAILY_LOSS in [denial.reason for denial in denials]


def test_the_next_day_begins_active(losing: Bench) -> None:
    turn(losing, "10:31")
    losing.room.control.begin_session()
    assert state(losing) is TradingState.ACTIVE


def test_what_an_operator_halted_stays_halted_the_next_day(losing: Bench) -> None:
    losing.room.control.halt("enough", "operator")
    losing.room.control.begin_session()
    assert state(losing) is TradingState.HALTED


def test_a_gain_is_locked(tmp_path: Path) -> None:
    limits = RiskLimits(profit_lock_fraction=Decimal("0.01"))
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:30", 106.0)), limits=limits))
    bench.buy(quantity="200")
    turn(bench, "10:31")
    assert bench.held() == {}
    assert state(bench) is TradingState.HALTED


def test_exempt_holdings_are_not_closed(tmp_path: Path) -> None:
    limits = RiskLimits(flatten_exempt_symbols=frozenset(("SPY",)))
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:30", 88.0)), limits=limits))
    bench.buy(quantity="200")
    turn(bench, "10:31")
    assert bench.held() == {"SPY": 200}
    assert state(bench) is TradingState.HALTED
    assert bench.room.monitor.flatten_status().state == "idle"


def test_three_quarters_of_the_loss_only_reduce(tmp_path: Path) -> None:
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:30", 91.5))))
    bench.buy(quantity="200")
    turn(bench, "10:31")
    assert state(bench) is TradingState.REDUCING
    assert bench.held() == {"SPY": 200}


def test_a_burst_of_rejections_reduces_for_half_an_hour(bench_of_one_minute: Bench) -> None:
    bench = bench_of_one_minute
    bench.broker.faults["submit"] = ["rejected"] * 5
    for _ in range(5):
        bench.room.desk.submit(a_ticket())
    assert state(bench) is TradingState.REDUCING
    assert "reject_burst" in bench.room.control.current().reason
    again = bench.restart()
    again.hands.at("10:29")
    again.room.monitor.look()
    assert state(again) is TradingState.REDUCING
    again.hands.at("10:30")
    again.room.monitor.look()
    assert state(again) is TradingState.ACTIVE


@pytest.fixture
def bench_of_one_minute(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path, limits=replace(RiskLimits(), max_entries_per_cycle=6)))
