"""Half days, holidays, week-ends, several days."""

from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.day.runs import in_new_york, simulate

pytestmark = pytest.mark.services


def test_a_half_day_is_flattened_five_minutes_before_its_own_close(tmp_path: Path) -> None:
    run = simulate(tmp_path / "home", "--date", "2026-11-27", "--synthetic", "AAPL,NVDA", "--json")

    assert run.status == 0, run.errors
    assert in_new_york(run.report["session_close"]) == "13:00"
    assert in_new_york(run.report["flatten_at"]) == "12:55"
    assert run.instant("flat_at") <= run.instant("flatten_at") + timedelta(minutes=1)
    assert len(run.output.splitlines()) == 1


@pytest.mark.parametrize("day", ["2026-11-26", pytest.param("2026-11-28", marks=pytest.mark.long)])
def test_a_closed_day_is_slept_through(tmp_path: Path, day: str) -> None:
    run = simulate(tmp_path / "home", "--date", day, "--synthetic", "AAPL")

    assert run.status == 0, run.errors
    assert (run.report["cycles"], run.report["orders"]) == (0, 0)
    assert run.report["session_open"] is None
    assert "Sleep mode active" in run.output
    assert "TRADING CYCLE" not in run.output


@pytest.mark.long
def test_a_range_of_days_is_one_world_with_a_report_for_each_session(tmp_path: Path) -> None:
    live = tmp_path / "live"
    (live / "configs").mkdir(parents=True)
    config = (ROOT / "configs" / "default_config.json").read_text(encoding="utf-8")
    days = config.replace('"2025-11-05"', '"2026-11-25"', 1).replace('"2025-11-05"', '"2026-11-28"')
    (live / "configs" / "default_config.json").write_text(days, encoding="utf-8")

    run = simulate(tmp_path / "home", "--synthetic", "AAPL", "--json", live_home=live)

    assert run.status == 0, run.errors
    assert [day["date"] for day in run.report["days"]] == ["2026-11-25", "2026-11-27"]
    assert run.report["cycles"] == sum(day["cycles"] for day in run.report["days"])
    numbers = [c["cycle"] for day in ("2026-11-25", "2026-11-27") for c in run.decisions(day)]
    assert numbers == list(range(1, run.report["cycles"] + 1))
