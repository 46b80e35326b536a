"""A trade room on a hand-written market, a clock that tests move, and a broker that can fail."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from tests.builders import a_ticket, a_time, an_intent
from tests.tapes import HandTape, candles, hours
from tools.core.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from tools.core.safety import DenialReason, HoldingRules, RiskLimits, TradingState
from tools.core.seams import Broker
from tools.core.trading import Order, OrderIntent, OrderType, Side
from tools.execution.premises import Premises
from tools.execution.rulings import Ruling
from tools.execution.trade_room import TradeRoom, open_trade_room
from tools.journal import history
from tools.journal.state_store import IntentStatus, StateStore
from tools.safety.message_budget import MessageBudget
from tools.schedule.market_hours import MarketHours
from tools.simulation.sim_broker import SimBroker, TapeData

TODAY = date(2013, 10, 7)


class Hands:
    """The hands of a clock: `now` is where a test, or whoever waits, puts them."""

    def __init__(self, clock: str = "10:00") -> None:
        self.now = a_time(clock)
        self.alarms: dict[datetime, Callable[[], None]] = {}

    def read(self) -> datetime:
        return self.now

    def at(self, clock: str) -> None:
        """Put them to a New York time of 2013-10-07."""
        self.now = a_time(clock)

    def wait(self, until: datetime) -> None:
        """Let time pass, and what is due in it happen."""
        for instant in sorted(self.alarms):
            if instant <= until:
                self.now = max(self.now, instant)
                self.alarms.pop(instant)()
        self.now = max(self.now, until)


class FaultyBroker:
    """A broker whose calls fail as told: `faults[method]` lists what each next call suffers.

    `lost`: done, but the answer is lost. `dropped`: not done, and the answer is lost. `away`: not
    done. `rejected`: refused. `""`: nothing happens to that one. A callable runs before the call.
    """

    def __init__(self, inner: Broker) -> None:
        self.inner = inner
        self.faults: dict[str, list[str | Callable[[], None]]] = {}
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            self.calls.append((name, arguments[0] if arguments else None))
            waiting = self.faults.get(name, [])
            fault = waiting.pop(0) if waiting else ""
            match fault:
                case "away":
                    raise BrokerUnavailable("connection refused")
                case "dropped":
                    raise OutcomeUnknown("timed out")
                case "rejected":
                    raise OrderRejected("insufficient buying power", code=403)
            if callable(fault):
                fault()
            result = getattr(self.inner, name)(*arguments, **named)
            if fault == "lost":
                raise OutcomeUnknown("timed out")
            return result

        return call

    def begin(self, call: Callable[[], Any]) -> Any:
        """No call of its own."""
        return self.inner.begin(call)

    def sent(self, method: str = "submit") -> list[Any]:
        """The first argument of every call of `method`."""
        return [argument for name, argument in self.calls if name == method]


@dataclass
class Bench:
    """Everything a test of the trade room needs."""

    hands: Hands
    broker: FaultyBroker
    room: TradeRoom
    home: Path

    def lines(self, kind: str = "trades") -> list[dict[str, Any]]:
        """The lines of today's trades file, or of the position file."""
        trades, position = history.trades_path(self.home, TODAY), history.position_path(self.home)
        return history.read(trades if kind == "trades" else position)

    def trades_file(self) -> Path:
        return history.trades_path(self.home, TODAY)

    def held(self) -> dict[str, Decimal]:
        """Shares by symbol, by the broker's word."""
        return {one.symbol: one.quantity for one in self.broker.inner.positions()}

    def buy(self, symbol: str = "SPY", quantity: str = "10") -> None:
        """A purchase by somebody else: no stop, an id that is not ours."""
        self.broker.inner.submit(
            OrderIntent(
                client_order_id=f"by-hand-{symbol}",
                symbol=symbol,
                side=Side.BUY,
                quantity=Decimal(quantity),
                order_type=OrderType.MARKET,
            )
        )

    def bracket(self, symbol: str = "SPY", client_order_id: str = "", target: str = "120") -> None:
        """Ten shares with both exits, straight at the broker."""
        name = client_order_id or f"bracket-{symbol}"
        intent = an_intent(name, symbol=symbol, limit="101", stop="90", target=target)
        self.broker.inner.submit(intent)

    def restart(self) -> "Bench":
        """The same broker and state file, everything else anew."""
        self.room.premises.store.close()
        return a_bench(self.home, self.hands, self.broker)


