"""The trading floor: what becomes of orders as time passes.

Nothing happens here by itself. `catch_up` lets pass what belongs before an instant, minute by
minute, stops before limits, then by age. So the result does not depend on when or how often
somebody asks. Whether an order may come in is the venue's to decide.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tools.core.trading import OrderClass, OrderStatus, OrderType, Side
from tools.schedule.market_hours import at_new_york, new_york
from tools.simulation.account import Book, Execution
from tools.simulation.events import Listener, Mischief, NoMischief, OrderEvent
from tools.simulation.halts import Halts
from tools.simulation.market import Market
from tools.simulation.matching import (
    Hit,
    Walk,
    elect_on_walk,
    fill_at_quote,
    fill_on_walk,
    slipped,
    trail_on_walk,
    walk_of,
)
from tools.simulation.orders import OrderRequest, Role, SimOrder, TimeInForce
from tools.simulation.phases import Phase, extended_close, phase_at
from tools.simulation.refusals import invalid
from tools.simulation.register import OrderRegister, stops_first
from tools.simulation.rules import Rules
from tools.simulation.tape import MINUTE, Tick, dollars

ONE_MINUTE = timedelta(minutes=1)
GTC_DAYS = timedelta(days=90)
SHARE_PLACES = Decimal("1e-9")
_WORKING = {OrderStatus.NEW, OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED}


class Floor:
    """Orders, the book they fill into, and the market they fill from."""

    def __init__(
        self,
        market: Market,
        book: Book,
        *,
        opened_at: datetime,
        new_id: Callable[..., str],
        rules: Rules,
    ) -> None:
        self.market, self.book, self.orders = market, book, OrderRegister()
        self.halts = Halts(market, bands=rules.bands)
        self.listeners: list[Listener] = []
        self.mischief: Mischief = NoMischief()
        self._rules, self._new_id, self._done = rules, new_id, opened_at
        opened_on = new_york(opened_at).date()
        self._splits = [it for it in market.actions if it.splits and it.ex_date > opened_on]

    def catch_up(self, now: datetime) -> None:
        """Let everything happen that belongs before `now`."""
        for order in self.orders.open:
            if order.status is OrderStatus.PENDING_NEW:
                self._arrive(order)
        if now == self._done:
            return
        while (phase := phase_at(self.market.hours, self._done)).start <= now:
            self._go_ex(phase.session.on)
            self._trade(phase, min(now, phase.end))
            if phase.end > now:
                break
            self._finish(phase)
            self._done = phase.end
        if self._splits:
            self._go_ex(new_york(now).date())
        self._done = max(self._done, now)

    def enter(
        self, request: OrderRequest, quantity: Decimal, at: datetime, price_reserved: Decimal
    ) -> SimOrder:
        """Take in an order and its legs; they act from the next `catch_up` on."""
        head = self._make(request, quantity, at, price_reserved)
        for role, exit_request in request.exits():
            head.attach(self._make(exit_request, quantity, at, Decimal(0)), role)
        if request.order_type is OrderType.TRAILING_STOP:
            head.best_price = self.price(request.symbol, at)
        self._tell(head.status.value, head, at)
        return head

    def cancel(self, order: SimOrder, at: datetime) -> None:
        """End an order and its family, unless the cancel is made to hang: all or none of them."""
        if any(one.status is OrderStatus.PENDING_CANCEL for one in order.family):
            return
        if order.status in _WORKING and self.mischief.holds_cancel(order):
            self._move(order, OrderStatus.PENDING_CANCEL, at)
        else:
            self._end(order.family, at)

    def finish_cancels(self, at: datetime) -> None:
        """End what hangs in `pending_cancel`."""
        for order in self.orders.open:
            if order.status is OrderStatus.PENDING_CANCEL:
                self._end(order.family, at)

    def replace(
        self,
        old: SimOrder,
        request: OrderRequest,
        quantity: Decimal,
        at: datetime,
        price_reserved: Decimal,
    ) -> SimOrder:
        """Put a changed order in the place of a resting one, without a moment in between."""
        new = self._make(request, quantity, at, price_reserved)
        old.give_way_to(new, at)
        self._move(old, OrderStatus.REPLACED, at)
        self._tell(new.status.value, new, at)
        if new.watched_from:
            self._fill_at_quote(new, at)
        return new

    def price(self, symbol: str, at: datetime) -> Decimal:
        """The last trade in dollars. Raises Refused when there has been none."""
        cents = self.market.last_price(symbol, at)
        if cents is None:
            raise invalid(f'asset "{symbol}" has not traded yet')
        return dollars(cents)

    def quote(self, symbol: str, at: datetime) -> Tick | None:
        """The quote to trade at: one of this part of the day, else an order waits for a minute."""
        phase, quote = phase_at(self.market.hours, at), self.market.quote(symbol, at)
        fresh = quote and phase.start <= at and quote.at >= phase.start.timestamp()
        return quote if fresh else None

    # What time does.

    def _go_ex(self, today: date) -> None:
        """The splits up to `today`: more or fewer shares overnight; what rests is canceled."""
        while self._splits and self._splits[0].ex_date <= today:
            split = self._splits.pop(0)
            midnight = at_new_york(split.ex_date, 0, 0).astimezone(UTC)
            self._end([it for it in self.orders.open if it.symbol == split.symbol], midnight)
            self.book.split(split.symbol, split.new, split.old)

    def _arrive(self, order: SimOrder) -> None:
        at = order.submitted_at
        if self.mischief.rejects(order):
            for relative in order.family:
                self._move(relative, OrderStatus.REJECTED, at)
            return
        self._watch(order, at)
        self._fill_at_quote(order, at)
        if order.request.time_in_force.immediate and order.open:
            self._end([order], at)

    def _trade(self, phase: Phase, until: datetime) -> None:
        if not phase.regular and not self.orders.any_extended:
            return
        for order in self.orders.open:
            if order.status is OrderStatus.ACCEPTED and _takes_part(order.request, phase):
                self._watch(order, phase.start)
        start = int(max(self._done, phase.start).timestamp()) // MINUTE * MINUTE
        while start + MINUTE <= until.timestamp() and self.orders.open:
            begins, ends = (datetime.fromtimestamp(t, UTC) for t in (start, start + MINUTE))
            for symbol, orders in self.orders.watched(begins, extended=not phase.regular).items():
                candle = self.market.minute(symbol, start, ends)
                if candle and not self.halts.halted(symbol, begins, ends):
                    self._fill_on_walk(orders, walk_of(candle), ends)
            start += MINUTE

    def _finish(self, phase: Phase) -> None:
        at = phase.end
        if phase.regular:
            self._fill_at_close(at)
        for order in self.orders.open:
            if order.expires_at <= at:
                canceled = _is_canceled_at_its_end(order)
                status = OrderStatus.CANCELED if canceled else OrderStatus.EXPIRED
                self._move(order, status, order.expires_at)
        if phase.regular:
            self.book.mark_close(phase.session.on, at, lambda symbol: self.price(symbol, at))

    def _fill_at_close(self, at: datetime) -> None:
        start = int(at.timestamp()) - MINUTE
        for order in self.orders.open:
            closing = order.request.time_in_force is TimeInForce.CLS
            candle = self.market.minute(order.symbol, start, at) if closing else None
            if candle and not self.halts.halted(order.symbol, at - ONE_MINUTE, at):
                price = dollars(candle.close)
                if order.watched_from and fill_on_walk(order.terms, (price,)):
                    self._execute(order, price, at)

    def _watch(self, order: SimOrder, at: datetime) -> None:
        self._move(order, OrderStatus.NEW, at)
        order.watched_from = at
        if order.order_class is OrderClass.OCO:
            for leg in order.legs:
                leg.watched_from = at

    def _fill_at_quote(self, order: SimOrder, at: datetime) -> None:
        quote = self.quote(order.symbol, at)
        waits = order.request.time_in_force is TimeInForce.CLS
        if quote is None or waits or self.halts.halted(order.symbol, at, at + ONE_MINUTE):
            return
        terms = order.terms
        price = fill_at_quote(terms, quote)
        if price is not None and terms.limit_price is None:
            price = slipped(price, order.side, self._rules.slippage_bps)
        if price is not None and self.halts.allow(order.symbol, price, at):
            self._execute(order, price, at)

    def _fill_on_walk(self, orders: Iterable[SimOrder], walk: Walk, at: datetime) -> None:
        """Try them over what is left of a minute that ends `at`; none younger than that minute."""
        for order in orders:
            if not order.open or order.submitted_at > at - ONE_MINUTE:
                continue
            hit = self._hit(order, walk, at)
            if hit is not None:
                self._execute(order, hit.price, at)
                if order.role is Role.ENTRY and not order.open:
                    self._fill_on_walk(stops_first(order.legs), hit.rest, at)
            if order.request.time_in_force is TimeInForce.OPG and order.open:
                self._end([order], at)

    def _hit(self, order: SimOrder, walk: Walk, at: datetime) -> Hit | None:
        asked = order.request
        if asked.time_in_force is TimeInForce.OPG:
            walk = walk[:1]
        if order.best_price is not None and not order.elected:
            order.best_price, hit = trail_on_walk(asked.trail, order.best_price, walk)
            order.elected = hit is not None
        else:
            terms = order.terms
            hit = fill_on_walk(terms, walk)
            order.elected = order.elected or (
                terms.stop_price is not None and elect_on_walk(terms, walk) is not None
            )
        if hit and order.request.limit_price is None:
            price = slipped(hit.price, order.side, self._rules.slippage_bps)
            hit = hit._replace(price=max(min(walk), min(max(walk), price)))
        return hit if hit and self.halts.allow(order.symbol, hit.price, at - ONE_MINUTE) else None

    def _execute(self, order: SimOrder, price: Decimal, at: datetime) -> None:
        if order.status is OrderStatus.HELD:
            self._move(order, OrderStatus.NEW, at)
        if order.request.notional is not None and not order.filled_quantity:
            order.quantity = self._shares(order, price)
        quantity = self._portion(order)
        execution_id = self._new_id("execution", len(self.book.executions))
        execution = self.book.execute(order, quantity, price, at, execution_id)
        if not order.remaining:
            order.move(OrderStatus.FILLED, at)
        elif order.status is not OrderStatus.PENDING_CANCEL:
            order.move(OrderStatus.PARTIALLY_FILLED, at)
        self._tell("partial_fill" if order.remaining else "fill", order, at, execution)
        if order.role is Role.ENTRY and not order.remaining:
            self._set_exits(order, at)
        elif order.is_exit:
            self._use_up(order, quantity, at)

    def _set_exits(self, entry: SimOrder, at: datetime) -> None:
        for leg in entry.legs:
            leg.watched_from = at
            if leg.role is Role.TAKE_PROFIT or leg.order_class is OrderClass.OTO:
                self._move(leg, OrderStatus.NEW, at)

    def _use_up(self, leg: SimOrder, quantity: Decimal, at: datetime) -> None:
        """What one exit has sold the other cannot sell any more."""
        others = [it for it in leg.family if it.is_exit and it.open and it is not leg]
        if not leg.remaining:
            self._end(others, at)
            return
        for other in others:
            other.quantity -= quantity

    def _portion(self, order: SimOrder) -> Decimal:
        remaining = order.remaining
        if order.request.time_in_force is TimeInForce.FOK:
            return remaining
        share = self.mischief.portion(order)
        if share is None:
            key = self._new_id("partial", order.number, order.filled_quantity)
            share = self._rules.portion(key)
        part = None if share is None else max(int(remaining * share), 1)
        return Decimal(part) if part and part < remaining else remaining

    def _shares(self, order: SimOrder, price: Decimal) -> Decimal:
        """What a notional order buys or sells at `price`, no more than is there."""
        wanted = (order.request.notional or Decimal(0)) / price
        if order.side is Side.SELL:
            reserved, _ = self.orders.reserved(order.symbol, order)
            wanted = min(wanted, self.book.quantity(order.symbol) - reserved)
        return max(wanted.quantize(SHARE_PLACES, rounding="ROUND_DOWN"), SHARE_PLACES)

    # What changes an order.

    def _make(
        self, request: OrderRequest, quantity: Decimal, at: datetime, price_reserved: Decimal
    ) -> SimOrder:
        phase, number = phase_at(self.market.hours, at), len(self.orders)
        active = phase.start <= at and _takes_part(request, phase)
        order = SimOrder(
            number=number,
            order_id=self._new_id("order", number),
            client_order_id=request.client_order_id or self._new_id("client", number),
            request=request,
            quantity=quantity,
            order_class=request.order_class,
            status=OrderStatus.PENDING_NEW if active else OrderStatus.ACCEPTED,
            submitted_at=at,
            updated_at=at,
            expires_at=self._end_of(request, phase, at),
            price_reserved=price_reserved,
        )
        self.orders.add(order)
        return order

    def _end_of(self, request: OrderRequest, phase: Phase, at: datetime) -> datetime:
        if request.time_in_force is TimeInForce.GTC:
            return at_new_york(new_york(at).date() + GTC_DAYS, 16, 15).astimezone(UTC)
        if request.extended_hours:
            return extended_close(phase.session).astimezone(UTC)
        return self.market.hours.current_or_next(at).close_at

    def _end(self, orders: Iterable[SimOrder], at: datetime) -> None:
        for order in orders:
            if order.open:
                self._move(order, OrderStatus.CANCELED, at)

    def _move(self, order: SimOrder, status: OrderStatus, at: datetime) -> None:
        order.move(status, at)
        self._tell(status.value, order, at)

    def _tell(
        self, name: str, order: SimOrder, at: datetime, execution: Execution | None = None
    ) -> None:
        for listener in self.listeners:
            listener(OrderEvent(name, order, at, execution))


def _takes_part(request: OrderRequest, phase: Phase) -> bool:
    return phase.regular or request.extended_hours


def _is_canceled_at_its_end(order: SimOrder) -> bool:
    """All but a day order that nobody wanted to end."""
    day = order.request.time_in_force is TimeInForce.DAY
    return not day or order.status is OrderStatus.PENDING_CANCEL
