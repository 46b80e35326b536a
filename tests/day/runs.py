"""Whole simulated days, run as an operator runs them."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

SIGNATURE = "deepseek-chat-v3.1"
DAYS = ("2013-10-04", "2013-10-07", "2013-10-08", "2013-10-09")


@dataclass(frozen=True)
class Run:
    """One finished `simulate`."""

    status: int
    home: Path
    output: str
    errors: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object of its last line."""
        report: dict[str, Any] = json.loads(self.output.splitlines()[-1])
        return report

    def instant(self, key: str) -> datetime:
        """A time of the report."""
        return datetime.fromisoformat(self.report[key])

    def history(self, name: str) -> bytes:
        """A file of the agent's folder."""
        return (self.home / "data" / "agent_data" / SIGNATURE / name).read_bytes()

    def decisions(self, day: str) -> list[dict[str, Any]]:
        """The cycles of `day`, each as it was recorded."""
        lines = self.history(f"log/{day}/decisions.jsonl").splitlines()
        return [json.loads(line) for line in lines]


def simulate(home: Path, *arguments: str, live_home: Path | None = None) -> Run:
    """`python active_trader.py simulate ... --out HOME`, to its end."""
    told = {"ACTIVE_TRADER_HOME": str(live_home)} if live_home else {}
    finished = subprocess.run(
        [
            sys.executable,
            str(ROOT / "active_trader.py"),
            "simulate",
            *arguments,
            "--out",
            str(home),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=os.environ | told,
    )
    return Run(finished.returncode, home, finished.stdout, finished.stderr)


@contextlib.contextmanager
def both_cores_loaded() -> Iterator[None]:
    """Keep every core busy with processes of no use."""
    count = os.cpu_count() or 2
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()


def in_new_york(text: str) -> str:
    """The wall time HH:MM of an ISO instant that carries New York's offset."""
    return f"{datetime.fromisoformat(text):%H:%M}"
