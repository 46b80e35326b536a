"""What a model reads of any tool's answer is compact JSON of at most 8 kB; programs get it all."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult
from pydantic import SecretStr

from agent.base_agent.base_agent import LONGEST_RESULT
from agent.base_agent.mcp_tools import _tool_result
from agent_tools._bounded_text import LONGEST_TEXT, bounded_text
from agent_tools._catalog import CATALOG, Server
from agent_tools._mcp_server import Answer, Role, ToolServer
from agent_tools._trade_answers import Orders, RoundTrip
from tests.contract.test_data_server import CALLS, HOURS, SYMBOLS, World, on_monday
from tests.counters import ENTRY, a_server
from tests.trading import a_bench, buy, opened
from tools.core.safety import RiskLimits
from tools.core.trading import Side
from tools.hosting import Incidents
from tools.schedule.market_hours import at_new_york
from tools.simulation.synthetic import SyntheticTape

pytestmark = pytest.mark.anyio

OPEN = on_monday(9, 30)
FIFTY = [f"SYM{number:02}" for number in range(50)]


def words(result: CallToolResult) -> str:
    (block,) = result.content
    assert block.type == "text"
    return block.text


def a_trip(number: int) -> RoundTrip:
    """One of a day, with a long reason."""
    return RoundTrip(
        symbol="GOOGL",
        side=Side.BUY,
        quantity=Decimal(1_234),
        entry_price=Decimal("1234.5678"),
        exit_price=Decimal("1235.8765"),
        pnl=Decimal("1614.8058"),
        opened_at=OPEN + timedelta(minutes=number),
        closed_at=OPEN + timedelta(minutes=number + 1),
        exit_reason="target " * 60,
    )


async def ask(answer: Callable[[], Answer]) -> CallToolResult:
    """One tool that answers so, asked over MCP."""
    token = SecretStr("key")
    tokens, reads = {Role.AGENT: token}, [answer]
    server = ToolServer("one", caller=Role.AGENT, tokens=tokens, incidents=Incidents(), reads=reads)
    async with Client(server.mcp) as client:
        return await client.call_tool(answer.__name__, {})


def test_the_servers_bound_is_one_that_the_agent_takes() -> None:
    assert LONGEST_TEXT <= LONGEST_RESULT


async def test_of_a_day_of_three_hundred_round_trips_the_last_are_read_and_none_is_lost() -> None:
    def get_orders() -> Orders:
        return Orders(open_orders=[], round_trips=[a_trip(number) for number in range(300)])

    result = await ask(get_orders)
    assert len(words(result).encode()) <= LONGEST_TEXT
    told, whole = json.loads(words(result)), result.structured_content
    assert whole is not None
    assert len(whole["round_trips"]) == 300
    kept = len(told["round_trips"])
    assert kept > 8
    assert told["round_trips"] == whole["round_trips"][-kept:]
    assert told["left_out"] == {"round_trips": 300 - kept}
    assert len(_tool_result("get_orders", result).data["round_trips"]) == 300


def test_what_fits_is_told_whole_and_what_cannot_be_shortened_is_refused() -> None:
    assert bounded_text({"a": [1, 2], "b": "é"}) == '{"a":[1,2],"b":"é"}'
    with pytest.raises(ValueError, match="the answer has 9015 bytes: ask for less"):
        bounded_text({"a": "x" * 9_000, "b": []})


@pytest.mark.parametrize(("first", "second"), [(400, 3), (3, 400), (400, 400)])
def test_the_longest_list_is_shortened_first(first: int, second: int) -> None:
    rows = {"a": ["x" * 50] * first, "b": ["y" * 50] * second}
    text = bounded_text(rows)
    told = json.loads(text)
    assert len(text.encode()) <= LONGEST_TEXT
    assert len(text) > LONGEST_TEXT - 200
    assert (len(told["a"]) == 3) == (first == 3)
    assert (len(told["b"]) == 3) == (second == 3)


async def test_the_widest_question_to_each_data_tool_is_answered_whole() -> None:
    world = World(SyntheticTape(SYMBOLS, HOURS, seed=1), at_new_york(OPEN.date(), 15, 30))
    for name, arguments in CALLS.items():
        result = await world.call(name, **arguments)
        assert len(words(result).encode()) <= LONGEST_TEXT, name
        assert json.loads(words(result)) == result.structured_content, name


async def test_every_trade_tool_answers_within_the_bound(tmp_path: Path) -> None:
    limits = RiskLimits(allowed_symbols=frozenset((*FIFTY, "SPY")))
    bench = opened(a_bench(tmp_path, limits=limits))
    buy(bench)
    last: dict[str, dict[str, Any]] = {
        "preview_order": {"symbol": "IBM", "confidence": 0.1, "stop_price": 1},
        "place_order": {**ENTRY, "confidence": 0.1},
        "cancel_order": {"client_order_id": "nobody's"},
        "tighten_stop": {"symbol": "SPY", "stop_price": 99},
        "close_position": {"symbol": "SPY", "reason": "done " * 300},
        "halt": {"reason": "enough " * 200},
    }
    names = [one.name for one in CATALOG if one.server is Server.TRADE]
    assert set(last) < set(names)
    async with Client(a_server(bench).mcp) as client:
        for name in sorted(names, key=lambda one: list(last).index(one) if one in last else -1):
            result = await client.call_tool(name, last.get(name, {}))
            assert not result.is_error, (name, result.content)
            assert len(words(result).encode()) <= LONGEST_TEXT, name
            assert json.loads(words(result)) == result.structured_content, name
