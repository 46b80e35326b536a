"""The tools over MCP: what the model is shown, and what each fault of a server becomes."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Literal

import pytest
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field, SecretStr

from agent.base_agent.mcp_tools import McpTools, ServerAddress, openai_specs
from agent.faults import timed_out
from tools.core.errors import OutcomeUnknown, Unavailable
from tools.hosting import bind, http_server

pytestmark = pytest.mark.anyio


class Price(BaseModel):
    symbol: str
    price: float | None


class Earlier(BaseModel):
    symbol: str


class Shop:
    """A tool server on a port of its own, which can be ended and started again."""

    def __init__(self) -> None:
        self.asked = self.placed = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.port = 0

    def server(self) -> MCPServer:
        mcp = MCPServer("shop", log_level="WARNING")
        reads = ToolAnnotations(read_only_hint=True)

        @mcp.tool(annotations=reads)
        async def get_price(symbol: str, venue: Literal["A", "B"] | None = None) -> Price:
            """The price."""
            self.asked += 1
            await self.hold.wait()
            return Price(symbol=symbol, price=1.5)

        @mcp.tool(annotations=reads)
        def refuse() -> Price:
            """Says no."""
            raise ToolError("not today")

        @mcp.tool()
        async def place_order(
            symbol: str,
            earlier: Annotated[list[Earlier], Field(json_schema_extra={"agent_only": True})] = [],  # noqa: B006
        ) -> Price:
            """Buys."""
            self.placed += 1
            await self.hold.wait()
            return Price(symbol=symbol, price=None)

        return mcp

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Callable[[], None]]:
        """Serve; the value breaks every connection at once."""
        listener = await bind(self.port)
        self.port = listener.getsockname()[1]
        app = self.server().streamable_http_app(json_response=True, stateless_http=True)
        server = http_server(app)
        server.config.timeout_graceful_shutdown = 0
        serving = asyncio.create_task(server.serve(sockets=[listener]))

        def kill() -> None:
            for connection in list(server.server_state.connections):
                transport = getattr(connection, "transport", None)
                assert transport is not None
                transport.abort()

        try:
            yield kill
        finally:
            server.should_exit = True
            await serving

    def address(self, token: str = "t") -> ServerAddress:
        return ServerAddress(
            name="shop",
            url=f"http://127.0.0.1:{self.port}",
            token=SecretStr(token),
            start_command="python -m shop",
        )


@pytest.fixture
def shop() -> Shop:
    shop = Shop()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shop.port = free.getsockname()[1]
    return shop


async def test_the_model_is_shown_compact_specs_in_a_stable_order(shop: Shop) -> None:
    specs = openai_specs(await shop.server().list_tools())
    assert [spec["function"]["name"] for spec in specs] == ["get_price", "refuse", "place_order"]
    assert specs[0]["function"] == {
        "name": "get_price",
        "description": "The price.",
        "parameters": {
            "type": "object",
            "properties": {
                "symbol": {"type": "string"},
                "venue": {"type": "string", "enum": ["A", "B"]},
            },
            "required": ["symbol"],
        },
    }
    assert specs[1]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert "title" not in json.dumps(specs)
    assert "null" not in json.dumps(specs)


async def test_a_parameter_for_the_agent_is_not_shown_to_the_model(shop: Shop) -> None:
    [*_, order] = openai_specs(await shop.server().list_tools())
    assert list(order["function"]["parameters"]["properties"]) == ["symbol"]
    assert "Earlier" not in json.dumps(order)


async def test_an_answer_is_the_servers_own_words_and_the_data_beside_them(shop: Shop) -> None:
    async with shop.open(), McpTools([shop.address()]) as tools:
        assert await tools.connect() == 3
        result = await tools.call("get_price", {"symbol": "SPY"})
    assert json.loads(result.text) == {"symbol": "SPY", "price": 1.5}
    assert result.data == {"symbol": "SPY", "price": 1.5}


async def test_a_refusal_and_an_unknown_tool_are_results_not_exceptions(shop: Shop) -> None:
    async with shop.open(), McpTools([shop.address()]) as tools:
        refused = await tools.call("refuse", {})
        unknown = await tools.call("get_rich", {})
    assert (refused.is_error, refused.text) == (True, "not today")
    assert (unknown.is_error, unknown.text) == (True, "there is no tool 'get_rich'")


async def test_a_server_that_is_down_is_named_with_the_command_that_starts_it(shop: Shop) -> None:
    async with McpTools([shop.address()]) as tools:
        with pytest.raises(Unavailable, match="shop: connection refused; start it with: python"):
            await tools.connect()
        with pytest.raises(Unavailable, match="shop: connection refused"):
            await tools.call("get_price", {"symbol": "SPY"})


async def test_one_client_outlives_the_restarts_of_its_server(shop: Shop) -> None:
    async with McpTools([shop.address()]) as tools:
        with pytest.raises(Unavailable):
            await tools.connect()
        for _ in range(2):
            async with shop.open():
                assert (await tools.call("get_price", {"symbol": "SPY"})).data["price"] == 1.5
            with pytest.raises(Unavailable):
                await tools.call("get_price", {"symbol": "SPY"})


async def test_a_read_that_broke_is_asked_once_more_an_order_never(shop: Shop) -> None:
    async with shop.open() as kill, McpTools([shop.address()]) as tools:
        await tools.connect()
        shop.hold.clear()
        reading = asyncio.create_task(tools.call("get_price", {"symbol": "SPY"}))
        while not shop.asked:
            await asyncio.sleep(0)
        kill()
        shop.hold.set()
        assert (await reading).data["price"] == 1.5

        shop.hold.clear()
        ordering = asyncio.create_task(tools.call("place_order", {"symbol": "SPY"}))
        while not shop.placed:
            await asyncio.sleep(0)
        kill()
        with pytest.raises(OutcomeUnknown, match="place_order: shop: the connection broke"):
            await ordering
        shop.hold.set()
    assert shop.placed == 1


async def test_an_order_that_could_not_be_sent_changed_nothing(shop: Shop) -> None:
    async with McpTools([shop.address()]) as tools:
        async with shop.open():
            await tools.connect()
        with pytest.raises(Unavailable):
            await tools.call("place_order", {"symbol": "SPY"})


async def test_a_server_that_hangs_is_a_time_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.base_agent.mcp_tools.CALL_SECONDS", 0.1)
    async with shop.open(), McpTools([shop.address()]) as tools:
        await tools.connect()
        shop.hold.clear()
        with pytest.raises(Unavailable) as failure:
            await tools.call("get_price", {"symbol": "SPY"})
        with pytest.raises(OutcomeUnknown):
            await tools.call("place_order", {"symbol": "SPY"})
        shop.hold.set()
    assert timed_out(failure.value)
