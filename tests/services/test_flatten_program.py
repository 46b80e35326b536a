"""The flatten program as a process. Nothing else of ours is alive: there is only the exchange."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import ROOT
from tools.schedule import session_table

pytestmark = pytest.mark.services

KEYS = {"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
ADMIN = {"Authorization": "Bearer T"}
PROGRAM = "-m", "tools.execution.flatten_program"


@dataclass
class World:
    """An exchange, and a home in which nothing but the flatten program has ever run."""

    url: str
    home: Path

    def ask(self, path: str, body: object = None, **headers: str) -> Any:
        verb = "GET" if body is None else "POST"
        return requests.request(
            verb, self.url + path, json=body, headers=headers or KEYS, timeout=20
        ).json()

    def at(self, clock: str) -> None:
        answer = self.ask("/sim/clock", {"advance_to": f"2025-11-05T{clock}-05:00"}, **ADMIN)
        assert "now" in answer, answer

    def hold(self, *symbols: str) -> None:
        """Ten shares of each, with both exits."""
        for symbol in symbols:
            bracket = {
                "symbol": symbol,
                "qty": "10",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
                "order_class": "bracket",
                "take_profit": {"limit_price": "9000"},
                "stop_loss": {"stop_price": "1"},
            }
            self.ask("/v2/orders", bracket)
        assert {one["symbol"] for one in self.held()} == set(symbols)

    def held(self) -> Any:
        return self.ask("/v2/positions")

    def fault(self, what: object, **where: str) -> None:
        self.ask("/sim/faults", {"where": where, "what": what, "times": None}, **ADMIN)

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        told = {
            "PATH": os.environ["PATH"],
            "ACTIVE_TRADER_HOME": str(self.home),
            "AGENT_MODE": "simulation",
            "ALPACA_TRADING_URL": self.url,
            "ALPACA_TRADE_MCP_PORT": "1",
            "MCP_OPERATOR_TOKEN": "nobody",
        }
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=told | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def certificates(self) -> list[dict[str, Any]]:
        path = self.home / "data" / "agent_data" / "deepseek-chat-v3.1" / "certificates.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    path.write_text(session_table.table_text("2026-12-31"), encoding="utf-8")
    return path


@pytest.fixture
def world(table: Path, tmp_path: Path) -> Iterator[World]:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "session_table.csv").write_bytes(table.read_bytes())
    with _exchange(table) as url:
        yield World(url, tmp_path)


@contextlib.contextmanager
def _exchange(table: Path) -> Iterator[str]:
    day = "--synthetic", "AAPL,MSFT", "--session", "2025-11-05", "--at", "11:00"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "embedded.exchange", "--port", "0", *day),
            *("--table", str(table), "--admin-token", "T", "--speed", "1"),
        ],
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
            yield "http://" + line.partition("http://")[2].split(",")[0]
        finally:
            process.kill()
            process.wait()


def test_a_service_that_stays_down_leaves_nothing_held_and_the_switch_pulled(world: World) -> None:
    world.hold("AAPL", "MSFT")
    ended = world.run(*PROGRAM, "failure", "alpaca-trade")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert world.held() == []
    assert world.ask("/v2/orders?status=open") == []
    latch = json.loads((world.home / "data" / "latches" / "kill").read_text())
    assert latch["reason"] == "alpaca-trade stays down"
    (line,) = world.certificates()
    assert (line["flat"], line["caller"], line["session"]) == (True, "failure", "2025-11-05")
    assert {one["symbol"] for one in line["exits"]} == {"AAPL", "MSFT"}
    assert "FLAT" in ended.stdout.splitlines()


def test_the_timer_waits_for_the_others_then_sells_and_certifies_the_close(world: World) -> None:
    world.hold("AAPL")
    world.at("15:56:30")
    assert world.run(*PROGRAM, "timer").returncode == 0
    assert [one["symbol"] for one in world.held()] == ["AAPL"]

    world.at("15:57:01")
    ended = world.run(*PROGRAM, "timer")
    assert (ended.returncode, world.held()) == (0, []), ended.stdout
    assert "sell 10 AAPL" in ended.stdout

    world.at("16:01:00")
    assert world.run(*PROGRAM, "timer").returncode == 0
    flatten, close = world.certificates()
    assert (flatten["occasion"], close["occasion"]) == ("flatten", "close")
    assert close["flat"]
    assert not (world.home / "data" / "latches").exists()


def test_an_operator_gets_flat_with_all_services_dead_and_a_broken_configuration(
    world: World,
) -> None:
    (world.home / "configs").mkdir()
    broken = '{"flatten_exempt_symbols": ["MSFT",], "models": [{"name"'
    (world.home / "configs" / "default_config.json").write_text(broken)
    world.hold("AAPL", "MSFT")
    world.fault({"kind": "status", "status": 500}, path="/v2/orders:by_client_order_id")
    ended = world.run("active_trader.py", "flatten", "--reason", "a test")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1] == "FLAT"
    assert "sell 10 AAPL" in ended.stdout
    assert [one["symbol"] for one in world.held()] == ["MSFT"]
    (line,) = world.certificates()
    assert line["left_alone"] == {"MSFT": "10"}


def test_an_operator_is_told_that_a_closed_market_takes_nothing(world: World) -> None:
    world.hold("AAPL")
    world.at("16:30:00")
    ended = world.run("active_trader.py", "flatten")
    assert ended.returncode == 1
    assert "the market is closed: nothing can be sold now" in ended.stdout
    assert [one["symbol"] for one in world.held()] == ["AAPL"]


def test_without_a_key_it_says_so(tmp_path: Path) -> None:
    told = {"ACTIVE_TRADER_HOME": str(tmp_path), "AGENT_MODE": "paper"}
    ended = World("", tmp_path).run(*PROGRAM, "timer", **told, ALPACA_TRADING_URL="")
    assert ended.returncode == 78
    assert ended.stdout == (
        "configuration error: paper mode needs ALPACA_API_KEY and ALPACA_SECRET_KEY\n"
    )
