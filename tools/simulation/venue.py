"""An exchange without a wire: one account, its orders, one market.

The counter in front of the floor. Every question and every command first lets pass what belongs
before now; a command is admitted whole or refused without a trace.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from tools.core.trading import OrderClass, OrderStatus, OrderType, Side
from tools.simulation.account import Balances, Book, Execution, Holding
from tools.simulation.admission import (
    check_hours,
    check_legs,
    check_shape,
    check_stop,
    check_wash_trade,
)
from tools.simulation.configuration import Configuration
from tools.simulation.events import Listener, Mischief
from tools.simulation.fees import Charge
from tools.simulation.floor import SHARE_PLACES, Floor
from tools.simulation.halts import Halts
from tools.simulation.market import Market
from tools.simulation.matching import far_side
from tools.simulation.orders import OrderRequest, Replacement, SimOrder
from tools.simulation.refusals import (
    forbidden,
    insufficient_buying_power,
    insufficient_quantity,
    invalid,
    malformed,
    not_found,
)
from tools.simulation.rules import Rules
from tools.simulation.tape import dollars

_NAMESPACE = uuid.UUID("6d3f2b1e-8f0a-4c52-9a55-5a1f3f0e8c11")
_REPLACEABLE = {OrderStatus.NEW, OrderStatus.HELD, OrderStatus.PARTIALLY_FILLED}
AS_MARKETS_ARE = Rules()


class Venue:
    """See the module. Not thread-safe: one caller at a time. Commands raise Refused."""

    def __init__(
        self,
        market: Market,
        now: Callable[[], datetime],
        *,
        cash: Decimal,
        seed: int = 1,
        rules: Rules = AS_MARKETS_ARE,
    ) -> None:
        """Open an account of `cash` dollars at `now()`; `seed` makes the ids."""
        self.market, self.opened_at = market, now()
        self.account_number = f"PA{seed:010d}"
        self.configuration = Configuration()
        self.blocked = False
        self._now, self._seed = now, seed
        ended = market.hours.last_ended(self.opened_at)
        as_of = ended.on if ended else self.opened_at.date()
        self._book = Book(cash, as_of, fees=rules.fees)
        self._floor = Floor(
            market, self._book, opened_at=self.opened_at, new_id=self.new_id, rules=rules
        )
        self._orders = self._floor.orders

    @property
    def listeners(self) -> list[Listener]:
        """Who is told of every change of an order, at once and in order."""
        return self._floor.listeners

    @property
    def halts(self) -> Halts:
        """What does not trade."""
        return self._floor.halts

    def meddle(self, mischief: Mischief) -> None:
        """Let `mischief` decide what goes wrong from now on."""
        self._floor.mischief = mischief

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
        return self._balances(self.catch_up())

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

    def charges(self) -> list[Charge]:
        """Every fee there has been, oldest first."""
        self.catch_up()
        return list(self._book.charges)

    @property
    def starting_cash(self) -> Decimal:
        """What the account began with."""
        return self._book.starting_cash

    def reserved(self, symbol: str) -> Decimal:
        """Shares promised to open sales."""
        self.catch_up()
        return self._orders.reserved(symbol)[0]

    def price(self, symbol: str) -> Decimal:
        """The last trade in dollars. Raises Refused when there has been none."""
        return self._floor.price(symbol, self._now())

    def price_at(self, symbol: str, at: datetime) -> Decimal:
        """The last trade in dollars at a past instant. Raises Refused when there was none."""
        return self._floor.price(symbol, min(at, self._now()))

    def previous_close(self, symbol: str) -> Decimal:
        """Yesterday's close in dollars; the last trade when there was no yesterday."""
        cents = self.market.previous_close(symbol, self._now())
        return self.price(symbol) if cents is None else dollars(cents)

    def new_id(self, *key: object) -> str:
        """A UUID that depends on the seed and `key` alone."""
        return str(uuid.uuid5(_NAMESPACE, "/".join(map(str, (self._seed, *key)))))

    def submit(self, request: OrderRequest) -> SimOrder:
        """Take an order: `pending_new` while it can trade, else `accepted` until it can.

        Whatever may fill at once has been filled when the next question is asked.
        """
        now = self.catch_up()
        self._check_account(request)
        check_shape(request)
        check_hours(request, self.market.hours, now)
        self._check_prices(request, now)
        check_wash_trade(request, self._orders.open)
        price = self._expected_price(request, now)
        quantity = request.quantity
        if quantity is None:
            quantity = ((request.notional or Decimal(0)) / price).quantize(SHARE_PLACES)
        if request.side is Side.SELL:
            self._check_shares(request.symbol, quantity)
            price = Decimal(0)
        else:
            self._check_power(request.notional or price * quantity, now)
        return self._floor.enter(request, quantity, now, price)

    def cancel(self, order_id: str) -> None:
        """End an order and whatever hangs together with it."""
        order = self.order(order_id)
        if not order.open:
            raise invalid(f'order is already in "{order.status}" state')
        if order.status is not OrderStatus.PENDING_CANCEL:
            self._floor.cancel(order, self._now())

    def cancel_all(self) -> list[SimOrder]:
        """End every open order; returns them."""
        now = self.catch_up()
        open_orders = self._orders.open
        for order in open_orders:
            if order.open and order.status is not OrderStatus.PENDING_CANCEL:
                self._floor.cancel(order, now)
        return open_orders

    def finish_cancels(self) -> None:
        """End what hangs in `pending_cancel`."""
        self._floor.finish_cancels(self.catch_up())

    def replace(self, order_id: str, changes: Replacement) -> SimOrder:
        """Put a changed order in the place of a resting one, without a moment in between."""
        now = self.catch_up()
        old = self._orders.get(order_id)
        asked = old.request
        if old.status not in _REPLACEABLE or asked.quantity is None:
            raise invalid("unable to replace order, order is not open")
        request = changes.of(asked)
        added = (request.quantity or Decimal(0)) - asked.quantity
        if added and old.order_class is not OrderClass.SIMPLE:
            raise invalid("the quantity of a complex order cannot be replaced")
        quantity = old.remaining + added
        if quantity <= 0:
            raise malformed("qty must be > filled_qty")
        check_shape(request)
        self._check_prices(request, now, elected=old.elected)
        price = Decimal(0)
        if request.side is Side.SELL:
            if added > 0:
                self._check_shares(request.symbol, quantity, besides=old)
        else:
            price = self._expected_price(request, now)
            self._check_power(price * quantity, now, freed=old.remaining * old.price_reserved)
        return self._floor.replace(old, request, quantity, now, price)

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

    def configure(self, **changes: object) -> Configuration:
        """Change what the account's holder may set."""
        self.catch_up()
        self.configuration = replace(self.configuration, **changes)  # type: ignore[arg-type]
        return self.configuration

    def catch_up(self) -> datetime:
        """Let everything happen that belongs before now; returns now."""
        now = self._now()
        self._floor.catch_up(now)
        return now

    # What an order needs.

    def _balances(self, at: datetime) -> Balances:
        return self._book.balances(
            self._orders.opening(),
            lambda symbol: self._floor.price(symbol, at),
            most=self.configuration.most_leverage,
        )

    def _check_account(self, request: OrderRequest) -> None:
        if self.blocked:
            raise forbidden("account is blocked from trading")
        if self.configuration.suspend_trade:
            raise forbidden("trading is suspended by the user")
        if request.symbol not in self.market.symbols:
            raise invalid(f'asset "{request.symbol}" not found')
        if request.fractional and not self.configuration.fractional_trading:
            raise forbidden("fractional trading is disabled for this account")

    def _check_prices(self, request: OrderRequest, at: datetime, *, elected: bool = False) -> None:
        self._orders.check_unused(request.client_order_id)
        last = self.market.last_price(request.symbol, at)
        market_price = None if last is None else dollars(last)
        if not elected:
            check_stop(request, market_price)
        check_legs(request, market_price)

    def _check_shares(
        self, symbol: str, quantity: Decimal, besides: SimOrder | None = None
    ) -> None:
        held = self._book.quantity(symbol)
        if not held:
            raise forbidden("account is not allowed to short")
        reserved, sales = self._orders.reserved(symbol, besides)
        if quantity > held - reserved:
            names = [order.order_id for order in sales]
            raise insufficient_quantity(symbol, quantity, held, reserved, names)

    def _expected_price(self, request: OrderRequest, at: datetime) -> Decimal:
        """What a share counts for: the limit or stop, else the far side, else the last trade."""
        price = request.limit_price or request.stop_price
        if price is not None:
            return price
        quote = self._floor.quote(request.symbol, at)
        return far_side(request.side, quote) if quote else self._floor.price(request.symbol, at)

    def _check_power(self, cost: Decimal, at: datetime, freed: Decimal = Decimal(0)) -> None:
        power = self._balances(at).buying_power + freed
        if cost > power:
            raise insufficient_buying_power(power, cost)
