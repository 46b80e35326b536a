"""The trade server around a bench, with tokens that a test knows."""

import contextlib
from collections.abc import AsyncIterator

import httpx2
from pydantic import SecretStr

from agent_tools._mcp_server import Role, ToolServer
from agent_tools.tool_alpaca_trade import counter
from tests.trading import Bench
from tools.hosting import Incidents

TOKENS = {Role.AGENT: SecretStr("agent-key"), Role.OPERATOR: SecretStr("operator-key")}
ENTRY = {"symbol": "SPY", "confidence": 0.8, "reason": "momentum", "stop_price": 98}


class Roused:
    """Counts how often the monitor was woken."""

    times = 0

    async def __call__(self) -> None:
        self.times += 1


def a_server(bench: Bench, roused: Roused | None = None) -> ToolServer:
    return counter(bench.room, TOKENS, Incidents(), roused or Roused())


@contextlib.asynccontextmanager
async def doors(
    bench: Bench, role: Role | None, roused: Roused | None = None
) -> AsyncIterator[httpx2.AsyncClient]:
    """The server's HTTP side, as seen by one role."""
    token = TOKENS[role].get_secret_value() if role else ""
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=a_server(bench, roused).app()),
        base_url="http://127.0.0.1:8005",
        headers={"Authorization": f"Bearer {token}"} if token else {},
    ) as client:
        yield client
