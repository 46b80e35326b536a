"""The twenty tools: who serves each, and whether a call can change anything.

A list to hold the servers to, not one they are made from: a tool that appears, vanishes or turns
from reading to writing must be meant (tests/unit/test_catalog.py).
"""

from dataclasses import dataclass
from enum import StrEnum


class Access(StrEnum):
    """What a call can do."""

    READ = "read"
    WRITE = "write"


class Server(StrEnum):
    """Who serves a tool; the names that `/health` tells."""

    DATA = "alpaca-data"
    TRADE = "alpaca-trade"


@dataclass(frozen=True, slots=True)
class Entry:
    """One tool."""

    name: str
    server: Server
    access: Access


def _entries(server: Server, access: Access, names: str) -> tuple[Entry, ...]:
    return tuple(Entry(name, server, access) for name in names.split())


CATALOG = (
    *_entries(
        Server.DATA,
        Access.READ,
        "get_market_clock get_asset get_quotes get_bars get_snapshots get_indicators"
        " get_multi_timeframe_analysis get_trading_signals get_levels get_movers",
    ),
    *_entries(
        Server.TRADE,
        Access.READ,
        "get_account get_positions get_orders get_risk_status preview_order",
    ),
    *_entries(
        Server.TRADE,
        Access.WRITE,
        "place_order cancel_order close_position tighten_stop halt",
    ),
)
