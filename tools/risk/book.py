"""What a ruling rests on: the book as it stands, and one ticket with what the market says of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from tools.core.market import Instrument, Quote
from tools.core.safety import TradingState
from tools.core.session import Session
from tools.core.trading import (
    Account,
    BrokerClock,
    Order,
    OrderTicket,
    OrderType,
    Position,
    Side,
)
from tools.risk.portfolio import NO_MOVES, Moves

FARTHEST_STOP = Decimal("0.05")
"""A position without a stop at the broker counts as if it had one this far below its price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An entry that the broker may not show yet: an earlier ticket, an unanswered intent."""

    symbol: str
    notional_usd: Decimal
    risk_usd: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of this session that reached the broker, or may have."""

    symbol: str
    at: datetime
    notional_usd: Decimal
    cycle: str = ""
    """The model's cycle that it comes from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """What a symbol, or everything, is worth, and what it loses when every stop is hit."""

    value_usd: Decimal = Decimal(0)
    risk_usd: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Book:
    """What is held, owed and allowed at the instant `now`.

    `session` is None when the table of sessions has ended; `market_open` and `broker_clock` are the
    broker's word; `reconciled` says that our books agreed with the broker's when they were compared
    last, `reconciled_at` when they last did; `entries` are those of this session, oldest first,
    `claims` included.
    """

    now: datetime
    session: Session | None
    market_open: bool
    reconciled: bool
    trading_state: TradingState
    state_reason: str
    account: Account
    positions: tuple[Position, ...]
    open_orders: tuple[Order, ...]
    start_equity_usd: Decimal
    entries: tuple[Entry, ...] = ()
    claims: tuple[Claim, ...] = ()
    broker_clock: BrokerClock | None = None
    reconciled_at: datetime | None = None

    @property
    def entries_today(self) -> int:
        """All entries sent in this session, and the claims."""
        return len(self.entries)

    @cached_property
    def occupied(self) -> frozenset[str]:
        """Symbols that are held or being bought."""
        held = {position.symbol for position in self.positions if position.quantity}
        return frozenset(held | {order.symbol for order in self._buys} | set(self._claimed))

    @cached_property
    def exposures(self) -> Mapping[str, Exposure]:
        """By symbol: shares held, shorts too, and what is being bought, at full value."""
        nothing, stops = (Decimal(0), Decimal(0)), self._stops
        found: dict[str, tuple[Decimal, Decimal]] = {}
        for one in self.positions:
            value = one.quantity * one.current_price
            found[one.symbol] = abs(value), _risk_of(one, value, stops.get(one.symbol))
        for order in self._buys:
            price = order.limit_price or Decimal(0)
            stop = next((leg.stop_price for leg in order.legs if leg.stop_price), Decimal(0))
            value, risk = found.get(order.symbol, nothing)
            value += order.remaining_quantity * price
            found[order.symbol] = value, risk + order.remaining_quantity * (price - stop)
        for claim in self.claims:
            value, risk = found.get(claim.symbol, nothing)
            found[claim.symbol] = value + claim.notional_usd, risk + claim.risk_usd
        return {s: Exposure(value_usd=value, risk_usd=risk) for s, (value, risk) in found.items()}

    @cached_property
    def total(self) -> Exposure:
        """The exposure of everything."""
        every = self.exposures.values()
        return Exposure(
            value_usd=sum((one.value_usd for one in every), Decimal(0)),
            risk_usd=sum((one.risk_usd for one in every), Decimal(0)),
        )

    @property
    def free_buying_power_usd(self) -> Decimal:
        """The broker's buying power, or our cash if that is less, less what is claimed."""
        money = min(self.account.buying_power, self.account.cash)
        return money - sum(claim.notional_usd for claim in self.claims)

    @property
    def loss_fraction(self) -> Decimal:
        """Equity lost since the session's start, over the equity then; negative for a gain."""
        if not self.start_equity_usd:
            return Decimal(0)
        return (self.start_equity_usd - self.account.equity) / self.start_equity_usd

    @property
    def entries_open(self) -> bool:
        """An entry could pass: the state, the books, the entry window and the broker's clock."""
        return (
            self.trading_state is TradingState.ACTIVE
            and self.reconciled
            and self.session is not None
            and self.session.entries_start_at <= self.now
            and self.latest < self.entries_end_at
            and self.market_open
        )

    @property
    def latest(self) -> datetime:
        """The later of our time and the broker's."""
        return max(self.now, self.broker_clock.at) if self.broker_clock else self.now

    @property
    def entries_end_at(self) -> datetime:
        """By the session table, and earlier if the broker's clock says that it closes earlier."""
        if self.session is None:
            return self.now
        early = timedelta(0)
        if self.broker_clock is not None and self.market_open:
            early = max(early, self.session.close_at - self.broker_clock.next_close)
        return self.session.entries_end_at - early

    def with_entry(self, claim: Claim, decision_id: str = "") -> "Book":
        """The book as it will be once `claim` has been sent."""
        entry = Entry(
            symbol=claim.symbol,
            at=self.now,
            notional_usd=claim.notional_usd,
            cycle=cycle_of(decision_id),
        )
        return replace(self, claims=(*self.claims, claim), entries=(*self.entries, entry))

    @cached_property
    def _working(self) -> list[Order]:
        return working(self.open_orders)

    @cached_property
    def _buys(self) -> list[Order]:
        return [order for order in self._working if order.side is Side.BUY]

    @property
    def _claimed(self) -> Iterable[str]:
        return (claim.symbol for claim in self.claims)

    @property
    def _stops(self) -> Mapping[str, Decimal]:
        """The stop that rests for each symbol."""
        return {
            order.symbol: order.stop_price
            for order in self._working
            if order.order_type is OrderType.STOP and order.stop_price is not None
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """What the bars say of a symbol. None where there are none.

    `daily_volume` is the mean of the completed days there are, at most 20, else this session's so
    far; `minute_volume` the mean of the last five closed minutes, else a 390th of the day's.
    """

    daily_volume: Decimal | None = None
    minute_volume: Decimal | None = None
    minute_atr_usd: Decimal | None = None
    atr_usd: Decimal | None = None
    atr_note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """When a decision was made, and what the symbol cost then."""

    at: datetime
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A ticket to buy, with what the rules need to know about its symbol.

    `entry_price` is the limit, the most a share may cost. Prices are in whole cents; None where the
    market gave none. `decided` is the glance at which the ticket was written, None for one that is
    written now. `second_price` is what another source says that the symbol costs. `moves` are
    the daily returns of this symbol and of those held. `notes` say what was assumed.
    """

    ticket: OrderTicket
    instrument: Instrument | None
    quote: Quote | None
    entry_price: Decimal | None
    stop_price: Decimal | None
    target_price: Decimal | None
    tape: Tape = Tape()
    decided: Glance | None = None
    second_price: Decimal | None = None
    moves: Moves = NO_MOVES
    notes: tuple[str, ...] = ()


def working(orders: Iterable[Order]) -> list[Order]:
    """Every order that the broker may still act on, the legs of each right behind it."""
    family: list[Order] = []
    for order in orders:
        family.append(order)
        family.extend(order.legs)
    return [one for one in family if not one.status.terminal]


def cycle_of(decision_id: str) -> str:
    """`D-<session>-<cycle>` of `D-<session>-<cycle>-<number>`."""
    return decision_id.rpartition("-")[0]


def _risk_of(position: Position, value_usd: Decimal, stop: Decimal | None) -> Decimal:
    """Lost when the stop is hit; a short is at risk with its full value."""
    if position.quantity < 0:
        return abs(value_usd)
    if stop is None:
        return value_usd * FARTHEST_STOP
    return max(Decimal(0), value_usd - position.quantity * stop)
