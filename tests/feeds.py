"""Minutes by hand, and a MarketData that hands them out."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from tests.builders import a_bar
from tools.core.errors import MarketDataUnavailable
from tools.core.market import Bar, Quote, Timeframe
from tools.core.session import Timetable
from tools.schedule.market_hours import MarketHours, at_new_york

MINUTE = timedelta(minutes=1)
THURSDAY, FRIDAY, MONDAY = (date(2013, 10, day) for day in (3, 4, 7))
HOURS = MarketHours(
    [(on, at_new_york(on, 9, 30), at_new_york(on, 16, 0)) for on in (THURSDAY, FRIDAY, MONDAY)],
    Timetable(),
)
INTRADAY = (Timeframe.MINUTE_1, Timeframe.MINUTE_5, Timeframe.MINUTE_15)


class Feed:
    """A MarketData over lists of minutes. It hands out whatever is asked for, even the future."""

    def __init__(self, **minutes: Sequence[Bar]) -> None:
        self.minutes = minutes
        self.quarters: dict[str, Sequence[Bar]] = {}
        self.asked: list[tuple[Timeframe, datetime, datetime]] = []
        self.down = False

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        return {}

    def bars(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, tuple[Bar, ...]]:
        if self.down:
            raise MarketDataUnavailable("the feed is down")
        self.asked.append((timeframe, start, end))
        source = self.minutes if timeframe is Timeframe.MINUTE_1 else self.quarters
        return {
            symbol: tuple(bar for bar in source.get(symbol, ()) if start <= bar.start < end)
            for symbol in symbols
        }


def minutes(on: date, hour: int, minute: int, prices: Sequence[float]) -> list[Bar]:
    """One bar a minute from a New York time on, 100 shares each."""
    first = at_new_york(on, hour, minute)
    return [a_bar(first + n * MINUTE, close=p, volume=100) for n, p in enumerate(prices)]


def at(on: date, hour: int, minute: int, second: int = 0) -> datetime:
    return at_new_york(on, hour, minute) + timedelta(seconds=second)
