"""An OpenAI-compatible endpoint with manners of its own: what is not in its book is a 400."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.contract.deepseek_server import Mind
from tests.stub_server import Fault, Reply, StubServer

KNOWN = {"model", "messages", "tools", "tool_choice", "max_completion_tokens"}
KNOWN_IN_MESSAGE = {"role", "content", "tool_calls", "tool_call_id"}
NAME = "gpt-5-plain"


class PlainServer(StubServer):
    """Nulls, no ids, arguments as objects, no fingerprint, and no way to ask for a balance."""

    def __init__(self, mind: Mind) -> None:
        super().__init__(Reply())
        self.mind = mind

    def next_reply(self) -> Reply | Fault:
        asked = self.requests[-1]
        if asked.path.endswith("/models"):
            return Reply(200, json.dumps({"data": [{"id": NAME}]}).encode())
        if not asked.path.endswith("/chat/completions"):
            return Reply(404, b"<html>Not Found</html>", {"Content-Type": "text/html"})
        body = json.loads(asked.body)
        if strange := _strange(body):
            words = {"error": {"message": f"Unknown parameter: {strange}", "code": "unknown"}}
            return Reply(400, json.dumps(words).encode())
        message = self.mind(body["messages"])
        choice = {"message": _plain(message), "finish_reason": None, "logprobs": None}
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 64},
        }
        answer = {"choices": [choice], "usage": usage, "system_fingerprint": None}
        return Reply(200, json.dumps(answer).encode())


def _strange(body: Mapping[str, Any]) -> str:
    """The first thing in a request that this endpoint does not know."""
    extra = sorted(body.keys() - KNOWN)
    for message in body["messages"]:
        extra += sorted(message.keys() - KNOWN_IN_MESSAGE)
        for one in message.get("tool_calls", ()):
            json.loads(one["function"]["arguments"])
    return extra[0] if extra else ""


def _plain(message: Mapping[str, Any]) -> Mapping[str, Any]:
    calls: Sequence[Any] = message.get("tool_calls") or ()
    functions = [one["function"] for one in calls]
    rows = [{"function": {**one, "arguments": _object(one["arguments"])}} for one in functions]
    return {"role": "assistant", "content": message.get("content") or None, "refusal": None} | (
        {"tool_calls": rows} if rows else {"tool_calls": None}
    )


def _object(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return text
