"""What the mind is shown at the start of a cycle, read from the two servers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import batched
from typing import Any

from agent import compact
from tools.core.errors import MarketDataUnavailable, Unavailable
from tools.core.seams import ToolBox
from tools.core.session import Session
from tools.core.trading import Position
from tools.schedule.market_hours import new_york

type Json = Mapping[str, Any]

SYMBOLS_PER_CALL = 20  # what the data server answers at once
WORST_GRADE = "F"
"""Of `tools.data_quality`: do not trade on it."""


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
    def gains_usd(self) -> tuple[Decimal, ...]:
        """What each of today's round trips has gained."""
        return tuple(Decimal(str(trip["pnl"])) for trip in self.round_trips)

    @property
    def symbols(self) -> tuple[str, ...]:
        """What is held."""
        return tuple(one["symbol"] for one in self.positions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Perception:
    """The book, the desk's limits and today's use of them, a view of every symbol in question.

    `failed` are the symbols that could not be analysed.
    """

    book: Book
    risk: Json
    signals: tuple[Json, ...]
    failed: tuple[str, ...] = ()

    @property
    def volume_ratios(self) -> tuple[float, ...]:
        """Each symbol's volume of the last minutes over its average, where there is one."""
        return tuple(one["volume_ratio"] for one in self.signals if one.get("volume_ratio"))

    @property
    def stale(self) -> str:
        """Why the data are no ground for entries, "" when they are: most symbols have grade F.

        Of no use in a session's first ten minutes, when the newest bar may be the day before's.
        """
        bad = [one["symbol"] for one in self.signals if _grade(one) == WORST_GRADE]
        if 2 * len(bad) <= len(self.signals) or not bad:
            return ""
        return f"the data of {len(bad)} of {len(self.signals)} symbols have grade {WORST_GRADE}"


async def read_book(tools: ToolBox) -> Book:
    """Ask the trade server for account, positions and orders.

    Raises Unavailable, also for answers that are no book: nobody trades by a book half read.
    """
    orders = await _ask(tools, "get_orders")
    account, positions = await _ask(tools, "get_account"), await _ask(tools, "get_positions")
    try:
        book = Book(
            account=account,
            positions=tuple(positions["positions"]),
            open_orders=tuple(orders["open_orders"]),
            round_trips=tuple(orders["round_trips"]),
        )
        _ = book.cash_usd, book.equity_usd, book.holdings, book.gains_usd
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError) as error:
        raise Unavailable(f"the book cannot be read ({error!r})") from error
    return book


async def perceive(
    tools: ToolBox, watchlist: Sequence[str], book: Book, left_out: Collection[str] = ()
) -> Perception:
    """Everything that a decision needs, in a handful of calls. Raises Unavailable.

    What is held is looked at even if it is among those `left_out`.
    """
    wanted = [symbol for symbol in watchlist if symbol not in left_out]
    symbols = tuple(dict.fromkeys((*wanted, *book.symbols)))
    signals: list[Json] = []
    refused: list[str] = []
    for asked in batched(symbols, SYMBOLS_PER_CALL):
        signals += await _signals(tools, asked, refused)
    risk = await _ask(tools, "get_risk_status")
    blank = [one["symbol"] for one in signals if one.get("price", 0) is None]
    return Perception(book=book, risk=risk, signals=tuple(signals), failed=(*refused, *blank))


async def _signals(tools: ToolBox, symbols: Sequence[str], refused: list[str]) -> list[Json]:
    """One answer for all; when it is refused, one for each, so that no symbol hides the others."""
    result = await tools.call("get_trading_signals", {"symbols": list(symbols)})
    if not result.is_error:
        return list(result.data["signals"])
    found: list[Json] = []
    for symbol in symbols if len(symbols) > 1 else ():
        single = await tools.call("get_trading_signals", {"symbols": [symbol]})
        if single.is_error:
            refused.append(symbol)
        else:
            found += single.data["signals"]
    if not found:
        raise MarketDataUnavailable(f"get_trading_signals: {result.text}")
    return found


def _grade(signal: Json) -> str:
    return str((signal.get("quality") or {}).get("grade"))


def snapshot(
    perception: Perception,
    *,
    session: Session,
    cycle: int,
    now: datetime,
    last_denials: Sequence[Json],
    no_entries: str = "",
    left_alone: Mapping[str, str] | None = None,
) -> str:
    """The volatile part of the prompt as compact JSON; times in New York.

    `no_entries` says why no entry will be sent whatever is proposed; `left_alone` names the symbols
    that are left alone for a while. Both are told only when there is something to tell.
    """
    book = perception.book
    content = {
        "now": _local(now),
        "session": {
            "date": str(session.on),
            "closes_at": _local(session.close_at),
            "entries_end_at": _local(session.entries_end_at),
            "flatten_at": _local(session.flatten_at),
            "entries_open": not no_entries
            and session.entries_start_at <= now < session.entries_end_at,
        },
        "cycle": cycle,
        "account": compact.account(book.account),
        "positions": book.positions,
        "open_orders": compact.orders(book.open_orders, book.symbols),
        "risk": compact.risk(perception.risk),
        "signals": compact.signals(perception.signals, book.symbols),
        "round_trips_today": len(book.round_trips),
        "last_denials": last_denials,
    }
    if at := compact.prices_at(perception.signals):
        content["prices_at"] = at
    if no_entries:
        content["no_entries"] = no_entries
    if left_alone:
        content["left_alone"] = left_alone
    return compact.as_text(content)


async def _ask(tools: ToolBox, name: str, **arguments: object) -> Json:
    result = await tools.call(name, arguments)
    if result.is_error:
        raise Unavailable(f"{name}: {result.text}")
    return result.data


def _local(instant: datetime) -> str:
    return new_york(instant).isoformat(timespec="seconds")
