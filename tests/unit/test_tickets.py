"""Tickets: recorded while reasoning, sent once afterwards, exits first."""

import json
from decimal import Decimal

import pytest

from agent.base_agent.tickets import BadTicket, TicketBook
from tests.doubles import FakeTools, a_position, denied
from tools.core.errors import OutcomeUnknown, Unavailable
from tools.core.safety import Denial, DenialReason
from tools.core.seams import ToolResult

pytestmark = pytest.mark.anyio

LATE = Denial(reason=DenialReason.SESSION, message="entries have ended")


def entry(symbol: str = "SPY", **more: object) -> dict[str, object]:
    return {"symbol": symbol, "confidence": 0.8, "reason": "breakout", **more}


def exit_from(symbol: str) -> dict[str, object]:
    return {"symbol": symbol, "reason": "faded"}


def a_book(tools: FakeTools) -> TicketBook:
    return TicketBook(tools, "D-2026-01-05-3")


async def test_exits_are_sent_before_entries_each_in_the_order_of_asking() -> None:
    held = {"positions": [a_position("AMD"), a_position("TSLA")]}
    tools = FakeTools(get_positions=held)
    book = a_book(tools)
    await book.enter(entry("SPY"))
    await book.leave(exit_from("TSLA"))
    await book.enter(entry("QQQ"))
    await book.leave(exit_from("AMD"))
    outcomes = await book.send(entries_refused=None)
    assert [one.symbol for one in outcomes] == ["TSLA", "AMD", "SPY", "QQQ"]
    assert [one.decision_id[-1] for one in outcomes] == ["2", "4", "1", "3"]


async def test_a_ticket_is_sent_with_its_decision_id_and_no_null() -> None:
    tools = FakeTools()
    book = a_book(tools)
    await book.enter(entry(quantity="10", stop_price=49.5, target_price=None))
    await book.send(entries_refused=None)
    assert tools.named("place_order") == [
        {**entry(), "quantity": 10, "stop_price": 49.5, "decision_id": "D-2026-01-05-3-1"}
    ]


async def test_the_preview_counts_the_entries_approved_earlier_in_the_cycle() -> None:
    tools = FakeTools()
    book = a_book(tools)
    await book.enter(entry("SPY"))
    await book.enter(entry("QQQ"))
    first, second = tools.named("preview_order")
    assert first["earlier"] == []
    assert [one["symbol"] for one in second["earlier"]] == ["SPY"]
    assert "reason" not in second


async def test_what_the_desk_denied_while_reasoning_is_never_sent() -> None:
    tools = FakeTools(preview_order=denied("positions", "5 of 5 are taken"))
    book = a_book(tools)
    answer = json.loads(await book.enter(entry()))
    assert answer["approved"] is False
    [outcome] = await book.send(entries_refused=None)
    assert [one.reason for one in outcome.denials] == [DenialReason.POSITIONS]
    assert tools.named("place_order") == []


async def test_a_denied_ticket_may_be_asked_for_again_an_approved_one_not() -> None:
    tools = FakeTools(preview_order=denied())
    book = a_book(tools)
    await book.enter(entry())
    tools.answers["preview_order"] = {"approved": True, "quantity": 4, "denials": []}
    await book.enter(entry(confidence=0.9))
    with pytest.raises(BadTicket, match="already recorded"):
        await book.enter(entry(confidence=0.95))
    assert len(book.decisions) == 2


async def test_entries_kept_back_are_outcomes_with_the_reason_and_exits_still_go() -> None:
    tools = FakeTools(get_positions={"positions": [a_position("AMD")]})
    book = a_book(tools)
    await book.enter(entry())
    await book.leave(exit_from("AMD"))
    left, entered = await book.send(entries_refused=LATE)
    assert (left.symbol, left.filled_quantity) == ("AMD", Decimal(10))
    assert (entered.approved, entered.denials) == (False, (LATE,))
    assert tools.named("place_order") == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Unavailable("alpaca-trade: connection refused"), DenialReason.BROKER),
        (OutcomeUnknown("place_order: it broke"), DenialReason.UNKNOWN_OUTCOME),
    ],
)
async def test_an_order_whose_call_failed_is_not_sent_again(
    fault: Exception, reason: DenialReason
) -> None:
    tools = FakeTools(place_order=fault)
    book = a_book(tools)
    await book.enter(entry())
    [outcome] = await book.send(entries_refused=None)
    assert [one.reason for one in outcome.denials] == [reason]
    assert len(tools.named("place_order")) == 1
    assert book.faults == [fault]


async def test_an_error_result_of_the_server_is_a_refusal_in_its_words() -> None:
    tools = FakeTools(place_order=ToolResult(text="quantity: not an integer", is_error=True))
    book = a_book(tools)
    await book.enter(entry())
    [outcome] = await book.send(entries_refused=None)
    assert outcome.denials[0].message == "quantity: not an integer"


async def test_numbers_of_an_answer_are_the_decimals_that_were_written() -> None:
    answer = {"approved": True, "quantity": 3, "filled_quantity": 3, "average_fill_price": 33.37}
    tools = FakeTools(place_order=answer)
    book = a_book(tools)
    await book.enter(entry())
    [outcome] = await book.send(entries_refused=None)
    assert outcome.average_fill_price == Decimal("33.37")
