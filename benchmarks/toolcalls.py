"""What a tool call costs beyond the exchange: our two servers beside Alpaca's own MCP server.

`.venv/bin/python -m benchmarks.toolcalls [--rounds 100] [--venv FOLDER]`: one run, loopback only.
The servers stand before the same embedded exchange, whose clock stands still in mid-session; one
plain HTTP client asks each in turns, so that no SDK's client counts. Overhead is the median round
trip less the median of the same questions put to the exchange directly. get_trading_signals is
what the trader asks of ten symbols instead of bars.

Alpaca's server (alpaca-mcp-server of PyPI) is installed into FOLDER, or into a folder that is
thrown away; without it the benchmark says why and ends with 1. Its trading address has no setting,
so it is started with that one constant replaced.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import httpx2
from mcp.types import CallToolResult, ListToolsResult

from benchmarks.exchange import Client as Wire
from benchmarks.exchange import connected, get, submit
from console.children import Children, free_ports
from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from tools.schedule.clocks import SimulatedClock
from tools.settings import ROOT, load

DAY, AT, SEED = "2025-11-05", "11:00", 1
PACKAGE = "alpaca-mcp-server==2.4.0"
SYMBOLS = tuple(f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(10))
BARS, START = 20, "2025-11-05T14:20:00Z"
BARS_GOAL, POSITIONS_GOAL = 5, 2
WARM_UP = 5
STARTUP_SECONDS = 120

NEWEST, PROTOCOL, WHO = "2026-07-28", "2025-06-18", {"name": "benchmark", "version": "1"}
BARS_PATH = (
    f"/v2/stocks/bars?symbols={','.join(SYMBOLS)}&timeframe=5Min&start={START}"
    f"&limit={BARS * len(SYMBOLS)}&adjustment=split&feed=iex"
)
THEIR_START = """
import sys
from alpaca_mcp_server import cli, server
server.TRADING_API_BASE_URLS["paper"] = sys.argv.pop(1)
cli.main()
"""

type Question = Callable[[], Awaitable[object]]


class NotInstalled(Exception):
    """Alpaca's server is not there, and why."""


class Counter:
    """An MCP server over one plain HTTP connection, in the newest protocol that it speaks.

    Ours need no session; Alpaca's wants one, and answers as SSE.
    """

    def __init__(self, http: httpx2.AsyncClient, port: int, token: str = "") -> None:
        self._http, self._url, self._meta = http, f"http://127.0.0.1:{port}/mcp", dict[str, Any]()
        self._headers = {"Accept": "application/json, text/event-stream"}
        if token:
            self._headers |= {"Authorization": f"Bearer {token}", "mcp-protocol-version": NEWEST}
            about = {"protocolVersion": NEWEST, "clientInfo": WHO, "clientCapabilities": {}}
            self._meta = {"_meta": {f"io.modelcontextprotocol/{k}": v for k, v in about.items()}}

    async def open(self) -> None:
        """Shake hands, where the server wants it."""
        if self._meta:
            return
        hello = {"protocolVersion": PROTOCOL, "capabilities": {}, "clientInfo": WHO}
        answer = await self._post({"id": 0, "method": "initialize", "params": hello})
        session = answer.headers["mcp-session-id"]
        self._headers |= {"mcp-session-id": session, "mcp-protocol-version": PROTOCOL}
        await self._post({"method": "notifications/initialized"})

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """The tool's result as JSON; ends the benchmark if it is an error."""
        found = await self._ask("tools/call", {"name": name, "arguments": arguments}, name)
        if found.get("isError"):
            raise SystemExit(f"{name}: {str(found)[:300]}")
        return found

    async def call_tool(self, name: str, arguments: dict[str, Any]) -> CallToolResult:
        """The tool's result as the SDK has it."""
        return CallToolResult.model_validate(await self.call(name, arguments))

    async def list_tools(self) -> ListToolsResult:
        """What the server offers."""
        return ListToolsResult.model_validate(await self._ask("tools/list", {}))

    async def _ask(self, method: str, params: dict[str, Any], name: str = "") -> dict[str, Any]:
        own = {"mcp-method": method, **({"mcp-name": name} if name else {})} if self._meta else {}
        told = {"id": 1, "method": method, "params": {**params, **self._meta}}
        answer = await self._post(told, own)
        text = next(line for line in answer.text.splitlines() if "{" in line)
        said: dict[str, Any] = json.loads(text.removeprefix("data:"))
        if "result" not in said:
            raise SystemExit(f"{method} {name}: {text[:300]}")
        result: dict[str, Any] = said["result"]
        return result

    async def _post(
        self, message: dict[str, Any], headers: Mapping[str, str] = MappingProxyType({})
    ) -> httpx2.Response:
        told = {"jsonrpc": "2.0", **message}
        return await self._http.post(self._url, json=told, headers={**self._headers, **headers})


