"""Orders as the exchange keeps them: what is asked for, and what has become of it."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from tools.core.trading import OrderClass, OrderStatus, OrderType, Side
from tools.simulation.matching import Terms, Trail

CHEAP = Decimal(50)
_OPPOSITE = {Side.BUY: Side.SELL, Side.SELL: Side.BUY}
AVERAGE_PLACES = Decimal("1e-6")


class TimeInForce(StrEnum):
    """How long an order stands.

    To the end of its session, for 90 days, for the opening or the closing price alone, for this
    moment alone in part (ioc) or as a whole (fok).
    """

    DAY = "day"
    GTC = "gtc"
    OPG = "opg"
    CLS = "cls"
    IOC = "ioc"
    FOK = "fok"

    @property
    def immediate(self) -> bool:
        """Now or never."""
        return self in {TimeInForce.IOC, TimeInForce.FOK}


class Role(StrEnum):
    """The part an order plays in a bracket, OTO or OCO."""

    ENTRY = "entry"
    TAKE_PROFIT = "take_profit"
    STOP_LOSS = "stop_loss"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What a client posts: shares, or dollars (`notional`). The class follows from the legs.

    With `oco` the order is itself the take-profit of what is held, at its limit price.
    """

    symbol: str
    side: Side
    order_type: OrderType
    quantity: Decimal | None = None
    notional: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.DAY
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    take_profit_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    stop_loss_limit_price: Decimal | None = None
    oco: bool = False
    extended_hours: bool = False
    client_order_id: str = ""

    @property
    def order_class(self) -> OrderClass:
        """OCO if it is one; BRACKET with both legs, OTO with one, SIMPLE with none."""
        if self.oco:
            return OrderClass.OCO
        legs = (self.take_profit_price is not None) + (self.stop_loss_price is not None)
        return (OrderClass.SIMPLE, OrderClass.OTO, OrderClass.BRACKET)[legs]

    @property
    def trail(self) -> Trail:
        """The distance of a trailing stop."""
        return Trail(self.side, self.trail_price, self.trail_percent)

    @property
    def fractional(self) -> bool:
        """It asks for dollars or for a part of a share."""
        return self.quantity is None or self.quantity != self.quantity.to_integral_value()

    def exits(self) -> "list[tuple[Role, OrderRequest]]":
        """The legs as orders of their own, the take-profit first."""
        leg = replace(
            self,
            side=self.side if self.oco else _OPPOSITE[self.side],
            limit_price=None,
            stop_price=None,
            take_profit_price=None,
            stop_loss_price=None,
            stop_loss_limit_price=None,
            oco=False,
            client_order_id="",
        )
        legs = []
        if self.take_profit_price is not None:
            limit = replace(leg, order_type=OrderType.LIMIT, limit_price=self.take_profit_price)
            legs.append((Role.TAKE_PROFIT, limit))
        if self.stop_loss_price is not None:
            bounded = self.stop_loss_limit_price is not None
            stop = replace(
                leg,
                order_type=OrderType.STOP_LIMIT if bounded else OrderType.STOP,
                stop_price=self.stop_loss_price,
                limit_price=self.stop_loss_limit_price,
            )
            legs.append((Role.STOP_LOSS, stop))
        return legs


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """What a client wants changed of a resting order; None stays as it is."""

    quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trail: Decimal | None = None
    time_in_force: TimeInForce | None = None
    client_order_id: str = ""

    def of(self, request: OrderRequest) -> OrderRequest:
        """`request` as it stands after the change."""
        given = {
            "quantity": self.quantity,
            "limit_price": self.limit_price,
            "stop_price": self.stop_price,
            "time_in_force": self.time_in_force,
            "trail_price" if request.trail_price is not None else "trail_percent": self.trail,
        }
        changes = {name: value for name, value in given.items() if value is not None}
        return replace(request, client_order_id=self.client_order_id, **changes)  # type: ignore[arg-type]


_DONE = {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.REPLACED}
_ENDED_BY_HAND = _DONE - {OrderStatus.FILLED}
_WORKS = _DONE | {OrderStatus.PARTIALLY_FILLED, OrderStatus.PENDING_CANCEL}

EDGES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING_NEW: frozenset({OrderStatus.NEW, OrderStatus.REJECTED}),
    OrderStatus.ACCEPTED: frozenset(
        {OrderStatus.NEW, OrderStatus.CANCELED, OrderStatus.EXPIRED, OrderStatus.PENDING_CANCEL}
    ),
    OrderStatus.HELD: frozenset(_ENDED_BY_HAND | {OrderStatus.NEW, OrderStatus.REJECTED}),
    OrderStatus.NEW: frozenset(_WORKS),
    OrderStatus.PARTIALLY_FILLED: frozenset(_WORKS),
    OrderStatus.PENDING_CANCEL: frozenset(_DONE),
}
"""Every change of state there is; what is not here cannot happen."""


