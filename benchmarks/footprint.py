"""What the three services cost: memory after a day, start to ready, and CPU while nobody trades.

`python -m benchmarks.footprint [--idle SECONDS]`: processes of their own on loopback, no systemd.
Memory is the sum of their PSS at the end of a synthetic day of ten symbols; ready is the READY that
systemd would hear; idle is real time (best on a weekend), beside the SDK's plain server.
"""

import argparse
import asyncio
import contextlib
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from console.children import free_ports
from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from tools.settings import ROOT

DAY = "2025-11-05"
SETTLE_SECONDS = 5.0
READY_PATIENCE_SECONDS = 60.0
SERVICES = {
    "alpaca-data": ("-m", "agent_tools.tool_alpaca_data"),
    "alpaca-trade": ("-m", "agent_tools.tool_alpaca_trade"),
    "active-trader": (str(ROOT / "active_trader.py"),),
}


@dataclass(frozen=True, slots=True)
class Spent:
    """What a process has used up so far."""

    cpu_seconds: float
    wake_ups: int

    @classmethod
    def by(cls, pid: int) -> "Spent":
        """All of its threads together."""
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        switches = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            status = (task / "status").read_text(encoding="utf-8")
            switches += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return cls(ticks / os.sysconf("SC_CLK_TCK"), switches)


async def main(idle_seconds: float) -> None:
    """Print the three tables."""
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder:
        await _memory_of_a_day(Path(folder) / "day")
        async with _services(Path(folder) / "idle") as pids:
            await _idle(pids, idle_seconds)


async def _memory_of_a_day(home: Path) -> None:
    arguments = (str(ROOT / "active_trader.py"), "simulate", "--date", DAY, "--out", str(home))
    day = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL
    )
    last: dict[str, float] = {}
    highest = 0.0
    while day.returncode is None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(day.wait(), 0.5)
        now = dict(_memory_of_children(day.pid))
        if set(now) == set(SERVICES):
            last, highest = now, max(highest, sum(now.values()))
    print("memory (PSS) at the end of the day")
    for name, mib in last.items():
        print(f"  {name:<14} {mib:6.0f} MiB")
    print(f"  {'together':<14} {sum(last.values()):6.0f} MiB, at most {highest:.0f} in the day")


def _memory_of_children(parent: int) -> Iterator[tuple[str, float]]:
    """Name and MiB of our services among the children of `parent`."""
    with contextlib.suppress(OSError):
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8")
        for pid in children.split():
            command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
            for name, arguments in SERVICES.items():
                if arguments[-1] in command:
                    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
                    yield name, int(rollup.partition("\nPss:")[2].split()[0]) / 1024


@contextlib.asynccontextmanager
async def _services(home: Path) -> AsyncIterator[Mapping[str, int]]:
    """The embedded world, the three and the plain server in real time; their process ids."""
    plan, ports, plain_port = make_plan(Request(date=DAY, out=home)), Ports.free(), free_ports(1)[0]
    told = environment(make_home(plan), ports, os.environ)
    del told["ACTIVE_TRADER_CLOCK"]
    table = ("--table", str(plan.session_table))
    exchange = ("-m", "embedded.exchange", "--port", str(ports.exchange), *table)
    commands: dict[str, tuple[str, ...]] = {
        "exchange": exchange,
        "model": ("-m", "embedded.model", "--port", str(ports.model)),
        **SERVICES,
        "plain server": ("-m", "benchmarks.plain_server", str(plain_port)),
    }
    started: dict[str, asyncio.subprocess.Process] = {}
    try:
        print("start to ready")
        for name, arguments in commands.items():
            started[name], seconds = await _start(arguments, told, waits=name in SERVICES)
            if seconds is not None:
                print(f"  {name:<14} {seconds:6.2f} s")
        yield {name: started[name].pid for name in (*SERVICES, "plain server")}
    finally:
        for process in reversed(started.values()):
            process.terminate()
        await asyncio.gather(*(process.wait() for process in started.values()))


async def _start(
    arguments: tuple[str, ...], told: Mapping[str, str], *, waits: bool
) -> tuple[asyncio.subprocess.Process, float | None]:
    """The process, and how long it took until READY."""
    loop = asyncio.get_running_loop()
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
    ):
        systemd.bind(f"{folder}/notify")
        systemd.setblocking(False)
        began = loop.time()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, *arguments),
            cwd=ROOT,
            env={**told, "NOTIFY_SOCKET": f"{folder}/notify"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        if not waits:
            await asyncio.sleep(SETTLE_SECONDS)
            return process, None
        async with asyncio.timeout(READY_PATIENCE_SECONDS):
            while b"READY=1" not in await loop.sock_recv(systemd, 4096):
                pass
        return process, loop.time() - began


async def _idle(pids: Mapping[str, int], seconds: float) -> None:
    await asyncio.sleep(SETTLE_SECONDS)
    before = {name: Spent.by(pid) for name, pid in pids.items()}
    await asyncio.sleep(seconds)
    print(f"idle for {seconds:.0f} s, per hour")
    together = Spent(0.0, 0)
    for name, pid in pids.items():
        now = Spent.by(pid)
        spent = Spent(
            (now.cpu_seconds - before[name].cpu_seconds) * 3600 / seconds,
            round((now.wake_ups - before[name].wake_ups) * 3600 / seconds),
        )
        if name in SERVICES:
            together = Spent(
                together.cpu_seconds + spent.cpu_seconds, together.wake_ups + spent.wake_ups
            )
        print(f"  {name:<14} {spent.cpu_seconds:6.2f} s CPU, {spent.wake_ups:6d} wake-ups")
    print(f"  {'the three':<14} {together.cpu_seconds:6.2f} s CPU, {together.wake_ups:6d} wake-ups")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--idle", type=float, default=300.0, help="seconds to watch (default 300)")
    asyncio.run(main(parser.parse_args().idle))
