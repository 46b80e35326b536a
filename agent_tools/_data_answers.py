"""What the data tools answer, made from what the library says.

Prices in dollars to a hundredth of a cent, times in UTC; null where nothing is known.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict

from agent_tools._mcp_server import Answer
from tools.core.market import Instrument, Quote, market_of
from tools.core.session import Session
from tools.levels import Levels, Ranges
from tools.ta_helper import SymbolView, TimeframeView


def _rounded(digits: int) -> AfterValidator:
    return AfterValidator(lambda value: round(value, digits))


Price = Annotated[float, _rounded(4)]
Score = Annotated[float, _rounded(3)]
Fraction = Annotated[float, _rounded(5)]


class Line(Answer):
    """Part of an answer, taken as it is from a value of the library with the same fields."""

    model_config = ConfigDict(from_attributes=True)


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
    name: str | None = None
    exchange: str | None = None
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
            name=instrument.name[:60],
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

    @classmethod
    def of(cls, quote: Quote, now: datetime) -> Self:
        """The quote, and its age at `now`."""
        return cls(
            symbol=quote.symbol,
            bid=float(quote.bid),
            ask=float(quote.ask),
            mid=float(quote.mid),
            spread_fraction=float(quote.spread_fraction),
            at=quote.at,
            age_seconds=round(quote.age(now).total_seconds()),
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
    """Oldest first."""

    symbol: str
    timeframe: str
    bars: tuple[BarLine, ...]


class Snapshot(Answer):
    """The session so far."""

    symbol: str
    price: Price | None
    bid: Price | None
    ask: Price | None
    session_high: Price | None
    session_low: Price | None
    vwap: Price | None
    prior_close: Price | None
    change_fraction: Fraction | None
    volume_ratio: Score | None

    @classmethod
    def of(cls, view: SymbolView, ranges: Ranges, quote: Quote | None) -> Self:
        """What is known of one symbol at one instant."""
        session, prior = ranges.session, ranges.prior
        return cls(
            symbol=view.signal.symbol,
            price=view.price,
            bid=float(quote.bid) if quote else None,
            ask=float(quote.ask) if quote else None,
            session_high=session.high if session else None,
            session_low=session.low if session else None,
            vwap=view.vwap,
            prior_close=prior.close if prior else None,
            change_fraction=ranges.change_fraction,
            volume_ratio=view.volume.ratio,
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


class PartLine(Line):
    """`score` -1…1, null until ready."""

    name: str
    score: Score | None


class TimeframeLine(Answer):
    """`score` is the weighted mean of the ready parts, `coverage` their share of the weight."""

    timeframe: str
    bars: int
    score: Score
    coverage: Score
    parts: tuple[PartLine, ...]
    ema_20: Price | None
    ema_50: Price | None
    macd_histogram: Price | None
    rsi: Score | None
    adx: Score | None
    atr: Price | None

    @classmethod
    def of(cls, view: TimeframeView) -> Self:
        """The view, part by part."""
        return cls(
            timeframe=view.timeframe,
            bars=view.bars,
            score=view.score,
            coverage=view.coverage,
            parts=view.parts,
            ema_20=view.value("ema_20"),
            ema_50=view.value("ema_50"),
            macd_histogram=view.value("macd.histogram"),
            rsi=view.value("rsi"),
            adx=view.value("adx.adx"),
            atr=view.value("atr"),
        )


class Analysis(Answer):
    """One symbol's signal, taken apart."""

    symbol: str
    strength: Score
    coverage: Score
    price: Price | None
    timeframes: list[TimeframeLine]

    @classmethod
    def of(cls, view: SymbolView) -> Self:
        """The view, timeframe by timeframe."""
        return cls(
            symbol=view.signal.symbol,
            strength=view.signal.strength,
            coverage=view.signal.coverage,
            price=view.price,
            timeframes=[TimeframeLine.of(frame) for frame in view.timeframes],
        )


class SignalLine(Answer):
    """`strength` is 0 while the view does not count; the evidence then says why."""

    symbol: str
    strength: Score
    coverage: Score
    confidence: Score
    price: Price | None
    atr: Price | None
    volume_ratio: Score | None
    evidence: tuple[str, ...]

    @classmethod
    def of(cls, view: SymbolView) -> Self:
        """The view in one line."""
        return cls(
            symbol=view.signal.symbol,
            strength=view.signal.strength,
            coverage=view.signal.coverage,
            confidence=view.confidence,
            price=view.price,
            atr=view.atr,
            volume_ratio=view.volume.ratio,
            evidence=view.signal.evidence,
        )


class Signals(Answer):
    """In the order asked."""

    signals: list[SignalLine]


class SymbolLevels(Answer):
    """Support and resistance, nearest first; `opening` is the first 15 minutes' range."""

    symbol: str
    price: Price | None
    support: tuple[Price, ...]
    resistance: tuple[Price, ...]
    session_high: Price | None
    session_low: Price | None
    opening_high: Price | None
    opening_low: Price | None
    prior_high: Price | None
    prior_low: Price | None
    prior_close: Price | None
    vwap: Price | None

    @classmethod
    def of(cls, symbol: str, ranges: Ranges, levels: Levels, vwap: float | None) -> Self:
        """The levels, and the ranges they were found among."""
        session, opening, prior = ranges.session, ranges.opening, ranges.prior
        return cls(
            symbol=symbol,
            price=ranges.price,
            support=levels.support,
            resistance=levels.resistance,
            session_high=session.high if session else None,
            session_low=session.low if session else None,
            opening_high=opening.high if opening else None,
            opening_low=opening.low if opening else None,
            prior_high=prior.high if prior else None,
            prior_low=prior.low if prior else None,
            prior_close=prior.close if prior else None,
            vwap=vwap,
        )


class MoverLine(Line):
    """`change_fraction` is since the previous close."""

    symbol: str
    price: Price
    change_fraction: Fraction


class Movers(Answer):
    """The day's gainers, then its losers."""

    movers: tuple[MoverLine, ...]
