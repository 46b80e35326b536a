"""What the desk adds to an order, and how fast it is back: `python -m benchmarks.desk` prints it.

The market is made up, the broker is the venue without a wire, and what it and the market take is
not counted; the state file is a real one, in the folder for temporary files or in `--home`.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from tools.core.safety import RiskLimits
from tools.core.seams import Broker, MarketData
from tools.core.session import Timetable
from tools.core.trading import OrderIntent, OrderTicket, OrderType, Side
from tools.execution.premises import Premises
from tools.execution.trade_room import TradeRoom, open_trade_room
from tools.journal.order_ids import Leg
from tools.journal.state_store import StateStore
from tools.safety.message_budget import MessageBudget
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.settings import ROOT
from tools.simulation.sim_broker import SimBroker, TapeData
from tools.simulation.synthetic import SyntheticTape

DAY, SYMBOLS = date(2026, 3, 3), ("AAPL", "MSFT", "NVDA", "SPY", "QQQ")
ORDERS, OPEN_INTENTS = 300, 1_000
GOAL_OVERHEAD_MS, GOAL_INTENT_MS, GOAL_RECOVERY_SECONDS = 10.0, 1.0, 2.0
MANY = 10**6
LIMITS = RiskLimits(
    max_entries_per_day=MANY,
    max_entries_per_minute=MANY,
    max_entries_per_five_minutes=MANY,
    max_entries_per_symbol=MANY,
    max_entries_per_cycle=MANY,
    max_consecutive_losses=MANY,
    min_win_rate_fraction=Decimal(0),
    max_slippage_fraction=Decimal(1),
    max_quote_age_seconds=MANY,
)


class Elsewhere:
    """Passes calls on, and counts the seconds that they took."""

    def __init__(self, inner: object) -> None:
        self._inner, self.seconds = inner, 0.0
        self.submitted_at = self.before_submit = 0.0

    def __getattr__(self, name: str) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            began = time.perf_counter()
            if name == "submit":
                self.submitted_at, self.before_submit = began, self.seconds
            try:
                return getattr(self._inner, name)(*given, **named)
            finally:
                self.seconds += time.perf_counter() - began

        return call


def main(home: Path | None) -> None:
    """Print three lines."""
    with tempfile.TemporaryDirectory(prefix="desk-", dir=home) as folder:
        overheads = overhead_ms(Path(folder))
        print(
            f"propose to POST, without broker and market: {statistics.median(overheads):.2f} ms at"
            f" p50, {at_p99(overheads):.2f} at p99 (goal {GOAL_OVERHEAD_MS:g})"
        )
        writes = intents_ms(Path(folder))
        print(
            f"a durable intent: {statistics.median(writes):.3f} ms at p50, {at_p99(writes):.3f} at"
            f" p99 (goal {GOAL_INTENT_MS:g} at p50)"
        )
        seconds = recovery_seconds(Path(folder))
        print(
            f"recovery with {OPEN_INTENTS:,} open intents: {seconds:.2f} s (goal"
            f" {GOAL_RECOVERY_SECONDS:g})"
        )


def overhead_ms(folder: Path) -> list[float]:
    """From a ticket's arrival to the POST, of so many entries, each closed again."""
    found = []
    with a_room(folder / "orders") as (room, hands, broker, market):
        room.monitor.look()
        for number in range(ORDERS):
            hands[0] += timedelta(seconds=1)
            symbol = SYMBOLS[number % len(SYMBOLS)]
            hands[0] += timedelta(seconds=60) if number % len(SYMBOLS) == 0 else timedelta(0)
            room.monitor.look()
            before, began = broker.seconds + market.seconds, time.perf_counter()
            verdict = room.desk.submit(a_ticket(symbol, number)).verdict
            if not verdict.approved:
                raise SystemExit(f"{symbol}: {verdict.denials}")
            found.append(_until_sent_ms(broker, market, before, began))
            room.desk.close(symbol, reason="a benchmark")
    return found


def _until_sent_ms(broker: Elsewhere, market: Elsewhere, before: float, began: float) -> float:
    """The call's time up to the POST, less what was spent elsewhere in it."""
    return (broker.submitted_at - began - (broker.before_submit + market.seconds - before)) * 1e3


def intents_ms(folder: Path) -> list[float]:
    """Each written and synced."""
    store, found = StateStore(folder / "intents.sqlite3", noon()), []
    for number in range(ORDERS):
        began = time.perf_counter()
        store.record_intent(an_intent(number), session_on=DAY, leg=Leg.ENTRY, now=noon())
        found.append((time.perf_counter() - began) * 1e3)
    store.close()
    return found


def recovery_seconds(folder: Path) -> float:
    """From opening the store to the end of the first audit, every intent asked for."""
    home = folder / "recovery"
    store = StateStore(home / "state.sqlite3", noon())
    for number in range(OPEN_INTENTS):
        long_ago = noon() - timedelta(seconds=90)
        store.record_intent(an_intent(number), session_on=DAY, leg=Leg.ENTRY, now=long_ago)
    store.close()
    began = time.perf_counter()
    with a_room(home) as (room, *_):
        room.monitor.look()
        left = len(room.premises.store.open_intents())
        seconds = time.perf_counter() - began
    if left:
        raise SystemExit(f"{left} intents are still open")
    return seconds


@contextmanager
def a_room(home: Path) -> Iterator[tuple[TradeRoom, list[datetime], Elsewhere, Elsewhere]]:
    """A trade room at noon, the hands of its clock, and what is elsewhere."""
    hands = [noon()]
    hours = MarketHours.load(ROOT / "data" / "session_table.csv", Timetable())
    tape = SyntheticTape(SYMBOLS, hours)
    broker = Elsewhere(SimBroker(tape, hours, lambda: hands[0], cash=Decimal(1_000_000)))
    market = Elsewhere(TapeData(tape, hours, lambda: hands[0]))
    premises = Premises(
        home=home,
        broker=cast("Broker", broker),
        market=cast("MarketData", market),
        store=StateStore(home / "state.sqlite3", noon()),
        hours=hours,
        limits=LIMITS,
        now=lambda: hands[0],
        budget=MessageBudget(lambda: hands[0]),
    )
    room = open_trade_room(premises, agent_folder=home, period=timedelta(seconds=60))
    yield room, hands, broker, market
    premises.store.close()


def a_ticket(symbol: str, number: int) -> OrderTicket:
    """A few shares, with the default stop."""
    return OrderTicket(
        symbol=symbol,
        side=Side.BUY,
        confidence=0.9,
        reason="a benchmark",
        decision_id=f"D-{DAY}-{number}-1",
        quantity=Decimal(3),
    )


def an_intent(number: int) -> OrderIntent:
    """An entry as the desk writes it."""
    return OrderIntent(
        client_order_id="",
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(10),
        order_type=OrderType.LIMIT,
        limit_price=Decimal("100.10"),
        stop_loss_price=Decimal("99.10"),
        decision_id=f"D-{DAY}-{number}-1",
        decision_price=Decimal("100.00"),
    )


def noon() -> datetime:
    """Twelve in New York."""
    return at_new_york(DAY, 12, 0).astimezone(UTC)


def at_p99(values: list[float]) -> float:
    """The 99th percentile."""
    return statistics.quantiles(values, n=100)[98]
