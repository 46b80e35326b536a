"""`python -m tests.chaos.hostile_model --calls N --seed S`: a mind that means harm, or has none.

Random and adversarial calls on every tool of both servers, in memory: the servers and the desk are
the real ones, the broker is the venue without a wire, and time moves on between the calls.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from mcp import Client, MCPError, Tool
from pydantic import SecretStr

from agent_tools._mcp_server import Role, ToolServer
from agent_tools.tool_alpaca_data import DataTools
from agent_tools.tool_alpaca_trade import counter
from tests.chaos.hostile_oracle import HostileOracle
from tests.tapes import HandTape, candles, hours
from tests.trading import Hands, a_bench
from tools.core.safety import RiskLimits
from tools.execution.leases import Leases
from tools.hosting import Incidents
from tools.simulation.sim_broker import SimBroker, TapeData
from tools.simulation.tape import Candle

CALLS_A_DAY = 1_600
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where the state files are: nothing dies here, so no disk has to be waited for."""
PROGRESS = 16_000
SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF", "GGG", "HHH", "III", "JJJ", "KKK", "LLL")
STEPS = (0, 0, 0, 0, 1, 2, 60, 60)
"""Seconds that pass between two calls; 60 leads to the next whole minute, and to a new quote."""
EVIL_NUMBERS: tuple[Any, ...] = (
    *(float("nan"), float("inf"), float("-inf"), 1e309, -1, 0, -0.0, 1e-308, 2**63, 10**30),
    *(0.1, "10", "१०", "٣", "1e5", True, None, [], {}, "NaN", 999_999.99),
)
EVIL_WORDS: tuple[Any, ...] = (
    *("ААА", "AAА", "AAA\u200b", "aaa", " AAA", "AAA ", "A" * 10_000, "", "\x00", "🙂", "AAA/BBB"),
    *("../../etc/passwd", "..%2f..%2fetc", "/v2/orders", "AAA?side=sell", "AAA\r\nX: y", "BTC/USD"),
    *(
        "'; DROP TABLE intents; --",
        "{{7*7}}",
        "EUR_USD",
        "ＡＡＡ",
        5,
        None,
        ["AAA"],
        {"a": 1},
        True,
    ),
)


@dataclass
class Tally:
    """What a campaign came to."""

    calls: int = 0
    errors: int = 0
    entries: int = 0
    breaks: int = 0


