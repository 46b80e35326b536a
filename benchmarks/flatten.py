"""What getting flat costs: twenty positions at a broker that is 50 ms away.

`python -m benchmarks.flatten [--runs 5] [--positions 20] [--latency 0.05]`: a small broker in a
process of its own that answers each request after that time and fills at once, and the broker
adapter of the flatten program. In the same run, against the same broker, one close after the other
as a plain program does it: cancel all, list, then for each symbol a sale and a look. Each position
has its stop. Prints medians; the verification (two reads, two seconds apart) is the same for both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

from tools.alpaca_rest import RestBroker
from tools.core.session import Session
from tools.core.trading import OrderIntent, OrderType, Side
from tools.execution.flatten import READS_APART, flatten

GOAL_TIMES, GOAL_TRIPS = 8.0, 2.5
NOW = datetime.now(UTC)
SESSION = Session(
    on=NOW.date(),
    open_at=NOW - timedelta(hours=6),
    close_at=NOW + timedelta(hours=1),
    wake_at=NOW - timedelta(hours=7),
    entries_start_at=NOW - timedelta(hours=6),
    entries_end_at=NOW,
    flatten_at=NOW,
)


@dataclass
class Account:
    """Positions with their stops. `sold_at` is when the last share went."""

    latency: float
    held: dict[str, int] = field(default_factory=dict)
    stops: dict[str, str] = field(default_factory=dict)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    sold_at: float = 0.0

    def open(self, positions: int) -> None:
        """Start a run."""
        names = [f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(positions)]
        self.held = dict.fromkeys(names, 10)
        self.stops = {name: f"stop-{name}" for name in names}
        self.orders, self.requests, self.sold_at = {}, 0, 0.0

    def told(self) -> Any:
        """When the last share went, by the clock that all processes share; and the requests."""
        with self.lock:
            return {"sold_at": self.sold_at, "requests": self.requests}

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Any:
        """One request: HTTP status and what is said."""
        with self.lock:
            self.requests += 1
            match method, path:
                case "GET", "/v2/clock":
                    return 200, self._clock()
                case "GET", "/v2/positions":
                    return 200, [_position(name, shares) for name, shares in self.held.items()]
                case "GET", "/v2/orders":
                    return 200, [_order(s, "stop", "new", i) for s, i in self.stops.items()]
                case "GET", "/v2/orders:by_client_order_id":
                    known = self.orders.get(query["client_order_id"][0])
                    return (200, known) if known else (404, {"code": 40410000, "message": "none"})
                case "DELETE", "/v2/orders":
                    self.stops.clear()
                    return 207, []
                case "POST", "/v2/orders":
                    return self._sell(body)
        return 404, {"code": 40410000, "message": "endpoint not found."}

    def _sell(self, body: Any) -> Any:
        symbol, name = body["symbol"], body["client_order_id"]
        if symbol in self.stops:
            return 403, {"code": 40310000, "message": "insufficient qty available for order"}
        if name in self.orders:
            return 422, {"code": 40010001, "message": "client_order_id must be unique"}
        self.held.pop(symbol)
        self.sold_at = time.perf_counter()
        self.orders[name] = _order(symbol, body["type"], "filled", name)
        return 200, _order(symbol, body["type"], "pending_new", name)

    def _clock(self) -> Any:
        return {
            "timestamp": datetime.now(UTC).isoformat(),
            "is_open": True,
            "next_open": (NOW + timedelta(hours=18)).isoformat(),
            "next_close": SESSION.close_at.isoformat(),
        }


def main(runs: int, positions: int, latency: float) -> int:
    """Print both ways beside each other; 0 when the goals are reached."""
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, load {os.getloadavg()[0]:.1f}")
    command = [sys.executable, "-m", "benchmarks.flatten", "--serve", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        url = server.stdout.readline().strip()
        broker = RestBroker(key="k", secret="s", url=url)
        try:
            rows = [
                (measure(url, broker, positions, ours), measure(url, broker, positions, plain))
                for _ in range(runs)
            ]
        finally:
            server.terminate()
    return report(rows, positions, latency)


def measure(
    url: str, broker: RestBroker, positions: int, close: Callable[[RestBroker], None]
) -> tuple[float, float, int]:
    """Seconds to the last share sold, seconds to verified flat, requests."""
    urlopen(f"{url}/open?positions={positions}").read()
    began = time.perf_counter()
    close(broker)
    ended = time.perf_counter()
    told = json.loads(urlopen(f"{url}/told").read())
    return told["sold_at"] - began, ended - began, told["requests"]


def ours(broker: RestBroker) -> None:
    """The flatten."""
    done = flatten(
        broker, session=SESSION, now=lambda: datetime.now(UTC), wait=_wait, caller="benchmark"
    )
    assert done.flat, done


def plain(broker: RestBroker) -> None:
    """One after the other, then the same two reads."""
    broker.cancel_all()
    assert not broker.open_orders()
    for position in broker.positions():
        name = f"plain-{position.symbol}"
        broker.submit(
            OrderIntent(
                client_order_id=name,
                symbol=position.symbol,
                side=Side.SELL,
                quantity=position.quantity,
                order_type=OrderType.MARKET,
            )
        )
        order = broker.order_by_client_id(name)
        assert order is not None
        assert not order.open
    asked = datetime.now(UTC)
    assert not broker.positions()
    assert not broker.open_orders()
    _wait(asked + READS_APART)
    assert not broker.positions()
    assert not broker.open_orders()


def report(
    rows: list[tuple[tuple[float, float, int], tuple[float, float, int]]],
    positions: int,
    latency: float,
) -> int:
    """Medians, in seconds and in round trips."""
    wait = READS_APART.total_seconds()
    print(f"{positions} positions with stops, {latency * 1000:.0f} ms a request, {len(rows)} runs")
    for name, row in (("flatten", [a for a, _ in rows]), ("one by one", [b for _, b in rows])):
        sold, flat = (statistics.median(one[n] for one in row) for n in (0, 1))
        print(
            f"{name}: all sold after {sold:.3f} s ({sold / latency:.1f} round trips),"
            f" verified flat after {flat:.3f} s"
            f" ({(flat - wait) / latency:.1f} round trips and {wait:.0f} s), {row[0][2]} requests"
        )
    whole = statistics.median((b[1] - wait) / (a[1] - wait) for a, b in rows)
    times = statistics.median(b[0] / a[0] for a, b in rows)
    trips = statistics.median((a[1] - wait) / latency for a, _ in rows)
    print(f"sold {times:.1f} times faster (goal {GOAL_TIMES:.0f}), verified {whole:.1f} times")
    print(f"verified flat after {trips:.1f} round trips and the wait (goal {GOAL_TRIPS})")
    return 0 if times >= GOAL_TIMES and trips < GOAL_TRIPS else 1


def _wait(until: datetime) -> None:
    threading.Event().wait(max(0.0, (until - datetime.now(UTC)).total_seconds()))


def serve(latency: float) -> None:
    """Be the broker, until told to end."""
    account = Account(latency)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            """The way there, the work, the way back; the benchmark's own questions cost nothing."""
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            query = parse_qs(parts.query)
            if parts.path == "/open":
                account.open(int(query["positions"][0]))
            elif parts.path != "/told":
                threading.Event().wait(latency / 2)
                self._say(*account.answer(self.command, parts.path, query, body))
                return
            self._say(200, account.told(), at_once=True)

        def _say(self, status: int, said: Any, *, at_once: bool = False) -> None:
            if not at_once:
                threading.Event().wait(latency / 2)
            text = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = handle_any

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def _position(symbol: str, shares: int) -> Any:
    return {
        "symbol": symbol,
        "qty": str(shares),
        "avg_entry_price": "100",
        "current_price": "100",
        "lastday_price": "100",
    }


def _order(symbol: str, kind: str, status: str, name: str) -> dict[str, Any]:
    done = status == "filled"
    return {
        "id": f"id-{name}",
        "client_order_id": name,
        "symbol": symbol,
        "side": "sell",
        "type": kind,
        "order_class": "simple",
        "status": status,
        "qty": "10",
        "filled_qty": "10" if done else "0",
        "filled_avg_price": "100" if done else None,
        "limit_price": None,
        "stop_price": "90" if kind == "stop" else None,
        "submitted_at": NOW.isoformat(),
        "filled_at": NOW.isoformat() if done else None,
        "legs": None,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flatten")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--positions", type=int, default=20)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.latency)
    raise SystemExit(main(given.runs, given.positions, given.latency))
