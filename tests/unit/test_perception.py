"""What a cycle starts from."""

from collections.abc import Mapping
from typing import Any

import pytest

from agent.perception import perceive
from tools.core.errors import Unavailable
from tools.core.seams import ToolResult

WATCHLIST = [f"S{chr(65 + number // 26)}{chr(65 + number % 26)}" for number in range(30)]
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "get_account": {"cash": 100, "equity": 100},
    "get_positions": {"positions": [{"symbol": "HELD"}]},
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
    seen = await perceive(tools, WATCHLIST)
    assert [signal["symbol"] for signal in seen.signals] == [*WATCHLIST, "HELD"]
    assert [len(symbols) for symbols in tools.asked] == [20, 11]


@pytest.mark.anyio
async def test_a_refused_question_is_an_unavailable_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.perception.SYMBOLS_PER_CALL", 21)
    with pytest.raises(Unavailable, match="at most 20"):
        await perceive(Counters(), WATCHLIST)
