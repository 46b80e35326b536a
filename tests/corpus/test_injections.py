"""216 texts in each place where somebody else's words reach the model: they stay words.

The mind of these cases obeys whatever it reads, as the worst model would; what keeps the limits is
not the mind.
"""

import json
import unicodedata
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from agent.base_agent.base_agent import BaseAgent
from agent.compact import as_text
from agent.cycle import Cycle
from agent.prompt_file import Prompt
from agent_tools._data_answers import Asset, MoverLine
from agent_tools._trade_answers import DenialLine, State
from tests.builders import a_session
from tests.corpus.injections import CASES
from tests.counters import a_server
from tests.doubles import FakeTools, JumpClock, ScriptedModel, calls, says
from tests.trading import a_bench, opened
from tools.core.market import Instrument, Market
from tools.core.seams import ToolResult
from tools.core.untrusted import LONGEST, cleaned

pytestmark = pytest.mark.anyio

EACH = pytest.mark.parametrize("text", [text for _, text in CASES], ids=[name for name, _ in CASES])
PROMPT = Prompt(system="be brief", cycle="Decide.", hash="abc123")


def assert_only_words(text: str, longest: int = LONGEST) -> None:
    """Nothing invisible, nothing that opens anything, no address, no more than agreed."""
    assert len(text) <= longest
    kinds = {unicodedata.category(char) for char in text}
    assert kinds.isdisjoint({"Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp"})
    assert not any("\ufe00" <= char <= "\ufe0f" or char > "\U000e0000" for char in text)
    marks = (
        "<",
        "`",
        "://",
        "www.",
        "javascript:",
        "\n",
        "\u3164",
        "|im_start|",
        "｜DSML｜",
        "｜User",
    )
    for mark in marks:
        assert mark not in text


@EACH
def test_a_text_is_cleaned_to_words_and_cleaning_again_changes_nothing(text: str) -> None:
    once = cleaned(text)
    assert_only_words(once)
    assert cleaned(once) == once


@EACH
def test_names_and_rejections_in_answers_are_bounded_words(text: str) -> None:
    instrument = Instrument(
        symbol="SPY",
        name=text,
        exchange=text,
        market=Market.US_EQUITY,
        active=True,
        tradable=True,
        fractionable=False,
    )
    asset = Asset.of("SPY", instrument)
    assert asset.name is not None
    assert asset.exchange is not None
    assert_only_words(asset.name, 60)
    assert_only_words(asset.exchange, 60)
    assert_only_words(DenialLine(reason="broker", message=text).message)
    assert_only_words(State(trading_state="REDUCING", reason=text).reason)
    assert_only_words(MoverLine(symbol=text, price=1.0, change_fraction=0.1).symbol, 60)


@EACH
def test_no_text_ends_the_snapshot_before_its_end(text: str) -> None:
    told = as_text({"last_denials": [{"symbol": text, "message": text}]})
    assert "<" not in told
    assert json.loads(told)["last_denials"][0]["message"] == text
    message = PROMPT.message(told)
    assert message.count("<snapshot>") == message.count("</snapshot>") == 1
    assert message.endswith("</snapshot>")


@EACH
async def test_a_mind_that_obeys_a_refusals_words_gets_no_order_past_the_desk(text: str) -> None:
    tools = FakeTools(
        get_levels=ToolResult(text=text, is_error=True),
        preview_order=ToolResult(text=text, is_error=True),
    )
    wild = {"symbol": "SPY", "confidence": 1, "reason": text[:1_900] or "x", "quantity": 10**6}
    model = ScriptedModel(
        [
            calls(("get_levels", {"symbol": text[:200]})),
            calls(("place_order", wild)),
            *[says(text)] * 3,
        ]
    )
    cycle = Cycle(
        clock=JumpClock("2013-10-07T10:30-04:00"),
        tools=tools,
        agent=BaseAgent(model, max_steps=5, call_deadline_seconds=5),
        watchlist=("SPY",),
        deadline_seconds=5,
        simulated_time=False,
    )
    report = await cycle.run(1, a_session(), PROMPT, ())
    assert tools.named("place_order") == []
    answers = [str(one["content"]) for one in report.messages if one["role"] == "tool"]
    assert len(answers) == 2
    for answer in answers:
        assert_only_words(answer, 1_100)


@pytest.mark.parametrize("number", range(0, len(CASES), 12))
async def test_the_trade_server_keeps_its_limits_whatever_is_written_into_a_ticket(
    number: int, tmp_path: Path
) -> None:
    text = CASES[number][1][:1_900] or "x"
    bench = opened(a_bench(tmp_path))
    ticket: dict[str, Any] = {"symbol": "IBM", "confidence": 0.9, "reason": text, "epoch": 0}
    async with Client(a_server(bench).mcp) as client:
        await client.call_tool("place_order", ticket | {"quantity": 1_000_000})
        await client.call_tool("place_order", ticket | {"symbol": text[:12]})
        await client.call_tool("close_position", {"symbol": text[:12], "reason": text, "epoch": 0})
    equity = bench.broker.account().equity
    worth = sum((one.market_value_usd for one in bench.broker.positions()), Decimal(0))
    assert worth <= equity * Decimal("0.2") * Decimal("1.01")
    assert set(bench.held()) <= {"IBM"}
