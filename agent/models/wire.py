"""One request and one answer of a chat endpoint, as bytes.

The bytes begin with what is the same all day (model, options, tools, the system prompt), so that a
provider's prefix cache finds it again; what an answer holds is read piece by piece, since servers
leave out, misshape and cut whatever they like.
"""

import itertools
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent.models.capabilities import Capabilities
from tools.core.errors import ModelUnavailable
from tools.core.seams import ModelTurn, ToolCall

type Message = Mapping[str, Any]

ENDED = frozenset(("stop", "tool_calls", "function_call", "length", "content_filter", "None"))
"""How an answer may end; "None" where a server does not say."""

# Tool calls that a model wrote into its text: DeepSeek's own marks, and those of others.
_LEAKED = re.compile(
    r"<\s*[|｜]+\s*(?:DSML|tool[▁_ ])"
    r"|<\s*/?\s*(?:function_calls|tool_calls?|invoke)\b|\[TOOL_CALLS\]",
    re.IGNORECASE,
)


_NOT_STRICT = frozenset(("format", "default"))
"""What strict schemas do not know, of what our tools' have."""


class Unfinished(ModelUnavailable):
    """The server broke the answer off for reasons of its own: asking again may help."""


class Unreadable(ModelUnavailable):
    """What came is no answer (a gateway's page, half a body): asking again once may help."""


def request(
    *,
    model: str,
    ways: Capabilities,
    thinking: bool,
    most_tokens: int,
    messages: Sequence[Message],
    tools: Sequence[Mapping[str, Any]],
    may_call: bool,
    strict: bool = False,
) -> bytes:
    """The body of one request. Without `may_call` the model is to answer in words.

    With `strict` the model is held to the tools' schemas.
    """
    body: dict[str, Any] = {"model": model}
    if ways.thinking_switch and not thinking:
        body["thinking"] = {"type": "disabled"}
    body[ways.limit_field] = min(most_tokens, ways.most_output_tokens)
    # A named choice keeps the tools, and with them the prefix; DeepSeek refuses any while thinking.
    chooses = ways.tool_choice_while_thinking or not thinking
    if tools and (may_call or chooses):
        body["tools"] = [_strict_tool(tool) for tool in tools] if strict else list(tools)
        if not may_call:
            body["tool_choice"] = "none"
    body["messages"] = [_outgoing(message, ways, thinking) for message in repaired(messages)]
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def _strict_tool(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool["function"]
    parameters = _strict(function["parameters"])
    return {**tool, "function": {**function, "strict": True, "parameters": parameters}}


def _strict(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema as strict tools want it: every property required, an optional one nullable."""
    told = {name: part for name, part in schema.items() if name not in _NOT_STRICT}
    if "items" in told:
        told["items"] = _strict(told["items"])
    if told.get("type") == "object":
        needed, properties = told.get("required", ()), told.get("properties", {})
        told["properties"] = {
            name: _strict(part) if name in needed else {"anyOf": [_strict(part), {"type": "null"}]}
            for name, part in properties.items()
        }
        told |= {"required": list(properties), "additionalProperties": False}
    return told


def repaired(messages: Sequence[Message]) -> list[Message]:
    """The messages without calls that were never answered and answers that nothing asked for.

    Either is a 400 at DeepSeek. A group of calls is kept whole or dropped whole.
    """
    kept: list[Message] = []
    rest = list(messages)
    while rest:
        message = rest.pop(0)
        if message["role"] == "tool":
            continue
        wanted = [call["id"] for call in message.get("tool_calls") or ()]
        answers = list(itertools.takewhile(lambda one: one["role"] == "tool", rest))[: len(wanted)]
        if sorted(wanted) == sorted(str(one.get("tool_call_id")) for one in answers):
            kept += [message, *answers]
            del rest[: len(answers)]
    return kept


def holds_tool_calls(text: str) -> bool:
    """Whether tool calls leaked into a text: nothing was called, whatever the text says."""
    return _LEAKED.search(text) is not None


def _outgoing(message: Message, ways: Capabilities, thinking: bool) -> Message:
    """The message as this model takes it back. Content is always a string."""
    if message["role"] != "assistant":
        return message
    sent = {key: value for key, value in message.items() if key != "reasoning_content"}
    if ways.echoes_reasoning and (thinking or "reasoning_content" in message):
        sent["reasoning_content"] = message.get("reasoning_content", "")
    if calls := message.get("tool_calls"):
        sent["tool_calls"] = [_readable(call) for call in calls]
    return sent


def _readable(call: Mapping[str, Any]) -> Mapping[str, Any]:
    """The call with arguments that are a JSON object: some servers fall over others."""
    function = call["function"]
    try:
        whole = isinstance(json.loads(function["arguments"]), dict)
    except ValueError:
        whole = False
    return call if whole else {**call, "function": {**function, "arguments": "{}"}}


def read_turn(body: str) -> ModelTurn:
    """The first choice of an answer.

    Raises Unreadable for HTML, a torn body, no choice; Unfinished when it was broken off.
    """
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message: Message = choice["message"]
        ended = str(choice.get("finish_reason"))
        calls = tuple(_tool_calls(message.get("tool_calls") or ()))
        text = _text(message.get("content"))
        usage = answer.get("usage") or {}
        turn = ModelTurn(
            text=text or str(message.get("refusal") or ""),
            tool_calls=calls,
            finish_reason="content_filter" if message.get("refusal") else ended,
            message=_echo(message, text, calls),
            prompt_tokens=_count(usage.get("prompt_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
            cached_tokens=_cached(usage),
            model=str(answer.get("model") or ""),
            fingerprint=str(answer.get("system_fingerprint") or ""),
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        why = f"unusable answer ({type(error).__name__}): {body[:80]!r}"
        raise Unreadable(why) from None
    if ended not in ENDED:
        raise Unfinished(f"the answer was broken off: {ended[:40]!r}")
    return turn


def _tool_calls(calls: Iterable[Mapping[str, Any]]) -> Iterable[ToolCall]:
    """Some servers leave ids out, repeat them, or send the arguments as an object."""
    seen: set[str] = set()
    for number, call in enumerate(calls):
        call_id = str(call.get("id") or f"call-{number}")
        if call_id in seen:
            call_id = f"{call_id}-{number}"
        seen.add(call_id)
        function = call["function"]
        arguments = function.get("arguments") or "{}"
        yield ToolCall(
            call_id=call_id,
            name=str(function["name"]),
            arguments=arguments if isinstance(arguments, str) else json.dumps(arguments),
        )


def _text(content: object) -> str:
    """The content as text, also where it comes in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return "" if content is None else str(content)


def _echo(message: Message, text: str, calls: Sequence[ToolCall]) -> Message:
    """The message as a later request sends it back: only what endpoints know, without nulls, and
    with the calls under the ids that we answer them by.
    """
    echo: dict[str, Any] = {"role": "assistant", "content": text}
    if isinstance(reasoning := message.get("reasoning_content"), str):
        echo["reasoning_content"] = reasoning  # DeepSeek wants even an empty one back
    if calls:
        echo["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    return echo


def _cached(usage: Mapping[str, Any]) -> int:
    """Prompt tokens that the provider had in its cache, in DeepSeek's words or in OpenAI's."""
    details = usage.get("prompt_tokens_details") or {}
    return _count(usage.get("prompt_cache_hit_tokens")) or _count(details.get("cached_tokens"))


def _count(tokens: object) -> int:
    return tokens if isinstance(tokens, int) and tokens > 0 else 0
