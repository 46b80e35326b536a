"""The venue behind the seams: `SimBroker` is a Broker, `TapeData` a MarketData, both in memory.

For tests, campaigns and backtests. The embedded exchange is the other shell around the same venue.
"""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tools.core.errors import ActiveTraderError, OrderRejected
from tools.core.market import Bar, Instrument, Quote, Timeframe, market_of
from tools.core.trading import (
    Account,
    BrokerClock,
    Order,
    OrderIntent,
    Position,
)
from tools.schedule.market_hours import MarketHours
from tools.simulation.market import Market
from tools.simulation.orders import OrderRequest, Replacement, SimOrder
from tools.simulation.refusals import Refused
from tools.simulation.tape import MINUTE, Candle, Tape, dollars
from tools.simulation.venue import Venue

INSTANT = timedelta(microseconds=1)


class SimBroker:
    """A Broker over a tape, with an account of its own. Not thread-safe."""

    def __init__(
        self,
        tape: Tape,
        hours: MarketHours,
        now: Callable[[], datetime],
        *,
        cash: Decimal = Decimal(100_000),
        seed: int = 1,
    ) -> None:
        """Open the account at `now()`, which tells the time from then on."""
        self._now = now
        self.venue = Venue(Market(tape, hours), now, cash=cash, seed=seed)
        """What stands behind the counter, for who decides what happens there."""

    def clock(self) -> BrokerClock:
        """The venue's own time and whether the market is open."""
        return self.venue.market.clock(self._now())

    def account(self) -> Account:
        """The account's money."""
        money = self.venue.balances()
        return Account(
            account_number=self.venue.account_number,
            cash=money.cash,
            equity=money.equity,
            last_equity=money.last_equity,
            buying_power=money.buying_power,
        )

    def positions(self) -> tuple[Position, ...]:
        """All positions, by symbol."""
        return tuple(
            Position(
                symbol=holding.symbol,
                quantity=holding.quantity,
                average_entry_price=holding.average_cost,
                current_price=self.venue.price(holding.symbol),
            )
            for holding in self.venue.holdings()
        )

    def open_orders(self) -> tuple[Order, ...]:
        """All orders that may still act; the legs of a filled entry stand by themselves."""
        return tuple(
            _order(order)
            for order in self.venue.orders()
            if order.open and not (order.parent and order.parent.open)
        )

    def orders_since(self, since: datetime) -> tuple[Order, ...]:
        """All orders submitted at or after `since` in any state, legs nested; oldest first."""
        return tuple(
            _order(order)
            for order in self.venue.orders()
            if order.submitted_at >= since and not order.parent
        )

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """The order with that id."""
        order = self.venue.order_by_client_id(client_order_id)
        return _order(order) if order else None

    def submit(self, intent: OrderIntent) -> Order:
        """Send one order; the same id twice gives the first order."""
        if known := self.order_by_client_id(intent.client_order_id):
            return known
        request = OrderRequest(
            symbol=intent.symbol,
            side=intent.side,
            quantity=intent.quantity,
            order_type=intent.order_type,
            limit_price=intent.limit_price,
            stop_price=intent.stop_price,
            take_profit_price=intent.take_profit_price,
            stop_loss_price=intent.stop_loss_price,
            client_order_id=intent.client_order_id,
        )
        with _refusals():
            return _order(self.venue.submit(request))

    def replace_stop(self, order: Order, *, stop_price: Decimal, client_order_id: str) -> Order:
        """Move a resting stop."""
        changes = Replacement(stop_price=stop_price, client_order_id=client_order_id)
        with _refusals():
            return _order(self.venue.replace(order.order_id, changes))

    def cancel(self, order: Order) -> None:
        """End one order and what hangs together with it."""
        with _refusals():
            self.venue.cancel(order.order_id)

    def cancel_all(self) -> None:
        """End every open order."""
        self.venue.cancel_all()

    def instrument(self, symbol: str) -> Instrument | None:
        """A symbol of the tape."""
        if symbol not in self.venue.market.symbols:
            return None
        return Instrument(
            symbol=symbol,
            name=symbol,
            exchange="NYSE",
            market=market_of(symbol),
            active=True,
            tradable=True,
        )

    def begin[T](self, call: Callable[[], T]) -> Future[T]:
        """`call`, done: one after the other, so that a day is the same at every run."""
        done = Future[T]()
        try:
            done.set_result(call())
        except ActiveTraderError as error:
            done.set_exception(error)
        return done


class TapeData:
    """MarketData over a tape: what was known at `now()`, and nothing more."""

    def __init__(self, tape: Tape, hours: MarketHours, now: Callable[[], datetime]) -> None:
        self._market, self._now = Market(tape, hours), now

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """The latest quote of each symbol that has one."""
        now = self._now()
        found = {symbol: self._market.quote(symbol, now) for symbol in symbols}
        return {
            symbol: Quote(
                symbol=symbol,
                at=datetime.fromtimestamp(tick.at, UTC),
                bid=dollars(tick.bid),
                ask=dollars(tick.ask),
                bid_size=tick.bid_size,
                ask_size=tick.ask_size,
            )
            for symbol, tick in found.items()
            if tick
        }

    def bars(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, tuple[Bar, ...]]:
        """Closed bars that start in [start, end), oldest first."""
        now, last = self._now(), end - INSTANT
        seconds = timeframe.minutes * MINUTE
        return {
            symbol: tuple(
                _bar(symbol, candle)
                for candle in self._market.candles(symbol, seconds, start=start, end=last, at=now)
            )
            for symbol in symbols
        }


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        raise OrderRejected(refused.message, code=refused.status) from refused


def _order(order: SimOrder) -> Order:
    asked = order.request
    return Order(
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=asked.symbol,
        side=asked.side,
        order_type=asked.order_type,
        order_class=order.order_class,
        status=order.status,
        quantity=order.quantity,
        filled_quantity=order.filled_quantity,
        submitted_at=order.submitted_at,
        average_fill_price=order.average_fill_price,
        limit_price=asked.limit_price,
        stop_price=asked.stop_price,
        filled_at=order.filled_at,
        legs=tuple(_order(leg) for leg in order.legs),
    )


def _bar(symbol: str, candle: Candle) -> Bar:
    return Bar(
        symbol=symbol,
        start=datetime.fromtimestamp(candle.start, UTC),
        open=candle.open / 100,
        high=candle.high / 100,
        low=candle.low / 100,
        close=candle.close / 100,
        volume=candle.volume,
    )
