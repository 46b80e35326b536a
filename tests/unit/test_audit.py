"""Our books against the broker's: sessions begin, fills become round trips, losses count."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket, a_time
from tests.trading import TODAY, Bench, Hands, a_bench, a_tape, buy, events, state, turn
from tools.core.safety import TradingState


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return a_bench(tmp_path)


class TestSession:
    """A session begins."""

    def test_at_the_wake_up_the_file_of_the_day_is_made_empty(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, Hands("09:20"))
        turn(bench)
        assert not bench.trades_file().exists()
        assert bench.room.monitor.next_wake() == a_time("09:25")
        turn(bench, "09:25")
        assert bench.trades_file().read_text(encoding="utf-8") == ""
        assert events(bench) == ["start", "reconciliation"]

    def test_its_limits_rest_on_the_equity_it_began_with(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, Hands("09:25"), cash=54_321)
        turn(bench)
        began = bench.room.premises.store.session(TODAY)
        assert began is not None
        assert (began.start_equity_usd, began.opening) == (Decimal(54_321), ())

    def test_a_late_start_takes_the_evenings_equity(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, Hands("10:00"), tape=a_tape(("10:05", 90)))
        bench.buy("SPY", "100")
        bench.hands.at("10:10")
        turn(bench)
        began = bench.room.premises.store.session(TODAY)
        assert began is not None
        assert began.start_equity_usd == Decimal(100_000)
        assert bench.broker.inner.account().equity < 99_100

    def test_reducing_ends_with_the_night_and_halted_does_not(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, Hands("09:20"))
        bench.room.control.reduce("yesterday's loss", "monitor")
        turn(bench, "09:25")
        assert state(bench) is TradingState.ACTIVE
        bench.room.control.halt("stop", "operator")
        turn(bench.restart(), "09:31")
        assert state(bench.restart()) is TradingState.HALTED

    def test_a_restart_in_the_session_begins_it_no_second_time(self, bench: Bench) -> None:
        turn(bench)
        bench.room.control.reduce("loss", "monitor")
        again = bench.restart()
        turn(again, "10:30")
        assert state(again) is TradingState.REDUCING
        assert events(again) == ["start", "start"]


class TestFills:
    """Fills become round trips."""

    def test_a_stop_that_fills_becomes_a_line_with_its_reason_and_its_decision(
        self, tmp_path: Path
    ) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:05", 97)))
        turn(bench)
        buy(bench, decision="D-2013-10-07-3-1")
        turn(bench, "10:06")
        (line,) = bench.lines()
        assert line["exit_reason"] == "stop"
        assert line["decision_id"] == "D-2013-10-07-3-1"
        assert line["entry_order"] == "AT-2013-10-07-1-E"
        assert line["exit_price"] == 98
        assert line["pnl"] == pytest.approx((98 - 100.01) * line["quantity"])
        assert events(bench) == ["start", "fill", "fill"]

    def test_a_line_says_under_which_prompt_it_was_entered(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:05", 97)))
        turn(bench)
        bench.room.desk.submit(replace(a_ticket("SPY", stop="98"), prompt_hash="abc"))
        bench.room.monitor.look()
        turn(bench, "10:06")
        assert [line["prompt_hash"] for line in bench.lines()] == ["abc"]

    def test_the_lines_add_up_to_the_change_of_cash(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:05", 97), ("11:00", 99)))
        turn(bench)
        buy(bench)
        buy(bench, "IBM")
        turn(bench, "10:06")
        bench.room.desk.close("IBM", reason="enough")
        turn(bench, "11:05")
        pnl = sum(Decimal(str(line["pnl"])) for line in bench.lines())
        assert len(bench.lines()) == 2
        assert bench.broker.inner.account().cash == Decimal(100_000) + pnl

    def test_a_request_can_have_it_counted_at_once(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        bench.room.desk.close("SPY", reason="enough")
        bench.room.monitor.look()
        (trade,) = bench.room.auditor.trades
        assert trade.exit_reason == "decision"

    def test_a_restart_writes_the_same_file_again(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:05", 97)))
        turn(bench)
        buy(bench)
        turn(bench, "10:06")
        before = bench.trades_file().read_bytes()
        bench.trades_file().unlink()
        turn(bench.restart(), "10:30")
        assert bench.trades_file().read_bytes() == before

    def test_a_restart_in_the_evening_does_so_too(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:05", 97)))
        turn(bench)
        buy(bench)
        turn(bench, "10:06")
        before = bench.trades_file().read_bytes()
        bench.trades_file().unlink()
        turn(bench.restart(), "18:00")
        assert bench.trades_file().read_bytes() == before

    def test_what_was_carried_into_the_session_is_closed_against_its_cost(
        self, tmp_path: Path
    ) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:30", 103)))
        bench.buy("SPY", "10")
        tuesday = a_time("10:00") + timedelta(days=1)
        bench.hands.now = tuesday
        turn(bench)
        bench.room.desk.close("SPY", reason="not ours")
        assert bench.held() == {"SPY": Decimal(10)}  # the tape has no quote on Tuesday
        began = bench.room.premises.store.session(tuesday.date())
        assert began is not None
        assert [(one.symbol, one.quantity) for one in began.opening] == [("SPY", Decimal(10))]

    def test_nothing_is_written_while_nothing_changes(self, bench: Bench) -> None:
        for clock in ("10:00", "10:15", "10:30", "10:45"):
            turn(bench, clock)
        assert events(bench) == ["start"]


class TestLoss:
    """The daily loss."""

    @pytest.mark.parametrize(
        ("price", "expected"), [(93, "ACTIVE"), (91, "REDUCING"), (89, "HALTED")]
    )
    def test_near_the_limit_only_exits_are_left_and_at_it_the_day_is_over(
        self, tmp_path: Path, price: float, expected: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:05", price)))
        bench.buy("SPY", "200")
        turn(bench)
        turn(bench, "10:06")
        assert state(bench) == expected
        warned = [one for one in caplog.messages if "circuit breaker daily_loss" in one]
        assert len(warned) == (expected != "ACTIVE")
        turn(bench, "10:08")
        assert len([m for m in caplog.messages if "circuit breaker" in m]) == len(warned)

    def test_a_halt_is_not_softened(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, tape=a_tape(("10:05", 50)))
        bench.buy("SPY", "200")
        turn(bench)
        bench.room.control.halt("stop", "agent")
        turn(bench, "10:06")
        assert state(bench) is TradingState.HALTED
