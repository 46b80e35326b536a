"""The catalogue names what the servers really offer, and all of it fits in a prompt."""

import json
from typing import Any, cast

import pytest
from mcp import Client, Tool
from mcp.server import MCPServer
from pydantic import SecretStr

from agent.base_agent.mcp_tools import openai_specs
from agent_tools._catalog import CATALOG, Access, Server
from agent_tools._mcp_server import Role, ToolServer
from agent_tools.tool_alpaca_data import DataTools
from tests.feeds import HOURS, MONDAY, at
from tools.hosting import Incidents

PROMPT_BYTES = 6_500


def data_server() -> MCPServer[Any]:
    """The data server's tools over nothing."""
    nobody = cast("Any", None)
    tools = DataTools(nobody, nobody, HOURS, lambda: at(MONDAY, 10, 0))
    return ToolServer(
        Server.DATA,
        caller=Role.DATA,
        tokens={Role.DATA: SecretStr("key")},
        incidents=Incidents(),
        reads=tools.all(),
    ).mcp


async def offered(server: MCPServer[Any]) -> list[Tool]:
    async with Client(server) as client:
        return (await client.list_tools()).tools


def access_of(tool: Tool) -> Access:
    assert tool.annotations
    return Access.READ if tool.annotations.read_only_hint else Access.WRITE


def catalogued(server: Server) -> dict[str, Access]:
    return {entry.name: entry.access for entry in CATALOG if entry.server is server}


def test_there_are_twenty_tools_of_ten_each() -> None:
    assert len({entry.name for entry in CATALOG}) == len(CATALOG) == 20
    assert len(catalogued(Server.DATA)) == len(catalogued(Server.TRADE)) == 10


@pytest.mark.anyio
async def test_the_data_server_offers_its_half_of_the_catalogue() -> None:
    tools = await offered(data_server())
    assert {tool.name: access_of(tool) for tool in tools} == catalogued(Server.DATA)


@pytest.mark.anyio
async def test_the_data_tools_take_three_thousand_bytes_of_the_prompt_at_most() -> None:
    specs = openai_specs(await offered(data_server()))
    size = len(json.dumps(specs, separators=(",", ":")))
    print(f"data tools: {size} bytes")
    assert size <= 3_000
