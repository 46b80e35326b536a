"""From `python active_trader.py kill` to the last possible entry and to the first exit, in seconds.

`python -m benchmarks.kill [--runs 3]`: a real trade server and the embedded exchange with market
time at the speed of real time, three positions. The trade server is alive, hangs (SIGSTOP), or is
dead; at last it is alive and told by `POST /kill`, without the command. An entry is possible while
a preview, asked for without a pause, is not denied by the state; from a server that hangs or is
dead none is, and what counts is the latch. Seconds count from the moment that the command is
started (Python's own start is in them) or the request is sent.
"""

import argparse
import asyncio
import contextlib
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from agent.base_agent.mcp_tools import McpTools, tool_server
from console.children import Child, Children
from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from tools.safety import kill_switch
from tools.settings import ROOT, Settings, load

DAY, AT, SYMBOLS = "2025-11-05", "11:00", "AAPL,MSFT,NVDA,AMZN"
BOUGHT, PREVIEWED = ("AAPL", "MSFT", "NVDA"), "AMZN"
KEYS = {"APCA-API-KEY-ID": "any", "APCA-API-SECRET-KEY": "thing"}
POSTED = "alive, POST"
LOOK_SECONDS = 0.01
FLAT_SECONDS = 60.0
GOALS = "goals: 1 s to the last possible entry, 3 s to the first exit"


