"""The bars behind every analysis: one-minute bars of the last sessions, loaded once, then added to.

Frames of five and fifteen minutes are made from them, anchored at each session's open, of regular
hours and closed bars only. A frame begins at a session's open and keeps its beginning all day, so
that a value read from it never changes when later bars arrive.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import attrgetter
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from tools.core.market import Bar, Timeframe
from tools.core.seams import MarketData
from tools.core.session import Session
from tools.schedule.market_hours import MarketHours

SESSIONS_BEFORE = {Timeframe.MINUTE_1: 1, Timeframe.MINUTE_5: 5, Timeframe.MINUTE_15: 5}
"""How many sessions before the current one a frame shows: an EMA 50 needs 117 bars."""

COLUMNS = ("open", "high", "low", "close", "volume")
VOLUME_SESSIONS = 20
VOLUME_TIMEFRAME = Timeframe.MINUTE_15
RECENT_MINUTES = 5
ACTIVITY_MINUTES = 30
LEAST_ACTIVITY = 10

type Minutes = npt.NDArray[np.int64]
type Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """Shares traded in a session's last five minutes, beside what is usual.

    `usual` is the mean for this time of day over the completed `days` there are, at most 20; with
    none it is this session's own mean. None where nothing was traded.
    """

    last: float
    usual: float | None
    days: int

    @property
    def ratio(self) -> float | None:
        """How many times the usual."""
        return self.last / self.usual if self.usual else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """How steadily a symbol has traded of late: minutes without a bar.

    `newest_end` is when its newest bar ended. `gaps` counts in the session's last 30 minutes, the
    one that has just ended left out, since its bar may be on its way; `gaps_before` in the 30 up to
    the newest bar. None before the session, `gaps_before` in its first 10 minutes.
    """

    newest_end: datetime | None
    gaps: int | None
    gaps_before: int | None

    def age_seconds(self, now: datetime) -> int | None:
        """How old the newest bar's close is."""
        return round((now - self.newest_end).total_seconds()) if self.newest_end else None


@dataclass(slots=True)
class _Tape:
    """One symbol's minutes. `start` and `opened`, its session's open, are minutes since 1970."""

    start: Minutes = field(default_factory=lambda: np.empty(0, np.int64))
    opened: Minutes = field(default_factory=lambda: np.empty(0, np.int64))
    ohlcv: Values = field(default_factory=lambda: np.empty((0, 5)))
    latest: datetime | None = None
    usual: Values = field(default_factory=lambda: np.empty(0))
    days: int = 0
    frames: dict[Timeframe, tuple[int, pd.DataFrame]] = field(default_factory=dict)


