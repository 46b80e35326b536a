"""`python -m tests.chaos.order_path --kills N --seed S [--desk naive]`: killed at random moments.

The trade server, and a trader that calls it over MCP, are forked from a parent that has imported
everything; each life is a real process with real sockets and files, ended by SIGKILL. Time is
quick: a market second lasts a tenth of a real one, for the exchange and for every time-out, and
longer while the machine is too busy to let the trade server and the exchange run.
"""

import argparse
import asyncio
import ctypes
import gc
import json
import logging
import math
import os
import signal
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Never

from console.children import free_ports
from tests.chaos.oracle import Findings, Span, judge, read_history
from tests.chaos.quick_clock import Hand
from tests.chaos.world import (
    ADMIN,
    World,
    exchange,
    make_market,
    trade_server,
    trader,
    write_faults,
)
from tools.hosting import log_to

logger = logging.getLogger(__name__)

SHORTEST_LIFE, LONGEST_LIFE = 0.1, 8.0
"""Market seconds; between them a life's logarithm is uniform."""

QUIET = 63.0
"""Market seconds without kills at the end, in which everything must come to be known."""

PROGRESS = 100
"""Kills between two lines that say how far it is."""

DECISIONS_A_LIFE = 10_000
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1

type Life = Callable[[], Coroutine[Any, Any, None]]


class Campaign:
    """One world, one killer."""

    def __init__(
        self,
        home: Path,
        *,
        kills: int,
        seed: int,
        naive: bool = False,
        shortest: float = SHORTEST_LIFE,
        quiet: float = QUIET,
    ) -> None:
        """`shortest` life and `quiet` minute without kills at the end are market seconds."""
        ports = free_ports(2)
        self.world = World(
            home=home,
            seed=seed,
            exchange_port=ports[0],
            trade_port=ports[1],
            naive=naive,
        )
        self.hand = Hand(self.world.hand)
        self._kills, self._left = kills, kills
        self._shortest, self._quiet = shortest, quiet
        self._draw, self._clock = Random(seed), self.world.clock
        self._deaths: list[datetime] = []
        self._traders = self._told = 0
        self._broker = self._desk = self._mind = 0

    def run(self) -> Findings:
        """Kill until none are left, give it a quiet minute, and judge."""
        market, world = make_market(), self.world
        gc.freeze()
        self._broker = fork(lambda: exchange(world, market), world.home / "exchange.log")
        ticker = fork(self.hand.tick, world.home / "ticker.log")
        try:
            self._arm()
            self._kill_and_restart()
        finally:
            kill(ticker)
            kill(self._broker)
        journal = world.home / "data" / "state.sqlite3"
        return judge(read_history(world.history), journal, self._lives())

    def _kill_and_restart(self) -> None:
        self._start_desk()
        self._start_trader()
        while self._left > 0:
            bounds = math.log(self._shortest), math.log(LONGEST_LIFE)
            self._clock.wait(math.exp(self._draw.uniform(*bounds)))
            victims = self._draw.choices(("desk", "mind", "both"), (5, 2, 3))[0]
            if victims != "mind":
                self._deaths.append(kill(self._desk, self._clock.now))
                self._start_desk()
                self._left -= 1
            if victims != "desk" and self._left > 0:
                kill(self._mind)
                self._start_trader()
                self._left -= 1
            self._tell()
        kill(self._mind)
        self.hand.watch(self._broker, self._desk, 0)
        self._clock.wait(self._quiet)
        self._ask("/v2/positions")  # what happened at the exchange last is written down by this
        self._deaths.append(kill(self._desk, self._clock.now))

    def _lives(self) -> list[Span]:
        """From each birth to the first death after it; who died before its birth never ran."""
        births = map(datetime.fromisoformat, self.world.births.read_text("utf-8").split())
        return [(born, min(died for died in self._deaths if died >= born)) for born in births]

    def _tell(self) -> None:
        done, market = self._kills - self._left, self._clock.now()
        if done // PROGRESS > self._told:
            self._told = done // PROGRESS
            print(f"{done} of {self._kills} kills, {market:%H:%M:%S} UTC at the market", flush=True)

    def _start_desk(self) -> None:
        self._desk = fork(lambda: trade_server(self.world), self.world.home / "desk.log")
        self.hand.watch(self._broker, self._desk, self._mind)

    def _start_trader(self) -> None:
        self._traders += 1
        first = self._traders * DECISIONS_A_LIFE
        self._mind = fork(lambda: trader(self.world, first), self.world.home / "trader.log")
        self.hand.watch(self._broker, self._desk, self._mind)

    def _arm(self) -> None:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with suppress(urllib.error.URLError):
                self._ask("/health")
                break
            time.sleep(0.05)
        for fault in write_faults():
            self._ask("/sim/faults", fault)

    def _ask(self, path: str, body: object = None) -> None:
        headers = {"Authorization": f"Bearer {ADMIN}", "Content-Type": "application/json"}
        url = f"http://127.0.0.1:{self.world.exchange_port}{path}"
        data = None if body is None else json.dumps(body).encode()
        urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=5).close()


def fork(life: Life, log: Path) -> int:
    """The id of a new process that lives `life`, and dies with this one."""
    parent = os.getpid()
    if child := os.fork():
        return child
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    return _live(life, log)


def _live(life: Life, log: Path) -> Never:
    status = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        log_to(level="INFO")
        asyncio.run(life())
        status = 0
    except Exception:  # this is a process's main
        logger.exception("died of itself")
    finally:
        sys.stderr.flush()
        os._exit(status)


def kill(process: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> datetime:
    """SIGKILL a child of ours, and see it gone; returns when."""
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return now()


def main(arguments: list[str]) -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.order_path")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--desk", choices=("ours", "naive"), default="ours")
    parser.add_argument("--home", type=Path, help="keep the files there")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        home = options.home or Path(folder)
        home.mkdir(parents=True, exist_ok=True)
        naive = options.desk == "naive"
        began = time.monotonic()
        campaign = Campaign(home, kills=options.kills, seed=options.seed, naive=naive)
        found = campaign.run()
    for words in (*found.duplicates, *found.unknown, *found.naked):
        print(words)
    print(
        f"{found.orders} entries at the exchange, {found.fills} filled, "
        f"longest without a stop {found.longest_naked.total_seconds():.1f} s, "
        f"{time.monotonic() - began:.0f} s real, {campaign.hand.withheld:.0f} s of them withheld"
    )
    counts = len(found.duplicates), len(found.unknown), len(found.naked)
    print(f"{options.kills} kills, {counts[0]} duplicates, {counts[1]} unknown, {counts[2]} naked")
    return 0 if found.clean else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
