"""What a decision rests on is what was read, and an entry rests on something."""

import pytest

from agent.base_agent.tickets import BadTicket, TicketBook
from agent.evidence import Evidence
from tests.builders import a_time
from tests.doubles import FakeTools
from tools.core.seams import ToolResult

ENTRY = {"symbol": "SPY", "confidence": 0.8, "reason": "breakout"}


def answer(**data: object) -> ToolResult:
    return ToolResult(text="", data=data)


def seen(*answers: tuple[str, ToolResult]) -> Evidence:
    evidence = Evidence(lambda: a_time("10:30"))
    for name, result in answers:
        evidence.note(name, result)
    return evidence


def test_a_reading_is_cited_with_its_tool_its_time_and_its_age() -> None:
    row = {"symbol": "SPY", "price": 168.3, "quality": {"age_s": 4}}
    evidence = seen(
        ("get_trading_signals", answer(signals=[row])), ("get_levels", answer(symbol="SPY"))
    )
    assert evidence.of("SPY") == (
        "get_trading_signals 2013-10-07T10:30:00-04:00, 4 s old",
        "get_levels 2013-10-07T10:30:00-04:00",
    )


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("get_quotes", ToolResult(text="SPY", data={"symbol": "SPY"}, is_error=True)),
        ("get_positions", answer(positions=[{"symbol": "SPY"}])),
        ("get_trading_signals", answer(signals=[{"symbol": "SPY", "price": None}])),
        ("get_quotes", answer(quotes=[{"symbol": "QQQ", "mid": 1.0}])),
    ],
)
def test_an_error_a_book_and_an_empty_reading_are_no_evidence(
    name: str, result: ToolResult
) -> None:
    assert seen((name, result)).of("SPY") == ()


@pytest.mark.anyio
async def test_an_entry_without_a_price_that_was_read_is_refused_and_may_be_repaired() -> None:
    evidence = seen()
    book = TicketBook(FakeTools(), "D-2013-10-07-3", evidence=evidence)
    with pytest.raises(BadTicket, match="no price of SPY was read in this cycle"):
        await book.enter(ENTRY)
    evidence.note("get_quotes", answer(quotes=[{"symbol": "SPY", "mid": 168.3}]))
    await book.enter(ENTRY)
    assert book.decisions[0].rests_on == ("get_quotes 2013-10-07T10:30:00-04:00",)
