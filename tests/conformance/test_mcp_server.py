"""Alpaca's own MCP server, its trading URL set by a few lines, trades on the embedded exchange."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contract.exchange import Exchange, serving
from tests.tapes import HandTape, Stage, flat

TOOLSETS = "account,trading,assets,stock-data,watchlists,corporate-actions,news"
SESSION = """
import asyncio, json, os, sys
from alpaca_mcp_server import server
server.TRADING_API_BASE_URLS["paper"] = os.environ["DATA_API_URL"]
from fastmcp import Client

async def main():
    async with Client(server.build_server()) as client:
        print(json.dumps([tool.name for tool in await client.list_tools()]))
        for name, arguments in json.load(sys.stdin):
            result = await client.call_tool(name, arguments, raise_on_error=False)
            print(json.dumps(result.structured_content))

asyncio.run(main())
"""
BRACKET = {
    "symbol": "SPY",
    "side": "buy",
    "qty": "10",
    "type": "market",
    "time_in_force": "day",
    "order_class": "bracket",
    "take_profit_limit_price": "110",
    "stop_loss_stop_price": "90",
    "client_order_id": "from-mcp",
}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("get_account_info", {}),
    ("get_clock", {}),
    ("get_stock_bars", {"symbols": "SPY", "timeframe": "5Min", "start": "2013-10-07"}),
    ("get_stock_latest_quote", {"symbols": "SPY"}),
    ("place_stock_order", BRACKET),
    ("get_orders", {"status": "all", "nested": True}),
    ("get_all_positions", {}),
    ("place_stock_order", BRACKET | {"symbol": "NONE", "client_order_id": "other"}),
    ("cancel_all_orders", {}),
    ("close_all_positions", {"cancel_orders": True}),
    ("get_all_positions", {}),
]


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    with serving() as found:
        yield found.open(Stage(HandTape({"SPY": flat(100)})).at("10:00"))


@pytest.fixture(scope="module")
def said(alpaca_mcp: Path, exchange: Exchange) -> list[Any]:
    """The names of the tools, and the answer to each call."""
    environment = {
        **os.environ,
        "ALPACA_API_KEY": "any",
        "ALPACA_SECRET_KEY": "thing",
        "ALPACA_TOOLSETS": TOOLSETS,
        "DATA_API_URL": exchange.url,
    }
    done = subprocess.run(
        [alpaca_mcp / "bin" / "python", "-c", SESSION],
        input=json.dumps(CALLS),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_its_tools_are_listed(said: list[Any]) -> None:
    assert {name for name, _ in CALLS} <= {*said[0]}
    assert len(said[0]) > 45


def test_it_trades_a_bracket_and_gets_flat(said: list[Any]) -> None:
    answers: list[Any] = [answer["data"] if answer else None for answer in said[1:]]
    account, clock, bars, quotes, placed, orders, held, refused, _, closed, flat_ = answers
    assert (account["cash"], clock["is_open"]) == ("100000", True)
    assert len(bars["bars"]["SPY"]) == 6
    assert quotes["quotes"]["SPY"]["ap"] == 100.01
    assert (placed["client_order_id"], placed["status"]) == ("from-mcp", "pending_new")
    [order] = orders["result"]
    assert (order["status"], len(order["legs"])) == ("filled", 2)
    assert held["result"][0]["qty"] == "10"
    assert refused["error"]["http_status"] == 422
    assert closed["result"][0]["status"] == 200
    assert flat_["result"] == []
