"""An exchange without a wire: one account, its orders, one market.

Nothing happens here by itself. Every question and every command first lets pass what belongs before
now (`catch_up`): minute by minute, stops before limits, then by age. So the result does not depend
on when or how often somebody asks.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tools.core.session import Session
from tools.core.trading import OrderClass, OrderStatus, OrderType, Side
from tools.simulation.account import Balances, Book, Execution, Holding
from tools.simulation.admission import check_legs, check_shape, check_stop
from tools.simulation.market import Market
from tools.simulation.matching import Walk, far_side, fill_at_quote, fill_on_walk, walk_of
from tools.simulation.orders import OrderRequest, Replacement, Role, SimOrder, TimeInForce
from tools.simulation.refusals import (
    forbidden,
    insufficient_buying_power,
    insufficient_quantity,
    invalid,
    not_found,
)
from tools.simulation.register import OrderRegister, stops_first
from tools.simulation.tape import MINUTE, Tick, dollars

ONE_MINUTE = timedelta(minutes=1)
GTC_LIFE = timedelta(days=90)
_NAMESPACE = uuid.UUID("6d3f2b1e-8f0a-4c52-9a55-5a1f3f0e8c11")


class Venue:
    """See the module. Not thread-safe: one caller at a time. Commands raise Refused."""

    def __init__(
        self, market: Market, now: Callable[[], datetime], *, cash: Decimal, seed: int = 1
    ) -> None:
        """Open an account of `cash` dollars at `now()`; `seed` makes the ids."""
        self.market, self.opened_at = market, now()
        self.account_number = f"PA{seed:010d}"
        self._now, self._seed, self._done = now, seed, self.opened_at
        ended = market.hours.last_ended(self.opened_at)
        self._book = Book(cash, ended.on if ended else self.opened_at.date())
        self._orders = OrderRegister()

    def orders(self) -> list[SimOrder]:
        """Every order there has been, legs beside their entries, oldest first."""
        self.catch_up()
        return list(self._orders)

    def order(self, order_id: str) -> SimOrder:
        """The order with the exchange's id. Raises Refused (404)."""
        self.catch_up()
        return self._orders.get(order_id)

    def order_by_client_id(self, client_order_id: str) -> SimOrder | None:
        """The order with the client's id."""
        self.catch_up()
        return self._orders.by_client_id(client_order_id)

    def balances(self) -> Balances:
        """The account."""
        now = self.catch_up()
        return self._book.balances(self._orders.opening(), lambda symbol: self._price(symbol, now))

    def holdings(self) -> list[Holding]:
        """What is held, by symbol."""
        self.catch_up()
        return [self._book.holdings[symbol] for symbol in sorted(self._book.holdings)]

    def holding(self, symbol: str) -> Holding:
        """What is held of one symbol. Raises Refused (404) when that is nothing."""
        self.catch_up()
        try:
            return self._book.holdings[symbol]
        except KeyError:
            raise not_found("position does not exist") from None

    def executions(self) -> list[Execution]:
        """Every fill there has been, oldest first."""
        self.catch_up()
        return list(self._book.executions)

    def reserved(self, symbol: str) -> Decimal:
        """Shares promised to open sales."""
        self.catch_up()
        return self._orders.reserved(symbol)[0]

    def price(self, symbol: str) -> Decimal:
        """The last trade in dollars. Raises Refused when there has been none."""
        return self._price(symbol, self._now())

    def previous_close(self, symbol: str) -> Decimal:
        """Yesterday's close in dollars; the last trade when there was no yesterday."""
        cents = self.market.previous_close(symbol, self._now())
        return self.price(symbol) if cents is None else dollars(cents)

    def new_id(self, *key: object) -> str:
        """A UUID that depends on the seed and `key` alone."""
        return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, (self._seed, *key)))))

    def submit(self, request: OrderRequest) -> SimOrder:
        """Take an order: `pending_new` while the market is open, else `accepted` until it opens.

        Whatever may fill at once has been filled when the next question is asked.
        """
        now = self.catch_up()
        if request.symbol not in self.market.symbols:
            raise invalid(f'asset "{request.symbol}" not found')
        self._check_prices(request, now)
        if request.side is Side.SELL:
            self._check_shares(request)
        entry = self._enter(request, now, self._reserve(request, now))
        for role, exit_request in request.exits():
            entry.attach(self._enter(exit_request, now, Decimal(0)), role)
        return entry

    def cancel(self, order_id: str) -> None:
        """End an order and whatever hangs together with it."""
        order = self.order(order_id)
        if not order.open:
            raise invalid(f'order is already in "{order.status}" state')
        for relative in order.family:
            if relative.open:
                relative.move(OrderStatus.CANCELED, self._done)

    def cancel_all(self) -> list[SimOrder]:
        """End every open order; returns them."""
        self.catch_up()
        open_orders = self._orders.open
        for order in open_orders:
            order.move(OrderStatus.CANCELED, self._done)
        return open_orders

    def replace(self, order_id: str, changes: Replacement) -> SimOrder:
        """Put a changed order in the place of a resting one, without a moment in between."""
        now = self.catch_up()
        old = self._orders.get(order_id)
        if old.status not in {OrderStatus.NEW, OrderStatus.HELD}:
            raise invalid("unable to replace order, order is not open")
        request = changes.of(old.request)
        if request.quantity != old.quantity and old.order_class is not OrderClass.SIMPLE:
            raise invalid("the quantity of a complex order cannot be replaced")
        self._check_prices(request, now)
        if request.side is Side.SELL and request.quantity > old.quantity:
            self._check_shares(request, besides=old)
        new = self._enter(request, now, self._reserve(request, now, besides=old))
        old.give_way_to(new, now)
        if new.watched_from:
            self._fill_at_quote(new, now)
        return new

    def close_position(self, symbol: str, quantity: Decimal | None = None) -> SimOrder:
        """Sell `quantity`, else all of it, at the market."""
        return self.submit(
            OrderRequest(
                symbol=symbol,
                side=Side.SELL,
                quantity=self.holding(symbol).quantity if quantity is None else quantity,
                order_type=OrderType.MARKET,
            )
        )

    def catch_up(self) -> datetime:
        """Let everything happen that belongs before now; returns now."""
        now = self._now()
        for order in self._orders.open:
            if order.status is OrderStatus.PENDING_NEW:
                self._watch(order, order.submitted_at)
                self._fill_at_quote(order, order.submitted_at)
        while (session := self.market.hours.current_or_next(self._done)).open_at <= now:
            self._trade(session, min(now, session.close_at))
            if session.close_at > now:
                break
            self._close(session)
        self._done = max(self._done, now)
        return now

    # What time does.

    def _trade(self, session: Session, until: datetime) -> None:
        for order in self._orders.open:
            if order.status is OrderStatus.ACCEPTED:
                self._watch(order, session.open_at)
        start = int(max(self._done, session.open_at).timestamp()) // MINUTE * MINUTE
        while start + MINUTE <= until.timestamp() and self._orders.open:
            begins, ends = (datetime.fromtimestamp(t, UTC) for t in (start, start + MINUTE))
            for symbol, orders in self._orders.watched(begins).items():
                if candle := self.market.minute(symbol, start, ends):
                    self._fill_on_walk(orders, walk_of(candle), ends)
            start += MINUTE

    def _close(self, session: Session) -> None:
        for order in self._orders.open:
            if order.expires_at <= session.close_at:
                order.move(OrderStatus.EXPIRED, session.close_at)
        self._book.mark_close(session.on, lambda symbol: self._price(symbol, session.close_at))
        self._done = session.close_at

    def _watch(self, order: SimOrder, at: datetime) -> None:
        order.move(OrderStatus.NEW, at)
        order.watched_from = at

    def _fill_at_quote(self, order: SimOrder, at: datetime) -> None:
        quote = self._quote(order.symbol, at)
        price = fill_at_quote(order.terms, quote) if quote else None
        if price is not None:
            self._execute(order, price, at)

    def _fill_on_walk(self, orders: list[SimOrder], walk: Walk, at: datetime) -> None:
        """Try them over what is left of a minute that ends `at`; none younger than that minute."""
        for order in orders:
            old_enough = order.submitted_at <= at - ONE_MINUTE
            hit = fill_on_walk(order.terms, walk) if order.open and old_enough else None
            if hit is not None:
                self._execute(order, hit.price, at)
                self._fill_on_walk(stops_first(order.legs), hit.rest, at)

    def _execute(self, order: SimOrder, price: Decimal, at: datetime) -> None:
        if order.status is OrderStatus.HELD:
            order.move(OrderStatus.NEW, at)
        order.move(OrderStatus.FILLED, at)
        order.average_fill_price = price
        execution_id = self.new_id("execution", len(self._book.executions))
        self._book.execute(order, price, at, execution_id)
        for leg in order.legs:
            leg.watched_from = at
            if leg.role is Role.TAKE_PROFIT or leg.order_class is OrderClass.OTO:
                leg.move(OrderStatus.NEW, at)
        for relative in order.family if order.parent else ():
            if relative.open:
                relative.move(OrderStatus.CANCELED, at)

    # What an order needs.

    def _price(self, symbol: str, at: datetime) -> Decimal:
        cents = self.market.last_price(symbol, at)
        if cents is None:
            raise invalid(f'asset "{symbol}" has not traded yet')
        return dollars(cents)

    def _quote(self, symbol: str, at: datetime) -> Tick | None:
        """The quote to trade at: one of this session, else the order waits for the next minute."""
        session, quote = self.market.session(at), self.market.quote(symbol, at)
        fresh = session and quote and quote.at >= session.open_at.timestamp()
        return quote if fresh else None

    def _check_prices(self, request: OrderRequest, at: datetime) -> None:
        check_shape(request)
        self._orders.check_unused(request.client_order_id)
        last = self.market.last_price(request.symbol, at)
        market_price = None if last is None else dollars(last)
        check_stop(request, market_price)
        check_legs(request, market_price)

    def _check_shares(self, request: OrderRequest, besides: SimOrder | None = None) -> None:
        held = self._book.quantity(request.symbol)
        if not held:
            raise forbidden("account is not allowed to short")
        reserved, sales = self._orders.reserved(request.symbol, besides)
        if request.quantity > held - reserved:
            names = [order.order_id for order in sales]
            raise insufficient_quantity(request.symbol, request.quantity, held, reserved, names)

    def _reserve(
        self, request: OrderRequest, at: datetime, besides: SimOrder | None = None
    ) -> Decimal:
        """What a buy counts for, per share. Raises Refused when the account cannot pay for it."""
        if request.side is Side.SELL:
            return Decimal(0)
        price = request.limit_price or request.stop_price
        if price is None:
            quote = self._quote(request.symbol, at)
            price = far_side(Side.BUY, quote) if quote else self._price(request.symbol, at)
        freed = besides.quantity * besides.price_reserved if besides else 0
        power, cost = self.balances().buying_power + freed, price * request.quantity
        if cost > power:
            raise insufficient_buying_power(power, cost)
        return price

    def _enter(self, request: OrderRequest, at: datetime, price_reserved: Decimal) -> SimOrder:
        session = self.market.hours.current_or_next(at)
        number = len(self._orders)
        day = request.time_in_force is TimeInForce.DAY
        order = SimOrder(
            number=number,
            order_id=self.new_id("order", number),
            client_order_id=request.client_order_id or self.new_id("client", number),
            request=request,
            order_class=request.order_class,
            status=OrderStatus.PENDING_NEW if session.open_at <= at else OrderStatus.ACCEPTED,
            submitted_at=at,
            updated_at=at,
            expires_at=session.close_at if day else at + GTC_LIFE,
            price_reserved=price_reserved,
        )
        self._orders.add(order)
        return order
