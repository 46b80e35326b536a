"""What a recorded day is traded again with."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from console.plan import Plan
from console.replay_other import OtherMind, other_day
from console.usage import UsageError
from tests.conftest import ROOT
from tools.core.errors import ConfigError
from tools.journal.day_record import DayRecord, record_path
from tools.settings import Settings, load

DAY = date(2026, 11, 27)
type PlanOf = Callable[..., Plan]

ACCOUNT = {"equity": 98_765.43, "cash": 98_765.43}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A home with a recorded day of nothing but an account."""
    shutil.copytree(ROOT / "prompts", tmp_path / "prompts")
    settings = load({"AGENT_MODE": "simulation", "ACTIVE_TRADER_HOME": str(tmp_path)})
    record = DayRecord(record_path(settings.agent_folder, DAY))
    record.append({"what": "call", "name": "get_account", "arguments": {}})
    record.append({"what": "result", "text": json.dumps(ACCOUNT), "data": True})
    record.close()
    return settings


class Asked(Exception):
    """Stands for the run; holds its plan."""


@pytest.fixture
def plan_of(monkeypatch: pytest.MonkeyPatch) -> PlanOf:
    """The plan that a request comes to."""

    async def no_run(plan: Plan) -> None:
        raise Asked(plan)

    monkeypatch.setattr("console.replay_other.run", no_run)
    monkeypatch.setenv("AGENT_MODE", "simulation")

    def plan(settings: Settings, prompt: Path | None = None, model: str | None = None) -> Plan:
        monkeypatch.setenv("ACTIVE_TRADER_HOME", str(settings.home))
        with pytest.raises(Asked) as asked:
            other_day(settings, DAY, OtherMind(prompt=prompt, model=model), None)
        found: Plan = asked.value.args[0]
        return found

    return plan


def made_from(settings: Settings, tape: Path | None) -> None:
    """Mark the home as a simulation's."""
    mark = {"tape": tape and str(tape), "symbols": ["AAPL", "NVDA"], "cash": "1", "seed": 7}
    (settings.home / "simulation.json").write_text(json.dumps(mark), encoding="utf-8")


def keep_bars(settings: Settings, on: str, *symbols: str) -> None:
    folder = settings.agent_folder / "tape" / on
    folder.mkdir(parents=True)
    for symbol in symbols:
        text = f"timestamp,open,high,low,close,volume\n{on}T14:30:00Z,50,51,49,50.5,1000\n"
        (folder / f"{symbol}.bars.csv").write_text(text, encoding="utf-8")


def test_a_simulated_day_is_made_from_the_same_market_with_the_same_money(
    settings: Settings, plan_of: PlanOf
) -> None:
    made_from(settings, None)
    plan = plan_of(settings, model="deepseek-pro")
    assert (plan.tape, plan.seed, plan.symbols) == (None, 7, ("AAPL", "NVDA"))
    assert plan.cash == Decimal("98765.43")
    assert [one["model"] for one in plan.config["models"] if "model" in one] == ["deepseek-pro"]
    assert plan.model_door == {}


def test_any_other_day_is_what_the_data_server_kept_up_to_that_day(
    settings: Settings, plan_of: PlanOf
) -> None:
    keep_bars(settings, "2026-11-25", "SPY")
    keep_bars(settings, str(DAY), "SPY", "ZZZ")
    keep_bars(settings, "2026-11-30", "SPY")
    plan = plan_of(settings, prompt=ROOT / "prompts" / "agent_prompt.py")
    assert plan.symbols == ("SPY", "ZZZ")
    assert plan.config["watchlist"] == ["SPY"]
    assert plan.prompt_file == ROOT / "prompts" / "agent_prompt.py"


def test_where_there_is_a_key_the_model_itself_is_asked(
    settings: Settings, plan_of: PlanOf
) -> None:
    made_from(settings, None)
    paid = replace(settings, model_key=SecretStr("a key"), model_url="https://model.example/v1")
    plan = plan_of(paid, model="deepseek-pro")
    assert plan.model_door == {
        "DEEPSEEK_API_KEY": "a key",
        "DEEPSEEK_BASE_URL": "https://model.example/v1",
    }
    assert "a key" not in json.dumps(plan.config)


def test_without_a_market_there_is_nothing_to_trade(settings: Settings) -> None:
    with pytest.raises(UsageError, match="nothing was kept of that day's market"):
        other_day(settings, DAY, OtherMind(prompt=None, model="m"), None)


def test_a_prompt_that_would_not_do_is_refused_before_anything_starts(
    settings: Settings, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text('SYSTEM_PROMPT = """half of', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"bad\.py:1"):
        other_day(settings, DAY, OtherMind(prompt=bad, model=None), None)
