"""Real processes on a few days of one simulated market, killed and started as a scenario says.

The exchange, the model and the data server are started once for a module; each scenario lives the
end of a session of its own, in a home of its own, with its own trade server and trader. The test
is the actor `test`: time moves when it sleeps, and stands still while processes start and end.
"""

import asyncio
import contextlib
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2

from agent.base_agent.mcp_tools import McpTools, tool_server
from console.children import Child, Children
from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from tests.conftest import ROOT
from tests.scenarios.record import Record
from tools.execution.certificates import certificates_path
from tools.schedule.clocks import SimulatedClock
from tools.schedule.market_hours import at_new_york
from tools.settings import Settings, load

FIRST, LAST = date(2026, 11, 16), date(2026, 12, 4)
SYMBOLS, SEED = "AAPL,MSFT", 7
ADMIN = {"Authorization": "Bearer admin"}
EVERYTHING = {"path": "/v2/*"}
KEYS = {"APCA-API-KEY-ID": "test", "APCA-API-SECRET-KEY": "test"}
PROGRAM = "-m", "tools.execution.flatten_program"
TRADE, TRADER, DATA = "trade", "trader", "data"
PROGRAMS = {
    TRADE: ("-m", "agent_tools.tool_alpaca_trade"),
    TRADER: ("active_trader.py",),
    DATA: ("-m", "agent_tools.tool_alpaca_data"),
}
LATEST = 10**12
"""An epoch above that of any trader: what the test asks for is not a stale trader's."""

PATIENCE_SECONDS = 60
"""Real ones, for a scenario: where an actor hangs, time stands still."""

CYCLES = itertools.count(1)


@dataclass
class Stage:
    """What all scenarios share."""

    told: dict[str, str]
    ports: Ports
    clock: SimulatedClock
    client: httpx2.AsyncClient
    children: Children
    data: Child

    @property
    def broker_url(self) -> str:
        return f"http://127.0.0.1:{self.ports.exchange}"

    async def ask(self, path: str, method: str = "GET", body: object = None) -> Any:
        """The exchange's answer, to any client or to its master."""
        keys = ADMIN if path.startswith("/sim/") else KEYS
        url = self.broker_url + path
        answer = await self.client.request(method, url, json=body, headers=keys)
        return answer.raise_for_status().json() if answer.content else None

    async def asleep(self, actor: str) -> None:
        """Return once `actor` sleeps: to stop one that runs would stop time."""
        while actor not in (await self.ask("/time"))["sleeping"]:
            await asyncio.sleep(0.01)

    async def serve_data(self) -> None:
        """Start the data server, if it is not there."""
        if self.data.process.returncode is not None:
            self.data = await self.children.start(DATA, *PROGRAMS[DATA])
            await self.data.ready(self.client, self.ports.data)

    @contextlib.asynccontextmanager
    async def session(self, home: Path, on: date, at: str) -> AsyncIterator["World"]:
        """The session of `on` from `at` (New York) on; nothing is held and no fault is left."""
        hour, minute = map(int, at.split(":"))
        await self.clock.sleep_until(at_new_york(on, hour, minute))
        if await self.ask("/v2/positions"):  # an earlier scenario has failed
            await self.ask("/v2/positions?cancel_orders=true", "DELETE")
        begins = self.clock.now()
        await self.clock.sleep_until(begins + timedelta(seconds=1))
        await self.serve_data()
        ports = replace(Ports.free(), exchange=self.ports.exchange, model=self.ports.model)
        ports = replace(ports, data=self.ports.data)
        told = environment(make_home(_plan(home)), ports, os.environ)
        told |= {"MCP_DATA_TOKEN": self.told["MCP_DATA_TOKEN"]}
        children = Children(told, folder=home / "logs", cwd=ROOT)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                yield World(self, on, begins, load(told), told, ports, children)
        finally:
            await children.stop()
            await self.ask("/sim/faults", "DELETE")


