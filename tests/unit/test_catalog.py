"""The catalogue names what the servers really offer, and all of it fits in a prompt."""

import json
from typing import Any
from unittest.mock import Mock

import pytest
from mcp import Client, Tool
from mcp.server import MCPServer
from pydantic import SecretStr

from agent.base_agent.mcp_tools import openai_specs
from agent_tools._catalog import CATALOG, Access, Server
from agent_tools._mcp_server import Role, ToolServer
from agent_tools.tool_alpaca_data import DataTools
from agent_tools.tool_alpaca_trade import TradeTools
from tests.feeds import HOURS
from tools.hosting import Incidents

PROMPT_BYTES = 6_500


def server_of(which: Server) -> MCPServer[Any]:
    """A server's tools over nothing: they are listed here, not called."""
    nobody: Any = Mock()
    data, trade = DataTools(nobody, nobody, HOURS, nobody), TradeTools(nobody, nobody)
    of_data = which is Server.DATA
    return ToolServer(
        which,
        caller=Role.AGENT,
        tokens={Role.AGENT: SecretStr("key")},
        incidents=Incidents(),
        reads=data.all() if of_data else trade.reads(),
        writes=() if of_data else trade.writes(),
    ).mcp


async def offered(which: Server) -> list[Tool]:
    async with Client(server_of(which)) as client:
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
@pytest.mark.parametrize("which", Server)
async def test_a_server_offers_its_half_of_the_catalogue(which: Server) -> None:
    tools = await offered(which)
    assert {tool.name: access_of(tool) for tool in tools} == catalogued(which)


@pytest.mark.anyio
async def test_what_the_model_is_shown_fits_in_the_prompt() -> None:
    tools = [tool for which in Server for tool in await offered(which)]
    text = json.dumps(openai_specs(tools), separators=(",", ":"))
    print(f"{len(tools)} tools: {len(text)} bytes")
    assert len(text) <= PROMPT_BYTES
    assert "agent_only" not in text
