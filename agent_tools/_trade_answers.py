"""What the trade tools answer. Numbers are JSON numbers, times ISO 8601."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BeforeValidator

from agent_tools._mcp_server import Answer, Foreign, ForeignName
from tools.core.safety import RiskLimits, RiskVerdict
from tools.core.trading import Account, Order, OrderType, Position, Side, Trade
from tools.execution.rulings import Ruling
from tools.risk.book import Book


def _plain(value: object) -> object:
    """A Decimal as a JSON number: whole if it is, else to a millionth."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else round(float(value), 6)
    return value


Number = Annotated[int | float, BeforeValidator(_plain)]


class AccountAnswer(Answer):
    """The account in dollars; the day's gain is counted from the previous close."""

    cash: Number
    equity: Number
    last_equity: Number
    buying_power: Number
    day_pnl: Number
    day_pnl_fraction: Number
    trading_blocked: bool

    @classmethod
    def of(cls, account: Account) -> Self:
        return cls(
            cash=account.cash,
            equity=account.equity,
            last_equity=account.last_equity,
            buying_power=account.buying_power,
            day_pnl=account.day_pnl_usd,
            day_pnl_fraction=account.day_pnl_fraction,
            trading_blocked=account.trading_blocked,
        )


class PositionLine(Answer):
    """One position, with the exits that rest for it."""

    symbol: ForeignName
    quantity: Number
    average_entry_price: Number
    current_price: Number
    market_value: Number
    unrealized_pnl: Number
    stop_price: Number | None
    target_price: Number | None


class Positions(Answer):
    """All positions, by symbol."""

    positions: list[PositionLine]

    @classmethod
    def of(cls, positions: Iterable[Position], resting: Sequence[Order]) -> Self:
        """`resting` are the open orders, legs included."""
        return cls(positions=[_position_line(position, resting) for position in positions])


class OrderLine(Answer):
    """One open order, a leg like any other."""

    client_order_id: ForeignName
    symbol: ForeignName
    side: Side
    type: OrderType
    quantity: Number
    filled_quantity: Number
    limit_price: Number | None
    stop_price: Number | None
    status: Foreign


class RoundTrip(Answer):
    """One closed round trip."""

    symbol: ForeignName
    side: Side
    quantity: Number
    entry_price: Number
    exit_price: Number
    pnl: Number
    opened_at: datetime
    closed_at: datetime
    exit_reason: Foreign


class Orders(Answer):
    """What is open, and what today's fills closed."""

    open_orders: list[OrderLine]
    round_trips: list[RoundTrip]

    @classmethod
    def of(cls, resting: Iterable[Order], trades: Iterable[Trade]) -> Self:
        return cls(
            open_orders=[_order_line(order) for order in resting],
            round_trips=[_round_trip(trade) for trade in trades],
        )


class RiskStatus(Answer):
    """What the desk lets through now, and its limits. Fractions are 0…1."""

    trading_state: str
    reason: Foreign
    entries_open: bool
    entries_end_at: datetime | None
    flatten_at: datetime | None
    entries_today: int
    max_entries_per_day: int
    positions: int
    max_positions: int
    day_pnl_fraction: Number
    daily_loss_fraction: Number
    min_confidence: Number
    risk_per_trade_fraction: Number
    max_position_fraction: Number
    allowed_symbols: list[str] | None

    @classmethod
    def of(cls, book: Book, limits: RiskLimits) -> Self:
        allowed = limits.allowed_symbols
        return cls(
            trading_state=book.trading_state,
            reason=book.state_reason,
            entries_open=book.entries_open,
            entries_end_at=book.session.entries_end_at if book.session else None,
            flatten_at=book.session.flatten_at if book.session else None,
            entries_today=book.entries_today,
            max_entries_per_day=limits.max_entries_per_day,
            positions=len(book.occupied),
            max_positions=limits.max_positions,
            day_pnl_fraction=-book.loss_fraction,
            daily_loss_fraction=limits.daily_loss_fraction,
            min_confidence=limits.min_confidence,
            risk_per_trade_fraction=limits.risk_per_trade_fraction,
            max_position_fraction=limits.max_position_fraction,
            allowed_symbols=None if allowed is None else sorted(allowed),
        )


class DenialLine(Answer):
    """One rule's no."""

    reason: Foreign
    message: Foreign


class Verdict(Answer):
    """The desk's ruling; the entry price is the most a share may cost."""

    approved: bool
    symbol: ForeignName
    quantity: Number
    entry_price: Number | None
    stop_price: Number | None
    target_price: Number | None
    risk_usd: Number | None
    denials: list[DenialLine]
    notes: list[str]

    @classmethod
    def of(cls, verdict: RiskVerdict) -> Self:
        return cls(**_fields(verdict))


class Placed(Verdict):
    """The ruling, and what became of the order so far."""

    client_order_id: ForeignName | None = None
    status: Foreign | None = None
    filled_quantity: Number = 0
    average_fill_price: Number | None = None

    @classmethod
    def of_ruling(cls, ruling: Ruling) -> Self:
        order = ruling.order
        return cls(
            **_fields(ruling.verdict),
            client_order_id=ruling.client_order_id or None,
            status=order.status if order else None,
            filled_quantity=order.filled_quantity if order else 0,
            average_fill_price=order.average_fill_price if order else None,
        )


class State(Answer):
    """The trading state, and why."""

    trading_state: str
    reason: Foreign


def _fields(verdict: RiskVerdict) -> dict[str, Any]:
    return {
        "approved": verdict.approved,
        "symbol": verdict.symbol,
        "quantity": verdict.quantity,
        "entry_price": verdict.entry_price,
        "stop_price": verdict.stop_price,
        "target_price": verdict.target_price,
        "risk_usd": verdict.risk_usd,
        "denials": [DenialLine(reason=d.reason, message=d.message) for d in verdict.denials],
        "notes": list(verdict.notes),
    }


def _position_line(position: Position, resting: Sequence[Order]) -> PositionLine:
    exits = [o for o in resting if o.symbol == position.symbol and o.side is Side.SELL]
    stops = [order.stop_price for order in exits if order.order_type is OrderType.STOP]
    targets = [order.limit_price for order in exits if order.order_type is OrderType.LIMIT]
    return PositionLine(
        symbol=position.symbol,
        quantity=position.quantity,
        average_entry_price=position.average_entry_price,
        current_price=position.current_price,
        market_value=position.market_value_usd,
        unrealized_pnl=position.unrealized_pnl_usd,
        stop_price=stops[0] if stops else None,
        target_price=targets[0] if targets else None,
    )


def _order_line(order: Order) -> OrderLine:
    return OrderLine(
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.order_type,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        status=order.status,
    )


def _round_trip(trade: Trade) -> RoundTrip:
    return RoundTrip(
        symbol=trade.symbol,
        side=trade.side,
        quantity=trade.quantity,
        entry_price=trade.entry_price,
        exit_price=trade.exit_price,
        pnl=trade.pnl_usd,
        opened_at=trade.opened_at,
        closed_at=trade.closed_at,
        exit_reason=trade.exit_reason,
    )
