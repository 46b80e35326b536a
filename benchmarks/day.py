"""What a trading day costs: bytes of tool specs, a tool call, a cycle's overhead, the whole day.

`python -m benchmarks.day [--calls 2000]`: one run, loopback only; medians and p99; ratios against
the SDK's own server (benchmarks/plain_server.py). The day is synthetic, ten symbols, seed 1.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from agent.base_agent.mcp_tools import openai_specs
from console.children import Children, free_ports
from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from tools.settings import ROOT, Settings, load

SEED, DAY = 1, "2025-11-05"
WARM_UP_CALLS = 50
_TOOK = re.compile(r"took (\d+\.\d+) s$", re.MULTILINE)


async def main(calls: int) -> None:
    """Print the table."""
    print(
        f"seed {SEED}, synthetic day {DAY}, {os.cpu_count()} cores, Python {sys.version.split()[0]}"
    )
    with tempfile.TemporaryDirectory() as folder:
        await _tool_calls(Path(folder) / "servers", calls)
        await _whole_day(Path(folder) / "day")


async def _tool_calls(home: Path, calls: int) -> None:
    """Bytes of the specs, and round trips of a tool that asks nobody, against the plain server."""
    async with _servers(home) as (settings, plain_port):
        data = _client(settings.data_port, settings.data_token.get_secret_value())
        trade = _client(settings.trade_port, settings.agent_token.get_secret_value())
        async with data as one, trade as two, _client(plain_port, "") as plain:
            tools = [*(await one.list_tools()).tools, *(await two.list_tools()).tools]
            await plain.list_tools()
            text = json.dumps(openai_specs(tools), separators=(",", ":"))
            print(
                f"tool specs as sent to the model: {len(tools)} tools, {len(text.encode())} bytes"
            )
            ours, reference = await _round_trips(one, plain, calls)
    _print_milliseconds("tool call (get_market_clock, :8004)", ours)
    _print_milliseconds("tool call (the SDK's plain server)", reference)
    print(f"  ratio of the medians: {statistics.median(ours) / statistics.median(reference):.2f}")


async def _round_trips(ours: Client, plain: Client, calls: int) -> tuple[list[float], list[float]]:
    """Seconds of each call, taken in turns so that both meet the same machine."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for number in range(calls + WARM_UP_CALLS):
        for client, taken in zip((ours, plain), seconds, strict=True):
            began = time.perf_counter()
            await client.call_tool("get_market_clock", {})
            if number >= WARM_UP_CALLS:
                taken.append(time.perf_counter() - began)
    return seconds


@contextlib.asynccontextmanager
async def _servers(home: Path) -> AsyncIterator[tuple[Settings, int]]:
    """The embedded exchange and the two tool servers in real time, and the plain one."""
    plan = make_plan(Request(date=DAY, out=home))
    ports, plain_port = Ports.free(), free_ports(1)[0]
    told = environment(make_home(plan), ports, os.environ)
    del told["ACTIVE_TRADER_CLOCK"]
    children = Children(told, folder=home / "logs", cwd=ROOT)
    symbols = ",".join(plan.symbols)
    exchange = ("-m", "embedded.exchange", "--port", str(ports.exchange), "--synthetic", symbols)
    try:
        async with httpx2.AsyncClient(trust_env=False) as client:
            world = await children.start("exchange", *exchange)
            await world.ready(client, ports.exchange)
            for name, module, port in (
                ("data", "agent_tools.tool_alpaca_data", ports.data),
                ("trade", "agent_tools.tool_alpaca_trade", ports.trade),
            ):
                began = time.perf_counter()
                child = await children.start(name, "-m", module)
                await child.ready(client, port)
                print(f"start of alpaca-{name} to ready: {time.perf_counter() - began:.2f} s")
            await children.start("plain", "-m", "benchmarks.plain_server", str(plain_port))
            await _listening(plain_port)
        yield load(told), plain_port
    finally:
        await children.stop()


async def _whole_day(home: Path) -> None:
    """The day as a user starts it; LOG_LEVEL=DEBUG makes the servers log each broker call."""
    arguments = ("simulate", "--date", DAY, "--seed", str(SEED), "--json", "--out", str(home))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "active_trader.py"), *arguments),
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ) | {"LOG_LEVEL": "DEBUG"},
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the day ended with status {process.returncode}")
    day = json.loads(output.decode().splitlines()[-1])
    cycles = _timings(home)
    broker = sum(float(took) for log in _server_logs(home) for took in _TOOK.findall(log))
    total, model = sum(c["seconds"] for c in cycles), sum(c["model_seconds"] for c in cycles)
    _print_milliseconds("cycle", [cycle["seconds"] for cycle in cycles])
    _print_milliseconds("  of it the agent alone", [cycle["overhead_seconds"] for cycle in cycles])
    overhead = (total - model - broker) / len(cycles) * 1000
    print(f"cycle without model and broker: {overhead:.1f} ms in the mean of {len(cycles)} cycles")
    print("  (the broker's share counts the monitor's calls too, so this is a lower bound)")
    print(f"whole day: {day['wall_seconds']} s, {day['trades']} trades, flat: {day['flat']}")


def _timings(home: Path) -> list[dict[str, Any]]:
    (path,) = home.glob("data/agent_data/*/log/*/timings.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _server_logs(home: Path) -> list[str]:
    return [path.read_text(encoding="utf-8") for path in home.glob("logs/alpaca_*_mcp.log")]


def _client(port: int, token: str) -> Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    http = httpx2.AsyncClient(headers=headers, timeout=10, trust_env=False)
    url = f"http://127.0.0.1:{port}/mcp"
    return Client(streamable_http_client(url, http_client=http), mode="2026-07-28", cache=None)


async def _listening(port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)


def _print_milliseconds(what: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    p99 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    median = statistics.median(ordered)
    print(f"{what}: median {median * 1000:.2f} ms, p99 {p99 * 1000:.2f} ms, {len(ordered)} times")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="tool calls to time")
    asyncio.run(main(parser.parse_args().calls))
