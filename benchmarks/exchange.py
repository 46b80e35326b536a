"""How fast the embedded exchange answers, how fast it replays a market, how much it keeps.

`.venv/bin/python -m benchmarks.exchange [--seconds 5]` prints a table; one run, one seed.
"""

import argparse
import asyncio
import json
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from tools.core.session import Session, Timetable
from tools.core.trading import OrderType, Side
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.simulation.market import Market
from tools.simulation.orders import OrderRequest, TimeInForce
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.venue import Venue

ROOT = Path(__file__).resolve().parents[1]
SEED, SESSION = 7, date(2025, 11, 5)
SYMBOLS = tuple(f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(50))
TEN = ",".join(SYMBOLS[:10])
HEADERS = "Host: exchange\r\nAPCA-API-KEY-ID: any\r\nAPCA-API-SECRET-KEY: thing\r\n"
LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
SUBMITS_A_SECOND, READERS = 200, 2
REPLAYED_DAYS, REPLAYS = 9, 6  # as many days as a tape keeps

READS = {
    "account": "/v2/account",
    "positions (10)": "/v2/positions",
    "bars of 10 symbols": f"/v2/stocks/bars?symbols={TEN}&timeframe=1Min&limit=100"
    "&start=2025-11-05T15:50:00Z",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    what: str
    measured: str
    goal: str = ""


class Client:
    """One keep-alive connection that knows just enough HTTP."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer; raises AssertionError unless it is 200."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = LENGTH.search(head)
        assert length, head
        body = await self._reader.readexactly(int(length[1]))
        assert head.startswith(b"HTTP/1.1 200"), body
        return body

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


def get(path: str) -> bytes:
    """A GET as it goes over the wire."""
    return f"GET {path} HTTP/1.1\r\n{HEADERS}\r\n".encode()


def submit(symbol: str, name: str) -> bytes:
    """A market order for one share."""
    order = {
        "symbol": symbol,
        "side": "buy",
        "qty": "1",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": name,
    }
    body = json.dumps(order).encode()
    head = f"POST /v2/orders HTTP/1.1\r\n{HEADERS}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@asynccontextmanager
async def connected(port: int, count: int) -> AsyncIterator[list[Client]]:
    """That many connections."""
    clients = [Client(*await asyncio.open_connection("127.0.0.1", port)) for _ in range(count)]
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


async def read_as_fast_as_possible(port: int, path: str, seconds: float) -> Row:
    """A few clients that ask again as soon as they are answered."""
    taken: list[float] = []
    request, until = get(path), time.perf_counter() + seconds

    async def ask(client: Client) -> None:
        while (began := time.perf_counter()) < until:
            await client.ask(request)
            taken.append(time.perf_counter() - began)

    async with connected(port, READERS) as clients:
        await asyncio.gather(*map(ask, clients))
    return Row("", f"{len(taken) / seconds:,.0f} requests/s, p99 {p99(taken)}", "2,000 requests/s")


async def submit_steadily(port: int, seconds: float) -> Row:
    """Orders at their own pace, whether or not the one before has been answered."""
    taken: list[float] = []
    count = int(SUBMITS_A_SECOND * seconds)
    async with connected(port, 16) as clients:
        free = asyncio.Queue[Client]()
        for client in clients:
            free.put_nowait(client)
        began = time.perf_counter()

        async def post(number: int) -> None:
            due = began + number / SUBMITS_A_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            asked = time.perf_counter()
            client = await free.get()
            await client.ask(submit(SYMBOLS[10 + number % 40], f"order-{number}"))
            taken.append(time.perf_counter() - asked)
            free.put_nowait(client)

        await asyncio.gather(*map(post, range(count)))
        lasted = time.perf_counter() - began
    measured = f"{count / lasted:,.0f} requests/s, p99 {p99(taken)}"
    return Row("order submit", measured, "p99 < 5 ms at 200/s")


def p99(seconds: list[float]) -> str:
    """The 99th percentile in milliseconds."""
    return f"{statistics.quantiles(seconds, n=100)[98] * 1000:.2f} ms"


def replay(hours: MarketHours) -> list[Row]:
    """Every minute of every symbol walked for an order that rests in it. In memory, no wire."""
    sessions = hours.sessions_before(at_new_york(SESSION, 0, 0), REPLAYED_DAYS)
    tape = SyntheticTape(SYMBOLS, hours, seed=SEED)
    fresh = seconds_of(lambda: walk(Market(tape, hours), sessions))
    market = Market(tape, hours)
    kept = sum(seconds_of(lambda: walk(market, sessions)) for _ in range(REPLAYS))
    minutes = len(SYMBOLS) * sum(
        int((it.close_at - it.open_at) / timedelta(minutes=1)) for it in sessions
    )
    return [
        Row("replay", pace(minutes * REPLAYS, kept), "1,000,000 in < 10 s"),
        Row("replay, the synthetic tape made on the way", pace(minutes, fresh)),
    ]


def walk(market: Market, sessions: Sequence[Session]) -> None:
    """One account's way through these sessions."""
    now = [sessions[0].open_at - timedelta(minutes=30)]
    venue = Venue(market, lambda: now[0], cash=Decimal(1_000_000), seed=SEED)
    for symbol in SYMBOLS:
        venue.submit(a_far_limit(symbol))
    for session in sessions:
        now[0] = session.close_at
        venue.catch_up()


def seconds_of(work: Callable[[], None]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pace(minutes: int, seconds: float) -> str:
    """Symbol-minutes in all and in a second."""
    return f"{minutes:,} symbol-minutes in {seconds:.1f} s, {minutes / seconds:,.0f}/s"


def a_far_limit(symbol: str) -> OrderRequest:
    """A buy that rests and never fills."""
    return OrderRequest(
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(1),
        time_in_force=TimeInForce.GTC,
    )


async def fill_memory(port: int) -> None:
    """All the history that a client may want: 400 days of days and 10 of minutes."""
    days = (SESSION - timedelta(days=400)).isoformat()
    minutes = (SESSION - timedelta(days=14)).isoformat()
    async with connected(port, 1) as [client]:
        for symbol in SYMBOLS:
            for timeframe, start in (("1Day", days), ("1Min", minutes)):
                path = f"/v2/stocks/{symbol}/bars?timeframe={timeframe}&start={start}&limit=10000"
                assert json.loads(await client.ask(get(path)))["bars"]


def resident(process: subprocess.Popen[str]) -> int:
    """The memory of a process in MiB."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return math.ceil(int(found[1]) / 1024) if found else 0


async def over_the_wire(process: subprocess.Popen[str], port: int, seconds: float) -> list[Row]:
    """What a client sees."""
    async with connected(port, 1) as [client]:
        await client.ask(get(f"/v2/stocks/snapshots?symbols={','.join(SYMBOLS)}"))  # warm
        for symbol in SYMBOLS[:10]:
            await client.ask(submit(symbol, symbol))
    rows = []
    for what, path in READS.items():
        row = await read_as_fast_as_possible(port, path, seconds)
        rows.append(Row(what, row.measured, row.goal))
    rows.append(await submit_steadily(port, seconds))
    await fill_memory(port)
    used = f"{resident(process)} MiB"
    return [*rows, Row("memory: 50 symbols, 400 days, 10 of minutes", used, "< 200 MiB")]


def served() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The exchange as a process of its own."""
    arguments = ["--port", "0", "--synthetic", ",".join(SYMBOLS), "--session", str(SESSION)]
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "embedded.exchange",
            *arguments,
            "--at",
            "11:00",
            "--seed",
            str(SEED),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    line = process.stdout.readline()
    found = re.search(r"127\.0\.0\.1:(\d+)", line)
    assert found, line
    try:
        yield process, int(found[1])
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    seconds = parser.parse_args().seconds
    hours = MarketHours.load(ROOT / "data" / "session_table.csv", Timetable())
    rows = replay(hours)
    for process, port in served():
        rows += asyncio.run(over_the_wire(process, port, seconds))
    print(f"embedded exchange, {datetime.now().astimezone():%Y-%m-%d}, seed {SEED}\n")
    print("| what | measured | goal |\n|---|---|---|")
    for row in rows:
        print(f"| {row.what} | {row.measured} | {row.goal} |")


if __name__ == "__main__":
    main()
