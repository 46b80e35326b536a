"""What the desk costs: rulings a second with every control and fifty positions.

`python -m benchmarks.desk [--seconds 5] [--home DIR]`: one process, one thread, no broker and no
disk. The desk reads a new book for each ruling; several tickets may also be held against one. Then
what the desk adds to an order, and how fast it recovers (`benchmarks/desk_path.py`).
"""

import argparse
import os
import random
import statistics
import sys
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from benchmarks import desk_path
from tools.core.market import Instrument, Market, Quote
from tools.core.safety import RiskLimits, TradingState
from tools.core.session import Session
from tools.core.trading import (
    Account,
    Order,
    OrderClass,
    OrderStatus,
    OrderTicket,
    OrderType,
    Position,
    Side,
)
from tools.risk.book import Book, Entry, Proposal, Tape
from tools.risk.gatekeeper import judge
from tools.risk.portfolio import Moves
from tools.risk.sizing import propose

SEED, POSITIONS, DAYS = 1, 50, 60
NOW = datetime(2013, 10, 7, 15, 0, tzinfo=UTC)
WARM_UP, CHUNK = 200, 500
GOAL_PER_SECOND = 5_000


def main(seconds: float) -> None:
    """Print the table."""
    print(f"seed {SEED}, {os.cpu_count()} cores, Python {sys.version.split()[0]}")
    limits = RiskLimits(max_positions=POSITIONS + 1, max_symbols_per_day=POSITIONS + 1)
    book, proposal = a_book(), a_proposal(limits)
    verdict = judge(proposal, book, limits)
    print(f"{len(verdict.findings)} controls, {POSITIONS} positions, {DAYS} daily returns each")
    for words, fresh in (("a new book for each", True), ("one book for all", False)):
        rates = measure(proposal, book, limits, seconds, fresh=fresh)
        print(
            f"gatekeeper, {words}: {statistics.median(rates):,.0f} decisions/s at the median,"
            f" {max(rates):,.0f} at the most (goal {GOAL_PER_SECOND:,})"
        )


def measure(
    proposal: Proposal, book: Book, limits: RiskLimits, seconds: float, *, fresh: bool
) -> list[float]:
    """Rulings a second, of each chunk within `seconds`; a `fresh` book remembers no sums."""
    for _ in range(WARM_UP):
        judge(proposal, book, limits)
    rates, until = list[float](), time.perf_counter() + seconds
    while time.perf_counter() < until:
        began = time.perf_counter()
        for _ in range(CHUNK):
            judge(proposal, replace(book) if fresh else book, limits)
        rates.append(CHUNK / (time.perf_counter() - began))
    return rates


def a_book() -> Book:
    """Fifty positions of 0.4 % of equity each, with their stops, and as many entries."""
    symbols = [f"S{chr(65 + n // 26)}{chr(65 + n % 26)}" for n in range(POSITIONS)]
    open_at = NOW.replace(hour=13, minute=30)
    return Book(
        now=NOW,
        session=Session(
            on=date(2013, 10, 7),
            open_at=open_at,
            close_at=open_at + timedelta(hours=6.5),
            wake_at=open_at - timedelta(minutes=5),
            entries_start_at=open_at,
            entries_end_at=open_at + timedelta(hours=6.25),
            flatten_at=open_at + timedelta(minutes=385),
        ),
        market_open=True,
        reconciled=True,
        trading_state=TradingState.ACTIVE,
        state_reason="",
        account=Account(
            account_number="PA0",
            cash=Decimal(80_000),
            equity=Decimal(100_000),
            last_equity=Decimal(100_000),
            buying_power=Decimal(80_000),
        ),
        positions=tuple(_position(symbol) for symbol in symbols),
        open_orders=tuple(_stop(symbol) for symbol in symbols),
        start_equity_usd=Decimal(100_000),
        entries=tuple(
            Entry(symbol=symbol, at=open_at, notional_usd=Decimal(400), cycle=f"D-{n}")
            for n, symbol in enumerate(symbols[:-1])
        ),
    )


def a_proposal(limits: RiskLimits) -> Proposal:
    """A ticket that passes whatever a book of fifty lets pass."""
    draw = random.Random(SEED)
    names = [position.symbol for position in a_book().positions]
    symbols = ("SPY", *names)
    returns = np.array([[draw.gauss(0, 0.01) for _ in symbols] for _ in range(DAYS)])
    ticket = OrderTicket(
        symbol="SPY",
        side=Side.BUY,
        confidence=0.8,
        reason="a benchmark",
        decision_id="D-2013-10-07-9-1",
        stop_price=Decimal("99.00"),
        target_price=Decimal("103.00"),
    )
    instrument = Instrument(
        symbol="SPY",
        name="SPY",
        exchange="ARCA",
        market=Market.US_EQUITY,
        active=True,
        tradable=True,
    )
    quote = Quote(symbol="SPY", at=NOW, bid=Decimal("99.99"), ask=Decimal("100.00"))
    tape = Tape(
        daily_volume=Decimal(1_000_000),
        minute_volume=Decimal(10_000),
        minute_atr_usd=Decimal("0.10"),
        atr_usd=Decimal("0.25"),
    )
    return propose(
        ticket, instrument, quote, tape, limits, moves=Moves(symbols=symbols, returns=returns)
    )


def _position(symbol: str) -> Position:
    return Position(
        symbol=symbol,
        quantity=Decimal(4),
        average_entry_price=Decimal(100),
        current_price=Decimal(100),
    )


def _stop(symbol: str) -> Order:
    return Order(
        order_id=f"id-{symbol}",
        client_order_id=f"AT-{symbol}",
        symbol=symbol,
        side=Side.SELL,
        order_type=OrderType.STOP,
        order_class=OrderClass.SIMPLE,
        status=OrderStatus.NEW,
        quantity=Decimal(4),
        filled_quantity=Decimal(0),
        submitted_at=NOW,
        stop_price=Decimal(99),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.desk")
    parser.add_argument("--home", type=Path, help="where the state files are written")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    main(options.seconds)
    desk_path.main(options.home)
