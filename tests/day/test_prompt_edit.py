"""The strategy is edited while the real processes live through a recorded day."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.day.runs import Run

pytestmark = pytest.mark.services

DAY, PATIENCE_SECONDS = "2013-10-07", 240
BROKEN = 'SYSTEM_PROMPT = """half of'


def cycles_of(run: Run) -> int:
    """How many cycles the running day has written down."""
    try:
        return len(run.history(f"log/{DAY}/decisions.jsonl").splitlines())
    except FileNotFoundError:
        return 0


def test_an_edit_counts_from_the_next_cycle_and_a_syntax_error_never(
    market_data: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    told = ["simulate", "--date", DAY, "--data", str(market_data), "--out", str(home), "--json"]
    with subprocess.Popen(
        [sys.executable, str(ROOT / "active_trader.py"), *told],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as day:
        run = Run(0, home, "", "")
        deadline = time.monotonic() + PATIENCE_SECONDS
        prompt = home / "prompts" / "agent_prompt.py"
        for count, edit in ((3, ""), (12, BROKEN)):
            while cycles_of(run) < count:
                assert day.poll() is None, day.stdout.read() if day.stdout else ""
                assert time.monotonic() < deadline
                time.sleep(0.02)
            shipped = prompt.read_text(encoding="utf-8")
            eager = shipped.replace("ENTRY_STRENGTH: 0.35", "ENTRY_STRENGTH: 0.05")
            new = prompt.with_name("new")
            new.write_text(edit or eager, encoding="utf-8")
            os.replace(new, prompt)
        output = day.communicate(timeout=PATIENCE_SECONDS)[0]

    assert day.returncode == 0, output
    cycles = run.decisions(DAY)
    hashes = [cycle["prompt_hash"] for cycle in cycles]
    first, second = hashes[0], hashes[-1]
    assert hashes == [first] * hashes.count(first) + [second] * hashes.count(second)
    assert first != second
    assert 3 <= hashes.count(first) < 12
    texts = {
        of: "\n".join(cycle["text"] for cycle in cycles[1:15] if cycle["prompt_hash"] == of)
        for of in hashes
    }
    assert "is below 0.35" in texts[first]
    assert "is below 0.05" not in texts[first]
    assert "is below 0.05" in texts[second]
    assert "is below 0.35" not in texts[second]
    log = (home / "logs" / "active_trader_stdout.log").read_text(encoding="utf-8")
    assert log.count("the prompt stays as it was") == 1
