"""Real processes for a test: the embedded exchange and any of our servers, under simulated time."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from agent.base_agent.mcp_tools import McpTools, tool_server
from console.children import Child, Children
from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from tests.conftest import ROOT
from tools.schedule.clocks import SimulatedClock
from tools.settings import Settings, load


@dataclass(frozen=True)
class World:
    """An exchange and a trade server in a simulated session; the test is the actor `test`."""

    settings: Settings
    told: Mapping[str, str]
    clock: SimulatedClock
    client: httpx2.AsyncClient
    children: Children
    tools: McpTools
    server: Child

    async def exchange(self, path: str) -> Any:
        """What the exchange answers, asked as any client would."""
        keys = {"APCA-API-KEY-ID": "test", "APCA-API-SECRET-KEY": "test"}
        answer = await self.client.get(self.settings.trading_url + path, headers=keys)
        return answer.raise_for_status().json()

    async def desk(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """What the trade server answers the operator."""
        url = f"http://127.0.0.1:{self.settings.trade_port}{path}"
        token = self.settings.operator_token.get_secret_value()
        return await self.client.request(
            method, url, json=body, headers={"Authorization": f"Bearer {token}"}
        )

    async def sleep(self, seconds: float) -> datetime:
        """Let market time pass; returns the instant it is then."""
        await self.clock.sleep_until(self.clock.now() + timedelta(seconds=seconds))
        return self.clock.now()

    async def command(self, *arguments: str) -> tuple[int, str]:
        """Run `python active_trader.py ...` while two market seconds pass in a real one."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "active_trader.py", *arguments),
            cwd=ROOT,
            env=dict(self.told),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = asyncio.create_task(process.communicate())
        while not said.done():
            await asyncio.sleep(0.05)
            await self.sleep(0.1)
        return process.returncode or 0, (await said)[0].decode()

    def signal(self, number: signal.Signals) -> None:
        """To the trade server."""
        self.server.process.send_signal(number)


@contextlib.asynccontextmanager
async def trading_world(home: Path, day: date, at: str) -> AsyncIterator[World]:
    """A synthetic market of AAPL and MSFT on `day`, from `at` (New York), and a trade server."""
    plan = make_plan(Request(date=str(day), synthetic="AAPL,MSFT", out=home))
    ports = Ports.free()
    told = environment(make_home(plan), ports, os.environ)
    settings = load(told)
    children = Children(told, folder=home / "logs", cwd=ROOT)
    exchange = ("--port", str(ports.exchange), "--synthetic", "AAPL,MSFT", "--session", str(day))
    table = ("--at", at, "--table", str(plan.session_table))
    try:
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
            world = await children.start("exchange", "-m", "embedded.exchange", *exchange, *table)
            await world.ready(client, ports.exchange)
            clock = await stack.enter_async_context(SimulatedClock(settings.clock_url))
            server = tool_server("trade", ports.trade, settings.agent_token)
            tools = await stack.enter_async_context(McpTools([server]))
            await stack.enter_async_context(clock.busy("test", rank=90))
            desk = await children.start("trade", "-m", "agent_tools.tool_alpaca_trade")
            await desk.ready(client, ports.trade)
            await tools.connect()
            yield World(settings, told, clock, client, children, tools, desk)
            await children.stop()
    finally:
        await children.stop()
