"""What the data tools answer, made from what the library says.

Prices in dollars to a hundredth of a cent, times in UTC; null where nothing is known.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field

from agent_tools._mcp_server import Answer, ForeignName
from tools.core.market import Bar, Instrument, Quote, market_of
from tools.core.session import Session
from tools.data_quality import Quality
from tools.levels import Ranges
from tools.ta_helper import SymbolView


def _rounded(digits: int) -> AfterValidator:
    return AfterValidator(lambda value: round(value, digits))


Price = Annotated[float, _rounded(4)]
Score = Annotated[float, _rounded(3)]
Fraction = Annotated[float, _rounded(5)]
Tenth = Annotated[float, _rounded(1)]


class Line(Answer):
    """Part of an answer, taken as it is from a value of the library with the same fields."""

    model_config = ConfigDict(from_attributes=True)


class QualityLine(Answer):
    """How far to trust the rest: `grade` A to F, the worst of what the answer rests on.

    `age_s` is the quote's, else the newest bar's; `gaps` counts the last 30 minutes without a
    trade; `halted` is inferred from silence.
    """

    grade: str
    feed: str
    age_s: int | None
    gaps: int | None
    spread_bps: Tenth | None
    halted: bool

    @classmethod
    def of(cls, quality: Quality) -> Self:
        """The grade and its reasons."""
        return cls(
            grade=quality.grade,
            feed=quality.feed,
            age_s=quality.age_seconds,
            gaps=quality.gaps,
            spread_bps=quality.spread_bps,
            halted=quality.halted,
        )


class SessionTimes(Answer):
    """One session: New York date, market open in [opens_at, closes_at)."""

    date: date
    opens_at: datetime
    closes_at: datetime

    @classmethod
    def of(cls, session: Session) -> Self:
        """Its three times."""
        return cls(date=session.on, opens_at=session.open_at, closes_at=session.close_at)


class MarketClock(Answer):
    """`session` is the current or next one, `calendar` those after it."""

    now: datetime
    is_open: bool
    session: SessionTimes
    entries_end_at: datetime
    flatten_at: datetime
    calendar: list[SessionTimes]

    @classmethod
    def of(cls, now: datetime, session: Session, following: Sequence[Session]) -> Self:
        """The clock at `now`, before the close of `session`."""
        return cls(
            now=now,
            is_open=session.open_at <= now,
            session=SessionTimes.of(session),
            entries_end_at=session.entries_end_at,
            flatten_at=session.flatten_at,
            calendar=[SessionTimes.of(later) for later in following],
        )


class Asset(Answer):
    """`known` false: the broker has no such symbol; its market is told by its shape alone."""

    symbol: str
    known: bool
    market: str
    name: ForeignName | None = None
    exchange: ForeignName | None = None
    tradable: bool = False
    fractionable: bool = False

    @classmethod
    def of(cls, symbol: str, instrument: Instrument | None) -> Self:
        """What the broker says of `symbol`, None if nothing."""
        if instrument is None:
            return cls(symbol=symbol, known=False, market=market_of(symbol))
        return cls(
            symbol=symbol,
            known=True,
            market=instrument.market,
            name=instrument.name,
            exchange=instrument.exchange,
            tradable=instrument.active and instrument.tradable,
            fractionable=instrument.fractionable,
        )


class QuoteLine(Answer):
    """`mid` is halfway, `spread_fraction` the ask less the bid over it."""

    symbol: str
    bid: Price
    ask: Price
    mid: Price
    spread_fraction: Fraction
    at: datetime
    age_seconds: int
    quality: QualityLine

    @classmethod
    def of(cls, quote: Quote, now: datetime, quality: Quality) -> Self:
        """The quote, and its age at `now`."""
        return cls(
            symbol=quote.symbol,
            bid=float(quote.bid),
            ask=float(quote.ask),
            mid=float(quote.mid),
            spread_fraction=float(quote.spread_fraction),
            at=quote.at,
            age_seconds=round(quote.age(now).total_seconds()),
            quality=QualityLine.of(quality),
        )


class Quotes(Answer):
    """Symbols without a quote are left out."""

    quotes: list[QuoteLine]


class BarLine(Line):
    """One closed bar."""

    start: datetime
    open: Price
    high: Price
    low: Price
    close: Price
    volume: int


class Bars(Answer):
    """Oldest first. Whole days have no quality; of several symbols it is the worst.

    Those come in `lines` instead of `bars`: every `start` once, and for each symbol "open high low
    close volume" at each of them, empty where it has no bar.
    """

    symbol: str
    timeframe: str
    bars: tuple[BarLine, ...]
    quality: QualityLine | None
    lines: dict[str, tuple[str, ...]] | None = Field(None, exclude_if=lambda given: given is None)

    @classmethod
    def of(
        cls, timeframe: str, bars: Mapping[str, Sequence[Bar]], quality: QualityLine | None
    ) -> Self:
        """The bars of one symbol, or of several."""
        several = len(bars) > 1
        return cls(
            symbol=",".join(bars),
            timeframe=timeframe,
            bars=() if several else tuple(map(BarLine.model_validate, *bars.values())),
            quality=quality,
            lines=_lines(bars) if several else None,
        )


def _lines(bars: Mapping[str, Sequence[Bar]]) -> dict[str, tuple[str, ...]]:
    told = {symbol: {bar.start: _line(bar) for bar in found} for symbol, found in bars.items()}
    starts = sorted({at for found in told.values() for at in found})
    lines = {symbol: tuple(found.get(at, "") for at in starts) for symbol, found in told.items()}
    return {"start": tuple(f"{at:%Y-%m-%dT%H:%MZ}" for at in starts), **lines}


def _line(bar: Bar) -> str:
    prices = (f"{round(one, 4):.12g}" for one in (bar.open, bar.high, bar.low, bar.close))
    return f"{' '.join(prices)} {bar.volume}"


class Snapshot(Answer):
    """The session so far: `price` is the close at `price_at`, the quote that of `quote_at`."""

    symbol: str
    price: Price | None
    price_at: datetime | None
    bid: Price | None
    ask: Price | None
    quote_at: datetime | None
    session_high: Price | None
    session_low: Price | None
    vwap: Price | None
    prior_close: Price | None
    change_fraction: Fraction | None
    volume_ratio: Score | None
    quality: QualityLine

    @classmethod
    def of(cls, view: SymbolView, ranges: Ranges, quote: Quote | None, quality: Quality) -> Self:
        """What is known of one symbol at one instant."""
        session, prior = ranges.session, ranges.prior
        return cls(
            symbol=view.signal.symbol,
            price=view.price,
            price_at=view.price_at,
            bid=float(quote.bid) if quote else None,
            ask=float(quote.ask) if quote else None,
            quote_at=quote.at if quote else None,
            session_high=session.high if session else None,
            session_low=session.low if session else None,
            vwap=view.vwap,
            prior_close=prior.close if prior else None,
            change_fraction=ranges.change_fraction,
            volume_ratio=view.volume.ratio,
            quality=QualityLine.of(quality),
        )


class Snapshots(Answer):
    """In the order asked."""

    snapshots: list[Snapshot]


class IndicatorLine(Line):
    """`value` is null until `missing_bars` is 0, and where the indicator is undefined."""

    name: str
    value: Price | None
    missing_bars: int


class Indicators(Answer):
    """Values at the last closed bar, which starts `at`."""

    symbol: str
    timeframe: str
    at: datetime | None
    indicators: tuple[IndicatorLine, ...]
    quality: QualityLine


class MoverLine(Line):
    """`change_fraction` is since the previous close."""

    symbol: ForeignName
    price: Price
    change_fraction: Fraction


class Movers(Answer):
    """The day's gainers, then its losers."""

    movers: tuple[MoverLine, ...]
