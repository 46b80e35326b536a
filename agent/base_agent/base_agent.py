"""One model's tool loop: messages, tool calls, answers, until the model concludes.

Calls may be retried below this level, a cycle never is. Whatever a model gets wrong (an unknown
tool, broken JSON, wrong arguments, the same call over and over) is answered in words that let it
repair itself; nothing it does can raise.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from agent.base_agent.tickets import BadTicket, TicketBook
from agent.models.identity import identity
from agent.models.wire import holds_tool_calls
from tools.core.errors import (
    ActiveTraderError,
    ConfigError,
    ModelUnavailable,
    OutcomeUnknown,
    Unavailable,
)
from tools.core.seams import LanguageModel, ModelTurn, ToolBox, ToolCall
from tools.core.untrusted import cleaned

SAME_CALL_LIMIT = 3
CALLS_A_TURN = 20
LONGEST_RESULT = 8_192
"""Characters of a tool's answer that the model is shown; a longer one is refused, not cut."""
LONGEST_ERROR = 1_000
_HOLD = re.compile(r"^\W*HOLD\s+([A-Z][A-Z.]{0,6})\s*[:\-–—]\s*(\S.*)$", re.MULTILINE)

type Message = Mapping[str, Any]


class BadCall(ActiveTraderError):
    """A tool call that cannot be carried out; the message tells the model how to repair it."""


@dataclass(slots=True)
class Thought:
    """One cycle's reasoning, as far as it got.

    `finished` only when the model concluded by itself; `error` says why it did not.
    """

    messages: list[Message]
    text: str = ""
    finished: bool = False
    error: str | None = None
    model_calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    served_by: list[str] = field(default_factory=list)
    """Model and fingerprint of whoever answered, each once."""
    model_seconds: float = 0.0
    faults: list[Exception] = field(default_factory=list)
    """Calls that failed on the way: the model's own, and tools'."""
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    corrected: bool = False
    """The model was told once already that its turn could not be used."""


class BaseAgent:
    """A mind made of one language model."""

    def __init__(
        self, model: LanguageModel, *, max_steps: int, call_deadline_seconds: float
    ) -> None:
        """`max_steps` model calls a cycle at most; the last is made without tools, to conclude."""
        self._model = model
        self._max_steps, self._call_deadline_seconds = max_steps, call_deadline_seconds

    async def think(
        self,
        system: str,
        user: str,
        *,
        tools: ToolBox,
        tickets: TicketBook,
        deadline_seconds: float,
    ) -> Thought:
        """Reason within `deadline_seconds` of real time; wishes end up in `tickets`."""
        thought = Thought(
            [{"role": "system", "content": system}, {"role": "user", "content": user}]
        )
        try:
            async with asyncio.timeout(deadline_seconds):
                await self._converse(thought, tools, tickets)
        except TimeoutError:
            thought.error = "the reasoning did not end before its deadline"
            thought.faults.append(TimeoutError(thought.error))
        except ModelUnavailable as error:
            thought.error = str(error)
            thought.faults.append(error)
        for symbol, reason in _HOLD.findall(thought.text):
            tickets.hold(symbol, reason.strip())
        return thought

    async def _converse(self, thought: Thought, tools: ToolBox, tickets: TicketBook) -> None:
        specs = tools.specs()
        for steps_left in reversed(range(self._max_steps)):
            turn = await self._complete(thought, specs, may_call=steps_left > 0)
            if fault := _unusable(turn):
                if thought.corrected or turn.finish_reason == "content_filter":
                    thought.error = fault
                    return
                _correct(thought, turn, fault)
                continue
            if not turn.tool_calls:
                thought.text, thought.finished = turn.text, True
                return
            offered = specs if steps_left else ()
            for number, call in enumerate(turn.tool_calls):
                if number < CALLS_A_TURN:
                    answer = await _answer(call, offered, tools, tickets, thought)
                else:
                    answer = f"error: only {CALLS_A_TURN} calls at once are carried out"
                thought.messages.append(_tool_message(call, answer))
        thought.error = f"no conclusion within {self._max_steps} steps"

    async def _complete(
        self, thought: Thought, specs: Sequence[Mapping[str, Any]], *, may_call: bool
    ) -> ModelTurn:
        started = time.perf_counter()
        try:
            turn = await self._model.complete(
                thought.messages,
                specs,
                deadline_seconds=self._call_deadline_seconds,
                may_call=may_call,
            )
        finally:
            thought.model_calls += 1
            thought.model_seconds += time.perf_counter() - started
        thought.prompt_tokens += turn.prompt_tokens
        thought.completion_tokens += turn.completion_tokens
        thought.cached_tokens += turn.cached_tokens
        thought.cost_usd += turn.cost_usd
        if (name := identity(turn)) and name not in thought.served_by:
            thought.served_by.append(name)
        thought.messages.append(turn.message)
        return turn