def a_tape(*moves: tuple[str, float], wiggle: float = 0.05, history: bool = True) -> HandTape:
    """SPY, IBM and AIG at 100 on Friday and Monday; SPY steps to each price in the minute named.

    Every minute ranges `wiggle` to both sides. With Friday as `history` an ATR is ready from
    Monday's open on.
    """
    friday = [_shifted(bar) for bar in _day({}, wiggle)] if history else []
    quiet = _day({}, wiggle)
    steps = {a_time(clock): price for clock, price in moves}
    return HandTape(
        {"SPY": friday + _day(steps, wiggle), "IBM": friday + quiet, "AIG": friday + quiet}
    )


def a_bench(
    home: Path,
    hands: Hands | None = None,
    broker: FaultyBroker | None = None,
    *,
    tape: HandTape | None = None,
    limits: RiskLimits | None = None,
    cash: int = 100_000,
    known: MarketHours | None = None,
    period: timedelta = timedelta(seconds=60),
    holding: HoldingRules | None = None,
) -> Bench:
    """A room that has not looked at its broker yet; the account was opened at 09:00.

    `known` are the sessions that the room knows of, if those are not the broker's.
    """
    hands, tape = hands or Hands(), tape or a_tape()
    if broker is None:
        now, hands.now = hands.now, a_time("09:00")
        venue = SimBroker(tape, hours(), hands.read, cash=Decimal(cash))
        hands.now = now
        broker = FaultyBroker(venue)
    premises = Premises(
        home=home,
        broker=cast("Broker", broker),
        market=TapeData(tape, hours(), hands.read),
        store=StateStore(home / "data" / "state.sqlite3", hands.read()),
        hours=known or hours(),
        limits=limits or RiskLimits(),
        now=hands.read,
        budget=MessageBudget(hands.read),
        holding=holding or HoldingRules(),
    )
    room = open_trade_room(premises, agent_folder=home, period=period)
    return Bench(hands, broker, room, home)


def opened(bench: Bench) -> Bench:
    """The room after its first look at the broker."""
    bench.room.monitor.look()
    bench.broker.calls.clear()
    return bench


def reasons(ruling: Ruling) -> list[DenialReason]:
    return [denial.reason for denial in ruling.verdict.denials]


def statuses(bench: Bench) -> list[IntentStatus]:
    return [record.status for record in bench.room.premises.store.intents_on(TODAY)]


def orders(bench: Bench) -> list[Order]:
    """Every order at the broker, in the order of their arrival."""
    return list(bench.broker.inner.orders_since(bench.hands.read().replace(hour=0)))


def the_stop(bench: Bench, symbol: str = "SPY") -> Order:
    (stop,) = [one for one in bench.room.books.resting(symbol) if one.order_type is OrderType.STOP]
    return stop


def turn(bench: Bench, clock: str | None = None) -> None:
    """One turn of the monitor, at a New York time."""
    if clock:
        bench.hands.at(clock)
    bench.room.monitor.turn(bench.hands.wait)


def state(bench: Bench) -> TradingState:
    return bench.room.control.current().trading_state


def buy(bench: Bench, symbol: str = "SPY", stop: str = "98", decision: str = "D-1") -> None:
    ruling = bench.room.desk.submit(a_ticket(symbol, stop=stop, decision_id=decision))
    assert ruling.verdict.approved, ruling.verdict.denials
    bench.room.monitor.look()


def events(bench: Bench) -> list[str]:
    return [line["event"] for line in bench.lines("position")]


def _day(steps: dict[datetime, float], wiggle: float) -> list[Any]:
    """09:00 to 16:00, so that there is a quote at the open."""
    price, bars = 100.0, []
    for minute in range(420):
        before, price = price, steps.get(a_time("09:00") + timedelta(minutes=minute), price)
        bars.append((before, max(before, price) + wiggle, min(before, price) - wiggle, price))
    return candles(*bars, start="09:00")


def _shifted(candle: Any) -> Any:
    return candle._replace(start=candle.start - 3 * 86_400)
