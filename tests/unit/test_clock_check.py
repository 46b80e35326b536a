"""A clock that is not the broker's closes entries, says so once, and opens them again."""

import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_ticket, a_time
from tests.trading import Bench, a_bench, opened, reasons, state, turn
from tools.core.alerts import AlertKind
from tools.core.safety import DenialReason, TradingState
from tools.core.trading import BrokerClock


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


def the_broker_is_off_by(bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    inner: Any = bench.broker.inner
    true = type(inner).clock

    def clock() -> Any:
        said = true(inner)
        return replace(said, at=said.at + timedelta(seconds=seconds))

    monkeypatch.setattr(inner, "clock", clock)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(2.0, "ACTIVE"), (2.1, "REDUCING"), (-2.0, "ACTIVE"), (-2.1, "REDUCING")],
)
def test_two_seconds_are_allowed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, seconds: float, expected: str
) -> None:
    the_broker_is_off_by(bench, monkeypatch, seconds)
    bench.room.monitor.look()
    assert state(bench) == expected


def test_entries_are_refused_and_it_is_said_once_with_an_alert(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    the_broker_is_off_by(bench, monkeypatch, 5)
    bench.room.monitor.look()
    bench.room.monitor.look()
    said = [one for one in caplog.records if getattr(one, "alert", None) is AlertKind.CLOCK_SKEW]
    assert [one.levelno for one in said] == [logging.CRITICAL]
    assert reasons(bench.room.desk.submit(a_ticket())) == [DenialReason.STATE]


def test_entries_open_again_when_the_clocks_agree_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as off:
        the_broker_is_off_by(bench, off, -5)
        bench.room.monitor.look()
        assert state(bench) is TradingState.REDUCING
    bench.room.monitor.look()
    assert state(bench) is TradingState.ACTIVE
    assert bench.room.desk.submit(a_ticket()).verdict.approved


def test_a_slow_answer_is_no_difference(bench: Bench) -> None:
    def slowly() -> None:
        bench.hands.now += timedelta(seconds=4)

    def before_and_after() -> None:
        slowly()
        bench.broker.inner.clock()

    bench.broker.faults["clock"] = [before_and_after]
    bench.room.monitor.look()
    assert state(bench) is TradingState.ACTIVE


@pytest.mark.parametrize(("ahead", "closes", "due"), [(6, "16:00", "15:50"), (0, "13:00", "12:56")])
def test_the_flatten_comes_earlier_when_our_clock_is_slow_or_the_broker_closes_early(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, ahead: int, closes: str, due: str
) -> None:
    def clock() -> BrokerClock:
        now = bench.hands.read() + timedelta(minutes=ahead)
        tomorrow = a_time("09:30") + timedelta(days=1)
        return BrokerClock(
            at=now,
            market_open=now < a_time(closes),
            next_open=tomorrow,
            next_close=a_time(closes),
        )

    monkeypatch.setattr(bench.broker.inner, "clock", clock)
    bench.room.desk.submit(a_ticket(stop="98"))
    bench.room.monitor.look()
    bench.hands.now = a_time(due) - timedelta(seconds=1)
    bench.room.monitor.turn(bench.hands.wait)
    assert bench.held() != {}
    assert bench.room.monitor.next_wake() == a_time(due)
    turn(bench, due)
    assert bench.held() == {}
    asked = len(bench.broker.sent())
    turn(bench)
    assert len(bench.broker.sent()) == asked