@dataclass
class World:
    """One scenario's own processes, and the account they share with all others."""

    stage: Stage
    on: date
    begins: datetime
    settings: Settings
    told: dict[str, str]
    ports: Ports
    children: Children
    running: dict[str, Child] = field(default_factory=dict)

    async def start(self, *names: str) -> None:
        """Start services, and return once they are ready."""
        listens = {TRADE: self.ports.trade, TRADER: self.ports.trader}
        for name in names:
            number = next(CYCLES)
            child = await self.children.start(f"{name}-{number}", *PROGRAMS[name])
            self.running[name] = child
            await child.ready(self.stage.client, listens[name])

    async def kill(self, *names: str) -> None:
        """SIGKILL to each, all of them before anybody notices."""
        found = [self.stage.data if name == DATA else self.running[name] for name in names]
        for child in found:
            child.process.kill()
        for child in found:
            await child.process.wait()

    def signal(self, name: str, number: signal.Signals) -> None:
        self.running[name].process.send_signal(number)

    async def at(self, clock: str, on: date | None = None) -> None:
        """Sleep until a New York time HH:MM:SS of the session's day."""
        hour, minute, second = map(int, clock.split(":"))
        instant = at_new_york(on or self.on, hour, minute).replace(second=second)
        await self.stage.clock.sleep_until(instant)

    async def fault(self, where: dict[str, str], kind: str, **what: object) -> int:
        """Until it is lifted; its number."""
        fault = {"where": where, "what": {"kind": kind} | what}
        armed = await self.stage.ask("/sim/faults", "POST", fault | {"times": None})
        return int(armed["number"])

    async def lift(self, number: int) -> int:
        """The fault is over; how often it has struck."""
        armed = await self.stage.ask("/sim/faults")
        await self.stage.ask(f"/sim/faults/{number}", "DELETE")
        return int(next(one["struck"] for one in armed if one["number"] == number))

    async def buy(self, *symbols: str) -> None:
        """Through the trade server, each with a stop and a target; they are filled."""
        for symbol in symbols:
            approved, words = await self.propose(symbol)
            assert approved, words
        await self.pass_time(2)
        assert await self.held() == set(symbols)

    async def propose(self, symbol: str) -> tuple[bool, str]:
        """Whether an entry was approved, and the trade server's words."""
        async with self.tools() as tools:
            placed = await tools.call("place_order", await self.ticket(symbol))
        return bool(placed.data and placed.data["approved"]), placed.text

    @contextlib.asynccontextmanager
    async def tools(self) -> AsyncIterator[McpTools]:
        """The trade server's tools, as the latest trader."""
        server = tool_server("trade", self.ports.trade, self.settings.agent_token)
        async with McpTools([server]) as tools:
            await tools.connect()
            tools.epoch = LATEST
            yield tools

    async def ticket(self, symbol: str) -> dict[str, object]:
        """An entry two per cent above its stop."""
        path = f"/v2/stocks/quotes/latest?symbols={symbol}"
        ask = float((await self.stage.ask(path))["quotes"][symbol]["ap"])
        return {
            "symbol": symbol,
            "confidence": 0.9,
            "reason": "a test's conviction",
            "decision_id": f"D-{self.on}-{next(CYCLES)}-1",
            "stop_price": round(ask * 0.98, 2),
            "target_price": round(ask * 1.04, 2),
        }

    async def held(self) -> set[str]:
        """The symbols that are held, by the exchange's word."""
        return {one["symbol"] for one in await self.stage.ask("/v2/positions")}

    async def pass_time(self, seconds: float) -> None:
        """Let market time pass."""
        clock = self.stage.clock
        await clock.sleep_until(clock.now() + timedelta(seconds=seconds))

    async def run(self, *command: str) -> tuple[int, str]:
        """Run `python COMMAND` while two market seconds pass in a real one; status and output."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *command),
            cwd=ROOT,
            env=self.told,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = asyncio.create_task(process.communicate())
        while not said.done():
            await asyncio.sleep(0.02)
            await self.pass_time(0.04)
        return process.returncode or 0, (await said)[0].decode()

    async def timer(self, *clocks: str) -> list[tuple[int, str]]:
        """The flatten program, started at these times as systemd's timer does each minute."""
        ended = []
        for clock in clocks:
            await self.at(clock)
            ended.append(await self.run(*PROGRAM, "timer"))
        return ended

    async def record(self) -> Record:
        """What the exchange says of the session, and what is certified."""
        day = f"after={self.begins:%Y-%m-%dT%H:%M:%SZ}&direction=asc"
        orders = await self.stage.ask(f"/v2/orders?status=all&nested=true&limit=500&{day}")
        fills = await self.stage.ask(f"/v2/account/activities/FILL?{day}")
        path = certificates_path(self.settings.agent_folder)
        return Record.of(self.on, orders, fills, path)

    def log(self, name: str) -> str:
        """What a service has logged; "active_trader_stdout", "alpaca_trade_mcp"."""
        return (self.settings.home / "logs" / f"{name}.log").read_text(encoding="utf-8")


@contextlib.asynccontextmanager
async def raise_stage(home: Path) -> AsyncIterator[Stage]:
    """The exchange, the model and the data server, in `home`."""
    plan, ports = _plan(home), Ports.free()
    told = environment(make_home(plan), ports, os.environ)
    children = Children(told, folder=home / "logs", cwd=ROOT)
    market = "--synthetic", SYMBOLS, "--seed", str(SEED), "--table", str(plan.session_table)
    days = "--session", str(FIRST), "--until", str(LAST), "--at", "09:00"
    try:
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
            exchange = await children.start(
                *("exchange", "-m", "embedded.exchange", "--port", str(ports.exchange)),
                *(*market, *days, "--admin-token", "admin"),
            )
            await exchange.ready(client, ports.exchange)
            clock = await stack.enter_async_context(SimulatedClock(load(told).clock_url))
            await stack.enter_async_context(clock.busy("test", rank=90))
            model = "-m", "embedded.model", "--port", str(ports.model)
            mind = await children.start("model", *model)
            data = await children.start(DATA, *PROGRAMS[DATA])
            await mind.ready(client, ports.model)
            await data.ready(client, ports.data)
            yield Stage(told, ports, clock, client, children, data)
            await children.stop()
    finally:
        await children.stop()


def _plan(home: Path) -> Any:
    return make_plan(Request(date=str(FIRST), synthetic=SYMBOLS, out=home))
