"""From bar frames to a view of a symbol: the parts of three timeframes, weighed into one Signal.

Every part turns a measure into a score from -1 to +1 along a curve; the signal's strength is the
weighted mean of the parts that are ready. docs/indicators.md gives the reasons for the numbers.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import numpy as np
import pandas as pd

from tools.bar_history import COLUMNS, BarHistory, Volume
from tools.core.decisions import Signal
from tools.core.market import Timeframe
from tools.exhaustion import Exhaustion, find_exhaustion
from tools.levels import OPENING_RANGE, Levels, Ranges, find_levels, find_ranges
from tools.schedule.market_hours import new_york
from tools.smart_money import Structure, read_structure
from tools.technical_indicators import read

MIN_COVERAGE = 0.5
"""A view counts from this share of the weight on; below it its strength is 0."""

STALE_AFTER = timedelta(minutes=15)
"""Without a newer bar a view does not count."""

TIMEFRAME_WEIGHTS = {
    Timeframe.MINUTE_1: 0.24,
    Timeframe.MINUTE_5: 0.32,
    Timeframe.MINUTE_15: 0.24,
}
VWAP_WEIGHT = 0.20
PART_WEIGHTS = {"trend": 0.35, "macd": 0.25, "rsi": 0.20, "bollinger": 0.20}

STRUCTURED = (Timeframe.MINUTE_5, Timeframe.MINUTE_15)
TIRING = Timeframe.MINUTE_5
"""Where signs of exhaustion are looked for."""

type Curve = tuple[tuple[float, ...], tuple[float, ...]]

TREND: Curve = (-1, 1), (-1, 1)
STEADINESS: Curve = (10, 25), (0, 1)
HISTOGRAM: Curve = (-0.25, 0.25), (-1, 1)
RSI: Curve = (10, 30, 50, 70, 90), (0, -1, 0, 1, 0)
BAND_POSITION: Curve = (-0.5, 0, 0.5, 1, 1.5), (0, -1, 0, 1, 0)
VWAP_DISTANCE: Curve = (-2, 2), (-1, 1)
CONFIRMATION: Curve = (0.5, 1), (0.6, 1)

_SCORED = ("ema_20", "ema_50", "macd", "rsi", "bollinger", "atr", "adx", "vwap")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One weighed opinion: `score` -1…+1, None until its indicators are ready."""

    name: str
    weight: float
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeframeView:
    """What one bar frame says. `values` are the readings by name, NaN until ready.

    One minute is too short for a `structure`; `exhaustion` is looked for on 5 minutes only.
    """

    timeframe: Timeframe
    bars: int
    last_start: datetime | None
    values: Mapping[str, float]
    parts: tuple[Part, ...]
    structure: Structure | None = None
    exhaustion: tuple[Exhaustion, ...] = ()

    def value(self, name: str) -> float | None:
        """One reading, None until ready."""
        return _known(self.values[name])

    @property
    def score(self) -> float:
        """The weighted mean of the ready parts, -1…+1."""
        return _weigh(self.parts)[0]

    @property
    def coverage(self) -> float:
        """The ready parts' share of the timeframe's weight, 0…1."""
        return _weigh(self.parts)[1] / TIMEFRAME_WEIGHTS[self.timeframe]


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolView:
    """A signal with what it rests on.

    `confidence` 0…1 is how far the parts agree, less where few are ready. `atr` is in dollars, the
    reach of five minutes. None: not ready, or no bar.
    """

    signal: Signal
    confidence: float
    price: float | None
    vwap: float | None
    atr: float | None
    volume: Volume
    timeframes: tuple[TimeframeView, ...]

    @property
    def price_at(self) -> datetime | None:
        """When the price was: the end of the newest minute."""
        newest = self.timeframes[0].last_start
        return newest + Timeframe.MINUTE_1.length if newest else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The prices around a symbol's own."""

    ranges: Ranges
    levels: Levels


