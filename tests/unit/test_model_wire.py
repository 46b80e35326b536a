"""Requests as bytes and answers as values, where no socket is needed to show it."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agent.models.capabilities import capabilities_of
from agent.models.identity import IdentityWatch
from agent.models.wire import holds_tool_calls, read_turn, repaired, request
from tests.contract.deepseek_server import DSML
from tools.core.errors import ModelMisconfigured
from tools.core.seams import ModelTurn

USER = {"role": "user", "content": "now"}
TOOLS = [{"type": "function", "function": {"name": "get_quotes", "parameters": {}}}]


def group(*ids: str, arguments: str = "{}", **more: Any) -> dict[str, Any]:
    """An assistant message that calls once for each id."""
    calls = [
        {"id": one, "type": "function", "function": {"name": "f", "arguments": arguments}}
        for one in ids
    ]
    return {"role": "assistant", "content": "", "tool_calls": calls, **more}


def answer(call_id: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": call_id, "content": "{}"}


def body(model: str = "deepseek-flash", **changes: Any) -> Mapping[str, Any]:
    told: dict[str, Any] = {
        "thinking": False,
        "most_tokens": 4096,
        "messages": [USER],
        "tools": TOOLS,
        "may_call": True,
        **changes,
    }
    sent: dict[str, Any] = json.loads(request(model=model, ways=capabilities_of(model), **told))
    return sent


@pytest.mark.parametrize(
    ("messages", "kept"),
    [
        ([USER, group("a"), answer("a")], [0, 1, 2]),
        ([USER, group("a", "b"), answer("b"), answer("a")], [0, 1, 2, 3]),
        ([USER, group("a", "b"), answer("a")], [0]),
        ([USER, group("a")], [0]),
        ([USER, group("a"), USER, answer("a")], [0, 2]),
        ([USER, answer("a"), USER], [0, 2]),
        ([USER, group("a"), answer("a"), answer("a")], [0, 1, 2]),
        ([USER, group("a"), answer("x"), group("b"), answer("b")], [0, 3, 4]),
    ],
)
def test_a_group_of_calls_is_kept_whole_or_dropped_whole(messages: Any, kept: list[int]) -> None:
    assert repaired(messages) == [messages[index] for index in kept]


@pytest.mark.parametrize(
    ("model", "thinking", "field"),
    [("deepseek-flash", True, "why"), ("deepseek-flash", False, "why"), ("gpt-oss", False, None)],
)
def test_reasoning_goes_back_to_those_who_want_it_and_to_nobody_else(
    model: str, thinking: bool, field: str | None
) -> None:
    messages = [USER, group("a", reasoning_content="why"), answer("a")]
    sent = body(model, thinking=thinking, messages=messages)
    assert sent["messages"][1].get("reasoning_content") == field


@pytest.mark.parametrize("broken", ['{"a": 1', "[1]", "NaN, no", ""])
def test_arguments_that_are_no_object_are_not_sent_back(broken: str) -> None:
    sent = body(messages=[USER, group("a", arguments=broken), answer("a")])
    assert sent["messages"][1]["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("model", "field"), [("deepseek-flash", "max_tokens"), ("gpt-5-mini", "max_completion_tokens")]
)
def test_the_longest_answer_is_told_in_the_models_own_word(model: str, field: str) -> None:
    assert body(model)[field] == 4096


def test_what_stays_the_same_comes_before_what_changes() -> None:
    assert list(body()) == ["model", "thinking", "max_tokens", "tools", "messages"]
    assert list(body(may_call=False)) == [
        *("model", "thinking", "max_tokens", "tools", "tool_choice", "messages"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        DSML,
        "<｜tool▁calls▁begin｜>function",
        "<|tool_calls_section_begin|>",
        '<tool_call>{"name": "f"}</tool_call>',
        "[TOOL_CALLS] [{}]",
        "</function_calls>",
    ],
)
def test_tool_calls_in_a_text_are_seen(text: str) -> None:
    assert holds_tool_calls(text)


@pytest.mark.parametrize("text", ["HOLD SPY: RSI < 30 | waits", "a < b", "tool calls were made"])
def test_plain_words_are_no_tool_calls(text: str) -> None:
    assert not holds_tool_calls(text)


def test_two_calls_under_one_id_get_two() -> None:
    message = group("a", "a")
    turn = read_turn(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert [one.call_id for one in turn.tool_calls] == ["a", "a-1"]
    assert [one["id"] for one in turn.message["tool_calls"]] == ["a", "a-1"]


def test_a_refusal_is_no_conclusion() -> None:
    message = {"role": "assistant", "content": None, "refusal": "I cannot help with that"}
    turn = read_turn(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}))
    assert turn.finish_reason == "content_filter"


def a_turn(fingerprint: str) -> ModelTurn:
    return ModelTurn(
        text="x",
        tool_calls=(),
        finish_reason="stop",
        message={},
        model="deepseek-flash",
        fingerprint=fingerprint,
    )


def test_a_fingerprint_that_never_answered_before_is_an_alert_also_after_a_restart(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    file = tmp_path / "mind" / "who.json"
    watch = IdentityWatch(file)
    watch.heard(a_turn("fp_1"))
    watch.heard(a_turn("fp_1"))
    assert caplog.records == []
    IdentityWatch(file).heard(a_turn("fp_2"))
    IdentityWatch(file).heard(a_turn("fp_1"))
    [record] = caplog.records
    assert getattr(record, "alert", None) == "model_changed"
    assert "deepseek-flash/fp_2, after deepseek-flash/fp_1" in record.getMessage()


def test_a_fingerprint_that_is_not_allowed_gives_no_turn() -> None:
    watch = IdentityWatch(allowed=("fp_1",))
    watch.heard(a_turn("fp_1"))
    with pytest.raises(ModelMisconfigured, match="'fp_2' is not among"):
        watch.heard(a_turn("fp_2"))
