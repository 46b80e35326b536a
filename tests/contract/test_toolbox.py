"""What a ToolBox promises, whether its servers are real or a double.

The real one is `McpTools` over both tool servers' own hosting, on sockets, with tokens.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Protocol

import pytest
from pydantic import SecretStr

from agent.base_agent.mcp_tools import McpTools, ServerAddress
from agent.base_agent.tool_pins import PINNED
from agent_tools._mcp_server import Answer, Role, ToolServer
from tests.doubles import FakeTools
from tests.pin_tools import current
from tools.core.errors import BrokerUnavailable, Unavailable
from tools.core.seams import ToolBox, ToolResult
from tools.hosting import Incidents, bind, http_server

pytestmark = pytest.mark.anyio

NAMES = ["get_levels", "get_account", "place_order"]


class Levels(Answer):
    symbol: str
    support: list[float]


class Account(Answer):
    cash: float
    equity: float


def get_levels(symbol: str) -> Levels:
    """Prices that mattered."""
    return Levels(symbol=symbol, support=[49.5])


def get_account() -> Account:
    """The money."""
    return Account(cash=1.0, equity=2.0)


def place_order(symbol: str) -> Account:
    """Buy."""
    raise BrokerUnavailable("the broker does not answer")


@contextlib.asynccontextmanager
async def served(server: ToolServer, token: str) -> AsyncIterator[ServerAddress]:
    running, listener = http_server(server.app()), await bind(0)
    serving = asyncio.create_task(running.serve(sockets=[listener]))
    port = listener.getsockname()[1]
    try:
        yield ServerAddress(
            name="alpaca-trade",
            url=f"http://127.0.0.1:{port}",
            token=SecretStr(token),
            start_command="python -m agent_tools.tool_alpaca_trade",
        )
    finally:
        running.should_exit = True
        await serving


@contextlib.asynccontextmanager
async def over_mcp(data_token: str = "data", pinned: str = "") -> AsyncIterator[McpTools]:
    roles = {Role.DATA: SecretStr("data"), Role.AGENT: SecretStr("agent")}
    data = ToolServer(
        "alpaca-data", reads=[get_levels], caller=Role.DATA, tokens=roles, incidents=Incidents()
    )
    trade = ToolServer(
        "alpaca-trade",
        reads=[get_account],
        writes=[place_order],
        caller=Role.AGENT,
        tokens=roles,
        incidents=Incidents(),
    )
    async with (
        served(data, data_token) as data_address,
        served(trade, "agent") as trade_address,
        McpTools([data_address, trade_address], pinned) as tools,
    ):
        yield tools


@contextlib.asynccontextmanager
async def double() -> AsyncIterator[FakeTools]:
    refusal = ToolResult(text="the broker does not answer", is_error=True)
    yield FakeTools(get_levels={"symbol": "SPY", "support": [49.5]}, place_order=refusal)


class Connected(ToolBox, Protocol):
    async def connect(self) -> int: ...


@pytest.fixture(params=[over_mcp, double])
async def tools(request: pytest.FixtureRequest) -> AsyncIterator[Connected]:
    async with request.param() as box:
        await box.connect()
        yield box


async def test_specs_are_functions_in_a_stable_order(tools: Connected) -> None:
    specs = tools.specs()
    assert specs == tools.specs()
    names = [spec["function"]["name"] for spec in specs]
    assert set(NAMES) <= set(names)
    assert len(set(names)) == len(names)
    for spec in specs:
        assert spec["type"] == "function"
        assert spec["function"]["parameters"]["type"] == "object"


async def test_an_answer_is_one_value_as_data_and_as_compact_json(tools: Connected) -> None:
    result = await tools.call("get_levels", {"symbol": "SPY"})
    assert result.data == {"symbol": "SPY", "support": [49.5]}
    assert result.text == json.dumps(result.data, separators=(",", ":"))
    assert not result.is_error


async def test_a_refusal_is_a_result_in_the_servers_words(tools: Connected) -> None:
    result = await tools.call("place_order", {"symbol": "SPY"})
    assert (result.is_error, result.text) == (True, "the broker does not answer")


async def test_the_servers_come_in_the_order_given_each_with_its_own_token() -> None:
    async with over_mcp() as tools:
        assert await tools.connect() == 3
        assert [spec["function"]["name"] for spec in tools.specs()] == NAMES


async def test_a_wrong_argument_is_a_result_that_names_it() -> None:
    async with over_mcp() as tools:
        result = await tools.call("get_levels", {"symbol": 7, "depth": 3})
    assert result.is_error
    assert "depth" in result.text


async def test_a_wrong_token_says_so() -> None:
    async with over_mcp(data_token="stolen") as tools:
        with pytest.raises(Unavailable, match=r"the token was refused \(401\); restart it with: "):
            await tools.connect()


async def test_other_tools_than_the_pinned_leave_no_entries(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with over_mcp(pinned="0" * 64) as tools:
        assert await tools.connect() == 3
        entry = await tools.call("place_order", {"symbol": "SPY"})
        read = await tools.call("get_levels", {"symbol": "SPY"})
    assert (entry.is_error, read.is_error) == (True, False)
    assert "not those this trader was made for: no entries" in entry.text
    assert entry.text in caplog.text


async def test_the_pinned_hash_is_that_of_the_tools_as_they_are() -> None:
    assert await current() == PINNED, "run: python -m tests.pin_tools"