class Analyst:
    """Looks at symbols at an instant, and remembers each frame's view until its next bar."""

    def __init__(self, history: BarHistory) -> None:
        self._history = history
        self._views: dict[tuple[str, Timeframe], tuple[pd.DataFrame, TimeframeView]] = {}
        self._around: dict[str, tuple[pd.DataFrame, bool, Surroundings]] = {}

    def look(self, symbol: str, now: datetime) -> SymbolView:
        """A view from the bars closed by `now`; the history has been refreshed for `symbol`."""
        frames = tuple(self._timeframe(symbol, timeframe, now) for timeframe in TIMEFRAME_WEIGHTS)
        oldest = max(self._history.session.open_at, now - STALE_AFTER)
        return assess(symbol, frames, self._history.volume(symbol, now), oldest=oldest)

    def look_around(self, symbol: str, now: datetime) -> Surroundings:
        """The ranges and levels from the bars closed by `now`."""
        opened_at = self._history.session.open_at
        minutes = self._history.frame(symbol, Timeframe.MINUTE_1, now)
        opening = now >= opened_at + OPENING_RANGE
        kept = self._around.get(symbol)
        if kept is None or kept[0] is not minutes or kept[1] is not opening:
            ranges = find_ranges(minutes, opened_at=opened_at, now=now)
            fives = self._history.frame(symbol, Timeframe.MINUTE_5, now)
            vwap = self._timeframe(symbol, Timeframe.MINUTE_1, now).value("vwap")
            found = Surroundings(ranges=ranges, levels=find_levels(ranges, fives, vwap))
            kept = self._around[symbol] = (minutes, opening, found)
        return kept[2]

    def _timeframe(self, symbol: str, timeframe: Timeframe, now: datetime) -> TimeframeView:
        bars = self._history.frame(symbol, timeframe, now)
        kept = self._views.get((symbol, timeframe))
        if kept is None or kept[0] is not bars:
            kept = self._views[symbol, timeframe] = (bars, analyse(timeframe, bars))
        return kept[1]


def warm_up() -> None:
    """Pay in advance for the first analysis: numba loads its machine code, or compiles it."""
    hour = pd.date_range("2000-01-03", periods=60, freq="min", tz="UTC")
    analyse(Timeframe.MINUTE_1, pd.DataFrame(1.0, hour, COLUMNS))


def analyse(timeframe: Timeframe, bars: pd.DataFrame) -> TimeframeView:
    """What the bar frame of one timeframe says at its last bar."""
    found = {reading.name: reading.value for reading in read(bars, _SCORED)}
    values = {name: math.nan if value is None else value for name, value in found.items()}
    values["close"] = float(bars["close"].to_numpy()[-1]) if len(bars) else math.nan
    reach = values["atr"] or math.nan  # a flat tape has no reach to measure by
    scores = {
        "trend": _along(TREND, (values["ema_20"] - values["ema_50"]) / reach)
        * _along(STEADINESS, values["adx.adx"]),
        "macd": _along(HISTOGRAM, values["macd.histogram"] / reach),
        "rsi": _along(RSI, values["rsi"]),
        "bollinger": _along(BAND_POSITION, values["bollinger.position"]),
    }
    weight = TIMEFRAME_WEIGHTS[timeframe]
    return TimeframeView(
        timeframe=timeframe,
        bars=len(bars),
        last_start=cast(pd.DatetimeIndex, bars.index)[-1].to_pydatetime() if len(bars) else None,
        values=values,
        parts=tuple(_part(name, weight * PART_WEIGHTS[name], scores[name]) for name in scores),
        structure=read_structure(bars, timeframe.length) if timeframe in STRUCTURED else None,
        exhaustion=find_exhaustion(bars) if timeframe is TIRING else (),
    )


