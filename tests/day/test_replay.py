"""A day lived by the real processes, recorded; lived again; and traded by another prompt."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.day.runs import SIGNATURE, Run, simulate
from tools.core.session import Timetable
from tools.journal.day_record import read_record, record_path
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.simulation.recorded import BARS
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.tape import Candle

pytestmark = pytest.mark.services

DAY = date(2026, 11, 27)  # a half day
SYMBOLS = ("AAPL", "NVDA")
PLANTED_AT, PLANTED_CENTS = at_new_york(DAY, 11, 0), 777_777
PLANTED = ("7777.77", "7777.8")
"""How a price of that day shows wherever it is told."""


def write_tape(folder: Path) -> None:
    """The seeded market of the day and of the week before, as recorded files."""
    hours = MarketHours.load(ROOT / "data" / "session_table.csv", Timetable())
    market = SyntheticTape(SYMBOLS, hours)
    for on in (DAY - timedelta(days=back) for back in range(9)):
        for symbol in SYMBOLS:
            if found := market.day(symbol, on):
                write_bars(folder / str(on) / f"{symbol}.bars.csv", found.candles)


def write_bars(path: Path, candles: Sequence[Candle]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [
        f"{datetime.fromtimestamp(one.start).astimezone().isoformat()},"
        f"{one.open / 100},{one.high / 100},{one.low / 100},{one.close / 100},{one.volume}"
        for one in candles
    ]
    path.write_text("\n".join([",".join(BARS), *rows]) + "\n", encoding="utf-8")


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`python active_trader.py replay --date DAY ...` in `home`."""
    return subprocess.run(
        [sys.executable, str(ROOT / "active_trader.py"), "replay", "--date", str(DAY), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=os.environ | {"ACTIVE_TRADER_HOME": str(home)},
    )


@dataclass(frozen=True)
class Days:
    """The recorded day, and the one by another prompt over a tape with absurd prices from 11:00."""

    recorded: Run
    other: Run
    both: dict[str, Any]


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> Days:
    folder = tmp_path_factory.mktemp("replay")
    tape, home, other = folder / "tape", folder / "home", folder / "other"
    write_tape(tape)
    recorded = simulate(home, "--date", str(DAY), "--data", str(tape), "--json")
    assert recorded.status == 0, recorded.errors
    plant(tape)
    shipped = (home / "prompts" / "agent_prompt.py").read_text(encoding="utf-8")
    eager = folder / "eager.py"
    eager.write_text(shipped.replace("ENTRY_STRENGTH: 0.35", "ENTRY_STRENGTH: 0.05"), "utf-8")
    said = command(home, "--prompt", str(eager), "--out", str(other), "--json")
    assert said.returncode == 0, said.stderr
    return Days(recorded, Run(0, other, said.stdout, ""), json.loads(said.stdout))


def plant(tape: Path) -> None:
    """Absurd prices from 11:00 on."""
    for path in (tape / str(DAY)).glob("*.bars.csv"):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        price = str(PLANTED_CENTS / 100)
        for n, row in enumerate(rows):
            label, *_, volume = row.split(",")
            if datetime.fromisoformat(label) >= PLANTED_AT:
                rows[n] = ",".join([label, *[price] * 4, volume])
        path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def entries(run: Run) -> list[dict[str, Any]]:
    path = record_path(run.home / "data" / "agent_data" / SIGNATURE, DAY)
    return [dict(entry) for entry in read_record(path).entries]


def replayed(run: Run) -> tuple[int, dict[str, Any]]:
    finished = command(run.home, "--json")
    return finished.returncode, json.loads(finished.stdout)


def test_a_recorded_day_replays_to_identical_decisions_and_orders(days: Days) -> None:
    status, report = replayed(days.recorded)
    assert report["difference"] is None
    assert status == 0
    assert report["identical"]
    cycles = days.recorded.decisions(str(DAY))
    assert report["cycles"] == len(cycles) == days.recorded.report["cycles"] >= 20
    assert report["model_calls"] == days.recorded.report["model"]["calls"]
    assert report["decisions"] == sum(len(one["decisions"]) for one in cycles)
    sent = [v["client_order_id"] for one in cycles for v in one["verdicts"] if v["approved"]]
    assert report["orders"] == len(sent) >= 1
    assert (report["unrecorded"], report["unfinished"], report["torn"]) == ([], 0, "")


def test_the_other_day_replays_as_well(days: Days) -> None:
    status, report = replayed(days.other)
    assert (status, report["identical"]) == (0, True)


def test_another_prompt_is_another_day_side_by_side(days: Days) -> None:
    both = days.both
    assert both["recorded"]["prompt"] != both["other"]["prompt"]
    assert both["recorded"]["pnl"] == pytest.approx(days.recorded.report["pnl"], abs=1)
    assert both["other"]["flat"]
    assert any(row["recorded"] != row["other"] for row in both["decisions"])
    acted = [row["at"] for row in both["decisions"] if row["recorded"]]
    assert len(acted) == both["recorded"]["entries"] + both["recorded"]["exits"]


def test_a_planted_future_bar_is_never_visible(days: Days) -> None:
    before, after = 0, 0
    now = datetime.fromisoformat("2000-01-01T00:00+00:00")
    for entry in entries(days.other):
        if entry["what"] == "now":
            now = datetime.fromisoformat(entry["at"])
        shows = any(price in json.dumps(entry) for price in PLANTED)
        if now <= PLANTED_AT:
            assert not shows, f"{now}: {json.dumps(entry)[:500]}"
            before += 1
        after += shows
    assert before > 100
    assert after > 0


def test_what_was_read_before_a_planted_bar_is_what_was_read_without_it(days: Days) -> None:
    honest, warned = (signals(entries(run)) for run in (days.recorded, days.other))
    shared = [at for at in honest if at in warned and at <= PLANTED_AT]
    later = [at for at in honest if at in warned and at > PLANTED_AT]
    assert len(shared) > 5
    assert [honest[at] for at in shared] == [warned[at] for at in shared]
    assert [honest[at] for at in later] != [warned[at] for at in later]


def signals(lines: list[dict[str, Any]]) -> dict[datetime, str]:
    """What get_trading_signals answered first in each cycle, by the cycle's start."""
    found: dict[datetime, str] = {}
    started, asked = PLANTED_AT, False
    for line in lines:
        if line["what"] == "now":
            started = datetime.fromisoformat(line["at"])
        if asked:
            found.setdefault(started, line["text"])
        asked = line["what"] == "call" and line["name"] == "get_trading_signals"
    return found


def test_a_changed_line_and_a_torn_tail_show(days: Days, tmp_path: Path) -> None:
    path = record_path(days.recorded.home / "data" / "agent_data" / SIGNATURE, DAY)
    whole = path.read_bytes()
    try:
        path.write_bytes(whole[:-2000])
        status, report = replayed(days.recorded)
        assert (status, report["identical"]) == (0, True)
        assert report["torn"]
        assert report["unrecorded"]
        lines = gzip.decompress(whole).replace(b'\\"approved\\":true', b'\\"approved\\":null', 1)
        assert lines != gzip.decompress(whole)
        path.write_bytes(gzip.compress(lines))
        damaged = command(days.recorded.home)
        assert damaged.returncode == 1
        assert "is not the one that was written" in damaged.stderr
        assert len(damaged.stderr.splitlines()) == 1
    finally:
        path.write_bytes(whole)
