"""The trade counter: what its tools answer, who may open which door, and that the monitor lives."""

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from agent.base_agent.mcp_tools import openai_specs
from agent_tools._catalog import CATALOG, Access, Server
from tests.counters import ENTRY, a_server
from tests.trading import Bench, a_bench, a_tape
from tools.core.safety import RiskLimits, TradingState

pytestmark = pytest.mark.anyio


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = a_bench(tmp_path, tape=a_tape(("10:30", 99)))
    bench.room.monitor.look()
    return bench


@contextlib.asynccontextmanager
async def tools(bench: Bench) -> AsyncIterator[Client]:
    async with Client(a_server(bench).mcp) as client:
        yield client


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """The structured answer of a call that succeeded."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


async def test_it_offers_its_half_of_the_catalogue_in_three_thousand_bytes(bench: Bench) -> None:
    async with tools(bench) as client:
        offered = (await client.list_tools()).tools
    access = {
        tool.name: Access.READ
        if tool.annotations and tool.annotations.read_only_hint
        else Access.WRITE
        for tool in offered
    }
    assert access == {one.name: one.access for one in CATALOG if one.server is Server.TRADE}
    assert len(json.dumps(openai_specs(offered), separators=(",", ":"))) <= 3_000


async def test_an_entry_is_placed_filled_and_shown_with_its_exits(bench: Bench) -> None:
    async with tools(bench) as client:
        placed = await call(client, "place_order", **ENTRY, target_price=105.5, quantity=10)
        assert placed["approved"]
        assert placed["client_order_id"] == "AT-2013-10-07-1-E"
        assert (placed["status"], placed["filled_quantity"]) == ("filled", 10)
        assert placed["average_fill_price"] == 100.01
        assert (placed["entry_price"], placed["stop_price"]) == (100.11, 98)
        assert (await call(client, "get_positions"))["positions"] == [
            {
                "symbol": "SPY",
                "quantity": 10,
                "average_entry_price": 100.01,
                "current_price": 100,
                "market_value": 1000,
                "unrealized_pnl": -0.1,
                "stop_price": 98,
                "target_price": 105.5,
            }
        ]
        orders = await call(client, "get_orders")
        assert [(one["type"], one["side"]) for one in orders["open_orders"]] == [
            ("limit", "sell"),
            ("stop", "sell"),
        ]
        assert orders["round_trips"] == []


async def test_a_close_is_a_round_trip_in_the_next_answer(bench: Bench) -> None:
    async with tools(bench) as client:
        await call(client, "place_order", **ENTRY, quantity=10)
        bench.hands.at("10:31")
        closed = await call(client, "close_position", symbol="SPY", reason="enough")
        assert (closed["status"], closed["average_fill_price"]) == ("filled", 98.99)
        (trip,) = (await call(client, "get_orders"))["round_trips"]
        assert (trip["symbol"], trip["exit_reason"], trip["pnl"]) == ("SPY", "decision", -10.2)
        assert trip["closed_at"] == "2013-10-07T14:31:00Z"
        assert (await call(client, "get_positions"))["positions"] == []


async def test_the_account_and_the_risk_status_are_numbers(bench: Bench) -> None:
    async with tools(bench) as client:
        assert await call(client, "get_account") == {
            "cash": 100000,
            "equity": 100000,
            "last_equity": 100000,
            "buying_power": 400000,
            "day_pnl": 0,
            "day_pnl_fraction": 0,
            "trading_blocked": False,
        }
        await call(client, "place_order", **ENTRY, quantity=100)
        status = await call(client, "get_risk_status")
    assert status == {
        "trading_state": "ACTIVE",
        "reason": "first start",
        "entries_open": True,
        "entries_end_at": "2013-10-07T19:45:00Z",
        "flatten_at": "2013-10-07T19:55:00Z",
        "entries_today": 1,
        "max_entries_per_day": 50,
        "positions": 1,
        "max_positions": 5,
        "day_pnl_fraction": -0.00001,
        "daily_loss_fraction": 0.02,
        "min_confidence": 0.6,
        "risk_per_trade_fraction": 0.01,
        "max_position_fraction": 0.2,
        "allowed_symbols": None,
    }


async def test_a_list_of_allowed_symbols_is_shown(tmp_path: Path) -> None:
    limits = RiskLimits(allowed_symbols=frozenset(("SPY", "IBM")))
    async with tools(a_bench(tmp_path, limits=limits)) as client:
        assert (await call(client, "get_risk_status"))["allowed_symbols"] == ["IBM", "SPY"]


async def test_a_refusal_is_an_answer_with_all_its_reasons(bench: Bench) -> None:
    async with tools(bench) as client:
        bad = {**ENTRY, "confidence": 0.2, "stop_price": 150}
        for answer in (
            await call(client, "place_order", **bad),
            await call(client, "preview_order", symbol="SPY", confidence=0.2, stop_price=150),
        ):
            assert not answer["approved"]
            assert answer["quantity"] == 0
            assert [one["reason"] for one in answer["denials"]] == ["confidence", "stop"]
        for tool, arguments in (
            ("close_position", {"symbol": "SPY", "reason": "x"}),
            ("tighten_stop", {"symbol": "SPY", "stop_price": 99}),
            ("cancel_order", {"client_order_id": "AT-2013-10-07-9-E"}),
        ):
            assert not (await call(client, tool, **arguments))["approved"]


async def test_a_preview_counts_the_earlier_tickets_and_sends_nothing(bench: Bench) -> None:
    async with tools(bench) as client:
        preview = {"symbol": "SPY", "confidence": 0.8}
        assert (await call(client, "preview_order", **preview))["approved"]
        earlier = [{"symbol": "SPY", "quantity": 5}]
        again = await call(client, "preview_order", **preview, earlier=earlier)
    assert [one["reason"] for one in again["denials"]] == ["duplicate"]
    assert bench.broker.sent() == []


async def test_the_stop_can_be_raised_and_the_model_can_halt(bench: Bench) -> None:
    async with tools(bench) as client:
        await call(client, "place_order", **ENTRY)
        raised = await call(client, "tighten_stop", symbol="SPY", stop_price=99.5)
        assert (raised["approved"], raised["stop_price"]) == (True, 99.5)
        state = await call(client, "halt", reason="I see nonsense")
        assert state == {"trading_state": "HALTED", "reason": "kill switch: I see nonsense"}
        refused = await call(client, "place_order", **{**ENTRY, "symbol": "IBM"})
    assert [one["reason"] for one in refused["denials"]] == ["state"]


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("place_order", {**ENTRY, "side": "sell"}),
        ("place_order", {**ENTRY, "quantity": 1.5}),
        ("place_order", {**ENTRY, "quantity": -5}),
        ("place_order", {**ENTRY, "quantity": "ten"}),
        ("place_order", {**ENTRY, "confidence": 7}),
        ("place_order", {**ENTRY, "stop_price": -1}),
        ("place_order", {**ENTRY, "symbol": "A" * 100}),
        ("preview_order", {"symbol": "SPY", "confidence": 0.8, "earlier": [{"symbol": "SPY"}]}),
        ("tighten_stop", {"symbol": "SPY", "stop_price": True}),
        ("halt", {"reason": ""}),
    ],
)
async def test_a_malformed_call_reaches_no_desk(
    bench: Bench, tool: str, arguments: Mapping[str, Any]
) -> None:
    bench.broker.calls.clear()
    async with tools(bench) as client:
        assert (await client.call_tool(tool, dict(arguments))).is_error
    assert bench.broker.calls == []
    assert bench.room.control.current().trading_state is TradingState.ACTIVE


async def test_a_broker_that_is_away_is_an_error_in_its_own_words(bench: Bench) -> None:
    bench.broker.faults["account"] = ["away"] * 2
    async with tools(bench) as client:
        result = await client.call_tool("get_account", {})
        assert result.is_error
        assert "connection refused" in str(result.content)
        assert (await client.call_tool("place_order", ENTRY)).is_error
    assert bench.broker.sent() == []
