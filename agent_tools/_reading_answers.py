"""What the tools that read the market for the model answer: analysis, signals, levels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from agent_tools._data_answers import Line, Price, QualityLine, Score
from agent_tools._mcp_server import Answer
from tools.core.market import Timeframe
from tools.data_quality import Quality
from tools.exhaustion import Exhaustion, Sign
from tools.schedule.market_hours import new_york
from tools.smart_money import Kind, Sighting, Structure
from tools.ta_helper import Surroundings, SymbolView, TimeframeView

WORDS_BYTES = 500
"""The most that a signal's sentences come to."""
ANSWER_WORDS_BYTES = 2_000
"""The most that those of all the signals of one answer do, in equal shares."""

_TIRES = {
    Sign.FADING: ("fades", "MACD histogram", 3),
    Sign.DIVERGENCE: ("diverges", "RSI", 0),
    Sign.VOLUME: ("dries up", "shares a bar", 0),
}
_EVENTS = {
    Kind.BREAK_OF_STRUCTURE: "BOS",
    Kind.CHANGE_OF_CHARACTER: "CHoCH",
    Kind.LIQUIDITY_SWEEP: "sweep",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of one symbol at one instant."""

    view: SymbolView
    around: Surroundings
    quality: Quality


class SightingLine(Line):
    """A smart-money signal, confirmed by the bar that starts `at`; an event has one price."""

    kind: str
    direction: str
    at: datetime
    low: Price
    high: Price


class StructureLine(Answer):
    """`direction` of the last break; the newest signal of each kind that still stands."""

    direction: str | None
    signals: tuple[SightingLine, ...]

    @classmethod
    def of(cls, structure: Structure) -> Self:
        """What stands."""
        return cls(direction=structure.direction, signals=structure.latest())


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
    structure: StructureLine | None

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
            structure=StructureLine.of(view.structure) if view.structure else None,
        )


class Analysis(Answer):
    """One symbol's signal, taken apart."""

    symbol: str
    strength: Score
    coverage: Score
    price: Price | None
    price_at: datetime | None
    quality: QualityLine
    timeframes: list[TimeframeLine]

    @classmethod
    def of(cls, view: SymbolView, quality: Quality) -> Self:
        """The view, timeframe by timeframe."""
        return cls(
            symbol=view.signal.symbol,
            strength=view.signal.strength,
            coverage=view.signal.coverage,
            price=view.price,
            price_at=view.price_at,
            quality=QualityLine.of(quality),
            timeframes=[TimeframeLine.of(frame) for frame in view.timeframes],
        )


class SignalLine(Answer):
    """`strength` is 0 while the view does not count; the evidence then says why.

    `price` is the close at `price_at`, `exhaustion` are signs that a move tires.
    """

    symbol: str
    strength: Score
    coverage: Score
    confidence: Score
    price: Price | None
    price_at: datetime | None
    next_resistance: Price | None
    atr: Price | None
    volume_ratio: Score | None
    quality: QualityLine
    exhaustion: tuple[str, ...]
    evidence: tuple[str, ...]

    @classmethod
    def of(cls, seen: Seen, room: int) -> Self:
        """What was seen, in one line whose sentences come to at most `room` bytes."""
        view = seen.view
        tires = tuple(_tiring(sign) for frame in view.timeframes for sign in frame.exhaustion)
        evidence = [*view.signal.evidence, *_events(view)]
        tires = _fitting(tires, room - _bytes(evidence[:1]))
        return cls(
            symbol=view.signal.symbol,
            strength=view.signal.strength,
            coverage=view.signal.coverage,
            confidence=view.confidence,
            price=view.price,
            price_at=view.price_at,
            next_resistance=next(iter(seen.around.levels.resistance), None),
            atr=view.atr,
            volume_ratio=view.volume.ratio,
            quality=QualityLine.of(seen.quality),
            exhaustion=tires,
            evidence=_fitting(evidence, room - _bytes(tires)),
        )


class Signals(Answer):
    """In the order asked."""

    signals: list[SignalLine]

    @classmethod
    def of(cls, seen: Sequence[Seen]) -> Self:
        """One line each; the more there are, the fewer sentences each has."""
        room = min(WORDS_BYTES, ANSWER_WORDS_BYTES // len(seen))
        return cls(signals=[SignalLine.of(one, room) for one in seen])


class SymbolLevels(Answer):
    """Support and resistance, nearest first; `opening` is the first 15 minutes' range."""

    symbol: str
    price: Price | None
    price_at: datetime | None
    next_support: Price | None
    next_resistance: Price | None
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
    quality: QualityLine

    @classmethod
    def of(cls, seen: Seen) -> Self:
        """The levels, and the ranges they were found among."""
        ranges, levels = seen.around.ranges, seen.around.levels
        session, opening, prior = ranges.session, ranges.opening, ranges.prior
        return cls(
            symbol=seen.view.signal.symbol,
            price=ranges.price,
            price_at=seen.view.price_at,
            next_support=next(iter(levels.support), None),
            next_resistance=next(iter(levels.resistance), None),
            support=levels.support,
            resistance=levels.resistance,
            session_high=session.high if session else None,
            session_low=session.low if session else None,
            opening_high=opening.high if opening else None,
            opening_low=opening.low if opening else None,
            prior_high=prior.high if prior else None,
            prior_low=prior.low if prior else None,
            prior_close=prior.close if prior else None,
            vwap=seen.view.vwap,
            quality=QualityLine.of(seen.quality),
        )


def _tiring(one: Exhaustion) -> str:
    verb, label, digits = _TIRES[one.sign]
    moved, measured = (
        f"{first:.{places}f} to {last:.{places}f}"
        for (first, last), places in ((one.price, 2), (one.measure, digits))
    )
    when = f"{new_york(one.first):%H:%M}-{new_york(one.last):%H:%M}"
    move = "rise" if one.rising else "fall"
    return f"{move} {verb} {when}: {label} {measured}, price {moved}"


def _events(view: SymbolView) -> list[str]:
    """The session's latest breaks and sweeps on 5 minutes, in one sentence if there are any."""
    return [
        f"{frame.timeframe} {', '.join(words)}"
        for frame in view.timeframes
        if frame.timeframe is Timeframe.MINUTE_5
        if (words := [*_event_words(frame)])
    ]


def _event_words(frame: TimeframeView) -> Iterable[str]:
    for one in frame.structure.latest() if frame.structure else ():
        today = frame.last_start is not None and one.at.date() == frame.last_start.date()
        if one.kind in _EVENTS and today:
            yield _event(one)


def _event(one: Sighting) -> str:
    return f"{_EVENTS[one.kind]} {one.direction} {new_york(one.at):%H:%M} at {one.low:.2f}"


def _fitting(sentences: Sequence[str], room: int) -> tuple[str, ...]:
    """The first of them, as many as fit into `room` bytes."""
    return tuple(
        sentence for n, sentence in enumerate(sentences, 1) if _bytes(sentences[:n]) <= room
    )


def _bytes(sentences: Sequence[str]) -> int:
    """What they take in JSON, where each has two quotes and a comma."""
    return sum(len(sentence) + 3 for sentence in sentences)
