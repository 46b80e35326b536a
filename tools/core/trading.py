"""Tickets, intents, orders, positions, trades. Money and shares are `Decimal`, times aware UTC.

The path of an order, and its words: the model fills in a *ticket*; the desk turns an approved
ticket into an *intent* (journalled, unsent); the broker accepts it as an *order*; what was executed
are *fills*; from flat to flat they make one *trade*.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    """Buy or sell."""

    BUY = "buy"
    SELL = "sell"


class OrderType(StrEnum):
    """How an order is priced. The values are Alpaca's names."""

    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"
    TRAILING_STOP = "trailing_stop"


class OrderClass(StrEnum):
    """How an order carries its exits. The values are Alpaca's names."""

    SIMPLE = "simple"
    OTO = "oto"
    BRACKET = "bracket"
    OCO = "oco"


class OrderStatus(StrEnum):
    """Where an order stands at the broker. The values are Alpaca's names."""

    ACCEPTED = "accepted"
    PENDING_NEW = "pending_new"
    NEW = "new"
    HELD = "held"
    PARTIALLY_FILLED = "partially_filled"
    PENDING_CANCEL = "pending_cancel"
    PENDING_REPLACE = "pending_replace"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    REPLACED = "replaced"

    @property
    def terminal(self) -> bool:
        """No further fill or change can follow."""
        return self in _TERMINAL


_TERMINAL = frozenset(
    (
        OrderStatus.FILLED,
        OrderStatus.CANCELED,
        OrderStatus.EXPIRED,
        OrderStatus.REJECTED,
        OrderStatus.REPLACED,
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTicket:
    """What a mind may ask for: a view of one symbol, never an order.

    `quantity` is a ceiling in whole shares, None leaves the size to the desk. `stop_price` None
    asks for the default stop. `confidence` is 0…1. `cited_price` at `cited_at` is what the mind
    says that it read: the agent compares that with the tools' answers, the desk only notes it.
    """

    symbol: str
    side: Side
    confidence: float
    reason: str
    decision_id: str
    prompt_hash: str = ""
    quantity: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    cited_price: Decimal | None = None
    cited_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderIntent:
    """An order as it will be sent: complete, approved and committed before the POST.

    `client_order_id` is the idempotency key. `stop_loss_price` and `take_profit_price` are the legs
    that the broker holds; `limit_price` and `stop_price` price the order itself. `decision_price`
    is what a share cost when this was decided: slippage is measured from it.
    """

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    order_type: OrderType
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    stop_loss_price: Decimal | None = None
    take_profit_price: Decimal | None = None
    decision_id: str = ""
    prompt_hash: str = ""
    decision_price: Decimal | None = None

    @property
    def order_class(self) -> OrderClass:
        """BRACKET with both legs, OTO with one, SIMPLE with none."""
        legs = (self.stop_loss_price is not None) + (self.take_profit_price is not None)
        return (OrderClass.SIMPLE, OrderClass.OTO, OrderClass.BRACKET)[legs]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """The broker's word about one order; `legs` are the exits it holds for it."""

    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    order_class: OrderClass
    status: OrderStatus
    quantity: Decimal
    filled_quantity: Decimal
    submitted_at: datetime
    average_fill_price: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    filled_at: datetime | None = None
    legs: tuple["Order", ...] = ()

    @property
    def open(self) -> bool:
        """The broker may still act on it (a held leg counts)."""
        return not self.status.terminal

    @property
    def remaining_quantity(self) -> Decimal:
        """Shares not yet executed."""
        return self.quantity - self.filled_quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Shares held of one symbol; `quantity` is negative for a short."""

    symbol: str
    quantity: Decimal
    average_entry_price: Decimal
    current_price: Decimal

    @property
    def market_value_usd(self) -> Decimal:
        """Signed value at the current price."""
        return self.quantity * self.current_price

    @property
    def unrealized_pnl_usd(self) -> Decimal:
        """Gain since entry at the current price."""
        return self.quantity * (self.current_price - self.average_entry_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The broker's account in dollars; `last_equity` is at the previous session's close."""

    account_number: str
    cash: Decimal
    equity: Decimal
    last_equity: Decimal
    buying_power: Decimal
    trading_blocked: bool = False

    @property
    def day_pnl_usd(self) -> Decimal:
        """Equity gained since the previous close."""
        return self.equity - self.last_equity

    @property
    def day_pnl_fraction(self) -> Decimal:
        """`day_pnl_usd` over the previous close's equity; 0 when that was 0."""
        return self.day_pnl_usd / self.last_equity if self.last_equity else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerClock:
    """What the broker's clock says: its time, and whether the market is open."""

    at: datetime
    market_open: bool
    next_open: datetime
    next_close: datetime


class ExitReason(StrEnum):
    """Why a round trip ended."""

    STOP = "stop"
    TARGET = "target"
    DECISION = "decision"
    FLATTEN = "flatten"
    EXTERNAL = "external"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """A closed round trip in one symbol, from flat to flat. Prices are averages over its fills."""

    symbol: str
    side: Side
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    pnl_usd: Decimal
    opened_at: datetime
    closed_at: datetime
    exit_reason: ExitReason
    entry_client_order_id: str
    exit_client_order_id: str
    decision_id: str
    slippage_usd: Decimal | None = None
    """Lost to worse prices than were decided, as far as known; negative for better ones."""
    prompt_hash: str = ""
    """The version of the prompt under which it was entered."""

    @property
    def winning(self) -> bool:
        """Made money."""
        return self.pnl_usd > 0