class BarHistory:
    """Bars of the current or next session and of those before it. For one thread at a time."""

    def __init__(self, data: MarketData, hours: MarketHours) -> None:
        self._data, self._hours = data, hours
        self._sessions: list[Session] = []
        self._tapes: dict[str, _Tape] = {}

    @property
    def session(self) -> Session:
        """The session of the last `refresh`: the one being traded, else the next."""
        return self._sessions[-1]

    def refresh(self, symbols: Sequence[str], now: datetime) -> None:
        """Know every bar of `symbols` that has closed by `now`, which never goes back.

        Raises MarketDataUnavailable; what was known stays known. Raises CalendarEnded.
        """
        session = self._hours.current_or_next(now)
        if not self._sessions or session.on != self.session.on:
            earlier = self._hours.sessions_before(session.open_at, VOLUME_SESSIONS)
            self._sessions, self._tapes = [*earlier, session], {}
        ended = now.replace(second=0, microsecond=0)
        known = [symbol for symbol in symbols if symbol in self._tapes]
        if known:
            self._add(known, ended)
        if len(known) < len(symbols):
            self._load([symbol for symbol in symbols if symbol not in self._tapes], ended)

    def frame(self, symbol: str, timeframe: Timeframe, now: datetime) -> pd.DataFrame:
        """The bar frame of one refreshed symbol: the same object until another bar has closed."""
        tape = self._tapes[symbol]
        opened, length = _minute(self.session.open_at), timeframe.minutes
        elapsed = max(0, _minute(now) - opened)
        end = int(np.searchsorted(tape.start, opened + elapsed // length * length))
        kept = tape.frames.get(timeframe)
        if kept is None or kept[0] != end:
            first = self._begin(SESSIONS_BEFORE[timeframe])
            begin = int(np.searchsorted(tape.start, _minute(first)))
            kept = tape.frames[timeframe] = (end, _aggregate(tape, begin, end, length))
        return kept[1]

    def bars(
        self, symbol: str, timeframe: Timeframe, now: datetime, *, limit: int
    ) -> tuple[Bar, ...]:
        """The last `limit` bars of the frame, oldest first."""
        latest = self.frame(symbol, timeframe, now).tail(limit)
        starts = cast(pd.DatetimeIndex, latest.index).to_pydatetime()
        return tuple(
            Bar(symbol=symbol, start=at, open=o, high=h, low=lo, close=c, volume=int(v))
            for at, (o, h, lo, c, v) in zip(starts, latest.to_numpy().tolist(), strict=True)
        )

    def volume(self, symbol: str, now: datetime) -> Volume:
        """How busy one refreshed symbol has been in the last five minutes of this session."""
        tape, opened, minute = self._tapes[symbol], _minute(self.session.open_at), _minute(now)
        elapsed = minute - opened
        if elapsed <= 0:
            return Volume(last=0.0, usual=None, days=tape.days)
        recent, first = np.searchsorted(tape.start, (max(opened, minute - RECENT_MINUTES), opened))
        traded = tape.ohlcv[:, 4]
        last = float(traded[recent:].sum()) / min(RECENT_MINUTES, elapsed)
        if tape.days:
            quarter = (elapsed - 1) // VOLUME_TIMEFRAME.minutes
            usual = float(tape.usual[quarter]) / VOLUME_TIMEFRAME.minutes
        else:
            usual = float(traded[first:].sum()) / elapsed
        return Volume(
            last=last * RECENT_MINUTES, usual=usual * RECENT_MINUTES or None, days=tape.days
        )

    def activity(self, symbol: str, now: datetime) -> Activity:
        """How steadily one refreshed symbol trades, as of `now`."""
        tape, minute = self._tapes[symbol], _minute(now)
        known = tape.start[: int(np.searchsorted(tape.start, minute))]
        opened = _minute(self.session.open_at)
        newest = int(known[-1]) + 1 if len(known) else 0
        return Activity(
            newest_end=datetime.fromtimestamp(60 * newest, UTC) if newest else None,
            gaps=_gaps(known, opened, minute - 1, least=1),
            gaps_before=_gaps(known, opened, newest, least=LEAST_ACTIVITY),
        )

    def _begin(self, sessions_before: int) -> datetime:
        """The open of the oldest of that many sessions before the current one."""
        return self._sessions[-1 - sessions_before :][0].open_at

    def _load(self, symbols: Sequence[str], end: datetime) -> None:
        """Everything about symbols that nobody asked for before."""
        begin, opened = self._begin(max(SESSIONS_BEFORE.values())), self.session.open_at
        bars = self._data.bars(symbols, Timeframe.MINUTE_1, start=begin, end=end)
        days = self._sessions[0].open_at
        quarters = self._data.bars(symbols, VOLUME_TIMEFRAME, start=days, end=opened)
        for symbol in symbols:
            tape = self._tapes[symbol] = _Tape()
            self._append(tape, bars[symbol])
            self._learn_volume(tape, quarters[symbol])

    def _add(self, symbols: Sequence[str], end: datetime) -> None:
        begin = self._begin(max(SESSIONS_BEFORE.values()))
        latest = min(self._tapes[symbol].latest or begin for symbol in symbols)
        found = self._data.bars(symbols, Timeframe.MINUTE_1, start=latest, end=end)
        for symbol in symbols:
            self._append(self._tapes[symbol], found[symbol])

    def _append(self, tape: _Tape, bars: Sequence[Bar]) -> None:
        """Only what is newer than the latest bar: a correction does not rewrite what was read."""
        if tape.latest is not None:
            bars = bars[bisect_right(bars, tape.latest, key=attrgetter("start")) :]
        if not bars:
            return
        start, opened, ohlcv = self._regular(bars)
        tape.start = np.concatenate((tape.start, start))
        tape.opened = np.concatenate((tape.opened, opened))
        tape.ohlcv = np.concatenate((tape.ohlcv, ohlcv))
        tape.latest = bars[-1].start

    def _learn_volume(self, tape: _Tape, bars: Sequence[Bar]) -> None:
        start, opened, ohlcv = self._regular(bars)
        quarter = (start - opened) // VOLUME_TIMEFRAME.minutes
        quarters = (self.session.close_at - self.session.open_at) // VOLUME_TIMEFRAME.length
        tape.days = len(np.unique(opened))
        total = np.bincount(quarter, weights=ohlcv[:, 4], minlength=quarters)
        tape.usual = total / max(1, tape.days)

    def _regular(self, bars: Sequence[Bar]) -> tuple[Minutes, Minutes, Values]:
        """Start, session open and values of each bar inside the known sessions."""
        opens = np.array([_minute(session.open_at) for session in self._sessions])
        closes = np.array([_minute(session.close_at) for session in self._sessions])
        start = np.array([_minute(bar.start) for bar in bars], np.int64)
        rows = [(bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in bars]
        ohlcv = np.array(rows, np.float64).reshape(-1, len(COLUMNS))
        number = np.maximum(np.searchsorted(opens, start, side="right") - 1, 0)
        inside = (start >= opens[number]) & (start < closes[number])
        return start[inside], opens[number[inside]], ohlcv[inside]


def _aggregate(tape: _Tape, begin: int, end: int, length: int) -> pd.DataFrame:
    """Rows [begin, end) as bars of `length` minutes, one wherever a minute was traded."""
    opened, ohlcv = tape.opened[begin:end], tape.ohlcv[begin:end]
    start = opened + (tape.start[begin:end] - opened) // length * length
    first = np.flatnonzero(np.diff(start, prepend=-1))
    last = np.flatnonzero(np.diff(start, append=-1))
    columns = [
        ohlcv[first, 0],
        np.maximum.reduceat(ohlcv[:, 1], first),
        np.minimum.reduceat(ohlcv[:, 2], first),
        ohlcv[last, 3],
        np.add.reduceat(ohlcv[:, 4], first),
    ]
    index = pd.DatetimeIndex((start[first] * 60).astype("datetime64[s]"), tz="UTC")
    return pd.DataFrame(np.array(columns).T, index, COLUMNS)


def _gaps(known: Minutes, opened: int, end: int, *, least: int) -> int | None:
    """Minutes without a bar in the last 30 before `end`, but none before `opened`."""
    begin = max(opened, end - ACTIVITY_MINUTES)
    if end - begin < least:
        return None
    first, last = np.searchsorted(known, (begin, end))
    return end - begin - int(last - first)


def _minute(instant: datetime) -> int:
    return int(instant.timestamp()) // 60
