"""Keyword builders: a valid value of each kind, of which a test names only what it is about."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np

from tools.core.market import Bar, Instrument, Market, Quote
from tools.core.safety import TradingState
from tools.core.session import Session
from tools.core.trading import (
    Account,
    BrokerClock,
    Order,
    OrderClass,
    OrderIntent,
    OrderStatus,
    OrderTicket,
    OrderType,
    Position,
    Side,
)
from tools.risk.book import Book, Claim, Entry, Tape
from tools.risk.portfolio import Moves


def a_time(clock: str = "10:00") -> datetime:
    """An instant of 2013-10-07 by its New York wall time, `HH:MM` or `HH:MM:SS`."""
    return datetime.fromisoformat(f"2013-10-07T{clock}-04:00").astimezone(UTC)


def a_session() -> Session:
    """The regular session of Monday, 2013-10-07."""
    return Session(
        on=date(2013, 10, 7),
        open_at=a_time("09:30"),
        close_at=a_time("16:00"),
        wake_at=a_time("09:25"),
        entries_start_at=a_time("09:30"),
        entries_end_at=a_time("15:45"),
        flatten_at=a_time("15:55"),
    )


def a_bar(
    start: datetime | None = None,
    *,
    symbol: str = "SPY",
    close: float = 100.0,
    high: float | None = None,
    low: float | None = None,
    volume: int = 1000,
) -> Bar:
    """A bar that opened at its close."""
    return Bar(
        symbol=symbol,
        start=start or a_time("09:59"),
        open=close,
        high=close if high is None else high,
        low=close if low is None else low,
        close=close,
        volume=volume,
    )


def a_quote(
    bid: str = "99.99", ask: str = "100.00", *, symbol: str = "SPY", at: str = "10:00"
) -> Quote:
    return Quote(symbol=symbol, at=a_time(at), bid=Decimal(bid), ask=Decimal(ask))


def an_instrument(
    symbol: str = "SPY",
    *,
    market: Market = Market.US_EQUITY,
    active: bool = True,
    tradable: bool = True,
) -> Instrument:
    return Instrument(
        symbol=symbol, name=symbol, exchange="NYSE", market=market, active=active, tradable=tradable
    )


def a_ticket(
    symbol: str = "SPY",
    *,
    side: Side = Side.BUY,
    confidence: float = 0.8,
    quantity: str | None = None,
    stop: str | None = "99.00",
    target: str | None = None,
    decision_id: str = "D-2013-10-07-1-1",
) -> OrderTicket:
    return OrderTicket(
        symbol=symbol,
        side=side,
        confidence=confidence,
        reason="momentum",
        decision_id=decision_id,
        quantity=None if quantity is None else Decimal(quantity),
        stop_price=None if stop is None else Decimal(stop),
        target_price=None if target is None else Decimal(target),
    )


def a_tape(
    *,
    daily_volume: str | None = "1000000",
    minute_volume: str | None = "10000",
    minute_atr: str | None = "0.10",
    atr: str | None = "0.25",
) -> Tape:
    """A liquid symbol that moves a quarter of a dollar in five minutes."""

    def number(text: str | None) -> Decimal | None:
        return None if text is None else Decimal(text)

    return Tape(
        daily_volume=number(daily_volume),
        minute_volume=number(minute_volume),
        minute_atr_usd=number(minute_atr),
        atr_usd=number(atr),
    )


def moves(**returns: tuple[float, ...]) -> Moves:
    """Daily returns by symbol."""
    return Moves(symbols=tuple(returns), returns=np.array(list(returns.values())).T)


def an_entry(
    symbol: str = "IBM", *, at: str = "09:31", notional: str = "1000", cycle: str = ""
) -> Entry:
    """An earlier entry of the session."""
    return Entry(symbol=symbol, at=a_time(at), notional_usd=Decimal(notional), cycle=cycle)


def an_account(
    *,
    equity: str = "100000",
    cash: str = "100000",
    buying_power: str = "400000",
    trading_blocked: bool = False,
) -> Account:
    return Account(
        account_number="PA0",
        cash=Decimal(cash),
        equity=Decimal(equity),
        last_equity=Decimal("100000"),
        buying_power=Decimal(buying_power),
        trading_blocked=trading_blocked,
    )


def a_position(symbol: str = "SPY", quantity: str = "10", price: str = "100") -> Position:
    return Position(
        symbol=symbol,
        quantity=Decimal(quantity),
        average_entry_price=Decimal(price),
        current_price=Decimal(price),
    )


def an_intent(
    client_order_id: str = "",
    *,
    symbol: str = "SPY",
    side: Side = Side.BUY,
    quantity: str = "10",
    limit: str | None = "100.10",
    stop: str | None = "99.00",
    target: str | None = None,
    decision_id: str = "D-2013-10-07-1-1",
) -> OrderIntent:
    """A buy limit with a stop; a market order when `limit` is None."""
    return OrderIntent(
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        quantity=Decimal(quantity),
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        limit_price=None if limit is None else Decimal(limit),
        stop_loss_price=None if stop is None else Decimal(stop),
        take_profit_price=None if target is None else Decimal(target),
        decision_id=decision_id,
    )


def an_order(
    client_order_id: str = "AT-2013-10-07-1-E",
    *,
    symbol: str = "SPY",
    side: Side = Side.BUY,
    order_type: OrderType = OrderType.LIMIT,
    order_class: OrderClass = OrderClass.SIMPLE,
    status: OrderStatus = OrderStatus.NEW,
    quantity: str = "10",
    filled: str = "0",
    price: str | None = None,
    stop: str | None = None,
    submitted: str = "10:00",
    filled_at: str | None = None,
    legs: tuple[Order, ...] = (),
) -> Order:
    """An order; with a `price` it is filled, all of it, at `filled_at` or when it was submitted."""
    done = price is not None
    return Order(
        order_id=f"id-{client_order_id}",
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        order_type=order_type,
        order_class=order_class,
        status=OrderStatus.FILLED if done and filled == "0" else status,
        quantity=Decimal(quantity),
        filled_quantity=Decimal(quantity if done and filled == "0" else filled),
        submitted_at=a_time(submitted),
        average_fill_price=Decimal(price) if price is not None else None,
        stop_price=Decimal(stop) if stop is not None else None,
        filled_at=a_time(filled_at or submitted) if done else None,
        legs=legs,
    )


def a_book(
    *,
    now: str = "10:00",
    session: Session | None = None,
    market_open: bool = True,
    reconciled: bool = True,
    state: TradingState = TradingState.ACTIVE,
    equity: str = "100000",
    cash: str = "100000",
    buying_power: str = "400000",
    trading_blocked: bool = False,
    positions: tuple[Position, ...] = (),
    open_orders: tuple[Order, ...] = (),
    start_equity: str = "100000",
    entries: tuple[Entry, ...] = (),
    claims: tuple[Claim, ...] = (),
    compared: str | None = None,
    broker_clock: BrokerClock | None = None,
) -> Book:
    """`compared` is when the books last agreed with the broker's; now, if nothing is said."""
    return Book(
        now=a_time(now),
        session=session or a_session(),
        market_open=market_open,
        reconciled=reconciled,
        trading_state=state,
        state_reason="a test",
        account=an_account(
            equity=equity,
            cash=cash,
            buying_power=buying_power,
            trading_blocked=trading_blocked,
        ),
        positions=positions,
        open_orders=open_orders,
        start_equity_usd=Decimal(start_equity),
        entries=entries,
        claims=claims,
        broker_clock=broker_clock,
        reconciled_at=a_time(compared or now) if reconciled else None,
    )
