"""What the mind is shown at the start of a cycle, read from the two servers."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any

from tools.core.errors import Unavailable
from tools.core.seams import ToolBox
from tools.core.session import Session
from tools.core.trading import Position
from tools.schedule.market_hours import new_york

type Json = Mapping[str, Any]

SYMBOLS_PER_CALL = 20  # what the data server answers at once


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """The account as the trade server tells it, in its own JSON."""

    account: Json
    positions: tuple[Json, ...]
    open_orders: tuple[Json, ...]
    round_trips: tuple[Json, ...]

    @property
    def cash_usd(self) -> Decimal:
        """Settled cash."""
        return Decimal(str(self.account["cash"]))

    @property
    def equity_usd(self) -> Decimal:
        """Cash and positions at their current prices."""
        return Decimal(str(self.account["equity"]))

    @property
    def holdings(self) -> tuple[Position, ...]:
        """The positions as values."""
        return tuple(
            Position(
                symbol=one["symbol"],
                quantity=Decimal(str(one["quantity"])),
                average_entry_price=Decimal(str(one["average_entry_price"])),
                current_price=Decimal(str(one["current_price"])),
            )
            for one in self.positions
        )

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is held."""
        return tuple(one["symbol"] for one in self.positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perception:
    """The book, the desk's limits and today's use of them, a view of every symbol in question."""

    book: Book
    risk: Json
    signals: tuple[Json, ...]

    @property
    def volume_ratios(self) -> tuple[float, ...]:
        """Each symbol's volume of the last minutes over its average, where there is one."""
        return tuple(one["volume_ratio"] for one in self.signals if one.get("volume_ratio"))


async def read_book(tools: ToolBox) -> Book:
    """Ask the trade server for account, positions and orders. Raises Unavailable."""
    orders = await _ask(tools, "get_orders")
    return Book(
        account=await _ask(tools, "get_account"),
        positions=tuple((await _ask(tools, "get_positions"))["positions"]),
        open_orders=tuple(orders["open_orders"]),
        round_trips=tuple(orders["round_trips"]),
    )


async def perceive(tools: ToolBox, watchlist: Sequence[str]) -> Perception:
    """Read everything that a cycle starts from. Raises Unavailable."""
    book = await read_book(tools)
    symbols = tuple(dict.fromkeys((*watchlist, *book.symbols)))
    signals: list[Json] = []
    for asked in batched(symbols, SYMBOLS_PER_CALL):
        answer = await _ask(tools, "get_trading_signals", symbols=list(asked))
        signals += answer["signals"]
    risk = await _ask(tools, "get_risk_status")
    return Perception(book=book, risk=risk, signals=tuple(signals))


def snapshot(
    perception: Perception,
    *,
    session: Session,
    cycle: int,
    now: datetime,
    last_denials: Sequence[Json],
) -> str:
    """The volatile part of the prompt as compact JSON; times in New York."""
    book = perception.book
    content = {
        "now": _local(now),
        "session": {
            "date": str(session.on),
            "closes_at": _local(session.close_at),
            "entries_end_at": _local(session.entries_end_at),
            "flatten_at": _local(session.flatten_at),
            "entries_open": session.entries_start_at <= now < session.entries_end_at,
        },
        "cycle": cycle,
        "account": book.account,
        "positions": book.positions,
        "open_orders": book.open_orders,
        "risk": perception.risk,
        "signals": perception.signals,
        "round_trips_today": len(book.round_trips),
        "last_denials": last_denials,
    }
    return json.dumps(content, separators=(",", ":"))


async def _ask(tools: ToolBox, name: str, **arguments: object) -> Json:
    result = await tools.call(name, arguments)
    if result.is_error:
        raise Unavailable(f"{name}: {result.text}")
    return result.data


def _local(instant: datetime) -> str:
    return new_york(instant).isoformat(timespec="seconds")
