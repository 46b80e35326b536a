"""The exchange as its own process: killed and restarted, asked by two at once, told the time."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT
from tools.schedule import session_table

pytestmark = pytest.mark.services

KEYS = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
ADMIN = {"Authorization": "Bearer T"}
BRACKET = {
    "symbol": "AAPL",
    "qty": "10",
    "side": "buy",
    "type": "market",
    "time_in_force": "day",
    "order_class": "bracket",
    "take_profit": {"limit_price": "9000"},
    "stop_loss": {"stop_price": "1"},
}
QUESTIONS = "/v2/account", "/v2/orders?status=all&nested=true", "/v2/positions", "/v2/watchlists"

READER = """
import sys, requests
from decimal import Decimal
session, url = requests.Session(), sys.argv[1]
session.headers.update({"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"})
print("ready", flush=True)
for _ in range(80):
    account = session.get(url + "/v2/account").json()
    shares = Decimal(account["long_market_value"])
    assert Decimal(account["equity"]) == Decimal(account["cash"]) + shares, account
    for entry in session.get(url + "/v2/orders?status=all&nested=true&limit=500").json():
        legs = [leg["status"] for leg in entry["legs"]]
        resting = {"filled": ["new", "held"], "canceled": ["canceled", "canceled"]}
        ended = ["canceled", "canceled"]
        assert legs in (resting.get(entry["status"], ["held", "held"]), ended), entry
"""


@dataclass
class Running:
    """An exchange and how to ask it."""

    process: subprocess.Popen[str]
    url: str

    def ask(self, path: str, body: object = None, **headers: str) -> Any:
        """GET, or POST with a body; the JSON of the answer."""
        verb = "GET" if body is None else "POST"
        answer = requests.request(
            verb, self.url + path, json=body, headers=headers or KEYS, timeout=20
        )
        return answer.json()

    def clock(self, body: object = None) -> Any:
        """`/sim/clock`."""
        return self.ask("/sim/clock", body, **ADMIN)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(session_table.table_text("2025-12-31"), encoding="utf-8")
    return path


@contextlib.contextmanager
def exchange(table: Path, *more: str) -> Iterator[Running]:
    """Alpaca's answers on AAPL and MSFT, on 2025-11-05 from 11:00; it is ended with SIGKILL."""
    session = ("--synthetic", "AAPL,MSFT", "--session", "2025-11-05", "--at", "11:00")
    options = ("--port", "0", "--table", str(table), "--admin-token", "T", *session, *more)
    process = subprocess.Popen(
        [sys.executable, "-m", "embedded.exchange", *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout
    with process.stdout as said:
        try:
            line = next((line for line in said if "http://" in line), "")
            assert line, "it ended before it served"
            url = "http://" + line.partition("http://")[2].split(",")[0]
            yield Running(process, url)
        finally:
            process.kill()
            process.wait()


def test_a_killed_exchange_goes_on_where_it_was(table: Path, tmp_path: Path) -> None:
    state = "--state", str(tmp_path / "account"), "--speed", "0", "--partial-fills", "0.5"
    with exchange(table, *state) as before:
        order = before.ask("/v2/orders", BRACKET)
        before.ask("/v2/watchlists", {"name": "mine", "symbols": ["MSFT"]})
        before.ask("/v2/orders", {**BRACKET, "client_order_id": "mine"})
        before.clock({"advance_to": "12:00"})
        assert before.ask("/v2/account")["cash"] != "100000"
        told = [before.ask(question) for question in QUESTIONS]
        before.process.send_signal(signal.SIGKILL)
    with exchange(table, *state) as after:
        assert after.clock()["now"] == "2025-11-05T17:00:00+00:00"
        assert [after.ask(question) for question in QUESTIONS] == told
        refused = after.ask("/v2/orders", {**BRACKET, "client_order_id": "mine"})
        assert refused["message"] == "client_order_id must be unique"
        assert after.ask("/v2/orders", BRACKET)["id"] != order["id"]


def test_another_worlds_state_is_refused(table: Path, tmp_path: Path) -> None:
    state = "--state", str(tmp_path / "account")
    with exchange(table, *state):
        pass
    options = "--synthetic", "AAPL,MSFT", "--session", "2025-11-05", "--table", str(table)
    command = [sys.executable, "-m", "embedded.exchange", *options, *state, "--seed", "2"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 78
    assert "is the account of another exchange (seed 1, not 2)" in ended.stderr


def test_two_who_ask_at_once_never_see_half_an_event(table: Path) -> None:
    with exchange(table, "--speed", "600") as running:
        command = [sys.executable, "-c", READER, running.url]
        readers = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        for reader in readers:
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
        sent = 0
        while any(reader.poll() is None for reader in readers):
            order = running.ask("/v2/orders", {**BRACKET, "qty": "1"})
            if sent % 3 == 2:
                requests.delete(f"{running.url}/v2/orders/{order['id']}", headers=KEYS, timeout=20)
            sent += 1
        assert [reader.communicate()[1] for reader in readers] == ["", ""]
        assert sent > 10


def test_time_flows_for_a_market_without_actors_and_stops_on_command(table: Path) -> None:
    with exchange(table, "--speed", "3600") as running:
        first = running.clock()["now"]
        assert first > "2025-11-05T16:00:00"
        paused = running.clock({"speed": 0})["now"]
        assert paused > first
        assert running.clock()["now"] == paused
        there = running.clock({"advance_to": "2025-11-05T16:30:00-05:00"})
        assert there["now"] == "2025-11-05T21:30:00+00:00"
        assert running.ask("/v2/clock")["is_open"] is False
        assert running.clock({"advance_to": "11:00"})["message"] == "that is in the past"


def test_strict_keys_and_the_admin_token(table: Path) -> None:
    strict = "--key", "K", "--secret", "S", "--strict-auth", "--speed", "0"
    with exchange(table, *strict) as running:
        assert Decimal(running.ask("/v2/account")["cash"]) == 100_000
        wrong = KEYS | {"APCA-API-SECRET-KEY": "other"}
        assert running.ask("/v2/account", **wrong) == {"message": "unauthorized."}
        assert running.ask("/sim/clock", **KEYS) == {"message": "unauthorized."}
        basic = requests.get(running.url + "/v2/account", auth=("K", "S"), timeout=20)
        assert basic.status_code == 200