def _unusable(turn: ModelTurn) -> str | None:
    """Why nothing of a turn may be acted on, None if it may."""
    if turn.finish_reason == "content_filter":
        return "the provider withheld the model's answer"
    if turn.finish_reason == "length":
        return "the model's answer was cut at its longest"
    if not turn.tool_calls and holds_tool_calls(turn.text):
        return "the model wrote tool calls into its text"
    if not turn.tool_calls and not turn.text.strip():
        return "the model's answer was empty"
    return None


def _correct(thought: Thought, turn: ModelTurn, fault: str) -> None:
    """Tell the model, once, that its turn came to nothing."""
    thought.corrected = True
    told = (
        f"{fault}: nothing was carried out. Use the tools by tool calls only, or conclude in a few"
        " plain words"
    )
    if turn.tool_calls:
        thought.messages += [_tool_message(call, f"error: {told}") for call in turn.tool_calls]
    else:
        thought.messages.append({"role": "user", "content": told})


def _tool_message(call: ToolCall, answer: str) -> Message:
    return {"role": "tool", "tool_call_id": call.call_id, "content": answer}


AGENT_TYPES: Mapping[str, type[BaseAgent]] = {"BaseAgent": BaseAgent}


def agent_type(name: str) -> type[BaseAgent]:
    """The class that the configuration names. Raises ConfigError, naming those known."""
    if name not in AGENT_TYPES:
        known = ", ".join(sorted(AGENT_TYPES))
        raise ConfigError(f"agent_type {name!r} is not known; known are: {known}")
    return AGENT_TYPES[name]


async def _answer(
    call: ToolCall,
    specs: Sequence[Mapping[str, Any]],
    tools: ToolBox,
    tickets: TicketBook,
    thought: Thought,
) -> str:
    """What the model is told about one of its calls."""
    try:
        arguments = _arguments(call, specs)
        _count(call.name, arguments, thought)
        match call.name:
            case "place_order":
                return await tickets.enter(arguments)
            case "close_position":
                return await tickets.leave(arguments)
        if call.name == "preview_order":
            result = await tickets.preview(arguments)
        else:
            result = await tools.call(call.name, arguments)
    except (BadCall, BadTicket) as error:
        return _refused(error)
    except Unavailable as error:
        thought.faults.append(error)
        return f"{_refused(error)}. Nothing was changed"
    except OutcomeUnknown as error:
        thought.faults.append(error)
        return f"{_refused(error)}. It may have been carried out: ask before you repeat it"
    if result.is_error:
        return _refused(result.text)
    if len(result.text) > LONGEST_RESULT:
        return f"error: the answer is longer than {LONGEST_RESULT} characters: ask for less"
    return result.text


def _refused(why: object) -> str:
    """A refusal in words; they may be somebody else's."""
    return f"error: {cleaned(str(why), LONGEST_ERROR)}"


def _arguments(call: ToolCall, specs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The call's arguments, if the tool exists and knows them by name. Raises BadCall."""
    offered = {spec["function"]["name"]: spec["function"]["parameters"] for spec in specs}
    if call.name not in offered:
        raise BadCall(f"there is no tool {call.name!r}; there are {', '.join(offered)}")
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError as error:
        raise BadCall(f"the arguments are not JSON ({error})") from None
    if not isinstance(arguments, dict):
        raise BadCall("the arguments must be one JSON object")
    arguments = {name: value for name, value in arguments.items() if value is not None}
    known = offered[call.name]["properties"]
    if unknown := [name for name in arguments if name not in known]:
        raise BadCall(f"{call.name} takes {', '.join(known) or 'no arguments'}, not {unknown[0]!r}")
    if missing := [n for n in offered[call.name].get("required", ()) if n not in arguments]:
        raise BadCall(f"{call.name} needs {', '.join(missing)}")
    return arguments


def _count(name: str, arguments: Mapping[str, Any], thought: Thought) -> None:
    """Refuse a call that was made too often with the same arguments. Raises BadCall."""
    same = name, json.dumps(arguments, sort_keys=True)
    thought.asked[same] += 1
    if thought.asked[same] > SAME_CALL_LIMIT:
        raise BadCall(
            f"you called {name} with these arguments {SAME_CALL_LIMIT} times already; "
            "use the answers you have and conclude"
        )
