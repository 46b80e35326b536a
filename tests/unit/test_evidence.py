"""What a decision rests on is what was read, and an entry rests on something."""

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from agent.base_agent.tickets import BadTicket, TicketBook
from agent.evidence import Evidence
from tests.builders import a_time
from tests.doubles import FakeTools
from tools.core.safety import DenialReason
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


QUOTE = {"symbol": "SPY", "bid": 168.3, "ask": 168.34, "mid": 168.32}
AT = "2013-10-07T14:29:58.250000Z"
READ = answer(quotes=[{**QUOTE, "at": AT}])


@pytest.mark.parametrize(
    ("price", "at"),
    [
        ("168.34", AT),
        ("168.3", "2013-10-07T10:29:58-04:00"),
        ("168.320", "2013-10-07T14:29:58Z"),
    ],
)
def test_any_price_of_a_quote_is_cited_in_any_time_zone_and_without_fractions_of_a_second(
    price: str, at: str
) -> None:
    evidence = seen(("get_quotes", READ))
    assert evidence.objection("SPY", Decimal(price), datetime.fromisoformat(at)) == ""


@pytest.mark.parametrize(
    ("symbol", "price", "at", "words"),
    [
        ("QQQ", "168.34", AT, "no price of QQQ was read in this cycle: get_quotes first"),
        ("SPY", "168.33", AT, f"no tool told SPY at 168.33 .* 168.3 at {AT}"),
        ("SPY", "168.34", "2013-10-07T14:30:00Z", "no tool told SPY at 168.34"),
        ("SPY", None, AT, "say what it rests on, as price and price_at; read in this cycle: 168"),
        ("SPY", "168.34", None, "say what it rests on"),
    ],
)
def test_a_price_that_nobody_told_is_no_ground(
    symbol: str, price: str | None, at: str | None, words: str
) -> None:
    evidence = seen(("get_quotes", READ))
    cited = Decimal(price) if price else None
    told = evidence.objection(symbol, cited, datetime.fromisoformat(at) if at else None)
    assert re.search(words, told)


@pytest.mark.parametrize(("age", "refused"), [(120, False), (121, True)])
def test_a_price_of_longer_ago_than_agreed_is_no_ground(age: int, refused: bool) -> None:
    at = a_time("10:30") - timedelta(seconds=age)
    row = {"symbol": "SPY", "price": 168.3, "price_at": at.isoformat()}
    told = seen(("get_trading_signals", answer(signals=[row]))).objection(
        "SPY", Decimal("168.3"), at
    )
    assert told == ("168.3 is 121 s old, at most 120 s: get_quotes, and look again" * refused)


def test_a_price_read_earlier_in_the_cycle_may_still_be_cited() -> None:
    later = answer(quotes=[{"symbol": "SPY", "mid": 168.5, "at": "2013-10-07T14:30:00Z"}])
    evidence = seen(("get_quotes", READ), ("get_quotes", later))
    assert evidence.objection("SPY", Decimal("168.32"), datetime.fromisoformat(AT)) == ""


@pytest.mark.anyio
async def test_an_entry_that_cites_nothing_is_a_denial_of_the_record_and_may_be_repaired() -> None:
    tools, evidence = FakeTools(), seen(("get_quotes", READ))
    book = TicketBook(tools, "D-2013-10-07-3", evidence=evidence)
    told = json.loads(await book.enter(ENTRY))
    assert (told["approved"], told["denials"][0]["reason"]) == (False, "citation")
    assert tools.calls == []
    cited = {"price": 168.34, "price_at": AT}
    assert json.loads(await book.enter({**ENTRY, **cited}))["approved"]
    refused, sent = await book.send(entries_refused=None)
    assert [one.reason for one in refused.denials] == [DenialReason.CITATION]
    assert sent.approved
    (order,) = tools.named("place_order")
    assert (order["price"], order["price_at"]) == (168.34, "2013-10-07T14:29:58.250000+00:00")
    decision = book.decisions[1]
    assert (decision.price, decision.price_at) == (Decimal("168.34"), datetime.fromisoformat(AT))
    assert decision.rests_on == ("get_quotes 2013-10-07T10:30:00-04:00",)


@pytest.mark.anyio
async def test_a_preview_cites_too() -> None:
    tools, evidence = FakeTools(), seen(("get_quotes", READ))
    book = TicketBook(tools, "D-2013-10-07-3", evidence=evidence)
    asked = {"symbol": "SPY", "confidence": 0.8}
    with pytest.raises(BadTicket, match="say what it rests on"):
        await book.preview(asked)
    await book.preview({**asked, "price": 168.3, "price_at": AT})
    assert len(tools.named("preview_order")) == 1
