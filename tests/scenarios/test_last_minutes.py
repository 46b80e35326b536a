"""What may go wrong in the last minutes of a session, over real processes and simulated time.

Which rows of the fault matrix these are is in docs/faults.md.
"""

from datetime import date, time
from pathlib import Path

import pytest

from tests.scenarios.stage import DATA, EVERYTHING, TRADE, TRADER, Stage

pytestmark = [pytest.mark.anyio, pytest.mark.services]


async def test_all_services_killed_a_second_before_the_flatten_time(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.session(tmp_path, date(2026, 11, 16), at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        await world.at("15:54:00")
        await world.start(TRADER)
        await world.at("15:54:59")
        await world.kill(TRADE, TRADER, DATA)
        early = await world.timer("15:55:00", "15:56:00")
        assert await world.held() == {"AAPL", "MSFT"}
        (status, said), *late = await world.timer("15:57:00", "16:01:00")
        record = await world.record()
    assert [code for code, _ in (*early, *late)] == [0, 0, 0], (early, late)
    assert (status, "flatten: the timer closes all positions" in said) == (0, True), said
    assert said.splitlines()[-1] == "FLAT"
    record.assert_flat_by("16:00", "AAPL", "MSFT")
    assert record.certified() == [("flatten", "timer"), ("close", "timer")]
    assert {one["symbol"] for one in record.lines[0]["exits"]} == {"AAPL", "MSFT"}


async def test_a_broker_that_answers_500_for_90_seconds_over_the_flatten_time(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.session(tmp_path, date(2026, 11, 17), at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        await world.at("15:54:00")
        await world.start(TRADER)
        await world.at("15:54:30")
        broken = await world.fault(EVERYTHING, "status", status=500)
        await world.at("15:56:00")
        assert await world.lift(broken) > 10
        await world.at("16:01:30")
        record, desk = await world.record(), world.log("alpaca_trade_mcp")
        trader = world.log("active_trader_stdout")
    record.assert_flat_by("15:56:10", "AAPL", "MSFT")
    assert record.certified() == [("flatten", "agent"), ("close", "monitor")]
    assert "500 Internal Server Error" in desk
    assert "not flat yet: unknown" in desk
    assert "flat: closed AAPL, MSFT" in desk
    assert "Status: FLAT" in trader


async def test_a_stop_stuck_in_pending_cancel(stage: Stage, tmp_path: Path) -> None:
    async with stage.session(tmp_path, date(2026, 11, 18), at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        await world.fault({"symbol": "AAPL"}, "stuck_cancel")
        await world.at("16:01:30")
        record, desk = await world.record(), world.log("alpaca_trade_mcp")
    record.assert_flat_by("16:00", "AAPL", "MSFT")
    assert record.sold_at("MSFT") <= time(15, 56, 1)
    (stop,) = [leg for leg in record.legs("AAPL") if leg["filled_at"]]
    assert stop["client_order_id"].startswith("flat-2026-11-18-AAPL-")
    assert stop["type"] == "stop"
    assert "nobody has flattened the session: the monitor does" in desk


async def test_the_line_to_the_broker_cut_for_150_seconds(stage: Stage, tmp_path: Path) -> None:
    async with stage.session(tmp_path, date(2026, 11, 19), at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        await world.at("15:54:00")
        cut = await world.fault(EVERYTHING, "drop")
        await world.at("15:56:30")
        assert await world.lift(cut) > 10
        await world.at("16:01:30")
        record, desk = await world.record(), world.log("alpaca_trade_mcp")
    record.assert_flat_by("15:56:40", "AAPL", "MSFT")
    assert record.certified() == [("flatten", "monitor"), ("close", "monitor")]
    assert "flatten error: get_all_positions: the connection broke" in desk


async def test_trader_and_trade_server_restarted_at_1557(stage: Stage, tmp_path: Path) -> None:
    async with stage.session(tmp_path, date(2026, 11, 20), at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        await world.kill(TRADE)
        await world.at("15:57:00")
        assert await world.held() == {"AAPL", "MSFT"}
        await world.start(TRADE, TRADER)
        await world.at("16:01:30")
        record, desk = await world.record(), world.log("alpaca_trade_mcp")
        trader = world.log("active_trader_stdout")
    record.assert_flat_by("15:57:05", "AAPL", "MSFT")
    assert record.certified() == [("flatten", "monitor"), ("close", "monitor")]
    assert "nobody has flattened the session: the monitor does" in desk
    assert "END OF DAY POSITION CLOSE" in trader
    assert "TRADING CYCLE" not in trader


async def test_the_half_day_after_thanksgiving(stage: Stage, tmp_path: Path) -> None:
    async with stage.session(tmp_path, date(2026, 11, 27), at="12:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL")
        await world.at("12:45:00")
        approved, words = await world.propose("MSFT")
        await world.at("12:54:00")
        await world.start(TRADER)
        (status, _), *_ = await world.timer("12:57:00")
        await world.at("13:01:30")
        record, trader = await world.record(), world.log("active_trader_stdout")
    assert (approved, "session" in words) == (False, True), words
    record.assert_flat_by("12:55:05", "AAPL")
    assert record.certified() == [("flatten", "agent"), ("close", "monitor")]
    assert record.sold_at("AAPL") >= time(12, 55)
    assert status == 0
    assert "END OF DAY POSITION CLOSE - 12:55 PM ET" in trader
