"""One cycle: what it shows the model, what it lets through, what it leaves behind."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.base_agent.base_agent import BaseAgent
from agent.base_agent.tickets import Outcome
from agent.cycle import Cycle, CycleReport
from agent.diary import Diary, decision_record
from agent.faults import TimeoutInSimulation
from agent.prompt_file import Prompt
from tests.builders import a_session
from tests.doubles import (
    CITED,
    FakeTools,
    JumpClock,
    ScriptedModel,
    a_position,
    calls,
    denied,
    says,
    some_options,
)
from tools.core.errors import ConfigError, ModelUnavailable, OutcomeUnknown, Unavailable
from tools.core.safety import Denial, DenialReason
from tools.core.seams import ModelTurn, ToolResult
from tools.journal import history

pytestmark = pytest.mark.anyio

PROMPT = Prompt(system="be brief", cycle="Decide.", hash="abc123")
ENTRY = ("place_order", {"symbol": "SPY", "confidence": 0.8, "reason": "breakout", **CITED})
ALL_STATES = ["PERCEPTION", "REASONING", "RISK_CHECK", "EXECUTION", "LEARNING"]


async def run(
    turns: Sequence[ModelTurn | Exception],
    tools: FakeTools | None = None,
    *,
    at: str = "10:30",
    simulated: bool = False,
    last_denials: Sequence[Outcome] = (),
    model: ScriptedModel | None = None,
) -> CycleReport:
    cycle = Cycle(
        clock=JumpClock(f"2013-10-07T{at}-04:00"),
        tools=tools or FakeTools(),
        agent=BaseAgent(model or ScriptedModel(turns), max_steps=30, call_deadline_seconds=5),
        watchlist=("SPY", "QQQ"),
        deadline_seconds=5,
        simulated_time=simulated,
    )
    return await cycle.run(145, a_session(), PROMPT, last_denials)


async def test_the_snapshot_ends_the_message_and_holds_what_a_decision_needs() -> None:
    model = ScriptedModel([says("wait")])
    tools = FakeTools(get_positions={"positions": [a_position("AMD")]})
    refusal = Outcome(
        decision_id="D-2013-10-07-144-1",
        symbol="TSLA",
        approved=False,
        denials=(Denial(reason=DenialReason.STOP, message="too far"),),
    )
    await run([], tools, model=model, last_denials=[refusal])
    system, user = model.requests[0]
    assert system["content"] == "be brief"
    head, _, tail = str(user["content"]).partition("<snapshot>")
    assert head == "Decide.\n"
    assert tail.endswith("</snapshot>")
    snapshot = json.loads(tail.removesuffix("</snapshot>"))
    assert list(snapshot) == [
        *("now", "session", "cycle", "account", "positions", "open_orders", "risk", "signals"),
        *("round_trips_today", "last_denials", "prices_at"),
    ]
    assert snapshot["now"] == "2013-10-07T10:30:00-04:00"
    assert snapshot["session"] == {
        "date": "2013-10-07",
        "closes_at": "2013-10-07T16:00:00-04:00",
        "entries_end_at": "2013-10-07T15:45:00-04:00",
        "flatten_at": "2013-10-07T15:55:00-04:00",
        "entries_open": True,
    }
    assert snapshot["last_denials"] == [{"symbol": "TSLA", "reason": "stop", "message": "too far"}]


async def test_signals_are_asked_for_the_watchlist_and_for_what_is_held() -> None:
    tools = FakeTools(get_positions={"positions": [a_position("AMD"), a_position("SPY")]})
    await run([says("wait")], tools)
    assert tools.named("get_trading_signals") == [{"symbols": ["SPY", "QQQ", "AMD"]}]


async def test_a_cycle_goes_through_its_states_and_sends_after_the_reasoning() -> None:
    tools = FakeTools()
    report = await run([calls(ENTRY), says("done")], tools)
    assert report.states == ALL_STATES
    assert [name for name, _ in tools.calls][-4:] == [
        *("place_order", "get_orders", "get_account", "get_positions"),
    ]
    assert report.outcomes[0].filled_quantity == 10
    assert report.error is None


async def test_the_record_holds_the_cycle_and_nothing_of_the_machine() -> None:
    turns = [calls(ENTRY), says("HOLD QQQ: no volume")]
    first, second = [decision_record(await run(turns)) for _ in range(2)]
    assert first == second
    assert list(first) == [
        *("session", "cycle", "at", "phase", "states", "rung", "decisions", "verdicts"),
        *("positions", "equity", "model", "text", "error", "prompt_hash", "next_cycle_at"),
    ]
    assert [(one["symbol"], one["action"]) for one in first["decisions"]] == [
        ("SPY", "buy"),
        ("QQQ", "hold"),
    ]
    assert first["verdicts"][0]["client_order_id"] == "AT-1-SPY"
    assert first["model"] == {
        **{"calls": 2, "prompt_tokens": 200, "completion_tokens": 20},
        **{"cached_tokens": 0, "cost_usd": 0, "served_by": []},
    }
    assert first["next_cycle_at"] == "2013-10-07T10:40:00-04:00"


async def test_a_server_that_is_away_skips_the_cycle_and_is_named() -> None:
    report = await run([], FakeTools(get_account=Unavailable("alpaca-trade: connection refused")))
    assert report.error == "alpaca-trade: connection refused"
    assert report.states == ["PERCEPTION"]
    assert decision_record(report)["equity"] is None


async def test_an_error_result_of_a_reading_skips_the_cycle_in_its_words() -> None:
    broken = ToolResult(text="the broker does not answer", is_error=True)
    report = await run([], FakeTools(get_risk_status=broken))
    assert report.error == "get_risk_status: the broker does not answer"


async def test_a_crash_in_a_cycle_stays_in_the_cycle() -> None:
    report = await run([], FakeTools(get_trading_signals={"nonsense": 1}))
    assert report.error == "KeyError: 'signals'"


async def test_unfinished_reasoning_sends_exits_but_no_entries() -> None:
    tools = FakeTools(get_positions={"positions": [a_position("AMD")]})
    exit_first = ("close_position", {"symbol": "AMD", "reason": "faded"})
    report = await run([calls(exit_first, ENTRY), ModelUnavailable("no answer")], tools)
    assert tools.named("place_order") == []
    assert [one["symbol"] for one in tools.named("close_position")] == ["AMD"]
    assert report.outcomes[1].denials[0].message == "the reasoning was not finished"
    assert report.error == "no answer"


async def test_entries_that_come_too_late_are_not_even_sent() -> None:
    tools = FakeTools()
    report = await run([calls(ENTRY), says("done")], tools, at="15:45")
    assert tools.named("place_order") == []
    assert report.outcomes[0].denials[0].reason is DenialReason.SESSION


async def test_no_further_cycle_is_planned_when_the_flatten_is_near() -> None:
    assert (await run([says("wait")], at="15:50")).next_at is None


@pytest.mark.parametrize("name", ["get_account", "place_order"])
async def test_a_time_out_ends_a_simulated_run_instead_of_changing_it(name: str) -> None:
    fault = Unavailable("alpaca-trade: timed out")
    fault.__cause__ = TimeoutError()
    tools = FakeTools(**{name: fault})
    with pytest.raises(TimeoutInSimulation):
        await run([calls(ENTRY), says("done")], tools, simulated=True)
    assert (await run([calls(ENTRY), says("done")], tools)).seconds > 0


async def test_a_models_time_out_ends_a_simulated_run_too() -> None:
    fault = ModelUnavailable("no answer within 60 s")
    fault.__cause__ = TimeoutError()
    with pytest.raises(TimeoutInSimulation):
        await run([fault], simulated=True)
    with pytest.raises(TimeoutInSimulation):
        await run([], FakeTools(get_account=fault), simulated=True)


async def test_the_account_is_read_again_only_when_something_was_proposed() -> None:
    tools = FakeTools()
    await run([says("wait")], tools)
    assert len(tools.named("get_account")) == 1


async def test_an_unknown_outcome_is_in_the_record() -> None:
    tools = FakeTools(place_order=OutcomeUnknown("place_order: alpaca-trade: it broke"))
    report = await run([calls(ENTRY), says("done")], tools)
    [verdict] = decision_record(report)["verdicts"]
    assert verdict["denials"][0]["reason"] == "unknown_outcome"


def diary_of(home: Path) -> Diary:
    return Diary(some_options(home), history)


async def test_the_diary_keeps_decisions_timings_and_a_readable_transcript(tmp_path: Path) -> None:
    diary = diary_of(tmp_path)
    diary.write_cycle(await run([calls(ENTRY), says("line one\nline\u202e two")]))
    tools = FakeTools(preview_order=denied())
    diary.write_cycle(await run([calls(ENTRY), says("again")], tools))
    folder = some_options(tmp_path).agent_folder / "log" / "2013-10-07"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("agent.log", "decisions.jsonl", "timings.jsonl"),
    ]
    lines = (folder / "agent.log").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "=== cycle #145, 2013-10-07 10:30:00 ET ==="
    assert lines.count("system: be brief") == 1
    assert r"assistant: line one\nline\u202e two" in lines
    asked = json.dumps(ENTRY[1], separators=(",", ":"))
    assert f"call: place_order {asked}" in lines
    assert "verdict: D-2013-10-07-145-1 approved 10, AT-1-SPY filled, 10 at 50.0" in lines
    assert "verdict: D-2013-10-07-145-1 refused, confidence: 0.4 is below 0.6" in lines
    timing: dict[str, Any] = history.read(folder / "timings.jsonl")[0]
    assert timing["model_calls"] == 2
    parts = ("model_seconds", "tool_seconds", "overhead_seconds")
    assert timing["seconds"] == pytest.approx(sum(timing[part] for part in parts), abs=1e-5)


async def test_the_cycle_counter_survives_a_restart_and_damage_is_named(tmp_path: Path) -> None:
    assert diary_of(tmp_path).last_cycle() == 0
    diary_of(tmp_path).begin_cycle(145)
    assert diary_of(tmp_path).last_cycle() == 145
    (tmp_path / "data" / "trader_state.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"trader_state\.json is damaged"):
        diary_of(tmp_path).last_cycle()


async def test_a_full_disk_costs_no_trade(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    diary = diary_of(tmp_path)
    (tmp_path / "data" / "agent_data").write_text("in the way", encoding="utf-8")
    diary.write_cycle(await run([says("wait")]))
    assert "not written down" in caplog.text
