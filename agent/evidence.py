"""What a cycle has read of each symbol's market: a decision rests on that, or it is not taken.

It is noted here, by the agent, and not claimed by the model: what a model says it has read need not
be so.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tools.core.seams import ToolResult
from tools.schedule.market_hours import new_york

MARKET_TOOLS = frozenset(
    (
        "get_quotes",
        "get_bars",
        "get_snapshots",
        "get_indicators",
        "get_multi_timeframe_analysis",
        "get_trading_signals",
        "get_levels",
        "get_movers",
    )
)


class Evidence:
    """The readings of one cycle, by symbol and tool; a later one replaces the earlier."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._read: dict[str, dict[str, str]] = {}

    def note(self, name: str, result: ToolResult) -> None:
        """A tool has answered: whatever symbols have data in its answer count as read."""
        if name not in MARKET_TOOLS or result.is_error:
            return
        at = new_york(self._now()).isoformat(timespec="seconds")
        for row in _rows(result.data):
            if any(row.get(price, 0) is None for price in ("price", "mid")):
                continue
            age = (row.get("quality") or {}).get("age_s")
            aged = "" if age is None else f", {age} s old"
            self._read.setdefault(row["symbol"], {})[name] = f"{name} {at}{aged}"

    def of(self, symbol: str) -> tuple[str, ...]:
        """What was read of `symbol`: the tool, when, and how old its data were."""
        return tuple(self._read.get(symbol, {}).values())


def _rows(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Everything in an answer that is about one symbol."""
    if isinstance(data.get("symbol"), str):
        yield data
    for value in data.values():
        if isinstance(value, (list, tuple)):
            yield from (
                one
                for one in value
                if isinstance(one, Mapping) and isinstance(one.get("symbol"), str)
            )
