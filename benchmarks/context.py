"""What the model is sent in a day: bytes, how many of them it has seen before, and what they cost.

`.venv/bin/python -m benchmarks.context [--date 2013-10-07] [--record FILE] [--theirs FOLDER]`: a
simulated day with the embedded model, each of its questions recorded; FILE, when it exists, is
counted instead. Nothing here is a provider's count: tokens are bytes x 0.3, DeepSeek's own rule of
thumb, and a byte counts as cached when it repeats the beginning of an earlier request, in whole
units of 64 tokens as DeepSeek caches. The rules answer in fewer words than a language model would,
so that the day is priced with OUTPUT_TOKENS for each answer.

`--theirs` installs alpaca-mcp-server of PyPI into FOLDER and measures, on the same exchange, what
its tools and its raw bars would add.
"""

import argparse
import asyncio
import contextlib
import io
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.models.budget import TOKENS_PER_BYTE
from agent.models.prices import price_of
from benchmarks.toolcalls import BARS, START, SYMBOLS, install, standing
from console import simulation
from console.children import Child, Children
from console.plan import Request, make_plan

CACHE_UNIT_TOKENS = 64
OUTPUT_TOKENS = 500
MODEL = "deepseek-flash"
PRICED_AT = datetime(2026, 11, 20, 18, tzinfo=UTC)  # a Friday in New York's session
TOKENS_GOAL, CALLS_GOAL, SHARE_GOAL, DAY_GOAL_USD = 8_000, 2, 0.8, Decimal("0.15")


@dataclass(frozen=True, slots=True)
class Sent:
    """One request: its bytes, those that an earlier one began with, and whether a cycle begins."""

    size: int
    repeated: int
    opens_cycle: bool

    @property
    def tokens(self) -> int:
        """An estimate."""
        return round(self.size * TOKENS_PER_BYTE)

    @property
    def cached_tokens(self) -> int:
        """Whole units, as an estimate."""
        units = int(self.repeated * TOKENS_PER_BYTE) // CACHE_UNIT_TOKENS
        return units * CACHE_UNIT_TOKENS


def main() -> int:
    """0 when every goal is met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.context")
    parser.add_argument("--date", default="2013-10-07")
    parser.add_argument("--record", type=Path, help="a record of questions, kept or to be counted")
    parser.add_argument("--theirs", type=Path, help="a folder to install Alpaca's server into")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        record = told.record or Path(scratch) / "questions.jsonl"
        if not record.exists():
            asyncio.run(_live(told.date, record, Path(scratch) / "home"))
        bodies = record.read_bytes().splitlines()
        met = _tell(list(sent(bodies)), bodies)
        if told.theirs:
            asyncio.run(_compare(told.theirs, Path(scratch) / "standing", bodies[0]))
    return 0 if met else 1


def sent(bodies: Sequence[bytes]) -> Iterator[Sent]:
    """The requests in their order, each against all before it."""
    for number, body in enumerate(bodies):
        before = bodies[:number]
        repeated = max((_common(body, other) for other in before), default=0)
        yield Sent(len(body), repeated, len(json.loads(body)["messages"]) == 2)


def _common(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low


def _tell(requests: Sequence[Sent], bodies: Sequence[bytes]) -> bool:
    cycles = _cycles(requests)
    tokens = statistics.median(sum(one.tokens for one in cycle) for cycle in cycles)
    calls = statistics.median(len(cycle) for cycle in cycles)
    total = sum(one.size for one in requests)
    share = sum(one.repeated for one in requests) / total
    cost = _cost(requests)
    first = json.loads(bodies[0])
    parts = {
        "tools": len(_bytes(first["tools"])),
        "system prompt": len(_bytes(first["messages"][0])),
        "snapshot": len(_bytes(first["messages"][1])),
    }
    print(f"{len(cycles)} cycles, {len(requests)} model calls, {total:,} bytes sent")
    print("first request: " + ", ".join(f"{name} {size:,} bytes" for name, size in parts.items()))
    print(f"a typical (median) cycle: {calls:g} calls (goal {CALLS_GOAL})")
    print(f"its prompts: {tokens:,.0f} estimated tokens (goal {TOKENS_GOAL:,})")
    print(f"bytes that repeat the beginning of an earlier request: {share:.1%} (goal 80 %)")
    print(
        f"modelled day, {MODEL} off-peak, {OUTPUT_TOKENS} tokens an answer: ${cost:.3f}"
        " (goal $0.15)"
    )
    print(f"the same without a cache: ${_cost(requests, cached=False):.3f}")
    return (
        tokens <= TOKENS_GOAL
        and calls <= CALLS_GOAL
        and share >= SHARE_GOAL
        and cost < DAY_GOAL_USD
    )


def _cycles(requests: Sequence[Sent]) -> list[list[Sent]]:
    cycles: list[list[Sent]] = []
    for one in requests:
        if one.opens_cycle:
            cycles.append([])
        cycles[-1].append(one)
    return cycles


def _cost(requests: Sequence[Sent], *, cached: bool = True) -> Decimal:
    price = price_of(MODEL, PRICED_AT)
    assert price
    return sum(
        (
            price.cost_usd(
                cached=one.cached_tokens if cached else 0, prompt=one.tokens, output=OUTPUT_TOKENS
            )
            for one in requests
        ),
        Decimal(0),
    )


async def _live(date: str, record: Path, home: Path) -> None:
    """One simulated day; its model writes down what it is asked."""

    class Recording(Children):
        async def start(self, name: str, *arguments: str, to_terminal: bool = False) -> Child:
            more = ("--record", str(record)) if name == "model" else ()
            return await super().start(name, *arguments, *more, to_terminal=to_terminal)

    vars(simulation)["Children"] = Recording
    with contextlib.redirect_stdout(io.StringIO()):
        report = await simulation.run(make_plan(Request(date=date, out=home, as_json=True)))
    print(f"simulated {date}: {report['trades']} trades in {report['wall_seconds']} s")


async def _compare(folder: Path, home: Path, body: bytes) -> None:
    """Their tools and raw bars beside our tools and signals, in bytes that a model would read."""
    ours = json.loads(body)["tools"]
    async with standing(home, install(folder)) as servers:
        listed = (await servers.theirs.list_tools()).tools
        schemas = [
            {"name": one.name, "description": one.description, "parameters": one.input_schema}
            for one in listed
        ]
        names = {"symbols": ",".join(SYMBOLS), "start": START}
        bars = 0
        for timeframe in ("1Min", "5Min", "15Min"):
            wanted = {**names, "timeframe": timeframe, "limit": BARS * len(SYMBOLS)}
            bars += _length(await servers.theirs.call_tool("get_stock_bars", wanted))
        signals = await servers.data.call_tool("get_trading_signals", {"symbols": list(SYMBOLS)})
        _line(f"tool schemas: theirs ({len(schemas)} tools)", len(_bytes(schemas)))
        _line(f"tool schemas: ours ({len(ours)} tools)", len(_bytes(ours)))
        _line(f"10 symbols x 3 timeframes: {BARS} raw bars each, theirs", bars)
        _line("10 symbols x 3 timeframes: get_trading_signals, ours", _length(signals))


def _line(what: str, size: int) -> None:
    print(f"{what}: {size:,} bytes, {size * TOKENS_PER_BYTE:,.0f} estimated tokens")


def _length(result: Any) -> int:
    return sum(len(block.text.encode()) for block in result.content if block.type == "text")


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


if __name__ == "__main__":
    sys.exit(main())
