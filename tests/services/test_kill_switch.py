"""The kill switch over real processes: the trade server alive, dead, and stopped in its tracks."""

import itertools
import re
import signal
from datetime import date
from pathlib import Path

import pytest

from tests.services.processes import World, trading_world
from tools.safety import kill_switch

pytestmark = [pytest.mark.anyio, pytest.mark.services]

DAY = date(2025, 11, 5)
CYCLES = itertools.count(1)


async def entry(world: World, symbol: str) -> tuple[bool, str]:
    """Try to buy; whether it was approved, and the answer."""
    quotes = await world.exchange(f"/v2/stocks/quotes/latest?symbols={symbol}")
    ask = float(quotes["quotes"][symbol]["ap"])
    ticket = {
        "symbol": symbol,
        "confidence": 0.9,
        "reason": "a test's conviction",
        "decision_id": f"D-{DAY}-{next(CYCLES)}-1",
        "stop_price": round(ask * 0.98, 2),
        "target_price": round(ask * 1.04, 2),
    }
    placed = await world.tools.call("place_order", ticket)
    return bool(placed.data and placed.data["approved"]), placed.text


async def holding(world: World) -> None:
    """Shares of AAPL, and the monitor's next turn almost a minute away."""
    approved, text = await entry(world, "AAPL")
    assert approved, text
    await world.sleep(61)
    assert len(await world.exchange("/v2/positions")) == 1


async def assert_flat(world: World) -> None:
    assert await world.exchange("/v2/positions") == []
    assert await world.exchange("/v2/orders?status=open") == []


async def test_a_live_server_stops_sells_and_is_reset_with_a_code(tmp_path: Path) -> None:
    async with trading_world(tmp_path, DAY, at="11:00") as world:
        await holding(world)
        status, said = await world.command("kill", "--reason", "a drill")
        assert (status, "FLAT" in said, "NOT FLAT" in said) == (0, True, False), said
        await assert_flat(world)
        approved, text = await entry(world, "MSFT")
        assert (approved, "kill switch: a drill" in text) == (False, True), text
        log = (tmp_path / "logs" / "alpaca_trade_mcp.log").read_text(encoding="utf-8")
        assert "kill switch, pulled by the operator: a drill" in log

        status, said = await world.command("reset", "--code", "WRONG", "--reason", "x")
        assert (status, "no reset code is in force" in said) == (1, True), said
        status, said = await world.command("reset-code")
        code = re.match(r"[A-Z0-9]{6}\b", said)
        assert code, said
        status, said = await world.command("reset", "--code", code[0], "--reason", "drill over")
        assert (status, said) == (0, "trading is ACTIVE: drill over\n")
        approved, text = await entry(world, "MSFT")
        assert approved, text
        log = (tmp_path / "logs" / "alpaca_trade_mcp.log").read_text(encoding="utf-8")
        assert code[0] not in log


async def test_with_a_dead_server_the_command_latches_and_sells_by_itself(tmp_path: Path) -> None:
    async with trading_world(tmp_path, DAY, at="11:00") as world:
        await holding(world)
        world.signal(signal.SIGKILL)
        await world.server.process.wait()
        status, said = await world.command("kill", "--reason", "it crashed")
        assert (status, "FLAT" in said, "NOT FLAT" in said) == (0, True, False), said
        await assert_flat(world)
        assert kill_switch.latched(tmp_path)
        status, said = await world.command("reset", "--code", "ABCDEF", "--reason", "x")
        assert (status, "manage_services.sh start" in said) == (1, True), said

        again = await world.children.start("again", "-m", "agent_tools.tool_alpaca_trade")
        await again.ready(world.client, world.settings.trade_port)
        await world.sleep(10)
        approved, text = await entry(world, "MSFT")
        assert (approved, "kill switch: it crashed" in text) == (False, True), text


async def test_a_stopped_server_is_given_a_third_of_a_second_and_obeys_when_it_goes_on(
    tmp_path: Path,
) -> None:
    async with trading_world(tmp_path, DAY, at="11:00") as world:
        await holding(world)
        world.signal(signal.SIGSTOP)
        status, said = await world.command("kill", "--reason", "it hangs")
        assert (status, "FLAT" in said, "NOT FLAT" in said) == (0, True, False), said
        assert "no trade server answers" in said
        await assert_flat(world)
        world.signal(signal.SIGCONT)
        approved, text = await entry(world, "MSFT")
        assert (approved, "kill switch: it hangs" in text) == (False, True), text


async def test_a_latch_written_by_anybody_stops_the_next_order_and_sells(tmp_path: Path) -> None:
    async with trading_world(tmp_path, DAY, at="11:00") as world:
        await holding(world)
        now = world.clock.now()
        kill_switch.pull(tmp_path, reason="by another user", actor="operator", now=now)
        assert not (await entry(world, "MSFT"))[0]
        for _ in range(100):
            await world.sleep(1)
            if await world.exchange("/v2/positions") == []:
                break
        await assert_flat(world)


async def test_positions_are_kept_when_that_is_wished(tmp_path: Path) -> None:
    async with trading_world(tmp_path, DAY, at="11:00") as world:
        await holding(world)
        status, said = await world.command("kill", "--keep-positions")
        assert (status, "positions are kept" in said) == (0, True), said
        await world.sleep(120)
        assert len(await world.exchange("/v2/positions")) == 1
        assert not (await entry(world, "MSFT"))[0]
