"""The book: cash, shares, executions, and the arithmetic of the account. All `Decimal`, all exact.

Cash changes only by executions and at the close by their fees, so cash plus the market value of the
shares is the equity after every event, to the cent. Shares are never negative: the venue admits no
sale of what is not there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tools.core.trading import OrderStatus, Side
from tools.simulation.fees import CENT, Charge, Fees
from tools.simulation.orders import SimOrder

INITIAL_MARGIN, MAINTENANCE_MARGIN = Decimal("0.5"), Decimal("0.3")
CHEAP_SHARE = Decimal("2.50")  # below it a share has no loan value
MARGIN_EQUITY, LEVERAGE = Decimal(2000), Decimal(4)
CASH_ONLY, OVERNIGHT = Decimal(1), Decimal(2)
AVERAGE_PLACES = Decimal("1e-9")

type PriceOf = Callable[[str], Decimal]


@dataclass(slots=True, kw_only=True)
class Holding:
    """Shares of one symbol and their average cost; `day_cost` counts last night's at the close."""

    symbol: str
    quantity: Decimal = Decimal(0)
    average_cost: Decimal = Decimal(0)
    day_cost: Decimal = Decimal(0)

    def add(self, quantity: Decimal, price: Decimal) -> None:
        """Buy: both averages move."""
        total = self.quantity + quantity
        self.average_cost = _average(self.average_cost, self.quantity, price, total)
        self.day_cost = _average(self.day_cost, self.quantity, price, total)
        self.quantity = total


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill of an order, and what it left: of the order, of the position, of the cash."""

    execution_id: str
    order: SimOrder
    quantity: Decimal
    price: Decimal
    at: datetime
    cumulative_quantity: Decimal
    leaves_quantity: Decimal
    position_quantity: Decimal
    cash: Decimal

    @property
    def status(self) -> OrderStatus:
        """The order's state after it."""
        return OrderStatus.PARTIALLY_FILLED if self.leaves_quantity else OrderStatus.FILLED


@dataclass(frozen=True, slots=True, kw_only=True)
class Balances:
    """The account in dollars at an instant."""

    cash: Decimal
    market_value: Decimal
    equity: Decimal
    last_equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    last_maintenance_margin: Decimal
    multiplier: Decimal
    buying_power: Decimal
    regt_buying_power: Decimal
    excess: Decimal
    accrued_fees: Decimal
    as_of: date


class Book:
    """Cash and shares. It books what it is told; whether that is allowed the venue has decided."""

    def __init__(self, cash: Decimal, as_of: date, *, fees: bool = False) -> None:
        """Start with `cash` and nothing else; `as_of` is the session before."""
        self.cash, self.starting_cash = cash, cash
        self.holdings: dict[str, Holding] = {}
        self.executions: list[Execution] = []
        self.charges: list[Charge] = []
        self._fees = Fees() if fees else None
        self._last_equity, self._last_maintenance, self._as_of = cash, Decimal(0), as_of

    def quantity(self, symbol: str) -> Decimal:
        """Shares held."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else Decimal(0)

    def execute(
        self, order: SimOrder, quantity: Decimal, price: Decimal, at: datetime, execution_id: str
    ) -> Execution:
        """Book `quantity` of `order` at `price`; the order counts it too."""
        holding = self.holdings.setdefault(order.symbol, Holding(symbol=order.symbol))
        order.fill(quantity, price)
        if order.side is Side.BUY:
            self.cash -= worth(quantity, price)
            holding.add(quantity, price)
        else:
            self.cash += worth(quantity, price)
            holding.quantity -= quantity
            if not holding.quantity:
                del self.holdings[order.symbol]
        if self._fees:
            self._fees.accrue(order.side, quantity, price)
        execution = Execution(
            execution_id=execution_id,
            order=order,
            quantity=quantity,
            price=price,
            at=at,
            cumulative_quantity=order.filled_quantity,
            leaves_quantity=order.remaining,
            position_quantity=holding.quantity,
            cash=self.cash,
        )
        self.executions.append(execution)
        return execution

    def split(self, symbol: str, new: int, old: int) -> None:
        """`new` shares for `old` ones; what they cost stays the same."""
        if holding := self.holdings.get(symbol):
            holding.quantity = (holding.quantity * new / old).quantize(AVERAGE_PLACES)
            holding.average_cost = (holding.average_cost * old / new).quantize(AVERAGE_PLACES)
            holding.day_cost = (holding.day_cost * old / new).quantize(AVERAGE_PLACES)

    def mark_close(self, on: date, at: datetime, price_of: PriceOf) -> None:
        """The session of `on` closed at `at`: what it leaves are the figures of "yesterday"."""
        for charge in self._fees.collect(at) if self._fees else ():
            self.cash -= charge.amount
            self.charges.append(charge)
        balances = self.balances((), price_of)
        self._last_equity, self._as_of = balances.equity, on
        self._last_maintenance = balances.maintenance_margin
        for holding in self.holdings.values():
            holding.day_cost = price_of(holding.symbol)

    def balances(
        self, opening: Iterable[SimOrder], price_of: PriceOf, *, most: Decimal = LEVERAGE
    ) -> Balances:
        """The account at the prices given; `opening` are the buys that still stand.

        `most` is the largest multiplier that the account's holder wants.
        """
        value, maintenance = Decimal(0), Decimal(0)
        for holding in self.holdings.values():
            price = price_of(holding.symbol)
            held = worth(holding.quantity, price)
            value += held
            maintenance += held * (MAINTENANCE_MARGIN if price >= CHEAP_SHARE else 1)
        promised = sum((order.remaining * order.price_reserved for order in opening), Decimal(0))
        equity = self.cash + value
        initial = INITIAL_MARGIN * (value + promised)
        multiplier = min(most, LEVERAGE if equity >= MARGIN_EQUITY else CASH_ONLY)
        power = self.cash - promised
        if multiplier == LEVERAGE:
            power = LEVERAGE * (equity - maintenance) - promised
        elif multiplier == OVERNIGHT:
            power = OVERNIGHT * (equity - initial)
        return Balances(
            cash=self.cash,
            market_value=value,
            equity=equity,
            last_equity=self._last_equity,
            initial_margin=initial,
            maintenance_margin=maintenance,
            last_maintenance_margin=self._last_maintenance,
            multiplier=multiplier,
            buying_power=max(power, Decimal(0)),
            regt_buying_power=max((equity - initial) * 2, Decimal(0)),
            excess=max(equity - initial, Decimal(0)),
            accrued_fees=self._fees.accrued if self._fees else Decimal(0),
            as_of=self._as_of,
        )


def worth(quantity: Decimal, price: Decimal) -> Decimal:
    """Shares in dollars, to the cent."""
    return (quantity * price).quantize(CENT)


def _average(old: Decimal, held: Decimal, price: Decimal, total: Decimal) -> Decimal:
    added = total - held
    return ((old * held + price * added) / total).quantize(AVERAGE_PLACES)