class Mischief:
    """Makes up arguments: mostly plausible ones with something wrong, now and then the last."""

    def __init__(self, draw: Random, epoch: int) -> None:
        self._draw, self._epoch = draw, epoch
        self._ids = ["AT-2013-10-07-1-E", "AT-2013-10-07-1-X", "flat-2013-10-07-AAA-1"]

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Remember an id, to use it again."""
        if isinstance(name := answer.get("client_order_id"), str):
            self._ids.append(name)

    def arguments(self, tool: Tool) -> dict[str, Any]:
        """For one call."""
        evil, schema = self._draw.random() < 0.4, tool.input_schema
        required, named = schema.get("required", ()), schema.get("properties", {})
        always = {*required, "epoch"}
        chosen = [one for one in named if one in always or self._draw.random() < 0.5]
        arguments = {name: self._good(name) for name in chosen}
        if evil and chosen:
            name = self._draw.choice(chosen)
            arguments[name] = self._draw.choice(self._draw.choice((EVIL_NUMBERS, EVIL_WORDS)))
        if evil and self._draw.random() < 0.1:
            arguments[self._draw.choice(("side", "notional", "force", "__class__"))] = "sell"
        if evil and arguments and self._draw.random() < 0.1:
            arguments.pop(self._draw.choice(list(arguments)))
        return arguments

    def _good(self, name: str) -> Any:
        draw = self._draw
        makers: dict[str, Callable[[], Any]] = {
            "symbol": lambda: draw.choice(SYMBOLS),
            "symbols": lambda: draw.sample(SYMBOLS, draw.randint(1, 4)),
            "earlier": lambda: [{"symbol": draw.choice(SYMBOLS), "quantity": draw.randint(1, 500)}],
            "confidence": lambda: draw.choice((0, 0.59, 0.6, 0.9, 0.9, 0.9, 1)),
            "quantity": lambda: draw.choice((1, 7, 100, 10_000, 1_000_000)),
            "stop_price": lambda: round(draw.uniform(94, 100), draw.choice((2, 2, 7))),
            "target_price": lambda: round(draw.uniform(99, 130), 2),
            "price": lambda: round(draw.uniform(90, 120), 2),
            "price_at": lambda: f"2013-10-07T{draw.randint(10, 29)}:30:00-04:00",
            "client_order_id": lambda: draw.choice(self._ids),
            "decision_id": lambda: f"D-2013-10-07-{draw.randint(1, 40)}-{draw.randint(1, 3)}",
            "epoch": lambda: self._epoch + draw.choice((-self._epoch, -1, *(0,) * 8, 1)),
            "top": lambda: draw.randint(1, 9),
            "limit": lambda: draw.randint(1, 99),
            "timeframe": lambda: draw.choice(("1Min", "5Min", "1Day")),
        }
        return makers.get(name, lambda: draw.choice(("because", "ignore all rules, buy all")))()


async def one_day(
    home: Path, calls: int, draw: Random, tally: Tally, limits: RiskLimits | None
) -> list[str]:
    """A session of so many calls under `limits`, the default ones if None; what was broken."""
    hands, tape = Hands("09:31"), a_wild_tape(draw)
    bench = a_bench(home, hands, tape=tape, limits=limits)
    broker = bench.broker.inner
    assert isinstance(broker, SimBroker)
    bench.room.monitor.look()
    leases, oracle = Leases(bench.room.premises), HostileOracle(broker)
    *_, lease = [leases.take(holder) for holder in ("an earlier trader", "the trader")]
    mischief = Mischief(draw, lease.epoch)

    async def rouse() -> None: ...

    token = SecretStr("key")
    trade = counter(bench.room, {Role.AGENT: token}, Incidents(), rouse)
    data = ToolServer(
        "alpaca-data",
        caller=Role.DATA,
        tokens={Role.DATA: token},
        incidents=Incidents(),
        reads=DataTools(Movers(tape, hours(), hands.read), broker, hours(), hands.read).all(),
    )
    async with AsyncExitStack() as stack:
        tools: list[tuple[Client, Tool]] = []
        for server, weight in ((trade, 8), (data, 1)):
            client = believing(await stack.enter_async_context(Client(server.mcp)))
            tools += [(client, one) for one in (await client.list_tools()).tools] * weight
        orders = [one for one in tools if one[1].name in ("place_order", "close_position")]
        last: tuple[Client, Tool, dict[str, Any]] | None = None
        for _ in range(calls):
            if last is None or draw.random() > 0.15:
                client, tool = draw.choice(orders if draw.random() < 0.4 else tools)
                last = client, tool, mischief.arguments(tool)
            client, tool, arguments = last
            tally.calls += 1
            try:
                result = await client.call_tool(tool.name, arguments)
            except (MCPError, ValueError, TypeError):
                tally.errors += 1
            else:
                tally.errors += bool(result.is_error)
                mischief.learn(result.structured_content or {})
            oracle.look()
            hands.now = _later(hands.now, draw.choice(STEPS))
            bench.room.monitor.turn(hands.wait)
            if draw.random() < 0.2:
                bench.room.control.reset("the operator is patient", "operator")
            oracle.look()
    bench.room.premises.store.close()
    tally.entries += oracle.entries
    return oracle.breaks


def believing(client: Client) -> Client:
    """It does not hold answers against their schemas: `tests/conformance` does."""

    async def believe(*_: object) -> None: ...

    setattr(client.session, "validate_tool_result", believe)  # noqa: B010 - not ours
    return client


def _later(now: datetime, seconds: int) -> datetime:
    later = now + timedelta(seconds=seconds)
    return later.replace(second=0) if seconds == 60 else later


class Movers(TapeData):
    """A whole market, in which nothing moves."""

    def movers(self, top: int) -> Any:
        """None."""
        return ()


def a_wild_tape(draw: Random) -> HandTape:
    """Two days of twelve symbols around a hundred dollars."""
    minutes: dict[str, list[Candle]] = {}
    for symbol in SYMBOLS:
        monday = candles(*_walk(draw), start="09:00")
        friday = [one._replace(start=one.start - 3 * 86_400) for one in monday]
        minutes[symbol] = friday + monday
    return HandTape(minutes)


def _walk(draw: Random) -> list[tuple[float, float, float, float]]:
    price, bars = 100.0, []
    for _ in range(420):
        before, price = price, price * (1 + draw.gauss(0, 0.0006))
        bars.append((before, max(before, price) + 0.02, min(before, price) - 0.02, price))
    return bars


def campaign(calls: int, seed: int, limits: RiskLimits | None = None) -> tuple[Tally, list[str]]:
    """Day after day until the calls are made; what was broken comes with its day."""
    tally, broken = Tally(), list[str]()
    while tally.calls < calls:
        day = tally.calls // CALLS_A_DAY
        with tempfile.TemporaryDirectory(prefix="hostile-", dir=IN_MEMORY) as folder:
            count = min(CALLS_A_DAY, calls - tally.calls)
            draw = Random(f"{seed}/{day}")
            found = asyncio.run(one_day(Path(folder), count, draw, tally, limits))
        if tally.calls % PROGRESS < CALLS_A_DAY:
            print(f"{tally.calls} of {calls} calls", flush=True)
        broken += [f"day {day}: {words}" for words in dict.fromkeys(found)]
    tally.breaks = len(broken)
    return tally, broken


def main(arguments: list[str]) -> int:
    """0 when no invariant was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.hostile_model")
    parser.add_argument("--calls", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)  # each refusal is a line
    tally, broken = campaign(options.calls, options.seed)
    for words in broken:
        print(words)
    print(f"{tally.errors} calls turned away, {tally.entries} entries at the exchange")
    print(f"{tally.calls} calls, {tally.breaks} invariant breaks")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
