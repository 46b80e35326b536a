"""The data counter, :8004: ten tools that read the market and change nothing.

`python -m agent_tools.tool_alpaca_data` serves them over MCP. The analysis rests on closed bars and
lives in `tools.ta_helper`, `tools.levels` and `tools.technical_indicators`; here it is only worded.
"""

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, Protocol

from pydantic import AfterValidator, Field

from agent_tools._data_answers import (
    Asset,
    Bars,
    Indicators,
    MarketClock,
    Movers,
    QualityLine,
    QuoteLine,
    Quotes,
    Snapshot,
    Snapshots,
)
from agent_tools._mcp_server import Role, ToolServer, serve
from agent_tools._reading_answers import Analysis, Seen, Signals, SymbolLevels
from tools.bar_history import BarHistory
from tools.core.errors import ConfigError, MarketDataUnavailable
from tools.core.market import Bar, Market, Mover, Quote, Timeframe, market_of
from tools.core.seams import Broker, MarketData
from tools.data_quality import Quality, judge
from tools.hosting import Incidents, PortTaken, log_to
from tools.schedule.clocks import ClockLost
from tools.schedule.market_hours import MarketHours
from tools.settings import Settings, load
from tools.simulation.kept import KeptMarket
from tools.ta_helper import Analyst, warm_up
from tools.technical_indicators import indicators, read
from tools.watchdog import feed, reach
from tools.wiring import (
    deliver_alerts,
    keep_hours,
    make_broker,
    make_clock,
    make_hours,
    make_market_data,
)

MOST_SYMBOLS, MOST_BARS, MOST_MOVERS = 20, 60, 20
MOST_TOGETHER = 10
CALENDAR_SESSIONS = 5
LONGEST_READING_SECONDS = 120.0


def _equity(symbol: str) -> str:
    if (market := market_of(symbol)) is not Market.US_EQUITY:
        raise ValueError(f"{symbol[:20]!r} is a symbol of market {market}, not of US equities")
    return symbol


def _equities(symbols: str) -> str:
    names = symbols.split(",")
    if len(names) > MOST_TOGETHER or len({*names}) < len(names):
        raise ValueError(f"up to {MOST_TOGETHER} symbols, each once, without spaces: A,B,C")
    return ",".join(map(_equity, names))


def _offered(names: list[str]) -> list[str]:
    known = indicators()
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no indicator {unknown[0][:20]!r}; there are {', '.join(known)}")
    return names


Symbol = Annotated[str, AfterValidator(_equity)]
Symbols = Annotated[list[Symbol], Field(min_length=1, max_length=MOST_SYMBOLS)]
SymbolsInARow = Annotated[str, AfterValidator(_equities)]
Names = Annotated[list[str], AfterValidator(_offered)]
Intraday = Literal["1Min", "5Min", "15Min"]


class WholeMarket(MarketData, Protocol):
    """The market data, and the day's largest moves among all that trades."""

    def movers(self, top: int) -> tuple[Mover, ...]:
        """The day's `top` gainers, then its `top` losers. Raises MarketDataUnavailable."""
        ...


