"""What a cycle has read of each symbol's market: a decision rests on that, or it is not taken.

It is noted here, by the agent: what a model says it has read need not be so. An entry names the
price and the time that it rests on, and they are looked for among what its tools have answered.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
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
PRICES = (
    *(("price", "price_at"), ("mid", "at"), ("bid", "at"), ("ask", "at")),
    *(("bid", "quote_at"), ("ask", "quote_at")),
)
"""The fields of an answer that hold a price, each with the field that says when it was."""
SAME_TIME = timedelta(seconds=1)
"""A model may leave fractions of a second out."""
TOLD = 3
"""Readings that a refusal names."""
CITED_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Reading:
    """One price that a tool has told, and when it was; `told_at` in the tool's own words."""

    price: Decimal
    at: datetime
    told_at: str

    def __str__(self) -> str:
        return f"{self.price} at {self.told_at}"


class Evidence:
    """The readings of one cycle, by symbol and tool; a later one replaces the earlier."""

    def __init__(self, now: Callable[[], datetime], cited_seconds: float = CITED_SECONDS) -> None:
        """A price that an entry rests on may be `cited_seconds` of market time old."""
        self._now, self._oldest = now, timedelta(seconds=cited_seconds)
        self._read: dict[str, dict[str, str]] = {}
        self._prices: dict[str, dict[Reading, None]] = {}

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
            self._prices.setdefault(row["symbol"], {}).update(dict.fromkeys(_readings(row)))

    def of(self, symbol: str) -> tuple[str, ...]:
        """What was read of `symbol`: the tool, when, and how old its data were."""
        return tuple(self._read.get(symbol, {}).values())

    def objection(self, symbol: str, price: Decimal | None, at: datetime | None) -> str:
        """Why no entry may rest on `price` of `at`, "" if one may; the cure is in the words."""
        if not (read := list(self._prices.get(symbol, ()))):
            return f"no price of {symbol} was read in this cycle: get_quotes first"
        newest = sorted(read, key=lambda one: one.at)[-TOLD:]
        known = f"read in this cycle: {', '.join(map(str, reversed(newest)))}"
        if price is None or at is None:
            return f"say what it rests on, as price and price_at; {known}"
        if not any(one.price == price and abs(one.at - at) < SAME_TIME for one in read):
            return f"no tool told {symbol} at {price} at {at.isoformat()}; {known}"
        if (age := self._now() - at) > self._oldest:
            most = f"at most {self._oldest.total_seconds():g} s"
            return f"{price} is {age.total_seconds():.0f} s old, {most}: get_quotes, and look again"
        return ""


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


def _readings(row: Mapping[str, Any]) -> Iterator[Reading]:
    """The prices of a row whose time is told."""
    for price, at in PRICES:
        if row.get(price) is not None and row.get(at):
            yield Reading(Decimal(str(row[price])), datetime.fromisoformat(row[at]), row[at])