@dataclass(frozen=True, slots=True)
class Counter:
    """A trade server with three positions behind it, and who asks it."""

    settings: Settings
    told: dict[str, str]
    client: httpx2.AsyncClient
    tools: McpTools
    server: Child

    async def exchange(self, path: str) -> Any:
        """What the exchange answers."""
        answer = await self.client.get(self.settings.trading_url + path, headers=KEYS)
        return answer.raise_for_status().json()


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds since the command was started; `entry` None when the server could not take one."""

    entry: float | None
    latch: float
    exit: float
    flat: float


async def main(runs: int) -> None:
    """Print the table."""
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.2f}")
    print(f"{'trade server':14}{'last entry':>12}{'latch':>8}{'first exit':>12}{'flat':>8}")
    for name, number in (
        ("alive", None),
        ("hangs", signal.SIGSTOP),
        ("dead", signal.SIGKILL),
        (POSTED, None),
    ):
        found = [await _one(number, posted=name == POSTED) for _ in range(runs)]
        entries = [run.entry for run in found if run.entry is not None]
        last = f"{max(entries):.2f}" if entries else "none"
        latch, first, flat = (
            statistics.median(seconds)
            for seconds in zip(*((run.latch, run.exit, run.flat) for run in found), strict=True)
        )
        print(f"{name:14}{last:>12}{latch:8.2f}{first:12.2f}{flat:8.2f}")
    print(f"the last entry is the worst of {runs}, the others are medians; {GOALS}")


async def _one(number: signal.Signals | None, *, posted: bool) -> Run:
    with tempfile.TemporaryDirectory() as folder:
        async with _counter(Path(folder)) as counter:
            for cycle, symbol in enumerate(BOUGHT, start=1):
                await _buy(counter, symbol, cycle)
            await _until(counter, lambda held: len(held) == len(BOUGHT))
            if number is not None:
                counter.server.process.send_signal(number)
            return await _kill(counter, alive=number is None, posted=posted)


async def _pull(counter: Counter, *, posted: bool) -> None:
    if posted:
        token = counter.settings.operator_token.get_secret_value()
        await counter.client.post(
            f"http://127.0.0.1:{counter.settings.trade_port}/kill",
            json={"reason": "a benchmark"},
            headers={"Authorization": f"Bearer {token}"},
        )
        return
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "active_trader.py"), "kill", "--reason", "a benchmark"),
        env=counter.told,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await command.wait()


async def _kill(counter: Counter, *, alive: bool, posted: bool) -> Run:
    began = time.perf_counter()
    pulling = asyncio.create_task(_pull(counter, posted=posted))
    watching = asyncio.gather(
        _last_entry(counter) if alive else _nothing(), _latched(counter), _exits(counter)
    )
    async with asyncio.timeout(FLAT_SECONDS):
        entry, latch, (first, flat) = await watching
        await pulling
    return Run(
        None if entry is None else max(0.0, entry - began),
        latch - began,
        first - began,
        flat - began,
    )


async def _last_entry(counter: Counter) -> float | None:
    """When the last preview was asked for that the state did not deny."""
    last = time.perf_counter()
    while True:
        asked = time.perf_counter()
        answer = await counter.tools.call("preview_order", {"symbol": PREVIEWED, "confidence": 0.9})
        if "state" in [one["reason"] for one in (answer.data or {}).get("denials", [])]:
            return last
        last = asked


async def _nothing() -> None:
    return None


async def _latched(counter: Counter) -> float:
    while True:
        if kill_switch.latched(counter.settings.home):
            return time.perf_counter()
        await asyncio.sleep(LOOK_SECONDS)


async def _exits(counter: Counter) -> tuple[float, float]:
    """When the exchange first knew of a sale by the flatten, and when nothing was held."""
    first = 0.0
    while True:
        if not first:
            orders = await counter.exchange("/v2/orders?status=all&limit=500")
            if any(one["client_order_id"].startswith("flat-") for one in orders):
                first = time.perf_counter()
        elif not await counter.exchange("/v2/positions"):
            return first, time.perf_counter()
        await asyncio.sleep(LOOK_SECONDS)


async def _until(counter: Counter, enough: Callable[[list[Any]], bool]) -> None:
    """Look until `enough(positions)`."""
    while True:
        if enough(await counter.exchange("/v2/positions")):
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _buy(counter: Counter, symbol: str, cycle: int) -> None:
    quotes = await counter.exchange(f"/v2/stocks/quotes/latest?symbols={symbol}")
    ask = float(quotes["quotes"][symbol]["ap"])
    ticket = {
        "symbol": symbol,
        "confidence": 0.9,
        "reason": "a benchmark",
        "decision_id": f"D-{DAY}-{cycle}-1",
        "stop_price": round(ask * 0.98, 2),
        "target_price": round(ask * 1.04, 2),
    }
    placed = await counter.tools.call("place_order", ticket)
    if not (placed.data and placed.data["approved"]):
        raise SystemExit(f"{symbol} could not be bought: {placed.text}")


@contextlib.asynccontextmanager
async def _counter(home: Path) -> AsyncIterator[Counter]:
    plan = make_plan(Request(date=DAY, synthetic=SYMBOLS, out=home / "home"))
    ports = Ports.free()
    told = environment(make_home(plan), ports, os.environ)
    settings = load(told)
    (home / "logs").mkdir()
    children = Children(told, folder=home / "logs", cwd=ROOT)
    market = ("--synthetic", SYMBOLS, "--session", DAY, "--at", AT, "--speed", "1")
    table = ("--table", str(plan.session_table), "--port", str(ports.exchange))
    try:
        async with contextlib.AsyncExitStack() as stack:
            client = await stack.enter_async_context(httpx2.AsyncClient(trust_env=False))
            world = await children.start("exchange", "-m", "embedded.exchange", *market, *table)
            await world.ready(client, ports.exchange)
            server = await children.start("trade", "-m", "agent_tools.tool_alpaca_trade")
            await server.ready(client, ports.trade)
            door = tool_server("trade", ports.trade, settings.agent_token)
            tools = await stack.enter_async_context(McpTools([door]))
            await tools.connect()
            yield Counter(settings, told, client, tools, server)
            with contextlib.suppress(ProcessLookupError):
                server.process.send_signal(signal.SIGCONT)
    finally:
        await children.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    asyncio.run(main(parser.parse_args().runs))
