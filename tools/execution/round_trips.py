"""From the broker's orders to closed round trips: what was earned, and why each position ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

from tools.core.trading import ExitReason, Order, OrderType, Position, Side, Trade
from tools.execution.slippage import Execution, price_decided
from tools.journal.order_ids import Leg, is_flatten, leg_of

PRICE_PLACES, MONEY_PLACES = Decimal("0.0001"), Decimal("0.01")


NOTHING: Mapping[str, Decimal] = MappingProxyType({})


@dataclass(slots=True)
class _Side:
    """One half of a round trip while it is being added up."""

    shares: Decimal = Decimal(0)
    notional: Decimal = Decimal(0)

    def add(self, shares: Decimal, price: Decimal) -> None:
        self.shares += shares
        self.notional += shares * price

    @property
    def price(self) -> Decimal:
        return (self.notional / self.shares).quantize(PRICE_PLACES)


@dataclass(slots=True)
class _Trip:
    """A position on its way from flat to flat. `sign` is 1 for a long, -1 for a short."""

    sign: int
    opened_at: datetime
    entry_client_order_id: str
    entry: _Side = field(default_factory=_Side)
    exit: _Side = field(default_factory=_Side)
    slippage_usd: Decimal | None = None

    def lost(self, execution: Execution, shares: Decimal) -> None:
        """Add what `shares` of `execution` lost to a worse price than was decided."""
        if (lost := execution.slippage_usd) is not None:
            part = lost * shares / abs(execution.quantity)
            self.slippage_usd = (self.slippage_usd or Decimal(0)) + part

    @property
    def held(self) -> Decimal:
        return self.entry.shares - self.exit.shares

    def closed_by(self, fill: Execution, decisions: Mapping[str, str]) -> Trade:
        pnl, symbol = self.sign * (self.exit.notional - self.entry.notional), fill.symbol
        lost = self.slippage_usd
        return Trade(
            symbol=symbol,
            side=Side.BUY if self.sign > 0 else Side.SELL,
            quantity=self.entry.shares,
            entry_price=self.entry.price,
            exit_price=self.exit.price,
            pnl_usd=pnl.quantize(MONEY_PLACES),
            opened_at=self.opened_at,
            closed_at=fill.at,
            exit_reason=fill.reason,
            entry_client_order_id=self.entry_client_order_id,
            exit_client_order_id=fill.client_order_id,
            decision_id=decisions.get(self.entry_client_order_id or symbol, ""),
            slippage_usd=None if lost is None else lost.quantize(MONEY_PLACES),
        )


def round_trips(
    orders: Sequence[Order],
    opening: Iterable[Position],
    *,
    opened_at: datetime,
    decisions: Mapping[str, str],
    decided: Mapping[str, Decimal] = NOTHING,
) -> list[Trade]:
    """The round trips that `orders` (legs nested, oldest first) closed, in the order of their end.

    `opening` are the positions held before the first of them, counted as opened at `opened_at`;
    `decisions` names the decision behind an entry's client order id, and behind the symbol of what
    was held before; `decided` are the prices that intents were decided at, by client order id.
    """
    trips: dict[str, _Trip] = {}
    for position in opening:
        trips[position.symbol] = trip = _Trip(_sign(position.quantity), opened_at, "")
        trip.entry.add(abs(position.quantity), position.average_entry_price)
    trades = []
    for fill in executions(orders, decided):
        remaining, symbol = fill.quantity, fill.symbol
        while remaining:
            trip = trips.setdefault(symbol, _Trip(_sign(remaining), fill.at, fill.client_order_id))
            if _sign(remaining) == trip.sign:
                trip.entry.add(abs(remaining), fill.price)
                trip.lost(fill, abs(remaining))
                break
            closing = min(abs(remaining), trip.held)
            trip.exit.add(closing, fill.price)
            trip.lost(fill, closing)
            remaining += closing * trip.sign
            if not trip.held:
                trades.append(trips.pop(symbol).closed_by(fill, decisions))
    return trades


def carried_into(positions: Iterable[Position], orders: Sequence[Order]) -> tuple[Position, ...]:
    """What was held before the first of `orders`, given what is held now.

    The cost of what is gone already is not known: the price of its first fill stands in for it.
    """
    before = {position.symbol: position for position in positions}
    for fill in executions(orders):
        symbol = fill.symbol
        if symbol not in before:
            before[symbol] = Position(
                symbol=symbol,
                quantity=Decimal(0),
                average_entry_price=fill.price,
                current_price=fill.price,
            )
        held = before[symbol]
        before[symbol] = replace(held, quantity=held.quantity - fill.quantity)
    return tuple(position for position in before.values() if position.quantity)


def held_after(opening: Iterable[Position], orders: Sequence[Order]) -> dict[str, Decimal]:
    """Shares by symbol that `opening` and the fills of `orders` add up to; zeros included."""
    held = {position.symbol: position.quantity for position in opening}
    for fill in executions(orders):
        held[fill.symbol] = held.get(fill.symbol, Decimal(0)) + fill.quantity
    return held


def executions(
    orders: Iterable[Order], decided: Mapping[str, Decimal] = NOTHING
) -> list[Execution]:
    """What every order executed that executed anything, by time, then as the orders come."""
    found = [
        _execution(order, _reason(order, nested), decided)
        for order, nested in _family(orders)
        if order.filled_quantity
    ]
    return sorted(found, key=lambda one: one.at)


def _family(orders: Iterable[Order]) -> Iterator[tuple[Order, bool]]:
    for order in orders:
        yield order, False
        for leg in order.legs:
            yield leg, True


def _execution(order: Order, reason: ExitReason, decided: Mapping[str, Decimal]) -> Execution:
    sold = order.side is Side.SELL
    return Execution(
        at=order.filled_at or order.submitted_at,
        symbol=order.symbol,
        quantity=-order.filled_quantity if sold else order.filled_quantity,
        price=order.average_fill_price or Decimal(0),
        client_order_id=order.client_order_id,
        reason=reason,
        decided_price=price_decided(order, reason, decided),
        done=not order.open,
    )


def _reason(order: Order, nested: bool) -> ExitReason:
    """Why a position ended, if this order ended it."""
    if is_flatten(order.client_order_id):
        return ExitReason.FLATTEN
    leg = leg_of(order.client_order_id)
    if leg is Leg.EXIT:
        return ExitReason.DECISION
    if nested or leg is Leg.STOP:
        return ExitReason.STOP if order.order_type is OrderType.STOP else ExitReason.TARGET
    return ExitReason.EXTERNAL


def _sign(quantity: Decimal) -> int:
    return 1 if quantity > 0 else -1
