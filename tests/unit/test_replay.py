"""A cycle is recorded as it is lived, and lived again from its record."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from agent.base_agent.base_agent import BaseAgent
from agent.cycle import CycleReport
from agent.language_models import Endpoint, OpenAICompatibleModel
from agent.models.capabilities import capabilities_of
from agent.models.wire import read_turn, request
from agent.recorder import (
    RecordedClock,
    RecordedCycle,
    RecordedModel,
    RecordedTools,
    Recorder,
    mind_content,
)
from agent.replay.__main__ import replay
from tests.builders import a_session
from tests.doubles import FakeTools, JumpClock, a_position, some_options
from tools.core.errors import BudgetExhausted, ModelUnavailable, OutcomeUnknown, Unavailable
from tools.core.seams import ModelTurn, ToolResult
from tools.journal.day_record import DayRecord, read_record
from tools.prompts.text import Prompt

pytestmark = pytest.mark.anyio

ENDPOINT = Endpoint(model="deepseek-flash", base_url="http://127.0.0.1:1", api_key="a-secret-key")
PROMPT = Prompt(system="be brief", cycle="Decide.", hash="abc123")
DAY = "2013-10-07"

type Said = Mapping[str, Any] | Exception


def words(text: str) -> dict[str, Any]:
    """An answer that concludes."""
    return {"role": "assistant", "content": text}


def wants(name: str, **arguments: object) -> dict[str, Any]:
    """An answer that calls one tool."""
    function = {"name": name, "arguments": json.dumps(arguments)}
    call = {"id": "c1", "type": "function", "function": function}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


class Wire:
    """The part of the model that is heard on the wire, with answers made up."""

    def __init__(self, *said: Said) -> None:
        self._said = list(said)
        self.on_request: Callable[[str], None]
        self.on_answer: Callable[[str], None]
        self.on_refusal: Callable[[str], None]

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        deadline_seconds: float,
        may_call: bool = True,
    ) -> ModelTurn:
        body = request(
            model=ENDPOINT.model,
            ways=capabilities_of(ENDPOINT.model),
            thinking=ENDPOINT.thinking,
            most_tokens=ENDPOINT.max_output_tokens,
            messages=messages,
            tools=tools,
            may_call=may_call,
        )
        self.on_request(body.decode())
        said = self._said.pop(0)
        if isinstance(said, TimeoutError):
            await asyncio.Event().wait()
        if isinstance(said, Exception):
            self.on_refusal(str(said))
            raise said
        self.on_refusal("rate limit")
        answer = json.dumps({"choices": [{"message": said}], "usage": {"prompt_tokens": 9}})
        self.on_answer(answer)
        turn = read_turn(answer)
        return ModelTurn(
            text=turn.text,
            tool_calls=turn.tool_calls,
            finish_reason=turn.finish_reason,
            message=turn.message,
            prompt_tokens=turn.prompt_tokens,
            cost_usd=Decimal("0.0001"),
        )


async def lived(
    home: Path, said: Sequence[Sequence[Said]], tools: FakeTools | None = None, **open_page: Any
) -> list[CycleReport]:
    """Cycles at 10:30, 10:35..., one for each list of answers, all recorded in `home`."""
    clock = JumpClock(f"{DAY}T10:30-04:00")
    options = some_options(home)
    recorder = Recorder(
        options.agent_folder,
        clock,
        mind_content(options, ENDPOINT),
        open_page.get("open_page", DayRecord),
    )
    wire = Wire(*(one for answers in said for one in answers))
    model = RecordedModel(cast(OpenAICompatibleModel, wire), recorder)
    cycle = RecordedCycle(
        clock=RecordedClock(clock, recorder),
        tools=RecordedTools(tools or FakeTools(), recorder),
        agent=BaseAgent(model, max_steps=30, call_deadline_seconds=5),
        watchlist=options.watchlist,
        deadline_seconds=0.05 if any(isinstance(o, TimeoutError) for a in said for o in a) else 5,
        simulated_time=False,
    )
    cycle.recorder = recorder
    reports: list[CycleReport] = []
    for number in range(len(said)):
        refused = [one for one in reports[-1].outcomes if one.denials] if reports else []
        reports.append(await cycle.run(number + 1, a_session(), PROMPT, refused))
        await clock.sleep_until(datetime(2013, 10, 7, 14, 35 + 5 * number, tzinfo=UTC))
    recorder.close()
    return reports


def record(home: Path) -> list[dict[str, Any]]:
    path = some_options(home).agent_folder / "log" / DAY / "record.jsonl.gz"
    return [dict(entry) for entry in read_record(path).entries]


LOOK = wants("get_levels", symbol="SPY")
EXIT = wants("close_position", symbol="AMD", reason="turned")
HOLDING = {"positions": [a_position("AMD")]}


@pytest.mark.parametrize(
    ("said", "answers"),
    [
        ([words("HOLD SPY: quiet")], {}),
        ([LOOK, EXIT, words("done")], {"get_positions": HOLDING}),
        ([EXIT, words("done")], {"get_positions": HOLDING, "close_position": OutcomeUnknown("?")}),
        ([EXIT, words("done")], {"get_positions": HOLDING, "close_position": Unavailable("gone")}),
        ([LOOK, words("done")], {"get_levels": ToolResult(text="no such", is_error=True)}),
        ([wants("no_tool"), wants("get_levels", nonsense=1), words("done")], {}),
        ([LOOK, ModelUnavailable("no answer")], {}),
        ([BudgetExhausted("spent", whole_day=True)], {}),
        ([LOOK, TimeoutError()], {}),
        ([], {"get_account": Unavailable("alpaca-trade: connection refused")}),
    ],
)
async def test_a_cycle_is_lived_again_from_its_record(
    tmp_path: Path, said: Sequence[Said], answers: dict[str, Any]
) -> None:
    tools = FakeTools(**{"get_levels": {"symbol": "SPY", "support": [1]}, **answers})
    reports = await lived(tmp_path, [said, [words("wait")] if said else []], tools)
    report = await replay(record(tmp_path))
    assert report["difference"] is None
    assert report["cycles"] == 2
    assert report["model_calls"] == sum(r.thought.model_calls for r in reports if r.thought)
    assert report["tool_calls"] == sum(one.tool_calls for one in reports)
    assert report["decisions"] == sum(len(one.decisions) for one in reports)


async def test_no_key_and_no_address_is_in_the_record(tmp_path: Path) -> None:
    await lived(tmp_path, [[words("wait")]])
    text = json.dumps(record(tmp_path))
    assert ENDPOINT.api_key not in text
    assert "127.0.0.1" not in text


async def test_requests_are_kept_whole_though_written_once(tmp_path: Path) -> None:
    await lived(tmp_path, [[LOOK, words("wait")]], FakeTools(get_levels={"symbol": "SPY"}))
    first, second = [line for line in record(tmp_path) if line["what"] == "request"]
    assert first["keep"] == 0
    assert second["keep"] > 0.9 * len(first["rest"])


def changed(lines: list[dict[str, Any]], what: str, **content: object) -> list[dict[str, Any]]:
    """The record with the last line of its sort changed."""
    number = max(n for n, line in enumerate(lines) if line["what"] == what)
    return [line | content if n == number else line for n, line in enumerate(lines)]


@pytest.mark.parametrize(
    ("what", "content", "where"),
    [
        ("call", {"name": "get_movers"}, "tool call.name"),
        (
            "answer",
            {"body": json.dumps({"choices": [{"message": words("SELL")}]})},
            "length of outcome",
        ),
        ("prompt", {"cycle": "Decide!"}, "request.messages[1].content, character 6"),
        ("prompt", {"system": "be long"}, "request.messages[0].content, character 3"),
    ],
)
async def test_the_first_difference_is_shown_with_its_place(
    tmp_path: Path, what: str, content: dict[str, Any], where: str
) -> None:
    tools = FakeTools(get_levels={"symbol": "SPY"})
    await lived(tmp_path, [[LOOK, words("HOLD SPY: wait")]], tools)
    report = await replay(changed(record(tmp_path), what, **content))
    assert not report["identical"]
    assert report["difference"]["cycle"] == 1
    assert report["difference"]["where"].startswith(where)


async def test_a_call_more_and_a_call_less_are_differences(tmp_path: Path) -> None:
    await lived(tmp_path, [[LOOK, words("wait")]], FakeTools(get_levels={"symbol": "SPY"}))
    lines = record(tmp_path)
    asked = next(
        n for n, line in enumerate(lines) if line["what"] == "call" and line["name"] == "get_levels"
    )
    less = await replay([*lines[:asked], *lines[asked + 2 :]])
    more = await replay([*lines[: asked + 2], *lines[asked:]])
    assert less["difference"]["came"].startswith("call get_levels")
    assert more["difference"]["expected"].startswith("call get_levels")


async def test_what_is_remembered_of_the_cycle_before_must_agree(tmp_path: Path) -> None:
    await lived(tmp_path, [[words("wait")], [words("wait")]])
    lines = record(tmp_path)
    memory = next(line for line in reversed(lines) if line["what"] == "cycle")["memory"]
    other = {**memory, "cooldowns": {**memory["cooldowns"], "failures": {"SPY": 2}}}
    report = await replay(changed(lines, "cycle", memory=other))
    assert report["difference"]["where"] == "memory.cooldowns.failures.SPY"
    assert report["difference"]["cycle"] == 2


async def test_a_cycle_without_an_end_is_no_difference(tmp_path: Path) -> None:
    await lived(tmp_path, [[words("wait")], [words("wait")]])
    lines = record(tmp_path)
    for cut in range(1, 12):
        report = await replay(lines[:-cut])
        assert report["identical"], report["difference"]
        assert (report["cycles"], report["unfinished"]) == (1, 1)


class FullDisk:
    """A page that takes a few lines and then no more."""

    def __init__(self, path: Path) -> None:
        self._left = 5

    def append(self, entry: Mapping[str, Any]) -> None:
        self._left -= 1
        if self._left < 0:
            raise OSError("no space left on device")

    def rest(self) -> None:
        raise OSError("no space left on device")

    def close(self) -> None:
        """Nothing to keep."""


def no_page(path: Path) -> FullDisk:
    raise OSError("read-only file system")


@pytest.mark.parametrize("open_page", [FullDisk, no_page])
async def test_a_disk_that_fails_costs_no_trade(
    tmp_path: Path, open_page: object, caplog: pytest.LogCaptureFixture
) -> None:
    tools = FakeTools(get_positions=HOLDING)
    said = [[EXIT, words("done")], [EXIT, words("done")]]
    reports = await lived(tmp_path, said, tools, open_page=open_page)
    assert [one.outcomes[0].approved for one in reports] == [True, True]
    assert caplog.text.count("not recorded until the next cycle") == 2


async def test_a_trader_that_was_started_again_goes_on_in_the_same_record(tmp_path: Path) -> None:
    await lived(tmp_path, [[words("wait")], [words("wait")]])
    path = some_options(tmp_path).agent_folder / "log" / DAY / "record.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-400])  # it was killed in its second cycle
    await lived(
        tmp_path, [[LOOK, words("HOLD SPY: wait")]], FakeTools(get_levels={"symbol": "SPY"})
    )
    report = await replay(record(tmp_path))
    assert report["difference"] is None
    assert (report["cycles"], report["unfinished"], report["decisions"]) == (2, 1, 1)
