"""Before the open: does the model exist, is the key good, is there credit."""

from typing import Any

import pytest

from agent.language_models import Endpoint, OpenAICompatibleModel
from agent.models.preparation import Finding, tell
from tests.contract.deepseek_server import KEY, Account, DeepSeekServer, says
from tests.contract.plain_model_server import NAME, PlainServer
from tests.stub_server import HTML, Fault, Reply, StubServer
from tools.core.alerts import AlertKind

pytestmark = pytest.mark.anyio


def mind(_: Any) -> Any:
    return says("well")


async def findings(server: StubServer, model: str = "deepseek-flash", key: str = KEY) -> Any:
    asked = OpenAICompatibleModel(Endpoint(model=model, base_url=server.url, api_key=key))
    try:
        return await asked.check()
    finally:
        await asked.close()


async def test_nothing_stands_in_the_way_of_a_known_model_with_credit() -> None:
    with DeepSeekServer(mind) as server:
        assert await findings(server) == []
        assert await findings(server, "deepseek-v4-flash-vision-exp") == []
    assert [one.path for one in server.requests[:2]] == ["/models", "/user/balance"]


@pytest.mark.parametrize(
    ("model", "instead"),
    [("deepseek-chat", "deepseek-flash"), ("deepseek-v4-pr0", "deepseek-v4-pro"), ("zzz", "")],
)
async def test_a_model_that_is_not_offered_is_named_with_its_replacement(
    model: str, instead: str
) -> None:
    with DeepSeekServer(mind) as server:
        [finding] = await findings(server, model)
    assert finding.kind is AlertKind.MODEL_DOWN
    assert f"has no model {model!r}" in finding.text
    assert (f"use {instead!r}" if instead else "it offers deepseek-flash") in finding.text


@pytest.mark.parametrize(
    ("account", "low"),
    [
        (Account(balance="0.99"), True),
        (Account(balance="1.00"), False),
        (Account(available=False), True),
        (Account(balance="lots"), False),
    ],
)
async def test_low_credit_is_said_before_it_is_gone(account: Account, low: bool) -> None:
    with DeepSeekServer(mind, account=account) as server:
        found = await findings(server)
    assert [one.kind for one in found] == ([AlertKind.MODEL_CREDIT] if low else [])


async def test_a_wrong_key_is_said_and_not_repeated() -> None:
    with DeepSeekServer(mind) as server:
        [finding] = await findings(server, key="sk-very-wrong-key")
    assert "key is refused" in finding.text
    assert "sk-very-wrong-key" not in finding.text


async def test_an_endpoint_without_a_balance_is_none_the_worse() -> None:
    with PlainServer(mind) as server:
        assert await findings(server, NAME) == []


@pytest.mark.parametrize("reply", [Reply(200, HTML), Reply(404), Reply(200, b'{"data": 7}')])
async def test_what_an_endpoint_does_not_tell_is_no_finding(reply: Reply) -> None:
    with StubServer(reply) as server:
        assert await findings(server) == []


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.TRICKLE, Fault.DROP, Reply(503)])
async def test_a_server_that_does_not_answer_is_one_finding_and_no_hang(
    fault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.language_models.PREPARE_SECONDS", 0.2)
    with StubServer(fault) as server:
        [finding] = await findings(server)
    assert "does not answer" in finding.text


def test_findings_become_alerts(caplog: pytest.LogCaptureFixture) -> None:
    tell([Finding(AlertKind.MODEL_CREDIT, "little is left")])
    assert [getattr(record, "alert", None) for record in caplog.records] == ["model_credit"]