@dataclass(slots=True, kw_only=True, eq=False)
class SimOrder:
    """One order on the exchange, changed only by the floor that works it.

    `number` counts orders in the order of their arrival. `quantity` are the shares it is for now:
    of a notional order an estimate until it fills, of a leg what its sibling has left. It may be
    filled by minutes from `watched_from` on, None while it only waits for its entry or for the
    open. `price_reserved` is what a buy counts for, per share, against the buying power. A stop
    that was set off is `elected`; `best_price` is what a trailing stop follows.
    """

    number: int
    order_id: str
    client_order_id: str
    request: OrderRequest
    quantity: Decimal
    order_class: OrderClass
    status: OrderStatus
    submitted_at: datetime
    updated_at: datetime
    expires_at: datetime
    price_reserved: Decimal = Decimal(0)
    filled_quantity: Decimal = Decimal(0)
    elected: bool = False
    best_price: Decimal | None = None
    role: Role | None = None
    parent: "SimOrder | None" = None
    legs: list["SimOrder"] = field(default_factory=list)
    watched_from: datetime | None = None
    average_fill_price: Decimal | None = None
    filled_at: datetime | None = None
    canceled_at: datetime | None = None
    expired_at: datetime | None = None
    failed_at: datetime | None = None
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
    def remaining(self) -> Decimal:
        """Shares not yet executed."""
        return self.quantity - self.filled_quantity

    @property
    def open(self) -> bool:
        """It may still act; a held leg may."""
        return not self.status.terminal

    @property
    def is_exit(self) -> bool:
        """It ends a position together with others, of which one is filled."""
        return self.role in {Role.TAKE_PROFIT, Role.STOP_LOSS}

    @property
    def terms(self) -> Terms:
        """What makes it fill: an elected stop is a limit, and a buy stop never pays any price."""
        asked = self.request
        kind, limit, stop = asked.order_type, asked.limit_price, asked.stop_price
        if kind is OrderType.STOP and asked.side is Side.BUY and stop is not None:
            kind, limit = OrderType.STOP_LIMIT, collar(stop)
        if self.elected:
            kind, stop = OrderType.MARKET if limit is None else OrderType.LIMIT, None
        return Terms(asked.side, kind, limit, stop)

    @property
    def family(self) -> "list[SimOrder]":
        """The whole bracket, OTO or OCO that it belongs to, its head first; itself when simple."""
        head = self.parent or self
        return [head, *head.legs]

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
            case OrderStatus.REJECTED:
                self.failed_at = at
            case OrderStatus.REPLACED:
                self.replaced_at = at

    def fill(self, quantity: Decimal, price: Decimal) -> None:
        """Count an execution."""
        before, self.filled_quantity = self.filled_quantity, self.filled_quantity + quantity
        if self.average_fill_price is None:
            self.average_fill_price = price
        elif self.average_fill_price != price:
            paid = self.average_fill_price * before + price * quantity
            self.average_fill_price = (paid / self.filled_quantity).quantize(AVERAGE_PLACES)

    def attach(self, leg: "SimOrder", role: Role) -> None:
        """Take `leg` as an exit that waits for this order, or stands beside it in an OCO."""
        self.role = Role.TAKE_PROFIT if self.order_class is OrderClass.OCO else Role.ENTRY
        leg.role, leg.parent = role, self
        leg.order_class, leg.status = self.order_class, OrderStatus.HELD
        self.legs.append(leg)

    def give_way_to(self, new: "SimOrder", at: datetime) -> None:
        """Hand the place among the relatives and in the watch over to `new`; the caller ends it."""
        new.status = OrderStatus.HELD if self.status is OrderStatus.HELD else OrderStatus.NEW
        new.role, new.order_class = self.role, self.order_class
        new.parent, new.legs, self.legs = self.parent, self.legs, []
        new.watched_from = at if self.watched_from else None
        new.elected, new.best_price = self.elected, self.best_price
        new.replaces, self.replaced_by = self.order_id, new.order_id
        for leg in new.legs:
            leg.parent = new
        if self.parent:
            self.parent.legs[self.parent.legs.index(self)] = new


def collar(stop_price: Decimal) -> Decimal:
    """The most that a buy stop pays once it was set off: 4 % more below $50, 2.5 % from there."""
    more = Decimal("1.04") if stop_price < CHEAP else Decimal("1.025")
    return round(stop_price * more, 2 if stop_price >= 1 else 4)
