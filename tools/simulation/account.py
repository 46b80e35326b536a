"""The book: cash, shares, executions, and the arithmetic of the account. All `Decimal`, all exact.

Cash changes only by executions, so cash plus the market value of the shares is the equity after
every event, to the cent. Shares are never negative: the venue admits no sale of what is not there.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from tools.core.trading import Side
from tools.simulation.orders import SimOrder

INITIAL_MARGIN, MAINTENANCE_MARGIN = Decimal("0.5"), Decimal("0.3")
CHEAP_SHARE = Decimal("2.50")  # below it a share has no loan value
MARGIN_EQUITY, LEVERAGE = Decimal(2000), Decimal(4)
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
    """One fill of an order."""

    execution_id: str
    order: SimOrder
    quantity: Decimal
    price: Decimal
    at: datetime
    position_quantity: Decimal


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
    as_of: date


class Book:
    """Cash and shares. It books what it is told; whether that is allowed the venue has decided."""

    def __init__(self, cash: Decimal, as_of: date) -> None:
        """Start with `cash` and nothing else; `as_of` is the session before."""
        self.cash = cash
        self.holdings: dict[str, Holding] = {}
        self.executions: list[Execution] = []
        self._last_equity, self._last_maintenance, self._as_of = cash, Decimal(0), as_of

    def quantity(self, symbol: str) -> Decimal:
        """Shares held."""
        holding = self.holdings.get(symbol)
        return holding.quantity if holding else Decimal(0)

    def execute(self, order: SimOrder, price: Decimal, at: datetime, execution_id: str) -> None:
        """Book the whole of `order` at `price`."""
        quantity = order.quantity
        holding = self.holdings.setdefault(order.symbol, Holding(symbol=order.symbol))
        if order.side is Side.BUY:
            self.cash -= quantity * price
            holding.add(quantity, price)
        else:
            self.cash += quantity * price
            holding.quantity -= quantity
            if not holding.quantity:
                del self.holdings[order.symbol]
        self.executions.append(
            Execution(
                execution_id=execution_id,
                order=order,
                quantity=quantity,
                price=price,
                at=at,
                position_quantity=holding.quantity,
            )
        )

    def mark_close(self, on: date, price_of: PriceOf) -> None:
        """The session of `on` has ended: what it leaves behind are the figures of "yesterday"."""
        balances = self.balances((), price_of)
        self._last_equity, self._as_of = balances.equity, on
        self._last_maintenance = balances.maintenance_margin
        for holding in self.holdings.values():
            holding.day_cost = price_of(holding.symbol)

    def balances(self, opening: Iterable[SimOrder], price_of: PriceOf) -> Balances:
        """The account at the prices given; `opening` are the buys that still stand."""
        value, maintenance = Decimal(0), Decimal(0)
        for holding in self.holdings.values():
            price = price_of(holding.symbol)
            value += holding.quantity * price
            share = MAINTENANCE_MARGIN if price >= CHEAP_SHARE else 1
            maintenance += holding.quantity * price * share
        promised = sum((order.quantity * order.price_reserved for order in opening), Decimal(0))
        equity = self.cash + value
        initial = INITIAL_MARGIN * (value + promised)
        leveraged = equity >= MARGIN_EQUITY
        power = LEVERAGE * (equity - maintenance) if leveraged else self.cash
        return Balances(
            cash=self.cash,
            market_value=value,
            equity=equity,
            last_equity=self._last_equity,
            initial_margin=initial,
            maintenance_margin=maintenance,
            last_maintenance_margin=self._last_maintenance,
            multiplier=LEVERAGE if leveraged else Decimal(1),
            buying_power=max(power - promised, Decimal(0)),
            regt_buying_power=max((equity - initial) * 2, Decimal(0)),
            excess=max(equity - initial, Decimal(0)),
            as_of=self._as_of,
        )


def _average(old: Decimal, held: Decimal, price: Decimal, total: Decimal) -> Decimal:
    added = total - held
    return ((old * held + price * added) / total).quantize(AVERAGE_PLACES)
