"""One simulated day: the real desk, monitor and flatten in three processes made of threads."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import cast

from tests.builders import a_ticket, a_time
from tests.days.baton import Baton, Killed
from tests.days.layers import Chances, Layers
from tests.days.line import BadExchange, Line
from tests.days.plan import SYMBOLS, TRADE, TRADER, UNIT, Fault, Kind, Plan
from tests.days.prices import a_tape
from tests.days.unit import run_unit
from tests.tapes import hours
from tools.core.errors import OrderRejected, Unavailable
from tools.core.safety import RiskLimits
from tools.core.seams import Broker
from tools.core.session import Session
from tools.core.trading import OrderIntent, OrderType, Side
from tools.execution.premises import Premises
from tools.execution.trade_room import TradeRoom, open_trade_room
from tools.journal.state_store import StateStore
from tools.safety.message_budget import MessageBudget
from tools.simulation.sim_broker import SimBroker, TapeData

FATE, TIMER = "0 fate", "1 timer"
LEG, TICK, MINUTE = timedelta(seconds=30), timedelta(seconds=0.1), timedelta(minutes=1)
SECOND = timedelta(seconds=1)
RESTART = timedelta(seconds=3)
STATE = Path("data") / "state.sqlite3"


class Day:
    """Lives one plan. `home` is empty before and holds the files afterwards."""

    def __init__(self, plan: Plan, session: Session, home: Path, layers: Layers) -> None:
        self.plan = self.lived = plan
        self.session, self.home, self._layers = session, home, layers
        self.chances = Chances()
        self._baton = Baton(a_time("09:00"))
        self._tape = a_tape(plan.seed % 8)
        self.broker = SimBroker(self._tape, hours(), self._baton.now, seed=plan.seed)
        self.broker.venue.meddle(BadExchange(plan, self._baton.now))
        self._rooms: dict[str, TradeRoom] = {}
        self._lines: dict[str, Line] = {}

    def live(self) -> None:
        """From before the open until three minutes after the close."""
        self._baton.run(self.plan.begins)
        self._baton.start(FATE, self._fate)
        self._baton.start(TRADE, self._trade)
        self._baton.start(TRADER, self._trader)
        if self._layers.unit:
            self._baton.start(TIMER, self._timer)
        self._baton.run(self.session.close_at + 3 * MINUTE)
        self._close_state()

    def wake_next_morning(self) -> None:
        """Start the trade server at the next session's wake-up, on a day without faults."""
        self._layers = Layers()
        session = hours().current_or_next(self.session.close_at + MINUTE)
        self.plan = replace(self.plan, faults=(), proposals=())
        self._baton.run(session.wake_at)
        self._baton.start(TRADE, self._trade)
        self._baton.run(session.wake_at + MINUTE)
        self._close_state()

    # The processes.

    def _trade(self) -> None:
        line = self._new_line(TRADE)
        room = self._open_room(line)
        self._rooms[TRADE] = room
        while True:
            if not self._layers.works("monitor") and self._overdue(room):
                self._baton.wait(self._baton.now() + SECOND)
                continue
            room.monitor.turn(partial(self._wait_on, line))
            self._wait_on(line, self._now())
            self._nap(room.monitor.next_wake())

    def _overdue(self, room: TradeRoom) -> bool:
        """The monitor's own time has come, and this day is to do without it."""
        asked = room.monitor.flatten_status().state == "running"
        return not asked and self._now() >= self.session.flatten_at + MINUTE

    def _trader(self) -> None:
        for number, (at, symbol) in enumerate(self.plan.proposals):
            if at >= self._now():
                self._sleep_until(at)
                self._ask(partial(self._propose, symbol, number))
        self._sleep_until(self.session.flatten_at)
        while self._layers.works("trader") and self._now() < self.session.close_at:
            self._ask(lambda room: room.monitor.request_flatten("agent"))
            self._baton.rouse(TRADE)
            if self._flattened():
                break
        self._sleep_until(self.session.close_at + MINUTE)

    def _flattened(self) -> bool:
        """Ask each second how the flatten went, as the trader does."""
        while self._now() < self.session.close_at:
            self._baton.wait(self._baton.now() + SECOND)
            if not self._baton.runs(TRADE):
                return False
            report = self._rooms[TRADE].monitor.flatten_status().report
            if report and report.session_on == self.session.on:
                return report.flat
        return False

    def _ask(self, request: Callable[[TradeRoom], object]) -> None:
        """What the trader asks of a trade server that may die over it."""
        if not self._baton.runs(TRADE) or TRADE not in self._rooms:
            return
        try:
            request(self._rooms[TRADE])
        except Unavailable:
            pass
        except Killed:
            if not self._baton.alive(TRADER):
                raise

    def _propose(self, symbol: str, number: int, room: TradeRoom) -> None:
        price = self.broker.venue.price(symbol)
        ticket = a_ticket(
            symbol,
            stop=f"{float(price) * 0.985:.2f}",
            target=f"{float(price) * 1.03:.2f}",
            decision_id=f"D-{self.session.on}-{number + 1}-1",
        )
        room.desk.submit(ticket)

    def _timer(self) -> None:
        """systemd's: each minute from a quarter to four to two minutes after the close."""
        at = self.session.flatten_at - 10 * MINUTE
        while at <= self.session.close_at + 2 * MINUTE:
            self._baton.wait(at)
            down = self.plan.on(Kind.KILL, self._baton.now(), UNIT)
            if not down and not self._baton.alive(UNIT):
                self._baton.start(UNIT, self._unit)
            at += MINUTE

    def _unit(self) -> None:
        if self._layers.sabotaged:
            self._sleep_until(self.session.close_at)
        line = self._new_line(UNIT)
        run_unit(line, self.home, self._now, partial(self._wait_on, line))

    # What happens to them.

    def _fate(self) -> None:
        """Faults begin and end; after F the chances are written down each second."""
        events = sorted(self._events(), key=lambda event: event[0])
        begins, ends = self.session.flatten_at, self.session.close_at
        ticks = [begins + n * SECOND for n in range(int((ends - begins).total_seconds()))]
        for at, event in sorted([*events, *((tick, self._look) for tick in ticks)], key=_first):
            self._baton.wait(at)
            event()

    def _events(self) -> list[tuple[datetime, Callable[[], None]]]:
        found: list[tuple[datetime, Callable[[], None]]] = []
        for fault in self.plan.faults:
            begin, end = self._effects(fault)
            found += [(fault.since, begin), (fault.until, end)]
            if fault.kind in (Kind.LOST_STATE, Kind.TORN_STATE):
                found.append((fault.since + RESTART, lambda: self._restart(TRADE)))
        return [(at, event) for at, event in found if at < self.session.close_at + MINUTE]

    def _effects(self, fault: Fault) -> tuple[Callable[[], None], Callable[[], None]]:
        venue, who = self.broker.venue, fault.who
        symbols = [one for one in SYMBOLS if fault.symbol in ("", one)]
        match fault.kind:
            case Kind.KILL:
                return lambda: self._kill(who), lambda: self._restart(who)
            case Kind.STOP:
                return lambda: self._baton.stop(who), lambda: self._baton.stop(who, on=False)
            case Kind.HALT:
                return lambda: self._halt(symbols), lambda: self._resume(symbols)
            case Kind.STUCK_CANCEL:
                return _nothing, venue.finish_cancels
            case Kind.LOST_STATE | Kind.TORN_STATE:
                return lambda: self._spoil(fault.kind), _nothing
            case Kind.BY_HAND:
                return lambda: self._buy_by_hand(fault), _nothing
        return _nothing, _nothing

    def _kill(self, who: str) -> None:
        self._baton.kill(who)
        if line := self._lines.get(who):
            line.cut = True
        if who == TRADE:
            self._close_state()

    def _restart(self, who: str) -> None:
        work = {TRADE: self._trade, TRADER: self._trader}.get(who)
        still_down = self.plan.on(Kind.KILL, self._baton.now(), who)
        if work and not still_down and not self._baton.alive(who):
            self._baton.start(who, work)

    def _halt(self, symbols: list[str]) -> None:
        for symbol in symbols:
            self.broker.venue.halts.halt(symbol, self._baton.now())

    def _resume(self, symbols: list[str]) -> None:
        for symbol in symbols:
            self.broker.venue.halts.resume(symbol, self._baton.now())

    def _spoil(self, kind: Kind) -> None:
        """The trade server dies, and finds its state file gone or torn when it comes back."""
        self._kill(TRADE)
        for path in (self.home / "data").glob("state.sqlite3*"):
            path.unlink()
        if kind is Kind.TORN_STATE:
            (self.home / STATE).write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 16)

    def _buy_by_hand(self, fault: Fault) -> None:
        """By a person, in the broker's app. A refusal is between the two of them."""
        intent = OrderIntent(
            client_order_id=f"by-hand-{fault.symbol}-{fault.since:%H%M%S%f}",
            symbol=fault.symbol,
            side=Side.BUY,
            quantity=Decimal(7),
            order_type=OrderType.MARKET,
        )
        with suppress(OrderRejected):
            self.broker.submit(intent)

    def _look(self) -> None:
        """Which layer could sell everything in this second."""
        now = self._baton.now()
        held = [holding.symbol for holding in self.broker.venue.holdings()]
        trades = not any(self.plan.on(Kind.HALT, now, symbol=one) for one in held)
        cancels = not any(self.plan.on(Kind.STUCK_CANCEL, now, symbol=one) for one in SYMBOLS)
        open_here = self._now() < self.session.close_at
        for name, ready in self._ready(now).items():
            self.chances.seconds[name].append(trades and cancels and open_here and ready)

    def _ready(self, now: datetime) -> Mapping[str, bool]:
        flatten_at, runs = self.session.flatten_at, self._baton.runs
        trade = runs(TRADE) and self._hears(now, TRADE)
        local = self._now()
        flat = not self.broker.venue.holdings()
        return {
            "trader": self._layers.trader and trade and runs(TRADER),
            "monitor": self._layers.monitor and trade and local >= flatten_at + MINUTE,
            "unit": (runs(UNIT) or flat)
            and self._layers.unit
            and self._hears(now, UNIT)
            and local >= flatten_at + 2 * MINUTE,
        }

    def _hears(self, now: datetime, who: str) -> bool:
        kinds = (Kind.AWAY, Kind.ERRORS, Kind.LOST, Kind.HANG, Kind.THROTTLE)
        return not any(self.plan.on(kind, now, who) for kind in kinds)

    # Small things.

    def _new_line(self, who: str) -> Line:
        self._lines[who] = Line(self.broker, who, self._baton, self.plan)
        return self._lines[who]

    def _open_room(self, line: Line) -> TradeRoom:
        premises = Premises(
            home=self.home,
            broker=cast("Broker", line),
            market=TapeData(self._tape, hours(), self._now),
            store=StateStore(self.home / STATE, self._now()),
            hours=hours(),
            limits=RiskLimits(),
            now=self._now,
            budget=MessageBudget(self._now),
        )
        return open_trade_room(premises, agent_folder=self.home, period=timedelta(seconds=15))

    def _close_state(self) -> None:
        if room := self._rooms.pop(TRADE, None):
            room.premises.store.close()

    def _now(self) -> datetime:
        """The local clock of this machine."""
        true = self._baton.now()
        return true + sum(
            (
                timedelta(seconds=one.seconds)
                for one in self.plan.of(Kind.SKEW)
                if one.strikes(true)
            ),
            timedelta(0),
        )

    def _wait_on(self, line: Line, until: datetime) -> None:
        """Until then, or for as long as the line's calls have hung."""
        hung, line.owed = line.owed, timedelta(0)
        self._sleep_until(max(until, self._now() + hung))

    def _nap(self, until: datetime) -> None:
        """One leg of a sleep, as the clock's."""
        now = self._baton.now()
        self._baton.wait(now + min(max(until - self._now(), TICK), LEG))

    def _sleep_until(self, until: datetime) -> None:
        while self._now() < until:
            self._nap(until)


def _first(event: tuple[datetime, Callable[[], None]]) -> datetime:
    return event[0]


def _nothing() -> None:
    pass
