"""What a cycle starts from."""

from collections.abc import Mapping
from typing import Any

import pytest

from agent.perception import WORST_GRADE, Book, Perception, perceive, read_book
from tests.doubles import FakeTools, a_position
from tools.core.errors import Unavailable
from tools.core.seams import ToolResult
from tools.data_quality import Grade

WATCHLIST = [f"S{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(30)]
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "get_account": {"cash": 100, "equity": 100},
    "get_positions": {"positions": [a_position("HELD")]},
    "get_orders": {"open_orders": [], "round_trips": []},
    "get_risk_status": {"trading_state": "ACTIVE"},
}


class Counters:
    """Two servers' tools; a call of signals answers one per symbol, up to twenty."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def specs(self) -> list[Mapping[str, Any]]:
        return []

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        if name != "get_trading_signals":
            return ToolResult(text="", data=ANSWERS[name])
        symbols = arguments["symbols"]
        self.asked.append(symbols)
        if len(symbols) > 20:
            return ToolResult(text="at most 20 symbols", is_error=True)
        return ToolResult(text="", data={"signals": [{"symbol": one} for one in symbols]})


@pytest.mark.anyio
async def test_a_long_watchlist_is_asked_for_in_parts_and_what_is_held_is_among_it() -> None:
    tools = Counters()
    seen = await perceive(tools, WATCHLIST, await read_book(tools))
    assert [signal["symbol"] for signal in seen.signals] == [*WATCHLIST, "HELD"]
    assert [len(symbols) for symbols in tools.asked] == [20, 11]


class Picky(Counters):
    """Refuses every question in which one of `unknown` is named."""

    def __init__(self, *unknown: str) -> None:
        super().__init__()
        self.unknown = set(unknown)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        if self.unknown & set(arguments.get("symbols", ())):
            return ToolResult(text="no such symbol", is_error=True)
        return await super().call(name, arguments)


@pytest.mark.anyio
async def test_a_symbol_that_cannot_be_analysed_does_not_hide_the_others() -> None:
    tools = Picky("SAB")
    seen = await perceive(tools, ["SAA", "SAB", "SAC"], await read_book(tools))
    assert [signal["symbol"] for signal in seen.signals] == ["SAA", "SAC", "HELD"]
    assert seen.failed == ("SAB",)


@pytest.mark.anyio
async def test_no_signal_at_all_is_an_unavailable_world() -> None:
    tools = Picky("SAA", "HELD")
    with pytest.raises(Unavailable, match="no such symbol"):
        await perceive(tools, ["SAA"], await read_book(tools))


@pytest.mark.anyio
async def test_a_symbol_left_out_is_asked_for_all_the_same_when_it_is_held() -> None:
    tools = Counters()
    await perceive(tools, ["SAA", "SAB"], await read_book(tools), ("SAB", "HELD"))
    assert tools.asked == [["SAA", "HELD"]]


def test_data_are_no_ground_for_entries_when_those_of_most_symbols_have_the_worst_grade() -> None:
    def seen(grades: str = "") -> Perception:
        signals = [{"symbol": f"S{n}", "quality": {"grade": g}} for n, g in enumerate(grades)]
        book = Book(account={}, positions=(), open_orders=(), round_trips=())
        return Perception(book=book, risk={}, signals=tuple(signals))

    assert seen("AFF").stale == "the data of 2 of 3 symbols have grade F"
    assert seen("DDF").stale == ""
    assert seen().stale == ""
    assert WORST_GRADE == Grade.F


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answers",
    [
        {"get_account": {}},
        {"get_account": {"cash": "a lot", "equity": 1}},
        {"get_account": {"cash": None, "equity": 1}},
        {"get_positions": {"positions": None}},
        {"get_positions": {"positions": [{"symbol": "SPY"}]}},
        {"get_positions": {"positions": ["SPY"]}},
        {"get_orders": {"open_orders": []}},
        {"get_orders": {"open_orders": [], "round_trips": [{"pnl": "much"}]}},
    ],
    ids=str,
)
async def test_a_book_that_cannot_be_read_is_no_book(answers: Mapping[str, Any]) -> None:
    with pytest.raises(Unavailable, match="the book cannot be read"):
        await read_book(FakeTools(**answers))
