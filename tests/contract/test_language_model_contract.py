"""The LanguageModel seam over a socket: the embedded model, and servers that fail."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from agent.language_models import Endpoint, OpenAICompatibleModel
from tests.conftest import ROOT
from tests.stub_server import HTML, Fault, Reply, StubServer
from tools.core.errors import ModelUnavailable
from tools.core.seams import LanguageModel, ModelTurn, ToolCall

pytestmark = pytest.mark.anyio

HELLO = [{"role": "user", "content": "hello"}]
TOOLS = [{"type": "function", "function": {"name": "get_quotes", "parameters": {}}}]


def answered(message: dict[str, Any], **rest: Any) -> Reply:
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return Reply(body=json.dumps({"id": "x", "choices": [choice], **rest}).encode())


FINE = answered({"role": "assistant", "content": "fine"})


@pytest.fixture(scope="module")
def embedded_url() -> Iterator[str]:
    """The embedded model as a process of its own."""
    command = [sys.executable, "-m", "embedded.model", "--port", "0"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        banner = process.stdout.readline()
        assert "not a language model" in banner
        yield banner.split()[-1]
        process.terminate()
        assert process.wait(10) == 0


@pytest.fixture
async def embedded(embedded_url: str) -> AsyncIterator[LanguageModel]:
    model = a_model(embedded_url)
    yield model
    await model.close()


def a_model(url: str, *, name: str = "deepseek-flash", **options: Any) -> OpenAICompatibleModel:
    retries = {"max_retries": 2, "base_delay": 0.001} | options
    return OpenAICompatibleModel(Endpoint(model=name, base_url=url, api_key="sk-secret", **retries))


async def ask(server: StubServer, *, seconds: float = 10, **options: Any) -> ModelTurn:
    model = a_model(server.url, **options)
    try:
        return await model.complete(HELLO, TOOLS, deadline_seconds=seconds)
    finally:
        await model.close()


async def test_a_text_is_a_turn_without_calls(embedded: LanguageModel) -> None:
    turn = await embedded.complete(HELLO, [], deadline_seconds=10)
    assert turn.text
    assert turn.tool_calls == ()
    assert turn.finish_reason == "stop"
    assert turn.prompt_tokens > 0
    assert turn.completion_tokens > 0


async def test_calls_are_answered_by_sending_the_message_back(embedded: LanguageModel) -> None:
    signal = {"symbol": "SPY", "strength": 0.9, "coverage": 1}
    sight = {"session": {"entries_open": True}, "signals": [signal]}
    messages: list[Any] = [{"role": "user", "content": f"<snapshot>{json.dumps(sight)}</snapshot>"}]
    first = await embedded.complete(messages, TOOLS, deadline_seconds=10)
    (call,) = first.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("get_quotes", {"symbols": ["SPY"]})
    assert first.finish_reason == "tool_calls"
    messages += [first.message, {"role": "tool", "tool_call_id": call.call_id, "content": "{}"}]
    second = await embedded.complete(messages, TOOLS, deadline_seconds=10)
    assert second.tool_calls == ()
    assert "SPY" in second.text


async def test_a_group_of_calls_with_a_hole_is_left_out_of_the_request(
    embedded: LanguageModel,
) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    broken = {"role": "assistant", "content": "", "tool_calls": [call]}
    stray = {"role": "tool", "tool_call_id": "other", "content": "{}"}
    turn = await embedded.complete([*HELLO, broken, stray], [], deadline_seconds=10)
    assert turn.text


async def test_what_the_model_sent_is_echoed_but_for_nulls_and_indexes() -> None:
    calls = [{"index": 0, "id": "a", "type": "function"}]
    calls[0]["function"] = {"name": "f", "arguments": '{"broken'}
    message = {"role": "assistant", "content": None, "reasoning_content": "", "tool_calls": calls}
    with StubServer(answered(message)) as server:
        turn = await ask(server)
    assert turn.tool_calls == (ToolCall(call_id="a", name="f", arguments='{"broken'),)
    assert turn.message == {
        "role": "assistant",
        "content": "",
        "reasoning_content": "",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"broken'}}
        ],
    }


async def test_shapes_that_other_servers_send_are_understood() -> None:
    message = {
        "content": [{"type": "text", "text": "parts"}],
        "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}],
    }
    with StubServer(answered(message, usage={"prompt_tokens": None})) as server:
        turn = await ask(server)
    assert turn.text == turn.message["content"] == "parts"
    assert turn.tool_calls == (ToolCall(call_id="call-0", name="f", arguments='{"a": 1}'),)
    assert (turn.prompt_tokens, turn.completion_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("name", "thinking", "sent"),
    [
        ("deepseek-flash", False, {"type": "disabled"}),
        ("deepseek-flash", True, None),
        ("gpt-oss", False, None),
    ],
)
async def test_thinking_is_switched_off_where_there_is_a_switch(
    name: str, thinking: bool, sent: object
) -> None:
    with StubServer(FINE) as server:
        await ask(server, name=name, thinking=thinking)
    body = json.loads(server.requests[0].body)
    assert body.get("thinking") == sent
    assert (body["model"], body["messages"], body["tools"]) == (name, HELLO, TOOLS)


@pytest.mark.parametrize(
    "fault", [Reply(429), Reply(500), Reply(503, HTML), Fault.DROP, Reply(body=b"{", torn=True)]
)
async def test_a_failure_that_may_pass_is_repeated(fault: Reply | Fault) -> None:
    with StubServer(fault, fault, FINE) as server:
        assert (await ask(server)).text == "fine"
    assert len(server.requests) == 3


async def test_repetitions_are_bounded_and_wait_twice_as_long_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with StubServer(Reply(500)) as server, pytest.raises(ModelUnavailable, match="500"):
        await ask(server)
    assert len(server.requests) == 3
    *waits, last = [record.message.partition("; ")[2] for record in caplog.records]
    seconds = [float(said.split()[-2]) for said in waits]
    assert [0.001 <= seconds[0] <= 0.00125, 0.002 <= seconds[1] <= 0.0025] == [True, True]
    assert last == "giving up"


@pytest.mark.parametrize("status", [400, 401, 402, 404, 422])
async def test_a_refusal_is_not_repeated_and_tells_no_secret(status: int) -> None:
    refusal = Reply(status, b'{"error": {"message": "your key sk-secret is not for this"}}')
    with StubServer(refusal) as server:
        with pytest.raises(ModelUnavailable, match=str(status)) as raised:
            await ask(server)
    assert len(server.requests) == 1
    assert "sk-secret" not in f"{raised.value!r}{raised.value.__cause__!r}"


@pytest.mark.parametrize(
    "body",
    [HTML, b'{"choices": [{"mess', b'{"choices": []}', b'{"choices": null}', b"null", b"[1]", b""],
)
async def test_an_answer_that_holds_no_choice_is_no_turn_and_asked_for_once_more(
    body: bytes,
) -> None:
    headers = {"Content-Type": "text/html"} if body == HTML else {}
    with StubServer(Reply(200, body, headers)) as server:
        with pytest.raises(ModelUnavailable, match="unusable answer"):
            await ask(server)
    assert len(server.requests) == 2
    with StubServer(Reply(200, body, headers), FINE) as server:
        assert (await ask(server)).text == "fine"


@pytest.mark.parametrize("message", [None, "text", {"tool_calls": [{"function": None}]}])
async def test_a_choice_that_is_misshapen_is_no_turn(message: Any) -> None:
    with StubServer(answered(message)) as server:
        with pytest.raises(ModelUnavailable, match="unusable answer"):
            await ask(server)


async def test_a_rate_limit_is_named_in_the_log_each_time(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with StubServer(Reply(429)) as server, pytest.raises(ModelUnavailable, match="rate limit"):
        await ask(server)
    assert sum("rate limit" in record.message for record in caplog.records) == 3
    assert {record.levelname for record in caplog.records} == {"WARNING"}


async def test_retry_after_is_honoured_and_not_waited_for_past_the_deadline(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with StubServer(Reply(429, headers={"Retry-After": "0.02"}), FINE) as server:
        assert (await ask(server)).text == "fine"
    assert re.search(r"asking again in 0\.02\d* s", caplog.text)
    with StubServer(Reply(429, headers={"Retry-After": "60"})) as server:
        with pytest.raises(ModelUnavailable, match="rate limit"):
            await asyncio.wait_for(ask(server, seconds=30), 5)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Fault.TRICKLE, Fault.HANG])
async def test_the_deadline_holds_against_a_server_that_keeps_the_line_busy(fault: Fault) -> None:
    with StubServer(fault) as server:
        with pytest.raises(ModelUnavailable, match=r"no answer within 0\.1 s") as raised:
            await asyncio.wait_for(ask(server, seconds=0.1), 5)
    assert isinstance(raised.value.__cause__, TimeoutError)


async def test_nobody_there_is_a_refused_connection() -> None:
    with StubServer(FINE) as server:
        pass
    with pytest.raises(ModelUnavailable, match="connection refused"):
        await ask(server)
