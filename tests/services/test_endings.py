"""How programs end: by a signal, by a wrong setting, by a port that is taken."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.conftest import ROOT
from tests.day.runs import simulate
from tests.services.watching import ends, processes_of

pytestmark = pytest.mark.services


def test_a_torn_line_of_a_tape_is_named_and_nothing_runs(market_data: Path, tmp_path: Path) -> None:
    day = tmp_path / "tape" / "2013-10-07"
    day.mkdir(parents=True)
    whole = (market_data / "2013-10-07" / "SPY.bars.csv").read_text(encoding="utf-8")
    (day / "SPY.bars.csv").write_text(whole[: len(whole) // 2 - 3], encoding="utf-8")

    run = simulate(tmp_path / "home", "--date", "2013-10-07", "--data", str(day.parent))

    assert run.status == 78
    (line,) = run.errors.splitlines()
    assert "SPY.bars.csv" in line


def test_a_killed_starter_leaves_no_process_behind(tmp_path: Path) -> None:
    with asleep(tmp_path) as starter:
        children = processes_of(tmp_path)
        starter.kill()

        assert len(children) == 5
        assert all(ends(child) for child in children)


def test_ctrl_c_ends_every_process_and_says_so(tmp_path: Path) -> None:
    with asleep(tmp_path) as starter:
        children = processes_of(tmp_path)
        starter.send_signal(signal.SIGINT)
        _, errors = starter.communicate(timeout=30)

        assert starter.returncode == 130
        assert errors.splitlines()[-1].startswith("simulation interrupted")
        assert len(children) == 5
        assert all(ends(child) for child in children)


def test_the_death_of_one_process_ends_all_with_its_last_words(tmp_path: Path) -> None:
    with asleep(tmp_path) as starter:
        children = processes_of(tmp_path)
        (exchange,) = processes_of(tmp_path, running="embedded.exchange")
        signal.pidfd_send_signal(exchange, signal.SIGKILL)
        _, errors = starter.communicate(timeout=30)

        assert starter.returncode == 1
        assert "exchange ended with status -9; its last lines:\n" in errors
        assert "a simulation, not a broker" in errors
        assert ends(exchange)
        assert all(ends(child) for child in children)


def test_a_port_that_stays_taken_is_one_line_and_status_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "embedded.model", "--port", port]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert f"port {port} is taken" in run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("program", "named"),
    [
        (["active_trader.py"], "DEEPSEEK_API_KEY"),
        (["-m", "agent_tools.tool_alpaca_data"], "ALPACA_API_KEY and ALPACA_SECRET_KEY"),
        (["-m", "agent_tools.tool_alpaca_trade"], "ALPACA_API_KEY and ALPACA_SECRET_KEY"),
    ],
)
def test_paper_mode_without_keys_is_refused(tmp_path: Path, program: list[str], named: str) -> None:
    tokens = {f"MCP_{name}_TOKEN": "x" * 64 for name in ("DATA", "TRADE", "OPERATOR")}
    told = {"AGENT_MODE": "paper", "ACTIVE_TRADER_HOME": str(tmp_path), "PATH": os.defpath}
    run = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        env=told | tokens,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert run.returncode == 78
    (line,) = run.stderr.splitlines()
    assert line.startswith("configuration error: paper mode needs ")
    assert named in line


@contextlib.contextmanager
def asleep(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A simulation that has come to the trader's first sleep."""
    day = ("--date", "2026-11-27", "--synthetic", "AAPL", "--speed", "60")
    command = [sys.executable, str(ROOT / "active_trader.py"), "simulate", *day, "--out", str(home)]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as starter:
        assert starter.stdout
        try:
            next(line for line in starter.stdout if "Sleep mode active" in line)
            yield starter
        finally:
            starter.kill()