def assess(
    symbol: str, frames: Sequence[TimeframeView], volume: Volume, *, oldest: datetime
) -> SymbolView:
    """Weigh the timeframes, shortest first. Counts only with a bar that starts at `oldest`
    or later.
    """
    minutes, fives = frames[0], frames[1]
    price, vwap = minutes.values["close"], minutes.values["vwap"]
    atr, atr_words = _stop_reach(minutes, fives)
    distance = (price - vwap) / (atr or math.nan)
    above = _part("vwap", VWAP_WEIGHT, _along(VWAP_DISTANCE, distance))
    parts = [above, *(part for frame in frames for part in frame.parts)]
    score, coverage = _weigh(parts)
    evidence = [_words(frame) for frame in frames]
    if above.score is not None:
        evidence.append(f"{distance:+.1f} ATR from VWAP")
    evidence += [_volume_words(volume), *atr_words]
    missing = _missing(coverage, minutes.last_start, oldest)
    if missing:
        evidence.insert(0, f"not ready: {missing}")
    confirmed = score * _along(CONFIRMATION, volume.ratio or 0.0)
    return SymbolView(
        signal=Signal(
            symbol=symbol,
            strength=0.0 if missing else confirmed,
            coverage=coverage,
            evidence=tuple(evidence),
        ),
        confidence=0.0 if missing else _agreement(parts, score) * (1 + coverage) / 2,
        price=_known(price),
        vwap=_known(vwap),
        atr=_known(atr),
        volume=volume,
        timeframes=tuple(frames),
    )


def _stop_reach(minutes: TimeframeView, fives: TimeframeView) -> tuple[float, list[str]]:
    """The ATR of five minutes; until it is ready that of one, scaled as a random walk would."""
    if math.isfinite(atr := fives.values["atr"]):
        return atr, []
    if math.isfinite(atr := minutes.values["atr"]):
        return atr * math.sqrt(5), ["ATR is 1Min x sqrt(5), 5Min not ready"]
    return math.nan, ["ATR not ready"]


def _missing(coverage: float, last_start: datetime | None, oldest: datetime) -> str:
    """Why the view does not count, '' when it does."""
    if last_start is None:
        return "no bars"
    if last_start < oldest:
        return f"no bar since {new_york(last_start):%m-%d %H:%M} ET"
    if coverage < MIN_COVERAGE:
        return f"coverage {coverage:.2f} of {MIN_COVERAGE:.2f}"
    return ""


def _words(view: TimeframeView) -> str:
    values = view.values
    known = []
    if math.isfinite(gap := values["ema_20"] - values["ema_50"]):
        known.append(f"EMA20{'>' if gap > 0 else '<'}50")
    known += [
        f"{label} {values[name]:.0f}"
        for label, name in (("ADX", "adx.adx"), ("RSI", "rsi"))
        if math.isfinite(values[name])
    ]
    score = round(view.score, 2) + 0.0  # never "-0.00"
    return f"{view.timeframe} {score:+.2f}: {', '.join(known) or f'{view.bars} bars'}"


def _volume_words(volume: Volume) -> str:
    if volume.ratio is None:
        return "no volume"
    against = f"{volume.days} days" if volume.days else "this session"
    return f"volume {volume.ratio:.1f}x the mean of {against}"


def _weigh(parts: Iterable[Part]) -> tuple[float, float]:
    """The weighted mean of the ready parts' scores, and their weight."""
    ready = [(part.weight, part.score) for part in parts if part.score is not None]
    weight = round(sum(weight for weight, _ in ready), 9)
    return (sum(weight * score for weight, score in ready) / weight if ready else 0.0), weight


def _agreement(parts: Iterable[Part], score: float) -> float:
    """The share of the opinions' weight that points where `score` does, 0…1."""
    opinions = [part.weight * part.score for part in parts if part.score is not None]
    total = sum(map(abs, opinions))
    return sum(abs(one) for one in opinions if one * score > 0) / total if total else 0.0


def _along(curve: Curve, measure: float) -> float:
    """The curve's value, straight between its points and level beyond them; NaN stays NaN."""
    return float(np.interp(measure, *curve))


def _part(name: str, weight: float, score: float) -> Part:
    return Part(name=name, weight=weight, score=_known(score))


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
