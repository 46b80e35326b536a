"""Quotes, trades, bars and auctions as the data API shapes them.

A tape knows minutes, not trades: a minute's close is its one trade, known at its end.
"""

import json
from datetime import UTC, datetime
from typing import Any

from embedded.exchange import bars
from embedded.exchange.shapes import stamp
from tools.core.session import Session
from tools.simulation.tape import MINUTE, Candle, Tick

EXCHANGE, TAPE, ROUND_LOT = "V", "C", 100


def bar(candle: Candle) -> dict[str, Any]:
    """One bar."""
    found: dict[str, Any] = json.loads(bars.bar_text(candle))
    return found


def quote(tick: Tick) -> dict[str, Any]:
    """One quote, sizes in shares."""
    return {
        "t": seconds(tick.at),
        "ax": EXCHANGE,
        "ap": tick.ask / 100,
        "as": tick.ask_size,
        "bx": EXCHANGE,
        "bp": tick.bid / 100,
        "bs": tick.bid_size,
        "c": ["R"],
        "z": TAPE,
    }


def trade(minute: Candle) -> dict[str, Any]:
    """The trade at the end of a minute."""
    return {
        "t": seconds(minute.start + MINUTE),
        "x": EXCHANGE,
        "p": minute.close / 100,
        "s": ROUND_LOT,
        "c": ["@"],
        "i": minute.start // MINUTE,
        "z": TAPE,
    }


def auctions(day: Candle, session: Session) -> dict[str, Any]:
    """The opening and the closing auction of a whole day."""

    def auction(at: datetime, cents: int, condition: str) -> list[dict[str, Any]]:
        price = cents / 100
        return [{"t": stamp(at), "x": EXCHANGE, "p": price, "s": ROUND_LOT, "c": condition}]

    return {
        "d": session.on.isoformat(),
        "o": auction(session.open_at, day.open, "O"),
        "c": auction(session.close_at, day.close, "6"),
    }


def seconds(at: int) -> str:
    """Seconds since 1970 as a time."""
    return stamp(datetime.fromtimestamp(at, UTC))
