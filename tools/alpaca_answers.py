"""What both of Alpaca's broker adapters make of its answers, and of the lack of one.

The standard library and the core alone: the flatten program stands on this. Answers are read raw,
and must not fail on a field nobody asked for. Money becomes Decimal here, from strings, and nowhere
else.

CallFailed             one call gave no usable answer
├── NotSent            nothing was done: no connection, or turned away unread
├── Refused            the server said no
└── AnswerLost         it may be done
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from tools.core.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from tools.core.market import Instrument, Market
from tools.core.trading import (
    Account,
    BrokerClock,
    Order,
    OrderClass,
    OrderIntent,
    OrderStatus,
    OrderType,
    Position,
    Side,
)

PAGE = 500
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
JUST_BEFORE = timedelta(microseconds=1)
LEGS_LAG = timedelta(minutes=1)
"""Legs are submitted with their entry, give or take this."""

AT_ONCE = 24
"""Calls that one broker may have in hand: twenty exits in one round trip, and what is read then."""

NOT_FOUND = 40410000
DUPLICATE = "client_order_id must be unique"
LONGEST_QUOTE = 300
SHORTEST_SECRET = 8  # Alpaca's have 26 and more; a shorter word would blot out plain text

MISSHAPEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What parsing an answer of another shape than expected raises."""


class CallFailed(Exception):
    """One call gave no usable answer. The text names the call and holds no secret."""


class NotSent(CallFailed):
    """Nothing was done: no connection, or turned away unread (429)."""


