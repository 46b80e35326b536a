"""Recorded days, lived through by the real processes."""

import csv
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from tests.day.conftest import RunDay
from tests.day.runs import DAYS, both_cores_loaded, simulate

pytestmark = pytest.mark.services

ONE_DAY = "2013-10-07"
ABSURD_FROM = "16:00:00Z"  # noon in New York


@pytest.mark.parametrize(
    "day", [pytest.param(day, marks=[pytest.mark.long] * (day != ONE_DAY)) for day in DAYS]
)
def test_a_recorded_day_ends_flat_in_time(recorded: RunDay, day: str) -> None:
    run = recorded(day)

    assert run.status == 0, run.errors
    report = run.report
    assert report["flat"]
    assert report["date"] == day
    assert report["cycles"] == len(run.decisions(day)) >= 39
    assert report["trades"] == len(run.history(f"trades/{day}_trades.jsonl").splitlines())
    assert run.instant("flatten_at") == run.instant("session_close") - timedelta(minutes=5)
    assert run.instant("flat_at") <= run.instant("flatten_at") + timedelta(minutes=1)
    if report["last_entry_at"]:
        entries_end = run.instant("session_close") - timedelta(minutes=15)
        assert run.instant("last_entry_at") < entries_end + timedelta(minutes=1)


@pytest.mark.long
def test_there_is_a_round_trip_on_at_least_three_of_four_days(recorded: RunDay) -> None:
    assert sum(recorded(day).report["trades"] > 0 for day in DAYS) >= 3


def test_the_operator_sees_the_day(recorded: RunDay) -> None:
    run = recorded(ONE_DAY)

    for words in (
        "INTELLIGENT SLEEP MODE",
        "Sleeping until 09:25:00 AM ET (wake up 5 min before market)...",
        "Loaded 20 MCP tools",
        "TRADING CYCLE #1 - REGULAR SESSION",
        "END OF DAY POSITION CLOSE",
        "Status: FLAT (no positions)",
        f"Total trades: {run.report['trades']}",
        "NOT A LANGUAGE MODEL",
    ):
        assert words in run.output, words


def test_the_same_seed_gives_the_same_bytes_also_on_a_loaded_machine(
    recorded: RunDay, market_data: Path, tmp_path: Path
) -> None:
    first = recorded(ONE_DAY)

    with both_cores_loaded():
        again = simulate(tmp_path / "home", "--date", ONE_DAY, "--data", str(market_data))

    assert again.status == 0, again.errors
    for name in (f"trades/{ONE_DAY}_trades.jsonl", f"log/{ONE_DAY}/decisions.jsonl"):
        assert again.history(name) == first.history(name)


@pytest.mark.long
def test_absurd_prices_in_the_future_change_nothing_before_they_come(
    recorded: RunDay, market_data: Path, tmp_path: Path
) -> None:
    tape = tmp_path / "tape"
    shutil.copytree(market_data, tape)
    for file in (tape / ONE_DAY).glob("*.csv"):
        plant_absurd_prices(file)

    canary = simulate(tmp_path / "home", "--date", ONE_DAY, "--data", str(tape))

    before = f"{ONE_DAY}T12:00"
    honest = [c for c in recorded(ONE_DAY).decisions(ONE_DAY) if c["at"] < before]
    warned = [c for c in canary.decisions(ONE_DAY) if c["at"] < before]
    later = [c for c in canary.decisions(ONE_DAY) if c["at"] >= before]
    assert warned == honest
    assert len(honest) > 10
    assert later != [c for c in recorded(ONE_DAY).decisions(ONE_DAY) if c["at"] >= before]


def plant_absurd_prices(file: Path) -> None:
    """Multiply every price from noon on by ten; sizes and volumes stay."""
    with file.open(encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text)
    prices = [n for n, name in enumerate(header) if n and not name.endswith(("size", "volume"))]
    for row in rows:
        if row[0] >= f"{ONE_DAY}T{ABSURD_FROM}":
            for n in prices:
                row[n] = str(round(float(row[n]) * 10, 4))
    with file.open("w", encoding="utf-8", newline="") as text:
        csv.writer(text, lineterminator="\n").writerows([header, *rows])
