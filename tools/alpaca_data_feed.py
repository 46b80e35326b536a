"""AlpacaMarketData: bars, quotes and movers over alpaca-py's data clients, raw, with a bar cache.

Feed: `iex`, the one that needs no subscription. Its volume is IEX's own, some 3 % of the tape:
compare it with itself only. `sip` is refused for the last 15 minutes without a paid plan. Bars
before the open and after the close are served as they come: the caller keeps what it needs.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

from alpaca.data.enums import Adjustment, DataFeed
from alpaca.data.historical.screener import ScreenerClient
from alpaca.data.historical.stock import StockHistoricalDataClient
from alpaca.data.requests import MarketMoversRequest, StockBarsRequest, StockLatestQuoteRequest
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from tools.alpaca_answers import CallFailed
from tools.alpaca_transport import Calls, outlast
from tools.core.errors import MarketDataUnavailable
from tools.core.market import Bar, Market, Mover, Quote, Timeframe, market_of

HOUR = timedelta(hours=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# How many of the newest known bars each refresh asks for again: Alpaca corrects bars and sends some
# late, and a gap in a thin stock looks the same as a bar still under way.
ASKED_AGAIN = 3

_ALPACAS = {
    Timeframe.MINUTE_1: TimeFrame(1, TimeFrameUnit.Minute),
    Timeframe.MINUTE_5: TimeFrame(5, TimeFrameUnit.Minute),
    Timeframe.MINUTE_15: TimeFrame(15, TimeFrameUnit.Minute),
    Timeframe.HOUR_1: TimeFrame(1, TimeFrameUnit.Hour),
    Timeframe.DAY_1: TimeFrame(1, TimeFrameUnit.Day),
}


@dataclass(frozen=True, slots=True)
class _Strip:
    """A symbol's closed bars of one timeframe that start at or after `since`, as of `asked_at`."""

    since: datetime
    asked_at: datetime
    bars: tuple[Bar, ...]

    def cut(self, start: datetime, end: datetime) -> tuple[Bar, ...]:
        """The bars whose start lies in [start, end)."""
        first, last = (bisect_left(self.bars, at, key=attrgetter("start")) for at in (start, end))
        return self.bars[first:last]


