"""One trader and one trade server a home; one trader that an account's orders obey."""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
from mcp import Client

from agent_tools._mcp_server import Role
from tests.conftest import ROOT
from tests.counters import ENTRY, a_server, doors
from tests.trading import Bench, a_bench, opened
from tools.execution.leases import Leases
from tools.hosting import AlreadyRunning, only_one
from tools.journal.order_ids import Leg

WRITES = [
    ("place_order", ENTRY),
    ("close_position", {"symbol": "SPY", "reason": "out"}),
    ("tighten_stop", {"symbol": "SPY", "stop_price": 99}),
    ("cancel_order", {"client_order_id": "AT-2013-10-07-1-E"}),
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


def test_the_second_in_a_home_is_refused_and_told_who_is_there(tmp_path: Path) -> None:
    with only_one(tmp_path, "alpaca-trade"):
        with (
            pytest.raises(AlreadyRunning, match=rf"alpaca-trade .*pid {os.getpid()}, since"),
            only_one(tmp_path, "alpaca-trade"),
        ):
            pass
        with only_one(tmp_path, "active-trader"), only_one(tmp_path / "other", "alpaca-trade"):
            pass
    with only_one(tmp_path, "alpaca-trade"):
        pass


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["-m", "agent_tools.tool_alpaca_trade"], "alpaca-trade"),
        (["active_trader.py"], "active-trader"),
    ],
)
def test_a_second_process_ends_with_one_line_and_status_1(
    tmp_path: Path, command: list[str], name: str
) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "ACTIVE_TRADER_HOME": str(tmp_path),
        "AGENT_MODE": "paper",
        **dict.fromkeys(("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "DEEPSEEK_API_KEY"), "x"),
        **dict.fromkeys(("MCP_DATA_TOKEN", "MCP_TRADE_TOKEN"), "t" * 32),
        "MCP_OPERATOR_TOKEN": "o" * 32,
    }
    with only_one(tmp_path, name):
        ended = subprocess.run(
            [sys.executable, *command],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert f"another {name} runs in {tmp_path}: pid {os.getpid()}" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.anyio
async def test_the_lease_is_the_agents_and_each_taking_is_a_new_epoch(bench: Bench) -> None:
    async with doors(bench, Role.OPERATOR) as client:
        assert (await client.post("/lease", json={"holder": "me"})).status_code == 403
    async with doors(bench, Role.AGENT) as client:
        assert (await client.post("/lease", json={})).status_code == 400
        epochs = [(await client.post("/lease", json={"holder": "me"})).json() for _ in "ab"]
    first = int(bench.hands.read().timestamp())
    assert [one["epoch"] for one in epochs] == [first, first + 1]
    again = bench.restart()
    async with doors(again, Role.AGENT) as client:
        assert (await client.post("/lease", json={"holder": "me"})).json()["epoch"] == first + 2


def test_a_lost_state_file_gives_no_epoch_again(bench: Bench) -> None:
    before = Leases(bench.room.premises).take("me").epoch
    bench.room.premises.store.close()
    for file in (bench.home / "data").glob("state.sqlite3*"):
        file.unlink()
    bench.hands.at("10:05")
    again = a_bench(bench.home, bench.hands, bench.broker)
    assert Leases(again.room.premises).take("me").epoch > before


@pytest.mark.anyio
async def test_a_broker_that_is_away_gives_no_lease(bench: Bench) -> None:
    bench.broker.faults["account"] = ["away"]
    async with doors(bench, Role.AGENT) as client:
        answer: httpx2.Response = await client.post("/lease", json={"holder": "me"})
    assert answer.status_code == 503


@pytest.mark.anyio
@pytest.mark.parametrize(("tool", "arguments"), WRITES)
async def test_a_stale_epochs_order_is_denied_and_nothing_is_sent(
    bench: Bench, tool: str, arguments: dict[str, object]
) -> None:
    bench.bracket()
    bench.broker.calls.clear()
    server = a_server(bench)
    leases = Leases(bench.room.premises)
    stale, latest = (leases.take(name).epoch for name in ("the first", "the second"))
    async with Client(server.mcp) as client:
        for epoch in ({}, {"epoch": stale}):
            result = await client.call_tool(tool, {**arguments, **epoch})
            assert result.structured_content
            (denial,) = result.structured_content["denials"]
            assert denial["reason"] == "lease"
            assert f"the second has held epoch {latest} since 2013-10-07" in denial["message"]
    assert {name for name, _ in bench.broker.calls} <= {"account"}


@pytest.mark.anyio
async def test_the_latest_epochs_order_is_obeyed(bench: Bench) -> None:
    ours = {"epoch": Leases(bench.room.premises).take("me").epoch, "prompt_hash": "abc"}
    async with Client(a_server(bench).mcp) as client:
        bought = await client.call_tool("place_order", {**ENTRY, **ours})
        sold = await client.call_tool("close_position", {"symbol": "SPY", "reason": "?", **ours})
    for result in (bought, sold):
        assert result.structured_content
        assert result.structured_content["approved"]
    records = bench.room.premises.store.intents_on(bench.hands.read().date())
    assert [one.leg for one in records] == [Leg.ENTRY, Leg.EXIT]
    assert {one.intent.prompt_hash for one in records} == {"abc"}
