"""Certificates over real processes: a dead server's acknowledgement, and a stop that closes."""

import asyncio
import json
import signal
from datetime import date
from pathlib import Path

import pytest

from tests.services.processes import World, trading_world
from tools.execution.certificate_chain import read_chain
from tools.execution.certificates import certificates_path, read_standing

pytestmark = [pytest.mark.anyio, pytest.mark.services]

DAY = date(2025, 11, 5)


async def holding(world: World) -> None:
    """Shares of AAPL."""
    quotes = await world.exchange("/v2/stocks/quotes/latest?symbols=AAPL")
    ask = float(quotes["quotes"]["AAPL"]["ap"])
    ticket = {
        "symbol": "AAPL",
        "confidence": 0.9,
        "reason": "a test's conviction",
        "decision_id": f"D-{DAY}-1-1",
        "stop_price": round(ask * 0.98, 2),
    }
    placed = await world.tools.call("place_order", ticket)
    assert placed.data["approved"], placed.text
    await world.sleep(61)
    assert len(await world.exchange("/v2/positions")) == 1


async def test_acknowledged_without_a_server_and_closed_by_one_that_is_told_to_stop(
    tmp_path: Path,
) -> None:
    async with trading_world(tmp_path, DAY, at="11:00") as world:
        await holding(world)
        world.signal(signal.SIGKILL)
        status, said = await world.command("acknowledge", "--session", "2025-11-04")
        path = certificates_path(world.settings.agent_folder)
        assert (status, f"acknowledged in {path}" in said) == (0, True), said
        assert read_standing(path).settled(date(2025, 11, 4))

        config = tmp_path / "configs" / "default_config.json"
        written = json.loads(config.read_text(encoding="utf-8"))
        config.write_text(json.dumps(written | {"close_on_stop": True}), encoding="utf-8")
        again = await world.children.start("trade-again", "-m", "agent_tools.tool_alpaca_trade")
        await again.ready(world.client, world.settings.trade_port)
        again.process.send_signal(signal.SIGTERM)
        for _ in range(300):
            if again.process.returncode is not None:
                break
            await asyncio.sleep(0.05)
            await world.sleep(0.2)
        assert again.process.returncode == 0
        assert await world.exchange("/v2/positions") == []
        line = read_chain(path).records[-1]
        assert (line["caller"], line["flat"]) == ("stop", True)
        assert [order["symbol"] for order in line["exits"]] == ["AAPL"]
