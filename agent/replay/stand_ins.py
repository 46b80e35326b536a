"""Clock, tools and model that answer from the record, if they are asked what was asked then."""

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from agent.models.capabilities import capabilities_of
from agent.models.wire import read_turn, request
from agent.recorder import CUT_OFF, ERRORS
from agent.replay.script import Entry, Script
from tools.core.errors import BudgetExhausted
from tools.core.seams import ModelTurn, ToolResult


class ScriptedClock:
    """Shows the instants that were read. A cycle never sleeps."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def now(self) -> datetime:
        return datetime.fromisoformat(self._script.take("now")["at"])

    async def sleep_until(self, when: datetime) -> None:
        raise NotImplementedError

    def busy(self, name: str, rank: int = 50) -> AbstractAsyncContextManager[None]:
        raise NotImplementedError

    async def rouse(self, name: str) -> None:
        raise NotImplementedError


class ScriptedTools:
    """Answers what the servers answered."""

    def __init__(self, script: Script) -> None:
        self._script = script

    def specs(self) -> Sequence[Mapping[str, Any]]:
        if self._script.sees("specs"):
            self._script.specs = self._script.take("specs")["specs"]
        return self._script.specs

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        came = json.loads(json.dumps({"name": name, "arguments": arguments}, default=str))
        call = self._script.take("call", f"{name} {came['arguments']}")
        self._script.tool_calls += 1
        asked = {"name": call["name"], "arguments": call["arguments"]}
        self._script.compare("tool call", asked, came)
        answer = self._script.take("result")
        if told := answer.get("error"):
            raise _error(told)
        data = answer.get("data", {})
        return ToolResult(
            text=answer["text"],
            is_error=answer.get("is_error", False),
            data=json.loads(answer["text"]) if data is True else data,
        )


class ScriptedModel:
    """Answers what the model answered to the same request, byte for byte."""

    def __init__(self, script: Script, mind: Entry) -> None:
        """`mind` is the record's first line: how requests are written."""
        self._script, self._mind = script, mind

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        deadline_seconds: float,
        may_call: bool = True,
    ) -> ModelTurn:
        """The recorded turn, or the recorded error."""
        mind = self._mind
        body = request(
            model=mind["model"],
            ways=capabilities_of(mind["model"]),
            thinking=mind["thinking"],
            most_tokens=mind["max_output_tokens"],
            messages=messages,
            tools=tools,
            may_call=may_call,
            strict=mind["strict_tools"],
        ).decode()
        asked = self._script.take("request", body)["body"]
        self._script.model_calls += 1
        if asked != body:
            self._script.compare("request", json.loads(asked), json.loads(body))
            self._script.compare("request", asked, body)
        return self._answer()

    def _answer(self) -> ModelTurn:
        """The last of the attempts counts."""
        body = ""
        while not self._script.sees("turn"):
            if self._script.sees("answer"):
                body = self._script.take("answer")["body"]
            else:
                self._script.take("refusal")
        ending = self._script.take("turn")
        if told := ending.get("error"):
            raise _error(told)
        return replace(read_turn(body), cost_usd=Decimal(ending["cost"]))


def _error(told: Entry) -> Exception:
    """What was raised then. A call that was cut off had met its deadline."""
    if told == CUT_OFF:
        return TimeoutError()
    kind = ERRORS[told["kind"]]
    if kind is BudgetExhausted:
        return BudgetExhausted(told["said"], whole_day=told["whole_day"])
    error = kind(told["said"])
    if told.get("timed_out"):
        error.__cause__ = TimeoutError(told["said"])
    return error
