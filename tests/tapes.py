"""Markets written by hand, and a stage on which one account trades them at any instant."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.builders import a_time
from tools.core.session import Timetable
from tools.core.trading import OrderType, Side
from tools.schedule.market_hours import MarketHours
from tools.simulation.corporate import CorporateAction
from tools.simulation.market import Market
from tools.simulation.orders import OrderRequest, SimOrder
from tools.simulation.rules import Rules
from tools.simulation.tape import Candle, Day, Tick, merged, minute, quotes_around
from tools.simulation.venue import Venue

MONDAY = date(2013, 10, 7)


def hours() -> MarketHours:
    """The sessions of two weeks of October 2013, 09:30 to 16:00 New York."""
    first = datetime(2013, 10, 3, 13, 30, tzinfo=UTC)
    opens = [first + timedelta(days=n) for n in (0, 1, 4, 5, 6, 7, 8, 11, 12, 13)]
    return MarketHours([(at.date(), at, at + timedelta(hours=6.5)) for at in opens], Timetable())


def candles(*bars: tuple[float, float, float, float], start: str = "09:30") -> list[Candle]:
    """Consecutive minutes of 2013-10-07 from their open, high, low, close in dollars."""
    first = int(a_time(start).timestamp())
    return [minute(first + 60 * i, _cents(bar), 1000) for i, bar in enumerate(bars)]


def flat(price: float, minutes: int = 390, start: str = "09:30") -> list[Candle]:
    """A price that does not move."""
    return candles(*[(price,) * 4] * minutes, start=start)


class HandTape:
    """A Tape of minutes; quotes lie half a spread around each close unless they are given."""

    def __init__(
        self, minutes: dict[str, list[Candle]], ticks: dict[str, list[Tick]] | None = None
    ) -> None:
        self.symbols = tuple(sorted(minutes))
        self.first_day = date(2013, 10, 3)
        self._hours = hours()
        self._days: dict[tuple[str, date], Day] = {}
        for symbol, found in minutes.items():
            for on in {_date(candle) for candle in found}:
                day = [candle for candle in found if _date(candle) == on]
                given = [tick for tick in (ticks or {}).get(symbol, []) if tick.at >= day[0].start]
                self._days[symbol, on] = Day(day, given or quotes_around(day))

    def day(self, symbol: str, on: date) -> Day | None:
        return self._days.get((symbol, on))

    def daily(self, symbol: str, on: date) -> Candle | None:
        day, session = self.day(symbol, on), self._hours.session_on(on)
        if day is None or session is None:
            return None
        opens, closes = session.open_at.timestamp(), session.close_at.timestamp()
        regular = [candle for candle in day.candles if opens <= candle.start < closes]
        return merged(regular, int(opens)) if regular else None


@dataclass
class Stage:
    """One account on a tape, at an instant that the test moves."""

    tape: HandTape
    now: datetime = field(default_factory=lambda: a_time("09:00"))
    cash: Decimal = Decimal(100_000)
    actions: tuple[CorporateAction, ...] = ()
    rules: Rules = field(default_factory=Rules)

    def __post_init__(self) -> None:
        self.market = Market(self.tape, hours(), self.actions)
        self.venue = Venue(self.market, lambda: self.now, cash=self.cash, rules=self.rules)

    def at(self, clock: str) -> "Stage":
        """Move on to a New York time of 2013-10-07."""
        self.now = a_time(clock)
        return self

    def buy(self, quantity: object = 10, **terms: Any) -> SimOrder:
        """Buy SPY; prices given make it a limit or a stop, or its legs."""
        return self.venue.submit(a_request(Side.BUY, quantity, **terms))

    def sell(self, quantity: object = 10, **terms: Any) -> SimOrder:
        """Sell SPY."""
        return self.venue.submit(a_request(Side.SELL, quantity, **terms))

    def status(self, order: SimOrder) -> str:
        """Its state now."""
        return self.venue.order(order.order_id).status.value


def a_stage(*bars: tuple[float, float, float, float], cash: int = 100_000, **rules: Any) -> Stage:
    """SPY over these first minutes of 2013-10-07; the last close stays until the end of the day."""
    rest = [(bars[-1][3],) * 4] * (390 - len(bars))
    tape = HandTape({"SPY": candles(*bars, *rest)})
    return Stage(tape, cash=Decimal(cash), rules=Rules(**rules))


def a_request(side: Side = Side.BUY, quantity: object = 10, **terms: Any) -> OrderRequest:
    """An order for SPY: a market order unless a limit, a stop or a trail is named."""
    amounts = {name: _decimal(value) for name, value in terms.items() if _is_amount(name)}
    others = {name: value for name, value in terms.items() if not _is_amount(name)}
    kinds = {
        (): OrderType.MARKET,
        ("limit_price",): OrderType.LIMIT,
        ("stop_price",): OrderType.STOP,
        ("limit_price", "stop_price"): OrderType.STOP_LIMIT,
        ("trail_price",): OrderType.TRAILING_STOP,
        ("trail_percent",): OrderType.TRAILING_STOP,
    }
    own = {name for kind in kinds for name in kind} & amounts.keys()
    request: dict[str, object] = {
        "symbol": "SPY",
        "side": side,
        "quantity": None if "notional" in amounts else _decimal(quantity),
        "order_type": kinds[tuple(sorted(own))],
    }
    return OrderRequest(**(request | amounts | others))  # type: ignore[arg-type]


def _is_amount(name: str) -> bool:
    return name.endswith("_price") or name in {"trail_percent", "notional"}


def _decimal(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _cents(bar: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    opened, high, low, close = (round(100 * price) for price in bar)
    return opened, high, low, close


def _date(candle: Candle) -> date:
    return datetime.fromtimestamp(candle.start - 4 * 3600, UTC).date()