class Refused(CallFailed):
    """The server said no: HTTP `status` 4xx, and Alpaca's own `code` where the body holds one."""

    def __init__(self, message: str, *, status: int, code: int | None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class AnswerLost(CallFailed):
    """Sent, then a time-out, a cut connection, a 5xx or an unreadable body: it may be done."""


def asked[T](call: Callable[[], T]) -> T:
    """A question: whatever fails, nothing was changed."""
    try:
        return call()
    except CallFailed as failed:
        raise BrokerUnavailable(str(failed)) from failed


def found[T](call: Callable[[], T]) -> T | None:
    """A question that Alpaca (not some proxy's 404 page) may answer with "no such thing"."""
    try:
        return call()
    except CallFailed as failed:
        if isinstance(failed, Refused) and failed.code == NOT_FOUND:
            return None
        raise BrokerUnavailable(str(failed)) from failed


def acted[T](call: Callable[[], T]) -> T:
    """A request that changes something: a lost answer leaves the outcome unknown."""
    try:
        return call()
    except NotSent as failed:
        raise BrokerUnavailable(str(failed)) from failed
    except Refused as refused:
        raise OrderRejected(str(refused), code=refused.status) from refused
    except CallFailed as lost:
        raise OutcomeUnknown(str(lost)) from lost


def once(
    client_order_id: str, send: Callable[[], Order], find: Callable[[], Order | None]
) -> Order:
    """Send what carries `client_order_id`; if the broker knows that id, give what it names."""
    try:
        return acted(send)
    except OrderRejected as rejected:
        if DUPLICATE not in str(rejected):
            raise
    try:
        order = find()
    except BrokerUnavailable as error:
        raise OutcomeUnknown(f"{client_order_id} exists already, but: {error}") from error
    if order is None:
        raise OutcomeUnknown(f"{client_order_id} exists already, but is not found")
    return order


def closing(intent: OrderIntent) -> str | None:
    """The `position_intent` of a sale: to close, so that none can open a short, whatever fills.

    Two closers, or a stop that fills while its cancel is under way, may leave less than is sold.
    """
    return "sell_to_close" if intent.side is Side.SELL else None


def every_order(
    page_after: Callable[[datetime], Sequence[Order]], since: datetime
) -> tuple[Order, ...]:
    """All pages by submission time, from `since` on.

    `after` is exclusive: each page begins just before the last one's end. Legs are counted as
    orders: whether the page limit does so too is not documented.
    """
    known: dict[str, Order] = {}
    while True:
        page, before = page_after(since - JUST_BEFORE), len(known)
        known |= {order.order_id: order for order in page}
        if len(known) == before or sum(1 + len(order.legs) for order in page) < PAGE:
            return tuple(known.values())
        since = page[-1].submitted_at


def standing(
    listed: tuple[Order, ...], since: Callable[[datetime], tuple[Order, ...]]
) -> tuple[Order, ...]:
    """The orders that may still act, of those `listed` flat as open; `since` lists all, nested.

    Alpaca does not call a held leg open, and with `nested` is silent about the legs of a filled
    entry altogether. So where a bracket or OTO is among what it calls open, everything since is
    listed nested, which tells all.
    """
    began = [one.submitted_at for one in listed if one.order_class is not OrderClass.SIMPLE]
    if not began:
        return listed
    entries = since(min(began) - LEGS_LAG)
    told = {one.order_id for entry in entries for one in (entry, *entry.legs)}
    acting = [one for entry in entries for one in _acting(entry)]
    acting += [one for one in listed if one.order_id not in told]
    return tuple(sorted(acting, key=lambda order: order.submitted_at))


def turned_down(name: str, status: int, body: bytes, secrets: Sequence[str]) -> CallFailed:
    """What an answer outside of 2xx means for the call `name`."""
    code, message = _words(body)
    for secret in secrets:
        message = message.replace(secret, "***")
    text = f"{name}: HTTP {status}: {message[:LONGEST_QUOTE]}"
    if status == 429:
        return NotSent(f"rate limit: {text}")
    if status < 400 or status >= 500 or status == 408:
        return AnswerLost(text)
    return Refused(text, status=status, code=code)


def _words(body: bytes) -> tuple[int | None, str]:
    """Alpaca's error code and message, or (None, what stands there instead)."""
    try:
        answer = json.loads(body)
    except ValueError:
        return None, "an answer that is not JSON"
    if not isinstance(answer, dict):
        return None, "an answer without a message"
    code = answer.get("code")
    return code if isinstance(code, int) else None, str(answer.get("message", "no message"))


def _acting(entry: Order) -> tuple[Order, ...]:
    """What may still act of an entry and its legs: the entry with them, or they without it."""
    return (entry,) if entry.open else tuple(leg for leg in entry.legs if leg.open)


def nothing(_: Any) -> None:
    """What a cancellation answers is not the order's state: read that back."""


def clock_of(raw: Any) -> BrokerClock:
    """The broker's clock."""
    return BrokerClock(
        at=_instant(raw["timestamp"]),
        market_open=raw["is_open"] is True,
        next_open=_instant(raw["next_open"]),
        next_close=_instant(raw["next_close"]),
    )


def closes_of(raw: Any) -> dict[date, time]:
    """New York dates on which it trades, and until when."""
    return {date.fromisoformat(one["date"]): time.fromisoformat(one["close"]) for one in raw}


def account_of(raw: Any) -> Account:
    """The account's money. The day-trader fields, gone since July 2026, are not looked at."""
    blocks = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    return Account(
        account_number=str(raw["account_number"]),
        cash=_decimal(raw["cash"]),
        equity=_decimal(raw["equity"]),
        last_equity=_decimal(raw["last_equity"]),
        buying_power=_decimal(raw["buying_power"]),
        trading_blocked=any(raw.get(block) for block in blocks),
    )


def positions_of(raw: Any) -> tuple[Position, ...]:
    """All positions, by symbol."""
    return tuple(sorted(map(_position, _listed(raw)), key=lambda position: position.symbol))


def _position(raw: Any) -> Position:
    """A position nobody has traded yet today has no current price, and for a moment no last one."""
    price = raw["current_price"] or raw["lastday_price"] or raw["avg_entry_price"]
    return Position(
        symbol=raw["symbol"],
        quantity=_decimal(raw["qty"]),
        average_entry_price=_decimal(raw["avg_entry_price"]),
        current_price=_decimal(price),
    )


def instrument_of(raw: Any) -> Instrument:
    """An asset."""
    return Instrument(
        symbol=raw["symbol"],
        name=raw.get("name") or "",
        exchange=raw.get("exchange") or "",
        market=_named(raw["class"], Market.UNKNOWN),
        active=raw["status"] == "active",
        tradable=raw["tradable"] is True,
        shortable=raw.get("shortable") is True,
        fractionable=raw.get("fractionable") is True,
    )


def orders_of(raw: Any) -> tuple[Order, ...]:
    """Orders, in the order of the answer."""
    return tuple(map(order_of, _listed(raw)))


def _listed(raw: Any) -> list[Any]:
    """A list: an empty answer of another kind does not say that there is nothing."""
    if not isinstance(raw, list):
        raise TypeError(f"not a list: {type(raw).__name__}")
    return raw


def order_of(raw: Any) -> Order:
    """One order, its legs included.

    Orders of other hands come in kinds we do not use, and must not hide our own: a state we do not
    know may still act, so it counts as NEW; stop-limit and trailing stops are stops; an order by
    dollars has no quantity but its fills; one of several legs has no symbol and no side of its own,
    and its legs no type.
    """
    filled_quantity = _decimal(raw["filled_qty"] or 0)
    kind = "stop" if raw.get("type") in ("stop_limit", "trailing_stop") else raw.get("type")
    quantity = raw.get("qty")
    return Order(
        order_id=str(raw["id"]),
        client_order_id=str(raw["client_order_id"]),
        symbol=raw.get("symbol") or "",
        side=Side(raw.get("side") or Side.BUY),
        order_type=OrderType(kind or OrderType.MARKET),
        order_class=_named(raw["order_class"], OrderClass.SIMPLE),
        status=_named(raw["status"], OrderStatus.NEW),
        quantity=filled_quantity if quantity is None else _decimal(quantity),
        filled_quantity=filled_quantity,
        submitted_at=_instant(raw["submitted_at"]),
        average_fill_price=_optional(_decimal, raw.get("filled_avg_price")),
        limit_price=_optional(_decimal, raw.get("limit_price")),
        stop_price=_optional(_decimal, raw.get("stop_price")),
        filled_at=_optional(_instant, raw.get("filled_at")),
        legs=orders_of(raw.get("legs") or []),
    )


def _named[E: StrEnum](value: str, otherwise: E) -> E:
    """The member of `otherwise`'s enumeration that `value` names, if there is one."""
    kind = type(otherwise)
    return kind(value) if value in kind else otherwise


def _decimal(value: str | float) -> Decimal:
    """Raises ValueError for what is not a finite number."""
    number = Decimal(str(value))
    if not number.is_finite():
        raise ValueError(f"not a number: {value!r}")
    return number


def _instant(text: str) -> datetime:
    """An RFC 3339 time as aware UTC; digits beyond the microsecond are dropped."""
    return datetime.fromisoformat(text).astimezone(UTC)


def _optional[T](parse: Callable[[Any], T], value: Any) -> T | None:
    return None if value is None else parse(value)
