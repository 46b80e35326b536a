"""A trading day on which something fails or is edited: what it comes to, and that it comes back."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doubles import CITED, RISK, FakeTools, a_position, calls, says
from tests.unit.test_trading_day import World
from tools.core.errors import ModelOutOfCredit, ModelUnavailable, Unavailable
from tools.core.safety import TradingState
from tools.core.seams import ModelTurn, ToolResult
from tools.journal import history

pytestmark = pytest.mark.anyio

ENTRY = ("place_order", {"symbol": "SPY", "confidence": 0.8, "reason": "breakout", **CITED})
OPEN, NOON = "25T09:29", "25T12:00"
type Messages = Sequence[Mapping[str, Any]]


@pytest.fixture
def here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> World:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr("agent.prompt_file.SETTLE_SECONDS", 0)
    world = World(tmp_path, OPEN, NOON)
    own = tmp_path / "agent_prompt.py"
    own.write_text(prompt("be careful"), encoding="utf-8")
    object.__setattr__(world.options, "prompt_file", own)
    return world


def prompt(words: str) -> str:
    return f"SYSTEM_PROMPT = {words!r}\nCYCLE_PROMPT = 'Decide.'\n"


def records(here: World) -> list[dict[str, Any]]:
    folder = here.options.agent_folder / "log" / "2026-11-25"
    return history.read(folder / "decisions.jsonl")


def rungs(here: World) -> list[str]:
    return [record["rung"] for record in records(here)]


def the_entry(messages: Messages) -> ModelTurn:
    """One entry a cycle, then the conclusion."""
    return says("done") if messages[-1]["role"] == "tool" else calls(ENTRY)


async def test_an_edit_of_the_prompt_counts_from_the_next_cycle_and_a_broken_one_never(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    def script(messages: Messages) -> ModelTurn:
        """Buys when told to, and edits the file while the day runs."""
        told, count = str(messages[0]["content"]), len(here.model.requests)
        if count == 2:
            here.options.prompt_file.write_text(prompt("buy now"), encoding="utf-8")
        if told == "buy now" and messages[-1]["role"] != "tool":
            here.options.prompt_file.write_text("SYSTEM_PROMPT = 'bu", encoding="utf-8")
            return calls(ENTRY)
        return says("done")

    here.model._script = script
    await here.live()
    cycles = records(here)
    hashes = [record["prompt_hash"] for record in cycles]
    assert hashes[0] == hashes[1] != hashes[2]
    assert set(hashes[2:]) == {hashes[2]}
    assert [bool(record["decisions"]) for record in cycles[:4]] == [False, False, True, True]
    assert {one["prompt_hash"] for one in here.tools.named("place_order")} == {hashes[2]}
    assert caplog.text.count("the prompt stays as it was") == 1
    assert here.status()["prompt_hash"] == hashes[2]


async def test_without_a_model_the_book_is_looked_after_and_the_model_comes_back(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    here.tools.answers["get_positions"] = {"positions": [a_position("SPY")]}
    mended = here.clock.now() + timedelta(minutes=61)

    def script(_: Messages) -> ModelTurn:
        if here.clock.now() < mended:
            raise ModelUnavailable("no answer within 60 s")
        return says("HOLD SPY: fine")

    here.model._script = script
    await here.live()
    assert rungs(here)[:4] == ["FULL", "FULL", "MANAGE_ONLY", "MANAGE_ONLY"]
    skipped = [one for one in records(here) if one["states"] == ["PERCEPTION", "LEARNING"]]
    assert len(skipped) > 5
    assert all(one["positions"] and not one["model"]["calls"] for one in skipped)
    assert rungs(here)[-1] == "FULL"
    lines = [one.getMessage() for one in caplog.records if "ladder: " in one.getMessage()]
    assert [line.partition(":")[2].split(":")[0] for line in lines if "SLEEP" not in line] == [
        " down from FULL to MANAGE_ONLY",
        " up from MANAGE_ONLY to NO_NEW_ENTRIES",
        " up from NO_NEW_ENTRIES to FULL",
    ]


async def test_out_of_credit_is_manage_only_at_once_and_told_everywhere(here: World) -> None:
    def script(_: Messages) -> ModelTurn:
        raise ModelOutOfCredit("402 Insufficient Balance")

    here.model._script = script
    await here.live()
    assert rungs(here)[0] == "MANAGE_ONLY"
    assert here.status()["rung"] == here.health.rung == "MANAGE_ONLY"
    assert here.status()["rung_reasons"] == ["the model is not to be had: 402 Insufficient Balance"]


async def test_while_trading_is_halted_no_model_is_asked(here: World) -> None:
    here.routes.desk = type(here.routes.desk)(trading_state=TradingState.HALTED, reason="kill")
    await here.live()
    assert here.model.requests == []
    assert set(rungs(here)) == {"MANAGE_ONLY"}


async def test_while_trading_is_reducing_the_model_is_told_and_nothing_is_entered(
    here: World,
) -> None:
    here.model._script = the_entry
    here.routes.desk = type(here.routes.desk)(
        trading_state=TradingState.REDUCING, reason="entries are closed: the clock"
    )
    await here.live()
    assert here.tools.named("place_order") == []
    view = json.loads(str(here.model.requests[0][1]["content"]).split("<snapshot>")[1][:-11])
    assert view["no_entries"] == "trading is REDUCING: entries are closed: the clock"
    assert view["session"]["entries_open"] is False


async def test_a_data_server_that_is_away_leaves_the_book_known(here: World) -> None:
    here.tools.answers["get_positions"] = {"positions": [a_position("SPY")]}
    here.tools.answers["get_trading_signals"] = Unavailable("alpaca-data: connection refused")
    await here.live()
    assert set(rungs(here)) == {"MANAGE_ONLY"}
    assert all(record["positions"] for record in records(here))
    assert here.model.requests == []


async def test_three_failed_cycles_pause_entries_until_a_good_one(here: World) -> None:
    here.model._script = the_entry
    failing = iter([KeyError("x")] * 3)

    def risk(**_: object) -> Mapping[str, Any]:
        if error := next(failing, None):
            raise error
        return RISK

    here.tools.answers["get_risk_status"] = risk
    await here.live()
    assert rungs(here)[:5] == ["FULL", "FULL", "NO_NEW_ENTRIES", "FULL", "FULL"]
    assert here.routes.reported[:5] == ["KeyError: 'x'"] * 3 + [None] * 2
    fourth, fifth = records(here)[3:5]
    assert "no new entries: 3 cycles in a row failed" in str(fourth["verdicts"])
    assert fifth["verdicts"][0]["approved"]


async def test_each_state_of_a_cycle_is_shown_while_it_lasts(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[object] = []

    def script(_: Messages) -> ModelTurn:
        seen.append((here.status()["cycle_state"], here.health.cycle_state))
        return says("done")

    here.model._script = script
    await here.live()
    assert seen[0] == ("REASONING", "REASONING")
    assert here.status()["cycle_state"] == "IDLE"
    assert "cycle #1: RISK_CHECK" in caplog.text


async def test_a_refused_entry_is_not_proposed_again_at_once(here: World) -> None:
    here.model._script = the_entry
    here.tools.answers["preview_order"] = {
        "approved": False,
        "quantity": 0,
        "denials": [{"reason": "stop", "message": "too far"}],
    }
    await here.live()
    assert [len(record["decisions"]) for record in records(here)[:4]] == [1, 0, 1, 0]
    told = str(here.model.requests[2][1]["content"])
    assert '"left_alone":{"SPY":"refused (too far); not again before' in told
    refusal = str(here.model.requests[3][-1]["content"])
    assert refusal.startswith("error: SPY is left alone: refused (too far)")


async def test_a_symbol_whose_analysis_fails_is_left_out_for_a_while(here: World) -> None:
    class Picky(FakeTools):
        async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
            asked = arguments.get("symbols", ())
            if "QQQ" in asked:
                self.calls.append((name, dict(arguments)))
                return ToolResult(text="no bars", is_error=True)
            self.answers["get_trading_signals"] = {"signals": [{"symbol": one} for one in asked]}
            return await super().call(name, arguments)

    here.tools = Picky()
    await here.live()
    asked = [one["symbols"] for one in here.tools.named("get_trading_signals")]
    assert asked[:12] == [["SPY", "QQQ"], ["SPY"], ["QQQ"]] * 3 + [["SPY"]] + [
        *(["SPY", "QQQ"], ["SPY"]),
    ]


async def test_systemd_is_told_in_words(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("agent.status.sd_notify", told.append)
    here.tools.answers["get_positions"] = {"positions": [a_position("SPY")]}
    here.routes.desk = type(here.routes.desk)(reconciled=False)
    await here.live()
    assert told[0] == "STATUS=preparing, the market opens Wed 09:30 ET"
    assert told[-1] == (
        "STATUS=degraded: NO_NEW_ENTRIES: the books are not reconciled with the broker"
        " (cycle 31, 1 position)"
    )


async def test_a_trade_server_whose_clock_is_off_gets_no_entries(here: World) -> None:
    here.routes.desk = type(here.routes.desk)(at=here.clock.now() - timedelta(seconds=3))
    await here.live()
    assert set(rungs(here)) == {"NO_NEW_ENTRIES"}
    assert "s from ours" in str(here.status()["rung_reasons"])


async def test_a_server_that_is_away_before_the_open_is_an_alert(
    here: World, caplog: pytest.LogCaptureFixture
) -> None:
    here.clock._now -= timedelta(hours=1)
    why = Unavailable("alpaca-data: connection refused; start it with: python -m x")
    here.tools.connections = [20, why]
    await here.live()
    alerts = [one.getMessage() for one in caplog.records if hasattr(one, "alert")]
    assert alerts[0].startswith("server down, and no more waiting for it: alpaca-data")
