"""A chat endpoint with DeepSeek's manners and DeepSeek's ways to fail, on a real socket.

What it refuses is what `api-docs.deepseek.com` and reports of its users say that the API refuses,
each with the API's own words.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from tests.doubles import CITED
from tests.stub_server import HTML, Fault, Reply, Request, StubServer

KEY = "sk-conformance"
MODELS = ("deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro")
FINGERPRINT = "fp_1017"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

type Json = Mapping[str, Any]
type Mind = Callable[[Sequence[Json]], Json]
"""From the messages to the assistant message."""


class Mishap(Enum):
    """An answer with 200 that is none, or only half of one."""

    HTML = "a gateway's page"
    TORN = "half a body under a whole one's length"
    CUT_JSON = "half a body under its own length"
    NO_CHOICES = "an empty list of choices"
    LENGTH = "an answer cut at max_tokens, in the middle of a tool call"
    LENGTH_TEXT = "a text cut at max_tokens"
    FILTERED = "content_filter"
    NO_RESOURCE = "insufficient_system_resource"
    DSML = "tool calls written into the text"
    BLANK = "blanks, as JSON mode answers at times"
    BAD_ARGUMENTS = "arguments that are no JSON"
    NO_SUCH_TOOL = "a tool that nobody offered"
    DOUBLE_ID = "two calls under one id"


STATUSES: Mapping[int, str] = {
    400: "Invalid request body format",
    401: "Authentication Fails (no such user)",
    402: "Insufficient Balance",
    404: "Not found",
    422: "Invalid parameter",
    429: "Rate limit reached",
    500: "Server error",
    503: "Server overloaded",
}

DSML = (
    'I will buy now.\n<｜DSML｜function_calls>\n<｜DSML｜invoke name="place_order">\n'
    '<｜DSML｜parameter name="symbol" string="true">SPY</｜DSML｜parameter>\n'
    "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
)


def call(name: str, arguments: object, call_id: str = "call_1") -> dict[str, Any]:
    """One tool call on the wire."""
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    function = {"name": name, "arguments": text}
    return {"index": 0, "id": call_id, "type": "function", "function": function}


def says(text: str) -> Json:
    """A message that concludes."""
    return {"role": "assistant", "content": text}


def calls(*wanted: dict[str, Any], reasoning: str | None = None) -> Json:
    """A message that calls tools."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": list(wanted)}
    return message if reasoning is None else message | {"reasoning_content": reasoning}


ENTRY = call("place_order", {"symbol": "SPY", "confidence": 0.8, "reason": "breakout", **CITED})


@dataclass
class Account:
    """What the other routes tell."""

    models: Sequence[str] = MODELS
    balance: str = "12.50"
    available: bool = True


@dataclass
class _Cache:
    """Prefixes seen before, in bytes of the rendered prompt."""

    seen: list[bytes] = field(default_factory=list)

    def hit(self, prompt: bytes) -> int:
        best = max((_common(prompt, other) for other in self.seen), default=0)
        self.seen.append(prompt)
        return best


