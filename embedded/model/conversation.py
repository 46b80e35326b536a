"""What the rules can know: the messages and tool specs of one request, read into values.

Nothing is kept between requests, as with the models this stands in for.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

type Json = Mapping[str, Any]

_SETTING = re.compile(r"^\W*([A-Z][A-Z_]*[A-Z])\s*[:=]\s*(\d+(?:\.\d+)?)\b", re.MULTILINE)
_SNAPSHOT = re.compile(r"<snapshot>(.*?)</snapshot>", re.DOTALL)


class BadRequest(ValueError):
    """A request that a chat endpoint answers with 400; the message is for its sender."""


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call, asked for or already answered."""

    name: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class Conversation:
    """The system prompt's settings, the last snapshot, what was called since, and the tools."""

    settings: Mapping[str, float]
    snapshot: Json | None
    answers: Sequence[tuple[Call, Json]]
    tools: frozenset[str]

    def answer(self, name: str, **arguments: object) -> Json | None:
        """The latest answer to a call of `name` with at least these arguments, None before it.

        An answer that is no JSON object, such as an error's text, is {}.
        """
        for call, answer in reversed(self.answers):
            if call.name == name and arguments.items() <= dict(call.arguments).items():
                return answer
        return None

    def asked(self, call: Call) -> bool:
        """Whether exactly this call was answered already."""
        return any(call == answered for answered, _ in self.answers)


def read(body: object) -> Conversation:
    """The conversation in a request's body. Raises BadRequest."""
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list):
        raise BadRequest("messages must be a list")
    messages: list[Any] = body["messages"]
    if not messages or not all(isinstance(one, dict) and "role" in one for one in messages):
        raise BadRequest("each message must be an object with a role, and there must be one")
    try:
        answers = _answers(messages)
        start, snapshot = _snapshot(messages)
        return Conversation(
            settings=_settings(messages),
            snapshot=snapshot,
            answers=[(call, answer) for index, call, answer in answers if index > start],
            tools=frozenset(tool["function"]["name"] for tool in body.get("tools") or ()),
        )
    except (LookupError, TypeError, AttributeError) as error:
        raise BadRequest(f"a message or tool of an unexpected shape: {error!r}") from None


def _settings(messages: Sequence[Json]) -> dict[str, float]:
    """`NAME: 0.5` lines of the system prompt, so that editing the prompt changes what is done."""
    system = "\n".join(str(one["content"]) for one in messages if one["role"] == "system")
    return {name: float(number) for name, number in _SETTING.findall(system)}


def _snapshot(messages: Sequence[Json]) -> tuple[int, Json | None]:
    """The last snapshot that a user message holds, and where."""
    for index in reversed(range(len(messages))):
        if messages[index]["role"] == "user":
            for text in reversed(_SNAPSHOT.findall(str(messages[index]["content"]))):
                return index, _object(text)
    return -1, None


def _answers(messages: Sequence[Json]) -> list[tuple[int, Call, Json]]:
    """Every tool call with its answer and its place.

    Raises BadRequest where an answer is missing or out of place, as DeepSeek does.
    """
    found = []
    for index, message in enumerate(messages):
        calls = message.get("tool_calls") or ()
        following = messages[index + 1 : index + 1 + len(calls)]
        texts = {one.get("tool_call_id"): one["content"] for one in following}
        for call in calls:
            if call["id"] not in texts:
                raise BadRequest(
                    "an assistant message with tool_calls must be followed by tool messages: "
                    f"there is none for {call['id']!r}"
                )
            function = call["function"]
            arguments = _object(function["arguments"])
            found.append((index, Call(function["name"], arguments), _object(texts[call["id"]])))
    return found


def _object(text: object) -> Json:
    try:
        value = json.loads(str(text))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
