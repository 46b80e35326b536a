"""The embedded model's HTTP face."""

import json
import socket

import httpx2
import pytest

from embedded.model.__main__ import main
from embedded.model.app import create_app
from tools import hosting

SIGHT = {
    "session": {"entries_open": True},
    "signals": [{"symbol": "SPY", "strength": 0.9, "coverage": 1.0}],
}
BODY = {
    "model": "deepseek-flash",
    "thinking": {"type": "disabled"},
    "messages": [{"role": "user", "content": f"<snapshot>{json.dumps(SIGHT)}</snapshot>"}],
    "tools": [{"type": "function", "function": {"name": "get_quotes"}}],
}


def client() -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=create_app())
    return httpx2.AsyncClient(transport=transport, base_url="http://model")


@pytest.mark.anyio
async def test_it_speaks_openais_json_and_repeats_itself_to_the_byte() -> None:
    async with client() as http:
        first = await http.post("/v1/chat/completions", json=BODY)
        second = await http.post("/v1/chat/completions", json=BODY)
    assert first.content == second.content
    answer = first.json()
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    (call,) = answer["choices"][0]["message"]["tool_calls"]
    assert call["function"] == {"name": "get_quotes", "arguments": '{"symbols": ["SPY"]}'}
    assert answer["usage"]["prompt_tokens"] == round(len(first.request.content) * 0.3)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "why"), [(b"{", "Expecting"), (b'{"stream": true}', "streaming"), (b"[]", "messages")]
)
async def test_a_bad_request_is_answered_with_400_and_a_reason(body: bytes, why: str) -> None:
    async with client() as http:
        answer = await http.post("/v1/chat/completions", content=body)
    assert answer.status_code == 400
    assert why in answer.json()["error"]["message"]


@pytest.mark.anyio
async def test_every_banner_says_that_it_is_not_a_language_model() -> None:
    async with client() as http:
        health, models = await http.get("/health"), await http.get("/v1/models")
    assert health.json()["status"] == "ok"
    assert "not a language model" in health.json()["model"]
    assert "not a language model" in models.json()["data"][0]["owned_by"]


def test_a_taken_port_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hosting, "BIND_PATIENCE_SECONDS", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    assert capsys.readouterr().err == f"embedded model: port {port} is taken by another process\n"
