"""Orders as the exchange keeps them: what is asked for, and what has become of it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tools.core.trading import OrderClass, OrderStatus, OrderType, Side
from tools.simulation.matching import Terms


class TimeInForce(StrEnum):
    """How long an order stands: to the end of its session, or 90 days."""

    DAY = "day"
    GTC = "gtc"


class Role(StrEnum):
    """The part an order plays in a bracket or OTO."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a client posts. The class follows from the legs."""

    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    client_order_id: str = ""

    @property
    def order_class(self) -> OrderClass:
        """BRACKET with both legs, OTO with one, SIMPLE with none."""
        legs = (self.take_profit_price is not None) + (self.stop_loss_price is not None)
        return (OrderClass.SIMPLE, OrderClass.OTO, OrderClass.BRACKET)[legs]

    def exits(self) -> "list[tuple[Role, OrderRequest]]":
        """The legs as orders of their own, the take-profit first."""
        leg = replace(
            self,
            side=Side.SELL if self.side is Side.BUY else Side.BUY,
            limit_price=None,
            stop_price=None,
            take_profit_price=None,
            stop_loss_price=None,
            client_order_id="",
        )
        target, stop = self.take_profit_price, self.stop_loss_price
        legs = []
        if target is not None:
            limit = replace(leg, order_type=OrderType.LIMIT, limit_price=target)
            legs.append((Role.TAKE_PROFIT, limit))
        if stop is not None:
            legs.append((Role.STOP_LOSS, replace(leg, order_type=OrderType.STOP, stop_price=stop)))
        return legs


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What a client wants changed of a resting order; None stays as it is."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    client_order_id: str = ""

    def of(self, request: OrderRequest) -> OrderRequest:
        """`request` as it stands after the change."""
        return replace(
            request,
            quantity=request.quantity if self.quantity is None else self.quantity,
            limit_price=request.limit_price if self.limit_price is None else self.limit_price,
            stop_price=request.stop_price if self.stop_price is None else self.stop_price,
            client_order_id=self.client_order_id,
        )


_DONE = {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED}

EDGES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING_NEW: frozenset({OrderStatus.NEW}),
    OrderStatus.ACCEPTED: frozenset({OrderStatus.NEW, OrderStatus.CANCELED, OrderStatus.EXPIRED}),
    OrderStatus.HELD: frozenset((_DONE - {OrderStatus.FILLED}) | {OrderStatus.NEW}),
    OrderStatus.NEW: frozenset(_DONE),
}
"""Every change of state there is; what is not here cannot happen."""


@dataclass(slots=True, kw_only=True, eq=False)
class SimOrder:
    """One order on the exchange, changed only by the venue that made it.

    `number` counts orders in the order of their arrival. `watched_from` is the instant from which
    minutes may fill it, None while it only waits for its entry or for the open. `price_reserved` is
    what a buy counts for, per share, against the buying power.
    """

    number: int
    order_id: str
    client_order_id: str
    request: OrderRequest
    order_class: OrderClass
    status: OrderStatus
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    price_reserved: Decimal = Decimal(0)
    role: Role | None = None
    parent: "SimOrder | None" = None
    legs: list["SimOrder"] = field(default_factory=list)
    watched_from: datetime | None = None
    average_fill_price: Decimal | None = None
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    replaced_at: datetime | None = None
    replaced_by: str | None = None
    replaces: str | None = None

    @property
    def symbol(self) -> str:
        """What it trades."""
        return self.request.symbol

    @property
    def side(self) -> Side:
        """Buy or sell."""
        return self.request.side

    @property
    def quantity(self) -> Decimal:
        """Shares asked for."""
        return self.request.quantity

    @property
    def filled_quantity(self) -> Decimal:
        """Shares executed: all or none."""
        return self.quantity if self.status is OrderStatus.FILLED else Decimal(0)

    @property
    def open(self) -> bool:
        """It may still act; a held leg may."""
        return not self.status.terminal

    @property
    def terms(self) -> Terms:
        """What makes it fill."""
        asked = self.request
        return Terms(asked.side, asked.order_type, asked.limit_price, asked.stop_price)

    @property
    def family(self) -> "list[SimOrder]":
        """The whole bracket or OTO that it belongs to, the entry first; itself when simple."""
        entry = self.parent or self
        return [entry, *entry.legs]

    def move(self, status: OrderStatus, at: datetime) -> None:
        """Change the state, along EDGES only."""
        if status not in EDGES.get(self.status, ()):
            raise AssertionError(f"order {self.number}: {self.status} cannot become {status}")
        self.status, self.updated_at = status, at
        match status:
            case OrderStatus.FILLED:
                self.filled_at = at
            case OrderStatus.CANCELED:
                self.canceled_at = at
            case OrderStatus.EXPIRED:
                self.expired_at = at
            case OrderStatus.REPLACED:
                self.replaced_at = at

    def attach(self, leg: "SimOrder", role: Role) -> None:
        """Take `leg` as an exit that waits until this order is filled."""
        self.role, leg.role, leg.parent = Role.ENTRY, role, self
        leg.order_class, leg.status = self.order_class, OrderStatus.HELD
        self.legs.append(leg)

    def give_way_to(self, new: "SimOrder", at: datetime) -> None:
        """End as replaced; `new` takes the place among the relatives and in the watch."""
        new.status, new.role, new.order_class = self.status, self.role, self.order_class
        new.parent, new.legs, self.legs = self.parent, self.legs, []
        new.watched_from = at if self.watched_from else None
        new.replaces, self.replaced_by = self.order_id, new.order_id
        for leg in new.legs:
            leg.parent = new
        if self.parent:
            self.parent.legs[self.parent.legs.index(self)] = new
        self.move(OrderStatus.REPLACED, at)
