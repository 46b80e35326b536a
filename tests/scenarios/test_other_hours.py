"""The night between two sessions, a hand on the kill switch, and a death with an order in flight.

Which rows of the fault matrix these are is in docs/faults.md. The kill switch over a dead and over
a stopped trade server is in tests/services/test_kill_switch.py.
"""

import asyncio
import signal
from datetime import date, time
from pathlib import Path

import pytest

from tests.scenarios.stage import TRADE, TRADER, Stage
from tools.core.errors import OutcomeUnknown

pytestmark = [pytest.mark.anyio, pytest.mark.services]

TUESDAY, WEDNESDAY = date(2026, 11, 17), date(2026, 11, 18)


async def test_the_kill_switch_while_the_agent_is_stopped(stage: Stage, tmp_path: Path) -> None:
    async with stage.session(tmp_path, date(2026, 11, 16), at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        await world.at("15:46:30")
        await world.start(TRADER)
        await stage.asleep("trader")
        world.signal(TRADER, signal.SIGSTOP)
        status, said = await world.run("active_trader.py", "kill", "--reason", "it hangs")
        assert (status, "FLAT" in said, "NOT FLAT" in said) == (0, True, False), said
        record = await world.record()
        world.signal(TRADER, signal.SIGCONT)
        await world.at("16:01:30")
        evening, trader = await world.record(), world.log("active_trader_stdout")
        desk = world.log("alpaca_trade_mcp")
    assert not record.held_at("15:46:45")
    evening.assert_flat_by("15:46:45", "AAPL", "MSFT")
    assert "kill switch, pulled by the operator: it hangs" in desk
    assert "HALTED" in trader
    assert "END OF DAY POSITION CLOSE" in trader


async def test_a_halt_through_the_close_is_certified_and_closes_entries_until_acknowledged(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.session(tmp_path, TUESDAY, at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        halt = await world.fault({"symbol": "AAPL"}, "halt")
        await world.at("16:01:30")
        record = await world.record()
        await world.lift(halt)
        await world.at("09:45:00", WEDNESDAY)
        refused, held = await world.propose("MSFT"), await world.held()
        acknowledged = "acknowledge", "--session", str(TUESDAY), "--reason", "seen"
        status, said = await world.run("active_trader.py", *acknowledged)
        allowed = await world.propose("MSFT")
        desk = world.log("alpaca_trade_mcp")
    record.assert_sent_in_time("16:00")
    assert record.held_at("16:00").keys() == {"AAPL"}
    assert not record.last["flat"]
    assert "AAPL held" in "; ".join(record.last["why_not"])
    assert f"NOT FLAT: {TUESDAY}: " in desk
    assert "found overnight" in desk
    assert (refused[0], "did not end flat" in refused[1]) == (False, True), refused
    assert (status, held) == (0, set()), said
    assert allowed[0], allowed


async def test_positions_held_overnight_are_announced_and_sold_at_the_open(
    stage: Stage, tmp_path: Path
) -> None:
    evening, morning = date(2026, 11, 19), date(2026, 11, 20)
    async with stage.session(tmp_path, evening, at="15:40") as world:
        await world.start(TRADE)
        await world.buy("AAPL", "MSFT")
        await world.kill(TRADE)
        await world.at("09:20:00", morning)
        assert await world.held() == {"AAPL", "MSFT"}
        await world.start(TRADE)
        await world.at("09:31:30", morning)
        record, desk = await world.record(), world.log("alpaca_trade_mcp")
    assert record.sold_at("AAPL") == record.sold_at("MSFT") == time(9, 30)
    assert record.certified() == [("late", "monitor")]
    assert not record.last["flat"]
    assert "found overnight: " in desk
    assert "sold at the open" in desk


async def test_a_death_with_an_order_in_flight_leaves_one_order_and_its_stop(
    stage: Stage, tmp_path: Path
) -> None:
    async with stage.session(tmp_path, date(2026, 11, 23), at="15:40") as world:
        await world.start(TRADE)
        posts = {"method": "POST", "path": "/v2/orders"}
        slow = await world.fault(posts, "delay", seconds=1, after=True)
        async with world.tools() as caller:
            call = asyncio.create_task(caller.call("place_order", await world.ticket("AAPL")))
            while not call.done() and await world.held() != {"AAPL"}:
                await asyncio.sleep(0.01)
            await world.kill(TRADE)
            with pytest.raises(OutcomeUnknown):
                await call
        await world.lift(slow)
        await world.start(TRADE)
        await world.pass_time(60)
        (entry,) = await world.stage.ask("/v2/orders?status=all&nested=true&limit=1")
        await world.at("16:01:30")
        record, desk = await world.record(), world.log("alpaca_trade_mcp")
    assert {leg["type"]: leg["status"] for leg in entry["legs"]} == {"limit": "new", "stop": "held"}
    record.assert_flat_by("15:56:05", "AAPL")
    assert record.certified() == [("flatten", "monitor"), ("close", "monitor")]
    assert "nobody has flattened the session: the monitor does" in desk
