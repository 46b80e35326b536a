"""Every session is certified, and one that is not keeps the entries closed."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_session, a_ticket, a_time
from tests.trading import TODAY, Bench, Hands, a_bench, a_tape, buy, state, turn
from tools.core.safety import DenialReason, RiskLimits, TradingState
from tools.execution import certificates
from tools.execution.certificate_chain import append, read_chain
from tools.execution.certificates import (
    Certifier,
    Occasion,
    acknowledge,
    certificates_path,
)

DAY = timedelta(days=1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return a_bench(tmp_path)


def lines(bench: Bench) -> list[dict[str, Any]]:
    chain = read_chain(certificates_path(bench.home))
    assert chain.fault == ""
    return [dict(record) for record in chain.records]


def last(bench: Bench) -> dict[str, Any]:
    return lines(bench)[-1]


def tomorrow(bench: Bench, clock: str = "09:26") -> Bench:
    """The next morning, after a restart."""
    bench.hands.now = a_time(clock) + DAY
    again = bench.restart()
    again.room.monitor.turn(again.hands.wait)
    return again


def reasons(bench: Bench) -> list[DenialReason]:
    return [one.reason for one in bench.room.desk.submit(a_ticket()).verdict.denials]


class TestCertificates:
    """What stands in them."""

    def test_a_flatten_leaves_one_that_says_who_closed_what(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        bench.hands.at("15:55")
        bench.room.monitor.request_flatten("agent")
        turn(bench)
        (line,) = lines(bench)
        assert (line["session"], line["caller"], line["occasion"]) == (
            str(TODAY),
            "agent",
            "flatten",
        )
        assert (line["flat"], line["why_not"]) == (True, [])
        assert [(one["held"], one["open_orders"]) for one in line["reads"]] == [({}, [])] * 2
        (sale,) = line["exits"]
        assert sale["id"] == "flat-2013-10-07-SPY-1"
        assert (sale["symbol"], sale["side"]) == ("SPY", "sell")
        assert line["equity"]
        assert line["broker_clock"]

    def test_a_minute_after_the_close_it_is_verified_whoever_flattened(self, bench: Bench) -> None:
        turn(bench)
        turn(bench, "15:56")
        assert bench.room.monitor.next_wake() <= a_time("16:01")
        turn(bench, "16:00:30")
        assert bench.room.monitor.next_wake() == a_time("16:01")
        turn(bench, "16:01")
        assert [line["occasion"] for line in lines(bench)] == ["flatten", "close"]
        assert last(bench)["flat"]
        assert bench.room.monitor.next_wake() == a_time("09:25") + DAY
        turn(bench, "18:00")
        assert len(lines(bench)) == 2

    def test_shares_held_at_the_close_are_not_flat_and_an_alert(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        turn(bench)
        buy(bench)
        turn(bench, "16:01")
        assert not last(bench)["flat"]
        assert any(words.endswith("SPY held") for words in last(bench)["why_not"])
        kinds = [getattr(record, "alert", "") for record in caplog.records]
        assert "not_flat" in kinds
        assert "certificate" in kinds

    def test_exempt_holdings_are_listed_and_do_not_count(self, tmp_path: Path) -> None:
        limits = RiskLimits(flatten_exempt_symbols=frozenset(("IBM",)))
        bench = a_bench(tmp_path, limits=limits)
        bench.buy("IBM")
        turn(bench)
        buy(bench)
        turn(bench, "15:56")
        assert (last(bench)["flat"], last(bench)["left_alone"]) == (True, {"IBM": "10"})

    def test_one_look_is_not_enough(self, bench: Bench) -> None:
        turn(bench)
        bench.hands.at("16:01")
        bench.hands.alarms[a_time("16:01:01")] = lambda: bench.broker.faults.update(
            positions=["away"] * 3
        )
        turn(bench)
        assert lines(bench) == []
        bench.broker.faults.clear()
        for clock in ("16:01:10", "16:01:20"):
            turn(bench, clock)
        assert last(bench)["flat"]

    def test_a_broker_that_stays_away_is_written_down_and_made_good_when_it_answers(
        self, bench: Bench
    ) -> None:
        turn(bench)
        bench.broker.faults["positions"] = ["away"] * 1000
        bench.hands.at("16:01")
        for _ in range(20):
            turn(bench)
            bench.hands.now = bench.room.monitor.next_wake()
            if lines(bench):
                bench.broker.faults.clear()
        assert [line["flat"] for line in lines(bench)] == [False, True]
        assert "the broker did not answer twice" in lines(bench)[0]["why_not"]
        assert state(tomorrow(bench)) is TradingState.ACTIVE


class TestTheNextMorning:
    """What a start finds, and makes of it."""

    def test_a_missing_certificate_is_made_good_when_nothing_is_held(self, bench: Bench) -> None:
        turn(bench)
        again = tomorrow(bench)
        assert (last(again)["session"], last(again)["occasion"]) == (str(TODAY), "late")
        assert last(again)["flat"]
        assert state(again) is TradingState.ACTIVE

    def test_the_first_start_of_all_misses_nothing(self, bench: Bench) -> None:
        turn(bench)
        assert lines(bench) == []
        assert state(bench) is TradingState.ACTIVE

    def test_shares_held_block_the_entries_until_an_operator_acknowledges(
        self, bench: Bench, caplog: pytest.LogCaptureFixture
    ) -> None:
        turn(bench)
        buy(bench)
        again = tomorrow(bench)
        assert not last(again)["flat"]
        assert state(again) is TradingState.REDUCING
        assert DenialReason.STATE in reasons(again)
        assert "python active_trader.py acknowledge" in caplog.text
        again.room.notary.acknowledge(TODAY, by="operator", reason="sold by hand")
        assert state(again) is TradingState.ACTIVE
        assert state(again.restart()) is TradingState.ACTIVE

    def test_flat_at_noon_says_nothing_of_the_evening(self, bench: Bench) -> None:
        turn(bench)
        bench.room.monitor.request_flatten("operator")
        turn(bench, "11:00")
        bench.room.control.reset("go on", "operator")
        turn(bench, "11:01")
        buy(bench)
        again = tomorrow(bench, "09:40")
        assert (last(again)["session"], last(again)["flat"]) == (str(TODAY), False)
        assert state(again) is TradingState.REDUCING

    def test_a_line_of_another_kind_keeps_the_entries_closed_and_the_room_open(
        self, bench: Bench
    ) -> None:
        append(certificates_path(bench.home), {"kind": "a later version's"})
        again = tomorrow(bench)
        assert "cannot be read" in again.room.control.current().reason

    def test_not_flat_blocks_even_when_nothing_is_held_any_more(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        turn(bench, "16:01")
        bench.broker.inner.positions = tuple  # type: ignore[method-assign]
        again = tomorrow(bench)
        assert state(again) is TradingState.REDUCING

    def test_a_changed_line_blocks(self, bench: Bench) -> None:
        turn(bench)
        turn(bench, "15:56")
        turn(bench, "16:01")
        path = certificates_path(bench.home)
        path.write_bytes(path.read_bytes().replace(b'"flat": true', b'"flat": false'))
        again = tomorrow(bench)
        assert state(again) is TradingState.REDUCING
        again.room.notary.acknowledge(TODAY, by="operator", reason="looked")
        assert state(again) is TradingState.ACTIVE

    def test_a_deleted_file_is_a_missing_certificate(self, bench: Bench) -> None:
        turn(bench)
        turn(bench, "15:56")
        turn(bench, "16:01")
        certificates_path(bench.home).unlink()
        again = tomorrow(bench)
        assert last(again)["occasion"] == "late"
        assert state(again) is TradingState.ACTIVE

    def test_an_acknowledgement_that_another_process_wrote_is_heeded(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        again = tomorrow(bench)
        path = certificates_path(again.home)
        acknowledge(path, TODAY, by="operator", reason="sold by hand", now=again.hands.read())
        turn(again)
        assert state(again) is TradingState.ACTIVE

    def test_a_file_that_cannot_be_read_blocks(self, bench: Bench) -> None:
        turn(bench)
        path = certificates_path(bench.home)
        path.mkdir()
        turn(bench, "10:01")
        assert state(bench) is TradingState.REDUCING
        path.rmdir()
        turn(bench, "10:02")
        assert state(bench) is TradingState.ACTIVE

    def test_today_is_not_judged_before_its_close(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, Hands("10:00"), tape=a_tape())
        turn(bench)
        buy(bench)
        bench.broker.faults["submit"] = ["rejected"] * 2
        bench.room.monitor.request_flatten("operator")
        turn(bench)
        bench.room.control.reset("go on", "operator")
        assert state(bench) is TradingState.ACTIVE

    def test_a_start_at_1557_flattens_at_once_and_certifies(self, bench: Bench) -> None:
        turn(bench)
        buy(bench)
        bench.hands.at("15:57")
        again = bench.restart()
        turn(again)
        assert again.held() == {}
        assert (last(again)["flat"], last(again)["caller"]) == (True, "monitor")
        assert bench.hands.read() < a_time("15:58")

    def test_two_closers_write_two_lines_of_one_chain(self, bench: Bench) -> None:
        turn(bench)
        turn(bench, "15:56")
        other = Certifier(
            broker=bench.broker.inner,
            path=certificates_path(bench.home),
            now=bench.hands.read,
        )
        bench.hands.at("16:01:30")
        other.write(other.look(a_session(), Occasion.CLOSE, "timer", bench.hands.wait))
        turn(bench)
        assert [line["caller"] for line in lines(bench)] == ["monitor", "timer"]

    def test_a_broker_that_is_away_all_night_gets_one_line(self, bench: Bench) -> None:
        turn(bench)
        bench.broker.faults["positions"] = ["away"] * 1000
        bench.hands.at("16:01")
        for _ in range(60):
            turn(bench)
            assert bench.room.monitor.next_wake() > bench.hands.read()
            bench.hands.now = bench.room.monitor.next_wake()
        assert bench.hands.read() > a_time("16:30")
        assert [line["flat"] for line in lines(bench)] == [False]

    def test_a_certificate_that_cannot_be_written_is_an_alert_and_tried_again(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        turn(bench)

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as disk:
            disk.setattr(certificates, "append", full)
            turn(bench, "16:01")
        assert "certificate" in [getattr(record, "alert", "") for record in caplog.records]
        assert bench.room.monitor.next_wake() == a_time("16:02:02")
        bench.hands.now = bench.room.monitor.next_wake()
        turn(bench)
        assert last(bench)["flat"]
