"""What sleeping costs, and how punctual it is.

`python -m benchmarks.sleep [--seconds 120] [--sleepers 24]`: long sleeps of the real clock beside
plain `asyncio.sleep`, and meanwhile the wake-ups and the CPU time of our three services beside an
idle uvicorn server. Run it while the market is closed: the services then sleep as at night. Per
hour means scaled from the seconds that were measured.
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx2

from console.children import Child, Children, free_ports
from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from tools.schedule.clocks import SystemClock
from tools.settings import ROOT

DAY = "2025-11-05"
HOUR_SECONDS = 3600
SETTLING_SECONDS = 15
GOAL_MILLISECONDS = 5
PLAIN = """
import sys, uvicorn
from starlette.applications import Starlette
uvicorn.run(Starlette(), port=int(sys.argv[1]), log_level="warning")
"""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process has used of the CPU so far, all threads together."""

    wake_ups: int
    cpu_seconds: float


async def main(seconds: float, sleepers: int) -> None:
    """Print both tables."""
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.2f}")
    with tempfile.TemporaryDirectory() as folder:
        async with _services(Path(folder)) as services:
            await asyncio.sleep(SETTLING_SECONDS)
            before = {name: _usage(child) for name, child in services.items()}
            errors = await _sleep_all(seconds, sleepers)
            after = {name: _usage(child) for name, child in services.items()}
    print(
        f"\nwake error of {sleepers} sleeps of {seconds:.0f} s, in ms (median, p99, most, least):"
    )
    for name, late in errors.items():
        _print_errors(name, late)
    print(f"  goal: a median below {GOAL_MILLISECONDS} ms, never early")
    print(f"\nasleep for {seconds:.0f} s (scaled to an hour):")
    print(f"  {'':16}{'wake-ups/s':>12}{'wake-ups/h':>12}{'CPU s/h':>10}")
    for name in services:
        _print_usage(name, before[name], after[name], seconds)
    print("  goal: a wake-up in 5 s at most (0.2/s) for each of ours")


async def _sleep_all(seconds: float, sleepers: int) -> Mapping[str, list[float]]:
    """Milliseconds late, of ours and of `asyncio.sleep`, side by side in one loop."""
    clock = SystemClock()

    async def ours(number: int) -> float:
        async with clock.busy(f"sleeper {number}"):
            when = clock.now() + timedelta(seconds=seconds)
            await clock.sleep_until(when)
            return (clock.now() - when) / timedelta(milliseconds=1)

    async def plain(_: int) -> float:
        when = clock.now() + timedelta(seconds=seconds)
        await asyncio.sleep(seconds)
        return (clock.now() - when) / timedelta(milliseconds=1)

    async def staggered(number: int) -> tuple[float, float]:
        await asyncio.sleep(number / sleepers)  # so that they do not wake each other's loop
        one, other = await asyncio.gather(ours(number), plain(number))
        return one, other

    pairs = await asyncio.gather(*(staggered(number) for number in range(sleepers)))
    return {"ours": [pair[0] for pair in pairs], "asyncio.sleep": [pair[1] for pair in pairs]}


@contextlib.asynccontextmanager
async def _services(home: Path) -> AsyncIterator[Mapping[str, Child]]:
    """Our three in real time around an embedded exchange, and a plain server."""
    plan = make_plan(Request(date=DAY, out=home / "home"))
    ports, plain_port = Ports.free(), free_ports(1)[0]
    told = environment(make_home(plan), ports, os.environ)
    del told["ACTIVE_TRADER_CLOCK"]
    (home / "logs").mkdir()
    children = Children(told, folder=home / "logs", cwd=ROOT)
    symbols = ",".join(plan.symbols)
    exchange = ("-m", "embedded.exchange", "--port", str(ports.exchange), "--synthetic", symbols)
    try:
        async with httpx2.AsyncClient(trust_env=False) as client:
            world = await children.start("exchange", *exchange)
            await world.ready(client, ports.exchange)
            found: dict[str, Child] = {}
            for name, port, start in (
                ("alpaca-data", ports.data, ("-m", "agent_tools.tool_alpaca_data")),
                ("alpaca-trade", ports.trade, ("-m", "agent_tools.tool_alpaca_trade")),
                ("active-trader", ports.trader, ("active_trader.py",)),
            ):
                found[name] = await children.start(name, *start)
                await found[name].ready(client, port)
            found["plain uvicorn"] = await children.start("plain", "-c", PLAIN, str(plain_port))
        yield found
    finally:
        await children.stop()


def _usage(child: Child) -> Usage:
    wake_ups, nanoseconds = 0, 0
    for task in Path(f"/proc/{child.process.pid}/task").iterdir():
        nanoseconds += int((task / "schedstat").read_text(encoding="ascii").split()[0])
        for line in (task / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                wake_ups += int(line.split()[1])
    return Usage(wake_ups, nanoseconds / 1e9)


def _print_errors(name: str, late: list[float]) -> None:
    ordered = sorted(late)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    median = statistics.median(ordered)
    print(f"  {name:16}{median:8.2f}{p99:8.2f}{ordered[-1]:8.2f}{ordered[0]:8.2f}")


def _print_usage(name: str, before: Usage, after: Usage, seconds: float) -> None:
    wakes, cpu = after.wake_ups - before.wake_ups, after.cpu_seconds - before.cpu_seconds
    hours = seconds / HOUR_SECONDS
    print(f"  {name:16}{wakes / seconds:12.2f}{wakes / hours:12.0f}{cpu / hours:10.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--sleepers", type=int, default=24)
    given = parser.parse_args()
    asyncio.run(main(given.seconds, given.sleepers))
