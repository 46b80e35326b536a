"""The agent against DeepSeek as it is and as it fails: real HTTP, real tickets, real cycles.

No fault ends in an order that the model did not ask for whole, in a hang, or in a dead trader.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from agent.base_agent.base_agent import BaseAgent
from agent.cycle import Cycle, CycleReport
from agent.language_models import Endpoint, OpenAICompatibleModel
from agent.prompt_file import Prompt
from tests.builders import a_session
from tests.contract.deepseek_server import (
    ENTRY,
    KEY,
    DeepSeekServer,
    Mind,
    Mishap,
    call,
    calls,
    says,
)
from tests.contract.plain_model_server import NAME, PlainServer
from tests.doubles import FakeTools, JumpClock
from tests.stub_server import Fault, StubServer
from tools.core.errors import ModelMisconfigured, ModelOutOfCredit

pytestmark = pytest.mark.anyio

PROMPT = Prompt(system="be brief", cycle="Decide.", hash="abc123")
CALL_SECONDS, CYCLE_SECONDS = 0.4, 3.0
FOR_EVER = 40

END_THE_CYCLE = (*(400, 401, 402, 404, 422, Mishap.FILTERED, Fault.TRICKLE, Fault.HANG),)
ARE_REPEATED = (
    *(429, 500, 503, Fault.DROP, Mishap.TORN, Mishap.NO_RESOURCE),
    *(Mishap.HTML, Mishap.CUT_JSON, Mishap.NO_CHOICES),
)
ARE_CORRECTED = (
    *(Mishap.LENGTH, Mishap.LENGTH_TEXT, Mishap.DSML, Mishap.BLANK, Mishap.BAD_ARGUMENTS),
    *(Mishap.NO_SUCH_TOOL, Mishap.DOUBLE_ID),
)
ALL = (*END_THE_CYCLE, *ARE_REPEATED, *ARE_CORRECTED)


def buys_once(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Asks for SPY, and concludes once it was answered."""
    answered = any(m["role"] == "tool" and "recorded" in m["content"] for m in messages)
    return says("bought SPY") if answered else calls(ENTRY)


