"""What happens without anybody asking."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket, a_time
from tests.trading import TODAY, Bench, Hands, a_bench, buy, events, state, turn
from tools.core.safety import DenialReason, RiskLimits, TradingState
from tools.core.session import Timetable
from tools.core.trading import OrderType
from tools.schedule.market_hours import MarketHours


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return a_bench(tmp_path)


class TestFlatten:
    """Asked for, or overdue."""

    def test_one_that_is_asked_for_is_carried_out_at_the_next_turn(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        bench.hands.at("15:55")
        bench.room.monitor.request_flatten("agent")
        assert bench.room.monitor.flatten_status().state == "running"
        assert bench.room.monitor.next_wake() == bench.hands.read()
        turn(bench)
        status = bench.room.monitor.flatten_status()
        assert status.state == "done"
        assert status.report is not None
        assert (status.report.flat, status.report.caller) == (True, "agent")
        assert bench.held() == {}
        assert bench.lines()[0]["exit_reason"] == "flatten"
        assert events(bench)[-1] == "flatten"
        assert state(bench) is TradingState.REDUCING

    def test_reducing_is_on_the_disk_before_anything_is_cancelled(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        seen: list[TradingState] = []
        look = bench.room.premises.store.trading_state
        bench.broker.faults["cancel_all"] = [lambda: seen.append(look().trading_state)]
        bench.room.monitor.request_flatten("operator")
        turn(bench)
        assert seen == [TradingState.REDUCING]

    def test_while_it_is_at_work_the_desk_sends_nothing(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        bench.hands.at("15:55")
        bench.broker.faults["submit"] = ["away"] * 2
        answers: list[DenialReason] = []

        def meddle() -> None:
            bench.room.control.reset("a mistake", "operator")
            for ruling in (
                bench.room.desk.close("SPY", reason="x"),
                bench.room.desk.tighten_stop("SPY", Decimal(99)),
                bench.room.desk.submit(a_ticket("IBM")),
                bench.room.desk.restore_stop("SPY", Decimal(90)),
            ):
                answers.extend(denial.reason for denial in ruling.verdict.denials[:1])

        bench.hands.alarms[a_time("15:55:01")] = meddle
        bench.room.monitor.request_flatten("agent")
        turn(bench)
        assert answers == [DenialReason.STATE] * 3
        assert bench.held() == {}
        assert {intent.client_order_id[:4] for intent in bench.broker.sent()[1:]} == {"flat"}

    def test_nobody_asks_and_the_monitor_does_it_a_minute_late(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        turn(bench)
        buy(bench)
        turn(bench, "15:55:59")
        assert bench.held()
        assert bench.room.monitor.next_wake() == a_time("15:56")
        turn(bench, "15:56")
        assert bench.held() == {}
        report = bench.room.monitor.flatten_status().report
        assert report is not None
        assert report.caller == "monitor"
        assert "nobody has flattened the session: the monitor does" in caplog.messages

    def test_one_that_was_flat_in_time_is_not_repeated(self, bench: Bench) -> None:
        turn(bench)
        bench.hands.at("15:55")
        bench.room.monitor.request_flatten("agent")
        turn(bench)
        for clock in ("15:56", "15:57", "15:59:59"):
            turn(bench, clock)
        report = bench.room.monitor.flatten_status().report
        assert report is not None
        assert report.caller == "agent"

    def test_what_turns_up_after_it_goes_as_well(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        turn(bench, "15:56")
        assert bench.held() == {}
        bench.buy("IBM")
        turn(bench, "15:57")
        assert bench.held() == {}

    def test_an_early_one_does_not_count_for_the_evening(self, bench: Bench) -> None:
        turn(bench)
        bench.room.monitor.request_flatten("operator")
        turn(bench)
        bench.room.control.reset("go on", "operator")
        buy(bench)
        turn(bench, "15:56")
        assert bench.held() == {}
        report = bench.room.monitor.flatten_status().report
        assert report is not None
        assert report.caller == "monitor"

    def test_a_crash_in_the_middle_is_made_good_at_the_next_start(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        bench.room.monitor.request_flatten("operator")
        again = bench.restart()
        assert again.room.monitor.flatten_status().state == "running"
        turn(again, "10:01")
        assert again.held() == {}
        assert again.restart().room.monitor.flatten_status().state == "done"

    def test_it_needs_no_state_file(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        turn(bench)
        buy(bench)
        with closing(sqlite3.connect(bench.home / "data" / "state.sqlite3")) as other:
            other.execute("DROP TABLE flattens")
        bench.room.monitor.request_flatten("agent")
        turn(bench)
        assert bench.held() == {}
        assert "state.sqlite3: no such table" in caplog.text

    def test_exempt_holdings_stay(self, tmp_path: Path) -> None:
        limits = RiskLimits(flatten_exempt_symbols=frozenset(("IBM",)))
        bench = a_bench(tmp_path, limits=limits)
        bench.buy("IBM")
        turn(bench)
        buy(bench)
        turn(bench, "15:56")
        assert bench.held() == {"IBM": Decimal(10)}

    def test_after_the_close_an_overdue_one_is_not_begun(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        turn(bench, "16:00")
        assert bench.room.monitor.flatten_status().state == "idle"
        assert bench.held()

    def test_a_new_day_knows_nothing_of_yesterdays(self, bench: Bench) -> None:
        turn(bench)
        bench.room.monitor.request_flatten("operator")
        turn(bench)
        assert bench.room.monitor.flatten_status().state == "done"
        bench.hands.now = a_time("09:25") + timedelta(days=1)
        status = bench.room.monitor.flatten_status()
        assert (status.state, status.report) == ("idle", None)

    def test_not_flat_is_an_error_with_its_symbols(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        turn(bench)
        buy(bench)
        bench.broker.faults["submit"] = ["rejected"] * 1000
        turn(bench, "15:56")
        assert "NOT FLAT: SPY" in caplog.messages
        assert bench.hands.read() < a_time("16:00:10")


class TestRhythm:
    """When it looks."""

    def test_at_night_it_sleeps_until_the_wake_up(self, bench: Bench) -> None:
        turn(bench, "17:00")
        assert bench.room.monitor.next_wake() == a_time("09:25") + timedelta(days=1)
        bench.hands.now = a_time("17:00") + timedelta(days=4)  # Friday evening
        assert bench.room.monitor.next_wake() == a_time("09:25") + timedelta(days=7)

    def test_in_the_session_it_looks_once_a_period(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        assert bench.room.monitor.next_wake() == a_time("10:01")
        bench.broker.calls.clear()
        turn(bench, "10:00:30")
        assert bench.broker.calls == []
        turn(bench, "10:01")
        assert bench.broker.calls

    def test_while_nothing_is_held_or_open_it_asks_the_broker_less_often(
        self, bench: Bench
    ) -> None:
        turn(bench)
        bench.broker.calls.clear()
        turn(bench, "10:11:59")
        assert bench.broker.calls == []
        turn(bench, "10:12")
        assert bench.broker.calls

    def test_past_the_session_table_it_lives_on_and_lets_no_entry_through(
        self, tmp_path: Path
    ) -> None:
        monday = (TODAY, a_time("09:30"), a_time("16:00"))
        bench = a_bench(tmp_path, known=MarketHours([monday], Timetable()))
        turn(bench)
        bench.hands.now = a_time("10:00") + timedelta(days=1)
        turn(bench)
        assert bench.room.monitor.next_wake() == bench.hands.read() + timedelta(hours=1)
        ruling = bench.room.desk.submit(a_ticket())
        assert DenialReason.SESSION in [denial.reason for denial in ruling.verdict.denials]

    def test_a_broker_that_is_away_at_the_start_is_named_once_and_keeps_entries_closed(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench = a_bench(tmp_path, Hands("09:20"))
        bench.broker.faults["orders_since"] = ["away"] * 3
        for clock, pause in (("09:20", 1), ("09:21", 2), ("09:22", 4)):
            turn(bench, clock)
            assert not bench.room.books.reconciled
            again = bench.hands.read() + timedelta(seconds=pause)
            assert bench.room.monitor.next_wake() == again
        turn(bench, "09:23")
        assert bench.room.books.reconciled
        assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
            "audit: connection refused"
        ]
        assert events(bench) == ["start"]


def test_a_stop_rests_at_the_broker_whatever_the_monitor_does(bench: Bench) -> None:
    turn(bench)
    buy(bench)
    (stop,) = bench.room.books.resting("SPY")
    assert (stop.order_type, stop.quantity) == (OrderType.STOP, bench.held()["SPY"])