class DataTools:
    """The ten tools. They are called from several threads; one at a time reads the bars."""

    def __init__(
        self,
        market: WholeMarket,
        broker: Broker,
        hours: MarketHours,
        now: Callable[[], datetime],
        *,
        feed: str = "iex",
    ) -> None:
        """`feed` is the tape that `market` reads, for the grade of its data."""
        self._market, self._broker, self._hours, self._now = market, broker, hours, now
        self._feed = feed
        self._history = BarHistory(market, hours)
        self._analyst = Analyst(self._history)
        self._reading = threading.Lock()
        self._began: float | None = None

    @property
    def moving(self) -> bool:
        """No reading has gone on for longer than every time-out together explains."""
        began = self._began
        return began is None or time.monotonic() - began < LONGEST_READING_SECONDS

    def all(self) -> Sequence[Callable[..., object]]:
        """What the server offers, in the order that the model is shown."""
        return (
            self.get_market_clock,
            self.get_asset,
            self.get_quotes,
            self.get_bars,
            self.get_snapshots,
            self.get_indicators,
            self.get_multi_timeframe_analysis,
            self.get_trading_signals,
            self.get_levels,
            self.get_movers,
        )

    def get_market_clock(self) -> MarketClock:
        """Time, the current or next session, and those after it."""
        now = self._now()
        sessions = [self._hours.current_or_next(now)]
        while len(sessions) <= CALENDAR_SESSIONS:
            sessions.append(self._hours.current_or_next(sessions[-1].close_at))
        return MarketClock.of(now, sessions[0], sessions[1:])

    def get_asset(self, symbol: Annotated[str, Field(max_length=12)]) -> Asset:
        """Whether a symbol exists and trades."""
        equity = market_of(symbol) is Market.US_EQUITY
        return Asset.of(symbol, self._broker.instrument(symbol) if equity else None)

    def get_quotes(self, symbols: Symbols) -> Quotes:
        """Latest bid, ask, mid, spread and age."""
        quotes, now = self._market.quotes(symbols), self._now()
        lines = [
            QuoteLine.of(quotes[s], now, judge(self._feed, now, None, quotes[s]))
            for s in symbols
            if s in quotes
        ]
        return Quotes(quotes=lines)

    def get_bars(
        self,
        symbol: SymbolsInARow,
        timeframe: Literal["1Min", "5Min", "15Min", "1Day"] = "5Min",
        limit: Annotated[int, Field(ge=1, le=MOST_BARS)] = 20,
    ) -> Bars:
        """Latest closed bars, oldest first, by their start; of A,B,C (up to 10) as short lines."""
        symbols = symbol.split(",")
        if timeframe == "1Day":
            return Bars.of(timeframe, self._days(symbols, limit), None)
        length = Timeframe(timeframe)
        with self._known(symbols) as now:
            bars = {s: self._history.bars(s, length, now, limit=limit) for s in symbols}
            worst = max((self._quality(s, now) for s in symbols), key=lambda one: one.grade)
        return Bars.of(timeframe, bars, QualityLine.of(worst))

    def get_snapshots(self, symbols: Symbols) -> Snapshots:
        """Price, quote, day's range, VWAP, change since the prior close, volume ratio."""
        quotes = self._market.quotes(symbols)
        with self._known(symbols) as now:
            seen = [self._seen(symbol, now, quotes.get(symbol)) for symbol in symbols]
        return Snapshots(
            snapshots=[
                Snapshot.of(one.view, one.around.ranges, quotes.get(symbol), one.quality)
                for symbol, one in zip(symbols, seen, strict=True)
            ]
        )

    def get_indicators(
        self, symbol: Symbol, timeframe: Intraday = "5Min", names: Names | None = None
    ) -> Indicators:
        """Indicators at the last closed bar: all, or those named (rsi, macd, ema_20, atr...)."""
        with self._known([symbol]) as now:
            frame = self._history.frame(symbol, Timeframe(timeframe), now)
            last = self._history.bars(symbol, Timeframe(timeframe), now, limit=1)
            quality = self._quality(symbol, now)
        return Indicators(
            symbol=symbol,
            timeframe=timeframe,
            at=last[0].start if last else None,
            indicators=read(frame, names or indicators()),
            quality=QualityLine.of(quality),
        )

    def get_multi_timeframe_analysis(self, symbol: Symbol) -> Analysis:
        """One signal taken apart into 1, 5 and 15 minutes and their parts."""
        with self._known([symbol]) as now:
            return Analysis.of(self._analyst.look(symbol, now), self._quality(symbol, now))

    def get_trading_signals(self, symbols: Symbols) -> Signals:
        """Strength -1..1, confidence and coverage 0..1, ATR in dollars, and the evidence."""
        quotes = self._quotes_if_any(symbols)
        with self._known(symbols) as now:
            seen = [self._seen(symbol, now, quotes.get(symbol)) for symbol in symbols]
        return Signals.of(seen)

    def get_levels(self, symbol: Symbol) -> SymbolLevels:
        """Support and resistance, nearest first; ranges of the session, its opening, the prior."""
        with self._known([symbol]) as now:
            return SymbolLevels.of(self._seen(symbol, now))

    def get_movers(self, top: Annotated[int, Field(ge=1, le=MOST_MOVERS)] = 5) -> Movers:
        """The day's largest gains, then losses, among all stocks."""
        return Movers(movers=self._market.movers(top))

    @contextlib.contextmanager
    def _known(self, symbols: Sequence[str]) -> Iterator[datetime]:
        """The instant, with every bar of `symbols` up to it known; one caller at a time."""
        with self._reading:
            self._began = time.monotonic()
            try:
                now = self._now()
                self._history.refresh(symbols, now)
                yield now
            finally:
                self._began = None

    def _seen(self, symbol: str, now: datetime, quote: Quote | None = None) -> Seen:
        return Seen(
            view=self._analyst.look(symbol, now),
            around=self._analyst.look_around(symbol, now),
            quality=self._quality(symbol, now, quote),
        )

    def _quality(self, symbol: str, now: datetime, quote: Quote | None = None) -> Quality:
        return judge(self._feed, now, self._history.activity(symbol, now), quote)

    def _quotes_if_any(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """Signals rest on bars: without quotes their grade says less, and they still stand."""
        try:
            return self._market.quotes(symbols)
        except MarketDataUnavailable:
            return {}

    def _days(self, symbols: Sequence[str], limit: int) -> Mapping[str, Sequence[Bar]]:
        """Whole days; a limit of sessions reaches back less than twice as many days, and a week."""
        now = self._now()
        start = now - timedelta(days=2 * limit + 7)
        days = self._market.bars(symbols, Timeframe.DAY_1, start=start, end=now)
        return {symbol: days[symbol][-limit:] for symbol in symbols}


def main() -> int:
    """0 after SIGTERM, 78 for a setting to be mended, 1 without its port or its clock."""
    try:
        settings = load()
        settings.require_tokens("MCP_DATA_TOKEN")
        asyncio.run(_serve(settings))
    except ConfigError as error:
        sys.stderr.write(f"configuration error: {error}\n")
        return 78
    except (PortTaken, ClockLost) as error:
        sys.stderr.write(f"alpaca-data: {error}\n")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    incidents = Incidents()
    log_to(
        (settings.home / "logs" / "alpaca_data_mcp.log", logging.NOTSET), level=settings.log_level
    )
    logging.getLogger().addHandler(incidents)
    deliver_alerts(settings)
    async with make_clock(settings) as clock:
        market, hours = make_market_data(settings, clock.now), make_hours(settings)
        kept = settings.agent_folder / "tape"
        tools = DataTools(
            # A simulated day was made from a tape: it needs none of its own.
            market if settings.simulated else KeptMarket(market, kept, clock.now),
            await reach(lambda: make_broker(settings)),
            hours,
            clock.now,
            feed=market.feed,
        )
        warm_up()
        server = ToolServer(
            "alpaca-data",
            reads=tools.all(),
            caller=Role.DATA,
            tokens={Role.DATA: settings.data_token},
            incidents=incidents,
        )
        beside = asyncio.gather(feed(lambda: tools.moving), keep_hours(settings, hours, clock.now))
        await serve(server.app(), settings.data_port)
        beside.cancel()


if __name__ == "__main__":
    raise SystemExit(main())