class AlpacaMarketData:
    """`tools.core.seams.MarketData` over HTTP, usable from several threads; and the day's movers.

    What was fetched is kept until the UTC day ends, so that a trading cycle costs one request for
    the few bars that are new. `settling` is how long after its end a bar may still be missing at
    the server: within it the newest bars are asked for at each call, after it once per bar.
    """

    def __init__(
        self,
        *,
        key: str,
        secret: str,
        url: str,
        now: Callable[[], datetime],
        settling: timedelta,
        feed: str = "iex",
        on_timeout: Callable[[str], None] = outlast,
    ) -> None:
        """`url` is the data host without a version; `now` tells which bars are closed."""
        host = url.rstrip("/").removesuffix("/v2")
        self._stocks = StockHistoricalDataClient(key, secret, raw_data=True, url_override=host)
        self._screener = ScreenerClient(key, secret, raw_data=True, url_override=host)
        self._stock_calls = Calls(self._stocks, on_timeout)
        self._screener_calls = Calls(self._screener, on_timeout)
        self._now, self._settling, self._feed = now, settling, DataFeed(feed)
        self._strips: dict[tuple[Timeframe, str], _Strip] = {}
        self._day = now().date()
        self._refreshing = threading.Lock()

    @property
    def feed(self) -> str:
        """Whose tape this is: `iex`, `sip`."""
        return self._feed.value

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """The latest quote of each symbol that has one with both sides."""
        asked = _equities(symbols)
        if not asked:
            return {}
        request = StockLatestQuoteRequest(symbol_or_symbols=asked, feed=self._feed)
        return _answered(self._stock_calls, _quotes, self._stocks.get_stock_latest_quote, request)

    def bars(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, tuple[Bar, ...]]:
        """Closed bars whose start lies in [start, end), oldest first; a symbol without bars has ().

        Prices are adjusted for splits, so that yesterday's bars compare with today's.
        """
        with self._refreshing:
            self._refresh(_equities(symbols), timeframe, start)
            strips = [(symbol, self._strips.get((timeframe, symbol))) for symbol in symbols]
        return {symbol: strip.cut(start, end) if strip else () for symbol, strip in strips}

    def movers(self, top: int) -> tuple[Mover, ...]:
        """The day's `top` gainers, then its `top` losers, by change since the previous close."""
        call, request = self._screener.get_market_movers, MarketMoversRequest(top=top)
        return _answered(self._screener_calls, _movers, call, request)

    def _refresh(self, symbols: Sequence[str], timeframe: Timeframe, start: datetime) -> None:
        """Bring the strips of `symbols` up to now, with one request for all that lack the same."""
        now = self._now()
        if now.date() != self._day:
            self._strips.clear()  # a split or a correction overnight changes history
            self._day = now.date()
        missing: dict[datetime, list[str]] = {}
        for symbol in symbols:
            if (since := self._lacks(timeframe, symbol, start, now)) is not None:
                missing.setdefault(since, []).append(symbol)
        for since, lacking in missing.items():
            fresh = self._fetch(lacking, timeframe, since, now)
            for symbol in lacking:
                old = self._strips.get((timeframe, symbol)) or _Strip(since, now, ())
                bars = old.cut(old.since, since) + fresh.get(symbol, ())
                self._strips[timeframe, symbol] = _Strip(min(old.since, since), now, bars)

    def _lacks(
        self, timeframe: Timeframe, symbol: str, start: datetime, now: datetime
    ) -> datetime | None:
        """From when on the bars of `symbol` must be fetched, None when there can be no new one."""
        strip = self._strips.get((timeframe, symbol))
        if strip is None or start < strip.since:
            return start
        if strip.asked_at >= _last_close(timeframe, now) + self._settling:
            return None
        again = _last_close(timeframe, strip.asked_at) - ASKED_AGAIN * timeframe.length
        return max(strip.since, again)

    def _fetch(
        self, symbols: list[str], timeframe: Timeframe, since: datetime, now: datetime
    ) -> dict[str, tuple[Bar, ...]]:
        """The bars from `since` that are closed by `now`; alpaca-py turns the pages."""
        last_start = now - timeframe.length
        if last_start < since:
            return {}
        request = StockBarsRequest(
            symbol_or_symbols=symbols,
            timeframe=_ALPACAS[timeframe],
            start=since,
            end=last_start,
            adjustment=Adjustment.SPLIT,
            feed=self._feed,
        )

        def parse(raw: Any) -> dict[str, tuple[Bar, ...]]:
            parsed = {symbol: map(_bar, [symbol] * len(rows), rows) for symbol, rows in raw.items()}
            return {
                symbol: tuple(bar for bar in bars if since <= bar.start <= last_start)
                for symbol, bars in parsed.items()
            }

        return _answered(self._stock_calls, parse, self._stocks.get_stock_bars, request)


def _answered[T](
    calls: Calls, parse: Callable[[Any], T], request: Callable[..., Any], given: object
) -> T:
    try:
        return calls(parse, request, given)
    except CallFailed as failed:
        raise MarketDataUnavailable(str(failed)) from failed


def _last_close(timeframe: Timeframe, now: datetime) -> datetime:
    """The last instant up to `now` at which a bar may have ended.

    Days end at a New York midnight, which is a whole hour in UTC.
    """
    step = min(timeframe.length, HOUR)
    return now - (now - EPOCH) % step


def _equities(symbols: Sequence[str]) -> list[str]:
    """Those that Alpaca's stock routes take: a single other word spoils the whole request."""
    return [symbol for symbol in symbols if market_of(symbol) is Market.US_EQUITY]


def _quotes(raw: Any) -> dict[str, Quote]:
    """A side without an order is priced 0: that is no quote."""
    return {symbol: _quote(symbol, row) for symbol, row in raw.items() if row["bp"] and row["ap"]}


def _quote(symbol: str, row: Any) -> Quote:
    return Quote(
        symbol=symbol,
        at=datetime.fromisoformat(row["t"]),
        bid=Decimal(str(row["bp"])),
        ask=Decimal(str(row["ap"])),
        bid_size=int(row["bs"]),
        ask_size=int(row["as"]),
    )


def _bar(symbol: str, row: Any) -> Bar:
    return Bar(
        symbol=symbol,
        start=datetime.fromisoformat(row["t"]),
        open=float(row["o"]),
        high=float(row["h"]),
        low=float(row["l"]),
        close=float(row["c"]),
        volume=int(row["v"]),
    )


def _movers(raw: Any) -> tuple[Mover, ...]:
    return tuple(
        Mover(
            symbol=row["symbol"],
            price=float(row["price"]),
            change_fraction=float(row["percent_change"]) / 100,
        )
        for row in (*raw["gainers"], *raw["losers"])
    )