@dataclass(frozen=True, slots=True)
class Servers:
    """The three servers, and a wire to the exchange."""

    data: Counter
    trade: Counter
    theirs: Counter
    wire: Wire


async def main(rounds: int, folder: Path | None) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as scratch:
        python = install(folder or Path(scratch) / "venv")
        print(
            f"{PACKAGE}; {os.cpu_count()} cores, Python {sys.version.split()[0]}, {rounds} rounds"
        )
        async with standing(Path(scratch) / "home", python) as servers:
            taken = await _measure(_questions(servers), rounds)
    medians = {name: 1000 * statistics.median(seconds) for name, seconds in taken.items()}
    for name, milliseconds in medians.items():
        print(f"{name:44s} {milliseconds:8.2f} ms")
    _compare("bars of 10 symbols", medians, goal=BARS_GOAL)
    _compare("positions", medians, goal=POSITIONS_GOAL)


def install(folder: Path) -> Path:
    """The interpreter of an environment that has Alpaca's server. Raises NotInstalled."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = done.stderr.strip().splitlines()[-1:] or ["pip said nothing"]
            raise NotInstalled(f"{PACKAGE} cannot be installed: {last[0]}")
    probe = [str(python), "-c", "import alpaca_mcp_server"]
    if subprocess.run(probe, capture_output=True, check=False).returncode != 0:
        raise NotInstalled(f"{folder} has no {PACKAGE}")
    return python


def _questions(servers: Servers) -> dict[str, Question]:
    """What is asked in each round, by name."""

    bars = {"symbol": ",".join(SYMBOLS), "timeframe": "5Min", "limit": BARS}
    theirs = {"symbols": ",".join(SYMBOLS), "timeframe": "5Min", "start": START, "feed": "iex"}
    signals = {"symbols": list(SYMBOLS)}
    orders, positions = get("/v2/orders?status=all&nested=true&limit=500"), get("/v2/positions")
    return {
        "exchange: bars of 10 symbols": lambda: servers.wire.ask(get(BARS_PATH)),
        "theirs: bars of 10 symbols, get_stock_bars": lambda: servers.theirs.call(
            "get_stock_bars", {**theirs, "limit": BARS * len(SYMBOLS)}
        ),
        "ours: bars of 10 symbols, get_bars": lambda: servers.data.call("get_bars", bars),
        "ours: get_trading_signals of 10 symbols": lambda: servers.data.call(
            "get_trading_signals", signals
        ),
        "exchange: positions": lambda: servers.wire.ask(positions),
        "exchange: orders": lambda: servers.wire.ask(orders),
        "theirs: positions, get_all_positions": lambda: servers.theirs.call(
            "get_all_positions", {}
        ),
        "ours: positions, get_positions": lambda: servers.trade.call("get_positions", {}),
    }


async def _measure(questions: dict[str, Question], rounds: int) -> dict[str, list[float]]:
    """Seconds of each answer; the questions take turns, so that all meet the same machine."""
    taken: dict[str, list[float]] = {name: [] for name in questions}
    for number in range(WARM_UP + rounds):
        for name, question in questions.items():
            began = time.perf_counter()
            await question()
            if number >= WARM_UP:
                taken[name].append(time.perf_counter() - began)
    return taken


def _compare(what: str, medians: dict[str, float], *, goal: int) -> None:
    """Their overhead over ours. Our bars are remembered: the exchange's share of them is nothing.

    Our positions come with their resting orders, which is one more question to the exchange.
    """
    exchange = medians[f"exchange: {what}"]
    theirs = next(ms for name, ms in medians.items() if name.startswith(f"theirs: {what}"))
    ours = next(ms for name, ms in medians.items() if name.startswith(f"ours: {what}"))
    asked = exchange + medians["exchange: orders"] if what == "positions" else 0.0
    over_theirs, over_ours = theirs - exchange, ours - asked
    print(
        f"{what}: overhead {over_ours:.2f} ms, theirs {over_theirs:.2f} ms:"
        f" {over_theirs / over_ours:.1f} times less (goal {goal})"
    )


@contextlib.asynccontextmanager
async def standing(home: Path, python: Path) -> AsyncIterator[Servers]:
    """The exchange at AT with ten positions, the three servers before it, and clients of all."""
    plan = make_plan(Request(date=DAY, synthetic=",".join(SYMBOLS), seed=SEED, out=home))
    ports = Ports.free()
    told = environment(make_home(plan), ports, os.environ)
    settings = load(told)
    children = Children(told, folder=home / "logs", cwd=ROOT)
    exchange = ("--port", str(ports.exchange), "--synthetic", ",".join(SYMBOLS), "--session", DAY)
    table = ("--at", AT, "--table", str(plan.session_table))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(children.stop)
        http = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False, timeout=60))
        world = await children.start("exchange", "-m", "embedded.exchange", *exchange, *table)
        await world.ready(http, ports.exchange)
        clock = await stack.enter_async_context(SimulatedClock(settings.clock_url))
        await stack.enter_async_context(clock.busy("benchmark", rank=90))
        (wire,) = await stack.enter_async_context(connected(ports.exchange, 1))
        for symbol in SYMBOLS:
            await wire.ask(submit(symbol, f"benchmark-{symbol}"))
        for name, port in (("data", ports.data), ("trade", ports.trade)):
            child = await children.start(name, "-m", f"agent_tools.tool_alpaca_{name}")
            await child.ready(http, port)
        port = await stack.enter_async_context(_their_server(python, ports.exchange, home))
        keys = (settings.data_token.get_secret_value(), settings.agent_token.get_secret_value())
        doors = (ports.data, keys[0]), (ports.trade, keys[1]), (port, "")
        data, trade, theirs = (Counter(http, port, key) for port, key in doors)
        for counter in (data, trade, theirs):
            await counter.open()
        yield Servers(data, trade, theirs, wire)


@contextlib.asynccontextmanager
async def _their_server(python: Path, exchange: int, home: Path) -> AsyncIterator[int]:
    """Alpaca's server as a process of its own; yields its port."""
    (port,), address = free_ports(1), f"http://127.0.0.1:{exchange}"
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    told = {"ALPACA_API_KEY": "any", "ALPACA_SECRET_KEY": "thing", "DATA_API_URL": address}
    told |= {"NO_PROXY": "*", "ALPACA_PAPER_TRADE": "true", **kept}
    arguments = ("--transport", "streamable-http", "--port", str(port))
    with (home / "logs" / "theirs.out").open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(python), "-c", THEIR_START, address, *arguments),
            env=told,
            stdout=output,
            stderr=output,
        )
    try:
        await _listening(port, process)
        yield port
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(STARTUP_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)
    raise NotInstalled(f"Alpaca's server ended with status {process.returncode} at its start")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.toolcalls")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--venv", type=Path, help="an environment with Alpaca's server, or for it")
    given = parser.parse_args()
    try:
        asyncio.run(main(given.rounds, given.venv))
    except NotInstalled as error:
        sys.exit(f"benchmarks.toolcalls: {error}")