class DeepSeekServer(StubServer):
    """Answers by `mind`, but for the mishaps and statuses that `faults` has first."""

    def __init__(
        self, mind: Mind, *faults: Mishap | Fault | int, account: Account | None = None
    ) -> None:
        super().__init__(Reply())
        self.mind, self.faults, self.account = mind, list(faults), account or Account()
        self.fingerprint = FINGERPRINT
        self.refused: list[str] = []
        """What it answered 400 for by its own judgement."""
        self._cache, self._lock = _Cache(), threading.Lock()

    def next_reply(self) -> Reply | Fault:
        with self._lock:
            return self._answer(self.requests[-1])

    def _answer(self, asked: Request) -> Reply | Fault:
        if asked.headers.get("authorization") != f"Bearer {KEY}":
            return _status(401)
        if asked.path.endswith("/models"):
            rows = [{"id": name, "object": "model"} for name in self.account.models]
            return _reply({"object": "list", "data": rows})
        if asked.path.endswith("/user/balance"):
            return _reply(self._balance())
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Fault):
            return fault
        if isinstance(fault, int):
            return _status(fault)
        body = json.loads(asked.body)
        if complaint := complaint_about(body):
            self.refused.append(complaint)
            return _status(400, complaint)
        return self._complete(body, fault)

    def _complete(self, body: Json, fault: Mishap | None) -> Reply:
        message, ended = _spoilt(fault) if fault else (self.mind(body["messages"]), None)
        ended = ended or ("tool_calls" if message.get("tool_calls") else "stop")
        prompt = json.dumps([body.get("tools"), body["messages"]]).encode()
        hit, total = self._cache.hit(prompt) // 4, len(prompt) // 4
        output = len(json.dumps(message)) // 4
        answer = {
            "id": "x",
            "model": body["model"],
            "system_fingerprint": self.fingerprint,
            "choices": [{"index": 0, "message": message, "finish_reason": ended}],
            "usage": {
                "prompt_tokens": total,
                "prompt_cache_hit_tokens": hit,
                "prompt_cache_miss_tokens": total - hit,
                "completion_tokens": output,
            },
        }
        match fault:
            case Mishap.HTML:
                return Reply(200, HTML, {"Content-Type": "text/html"})
            case Mishap.NO_CHOICES:
                return _reply(answer | {"choices": []})
            case Mishap.TORN:
                return Reply(200, json.dumps(answer).encode()[:80], torn=True)
            case Mishap.CUT_JSON:
                return Reply(200, json.dumps(answer).encode()[:80])
        return _reply(answer)

    def _balance(self) -> Json:
        row = {"currency": "USD", "total_balance": self.account.balance}
        return {"is_available": self.account.available, "balance_infos": [row]}


def complaint_about(body: Json) -> str:
    """Why DeepSeek would answer 400, "" if it would not."""
    if body["model"] not in MODELS:
        return "Model Not Exist"
    thinking = body.get("thinking", {}).get("type") != "disabled"
    if thinking and body.get("tool_choice"):
        return "Thinking mode does not support this tool_choice"
    if body.get("response_format", {}).get("type") == "json_schema":
        return "This response_format type is unavailable now"
    for tool in body.get("tools", ()):
        if not _NAME.fullmatch(tool["function"]["name"]):
            return "Invalid function name"
    return _about_messages(body["messages"], thinking)


def _about_messages(messages: Sequence[Json], thinking: bool) -> str:
    wanted: list[str] = []
    for message in messages:
        if not isinstance(message.get("content"), str):
            return "messages: content: invalid type, expected a string"
        if message["role"] == "tool":
            if message["tool_call_id"] not in wanted:
                return "Messages with role 'tool' must be a response to a preceding message"
            wanted.remove(message["tool_call_id"])
            continue
        if wanted:
            break
        wanted = [one["id"] for one in message.get("tool_calls", ())]
        if thinking and wanted and "reasoning_content" not in message:
            return "The reasoning_content in the thinking mode must be passed back to the API."
    if wanted:
        return (
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. (insufficient tool messages following tool_calls message)"
        )
    return ""


def _spoilt(fault: Mishap) -> tuple[Json, str | None]:
    """What the model says, and how it ends; None ends as usual."""
    match fault:
        case Mishap.LENGTH:
            return calls(call("place_order", '{"symbol": "SPY", "confi')), "length"
        case Mishap.LENGTH_TEXT:
            return says("I think that we should"), "length"
        case Mishap.FILTERED:
            return says(""), "content_filter"
        case Mishap.NO_RESOURCE:
            return calls(ENTRY), "insufficient_system_resource"
        case Mishap.DSML:
            return says(DSML), None
        case Mishap.BLANK:
            return says("   \n  "), None
        case Mishap.BAD_ARGUMENTS:
            return calls(call("place_order", '{"symbol": "SPY", "confidence": 0.9')), None
        case Mishap.NO_SUCH_TOOL:
            return calls(call("buy_everything", {"symbol": "SPY"})), None
        case Mishap.DOUBLE_ID:
            return calls(call("get_account", {}), call("get_orders", {})), None
        case _:
            return calls(ENTRY), None


def _status(status: int, words: str = "") -> Reply:
    fault = {"message": words or STATUSES[status], "type": "error", "code": "invalid"}
    return Reply(status, json.dumps({"error": fault}).encode())


def _reply(answer: Json) -> Reply:
    return Reply(200, json.dumps(answer).encode())


def _common(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low