def waits(_: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return says("nothing to do")


@dataclass
class Bench:
    """A cycle over doubles for tools, and a real model behind HTTP."""

    cycle: Cycle
    tools: FakeTools
    clock: JumpClock
    number: int = 0

    async def run(self) -> CycleReport:
        """One cycle, half an hour after the last, bounded in real time."""
        self.number += 1
        await self.clock.sleep_until(self.clock.now() + timedelta(minutes=30))
        passed = self.cycle.run(self.number, a_session(), PROMPT, ())
        return await asyncio.wait_for(passed, CYCLE_SECONDS + 2)

    @property
    def ordered(self) -> int:
        """Orders that left for the desk."""
        return len(self.tools.named("place_order"))


@asynccontextmanager
async def bench(
    server: StubServer, *, name: str = "deepseek-flash", thinking: bool = False
) -> AsyncIterator[Bench]:
    endpoint = Endpoint(
        model=name,
        base_url=server.url,
        api_key=KEY,
        thinking=thinking,
        max_retries=2,
        base_delay=0.001,
    )
    model, tools = OpenAICompatibleModel(endpoint), FakeTools()
    clock = JumpClock("2013-10-07T09:30-04:00")
    cycle = Cycle(
        clock=clock,
        tools=tools,
        agent=BaseAgent(model, max_steps=30, call_deadline_seconds=CALL_SECONDS),
        watchlist=("SPY",),
        deadline_seconds=CYCLE_SECONDS,
        simulated_time=False,
    )
    try:
        yield Bench(cycle, tools, clock)
    finally:
        await model.close()


@pytest.mark.parametrize("fault", ALL, ids=str)
async def test_a_fault_that_stays_ends_the_cycle_without_an_order(fault: Any) -> None:
    with DeepSeekServer(buys_once, *[fault] * FOR_EVER) as server:
        async with bench(server) as room:
            report = await room.run()
    assert room.ordered == 0
    assert report.thought
    assert not report.thought.finished
    assert report.error
    assert len(server.requests) <= 30
    assert server.refused == []


@pytest.mark.parametrize("fault", ALL, ids=str)
async def test_an_entry_is_not_sent_when_the_reasoning_breaks_off_after_it(fault: Any) -> None:
    with DeepSeekServer(buys_once) as server:
        async with bench(server) as room:

            def breaks_off(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
                server.faults = [fault] * FOR_EVER
                return buys_once(messages)

            server.mind = breaks_off
            report = await room.run()
    assert [one.symbol for one in report.decisions] == ["SPY"]
    assert room.ordered == 0


@pytest.mark.parametrize("fault", ALL, ids=str)
async def test_the_trader_trades_again_when_the_fault_is_over(fault: Any) -> None:
    with DeepSeekServer(buys_once, *[fault] * FOR_EVER) as server:
        async with bench(server) as room:
            await room.run()
            server.faults = []
            report = await room.run()
    assert (report.error, room.ordered) == (None, 1)
    assert server.refused == []


@pytest.mark.parametrize("fault", [*ARE_REPEATED, *ARE_CORRECTED], ids=str)
async def test_a_fault_that_happens_once_costs_no_cycle_and_brings_no_order(fault: Any) -> None:
    with DeepSeekServer(waits, fault) as server:
        async with bench(server) as room:
            report = await room.run()
    assert (report.error, report.text) == (None, "nothing to do")
    assert (report.decisions, room.ordered) == ((), 0)
    assert len(server.requests) == 2
    assert server.refused == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, ModelMisconfigured), (402, ModelOutOfCredit), (404, ModelMisconfigured)],
)
async def test_what_only_a_person_can_mend_is_told_apart(
    status: int, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    with DeepSeekServer(waits, status) as server:
        async with bench(server) as room:
            report = await room.run()
    assert report.thought
    assert [type(one) for one in report.thought.faults] == [kind]
    assert len(server.requests) == 1
    alerts = [getattr(record, "alert", None) for record in caplog.records]
    assert ("model_credit" in alerts) is (kind is ModelOutOfCredit)


async def test_an_unknown_model_is_a_setting_to_mend() -> None:
    with DeepSeekServer(waits) as server:
        async with bench(server, name="deepseek-chat") as room:
            report = await room.run()
    assert report.thought
    assert isinstance(report.thought.faults[0], ModelMisconfigured)


@pytest.mark.parametrize("reasoning", ["because", "", None])
async def test_while_thinking_what_was_thought_goes_back_with_every_later_request(
    reasoning: str | None,
) -> None:
    def thinks(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        roles = [one["role"] for one in messages]
        if roles.count("assistant") < 3:
            return calls(call("get_account", {"n": len(roles)}), reasoning=reasoning)
        return says("done")

    with DeepSeekServer(thinks) as server:
        async with bench(server, thinking=True) as room:
            report = await room.run()
    assert (report.error, server.refused) == (None, [])
    sent = json.loads(server.requests[-1].body)
    assert "thinking" not in sent
    assert [m.get("reasoning_content") for m in sent["messages"] if m["role"] == "assistant"] == [
        reasoning or ""
    ] * 3


@pytest.mark.parametrize("thinking", [False, True])
async def test_the_last_step_keeps_the_tools_where_a_choice_may_be_named(thinking: bool) -> None:
    def never_ends(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return calls(call("get_account", {"n": len(messages)}))

    with DeepSeekServer(never_ends) as server:
        async with bench(server, thinking=thinking) as room:
            report = await room.run()
    assert report.error == "no conclusion within 30 steps"
    assert server.refused == []
    first, last = (json.loads(server.requests[n].body) for n in (0, -1))
    assert "tool_choice" not in first
    assert (last.get("tool_choice"), last.get("tools")) == (
        (None, None) if thinking else ("none", first["tools"])
    )


async def test_every_request_of_a_cycle_begins_with_the_bytes_of_the_one_before() -> None:
    def looks_around(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        return says("done") if len(messages) > 8 else calls(call("get_account", {}))

    with DeepSeekServer(looks_around) as server:
        async with bench(server) as room:
            report = await room.run()
    bodies = [request.body.removesuffix(b"]}") for request in server.requests]
    assert len(bodies) == 5
    assert all(later.startswith(before) for before, later in itertools.pairwise(bodies))
    assert report.thought
    assert report.thought.cached_tokens > report.thought.prompt_tokens // 2
    assert report.thought.served_by == ["deepseek-flash/fp_1017"]


@pytest.mark.parametrize("mind", [buys_once, waits])
async def test_a_plain_endpoint_with_its_own_manners_is_traded_by(mind: Mind) -> None:
    with PlainServer(mind) as server:
        async with bench(server, name=NAME) as room:
            report = await room.run()
    assert report.error is None
    assert room.ordered == (1 if mind is buys_once else 0)
    assert report.thought
    assert report.thought.cached_tokens == 64 * report.thought.model_calls


async def test_two_hundred_turns_with_a_fault_in_every_third() -> None:
    seed = 7
    print(f"seed {seed}")
    draw, quick = Random(seed), [one for one in ALL if one not in (Fault.TRICKLE, Fault.HANG)]

    def wanders(messages: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        if draw.random() < 1 / 3:
            server.faults.append(draw.choice(quick))
        tools = ("get_account", "get_orders", "get_positions", "get_risk_status")
        if len(messages) > 16:
            return buys_once(messages)
        return calls(call(draw.choice(tools), {}, f"c{len(messages)}"))

    turns = finished = 0
    with DeepSeekServer(wanders) as server:
        for _ in range(FOR_EVER):
            async with bench(server) as room:
                report = await room.run()
            assert report.thought
            turns += report.thought.model_calls
            finished += report.thought.finished
            assert room.ordered <= report.thought.finished
    print(f"{turns} turns, {len(server.requests)} requests, {finished} cycles concluded")
    assert turns >= 200
    assert finished > 0
    assert server.refused == []
