"""Strict tools: schemas as DeepSeek wants them, sent where it takes them, to models that can."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.base_agent.base_agent import BaseAgent
from agent.base_agent.mcp_tools import openai_specs
from agent.base_agent.tickets import TicketBook
from agent.models.budget import BudgetLimits
from agent.models.capabilities import capabilities_of, completions_url
from agent.models.making import make_model
from agent.models.wire import request
from agent_tools._catalog import Server
from tests.builders import a_time
from tests.doubles import FakeTools, ScriptedModel, calls, says
from tests.unit.test_catalog import offered
from tools.config_files import AgentConfig, BudgetConfig, ModelConfig
from tools.core.errors import ConfigError

pytestmark = pytest.mark.anyio

KNOWN = {"type", "properties", "required", "additionalProperties", "anyOf", "items", "enum"}


async def sent(*, strict: bool) -> list[dict[str, Any]]:
    """All twenty tools as they go over the wire."""
    specs = [spec for which in Server for spec in openai_specs(await offered(which))]
    body = request(
        model="deepseek-flash",
        ways=capabilities_of("deepseek-flash"),
        thinking=False,
        most_tokens=100,
        messages=[{"role": "user", "content": "now"}],
        tools=specs,
        may_call=True,
        strict=strict,
    )
    return [tool["function"] for tool in json.loads(body)["tools"]]


def schemas(one: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema and all within."""
    yield one
    parts = [*one.get("properties", {}).values(), *one.get("anyOf", ())]
    for part in (*parts, *([one["items"]] if "items" in one else ())):
        yield from schemas(part)


async def test_every_tool_is_strict_as_the_server_checks_it() -> None:
    functions = await sent(strict=True)
    assert len(functions) == 20
    for function in functions:
        assert function["strict"] is True
        for schema in schemas(function["parameters"]):
            assert set(schema) - {"description"} <= KNOWN, (function["name"], schema)
            if schema.get("type") == "object":
                assert schema["required"] == list(schema["properties"])
                assert schema["additionalProperties"] is False


async def test_an_optional_argument_is_nullable_and_a_required_one_is_not() -> None:
    order = next(one for one in await sent(strict=True) if one["name"] == "place_order")
    properties = order["parameters"]["properties"]
    assert properties["symbol"] == {"type": "string"}
    assert properties["quantity"] == {"anyOf": [{"type": "integer"}, {"type": "null"}]}


async def test_nothing_is_strict_unless_it_is_asked_for() -> None:
    assert "additionalProperties" not in json.dumps(await sent(strict=False))


async def test_a_null_is_an_argument_that_was_left_out() -> None:
    tools = FakeTools()
    nulls = {"symbol": "SPY", "confidence": 0.8, "reason": "r", "quantity": None, "price": None}
    agent = BaseAgent(
        ScriptedModel([calls(("place_order", nulls)), calls(("get_account", {})), says("done")]),
        max_steps=5,
        call_deadline_seconds=5,
    )
    book = TicketBook(tools, "D-2013-10-07-3")
    await agent.think("brief", "now", tools=tools, tickets=book, deadline_seconds=5)
    (asked,) = tools.named("preview_order")
    assert set(asked) == {"symbol", "confidence", "earlier", "decision_id"}


@pytest.mark.parametrize(
    ("base_url", "strict", "url"),
    [
        ("https://api.deepseek.com", False, "/chat/completions"),
        ("https://api.deepseek.com", True, "https://api.deepseek.com/beta/chat/completions"),
        ("https://api.deepseek.com/v1", True, "https://api.deepseek.com/beta/chat/completions"),
        ("http://127.0.0.1:8007/v1", True, "/chat/completions"),
    ],
)
def test_strict_tools_go_to_deepseeks_beta_address(base_url: str, strict: bool, url: str) -> None:
    assert completions_url(base_url, strict=strict) == url


@pytest.mark.parametrize(("model", "taken"), [("deepseek-v4-pro", True), ("llama-4", False)])
async def test_a_model_that_is_not_known_to_take_them_is_refused(
    model: str, taken: bool, tmp_path: Path
) -> None:
    choice = ModelConfig(name="m", signature="m", model=model, strict_tools=True)

    def make() -> Any:
        return make_model(
            choice,
            AgentConfig(),
            BudgetLimits(**BudgetConfig().model_dump()),
            base_url="http://127.0.0.1:1",
            api_key="k",
            folder=tmp_path,
            now=lambda: a_time("10:30"),
        )

    if taken:
        made = make()
        assert made.endpoint.strict_tools
        await made.close()
    else:
        with pytest.raises(ConfigError, match="'llama-4' is not known to take them"):
            make()
