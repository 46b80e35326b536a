"""What can be known of a tape at an instant. Everything that answers a question asks here.

A candle is known once it has ended, a tick once its instant has come, a daily candle once its
session has closed. No method looks past its `at`.
"""

import bisect
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

from tools.core.session import Session
from tools.core.trading import BrokerClock
from tools.schedule.market_hours import MarketHours, at_new_york, new_york
from tools.simulation.corporate import Adjustment, CorporateAction, scaled, split_factor
from tools.simulation.tape import DAY, MINUTE, Candle, Tape, Tick, merged

ONE_DAY = timedelta(days=1)
FRAMES_KEPT = 2048
INSTANTS_KEPT = 256

_start, _at = attrgetter("start"), attrgetter("at")


class Market:
    """A tape seen by somebody who lives at an instant (`at`, aware)."""

    def __init__(
        self, tape: Tape, hours: MarketHours, actions: Sequence[CorporateAction] = ()
    ) -> None:
        self.hours, self.actions = hours, actions
        self._tape = tape
        self._frame = lru_cache(maxsize=FRAMES_KEPT)(self._make_frame)
        self._close_before = lru_cache(maxsize=FRAMES_KEPT)(self._find_close_before)

    @property
    def symbols(self) -> tuple[str, ...]:
        """All that trades here, in order."""
        return self._tape.symbols

    def session(self, at: datetime) -> Session | None:
        """The session that is open at `at`: [open, close)."""
        session = self.hours.current_or_next(at)
        return session if session.open_at <= at else None

    def clock(self, at: datetime) -> BrokerClock:
        """Whether the market is open, and when it next opens and closes."""
        session = self.hours.current_or_next(at)
        is_open = session.open_at <= at
        following = self.hours.current_or_next(session.close_at) if is_open else session
        return BrokerClock(
            at=at,
            market_open=is_open,
            next_open=following.open_at,
            next_close=session.close_at,
        )

    def minute(self, symbol: str, start: int, at: datetime) -> Candle | None:
        """The candle of the minute that starts at second `start`, once it has ended."""
        if start + MINUTE > at.timestamp():
            return None
        found = self._minutes(symbol, _day_of(at))
        index = (start - found[0].start) // MINUTE if found else 0
        if not 0 <= index < len(found) or found[index].start != start:  # a minute is missing
            index = bisect.bisect_left(found, start, key=_start)
        return found[index] if index < len(found) and found[index].start == start else None

    def last_minute(self, symbol: str, at: datetime) -> Candle | None:
        """The latest minute with trades that has ended."""
        latest = at.timestamp() - MINUTE
        for on in self._days_back(at):
            found = self._minutes(symbol, on)
            if index := bisect.bisect_right(found, latest, key=_start):
                return found[index - 1]
        return None

    def last_price(self, symbol: str, at: datetime) -> int | None:
        """The latest trade in cents, in today's shares when there was a split since."""
        candle = self.last_minute(symbol, at)
        return self._in_todays_shares(symbol, candle, _day_of(at)) if candle else None

    def quote(self, symbol: str, at: datetime) -> Tick | None:
        """The quote in force."""
        second = at.timestamp()
        for on in self._days_back(at):
            day = self._tape.day(symbol, on)
            ticks = day.ticks if day else ()
            if index := bisect.bisect_right(ticks, second, key=_at):
                return ticks[index - 1]
        return None

    def ticks(self, symbol: str, *, start: datetime, end: datetime, at: datetime) -> list[Tick]:
        """The quotes of [start, end] that had come by `at`, oldest first."""
        first, last = start.timestamp(), min(end, at).timestamp()
        found: list[Tick] = []
        on, final = max(new_york(start).date(), self._tape.first_day), new_york(min(end, at)).date()
        while on <= final:
            day = self._tape.day(symbol, on)
            ticks = day.ticks if day else ()
            begin = bisect.bisect_left(ticks, first, key=_at)
            found += ticks[begin : bisect.bisect_right(ticks, last, key=_at)]
            on += ONE_DAY
        return found

    def periods(
        self,
        symbol: str,
        first_of: Callable[[date], date],
        *,
        start: datetime,
        end: datetime,
        at: datetime,
        adjustment: Adjustment = Adjustment.RAW,
    ) -> list[Candle]:
        """As `candles`: days together as long as `first_of` their date is the same.

        A period has ended when the next session belongs to another one.
        """
        begin = first_of(max(new_york(start).date(), self._tape.first_day))
        days = self.candles(
            symbol, DAY, start=at_new_york(begin, 0, 0), end=at, at=at, adjustment=adjustment
        )
        current = first_of(self.hours.current_or_next(at).on)
        first, last = start.timestamp(), min(end.timestamp(), _midnight(current) - 1)
        periods = groupby(days, lambda day: first_of(_date(day)))
        return [
            merged(list(parts), midnight)
            for on, parts in periods
            for midnight in (_midnight(on),)
            if first <= midnight <= last
        ]

    def candles(
        self,
        symbol: str,
        seconds: int,
        *,
        start: datetime,
        end: datetime,
        at: datetime,
        adjustment: Adjustment = Adjustment.RAW,
    ) -> list[Candle]:
        """Candles of that length that start in [start, end] and have ended, oldest first.

        Those shorter than a day are aligned to New York midnight and include the hours before the
        open and after the close; a day's is its regular session, stamped with New York midnight.
        An adjustment counts what has happened by `at`, nothing later.
        """
        adjusts = adjustment is not Adjustment.RAW and any(
            action.symbol == symbol for action in self.actions
        )
        first, last, now = start.timestamp(), end.timestamp(), at.timestamp()
        found: list[Candle] = []
        on = max(new_york(start).date(), self._tape.first_day)
        final = new_york(min(end, at)).date()
        while on <= final:
            frame = self._frame(symbol, on, seconds)
            begin = bisect.bisect_left(frame, first, key=_start)
            until = bisect.bisect_right(frame, last, key=_start)
            while until > begin and self._end(on, frame[until - 1], seconds) > now:
                until -= 1
            kept = frame[begin:until]
            if adjusts:
                kept = self._adjusted(kept, symbol, on, new_york(at).date(), adjustment)
            found += kept
            on += ONE_DAY
        return found

    def days(self, symbol: str, at: datetime) -> Iterator[Candle]:
        """Daily candles, latest first; today's is made of the minutes that have ended."""
        for on in self._days_back(at):
            session = self.hours.session_on(on)
            if session is None:
                continue
            if session.close_at <= at:
                whole = self._frame(symbol, on, DAY)
            else:
                whole = self._so_far(symbol, session, at)
            yield from whole

    def previous_close(self, symbol: str, at: datetime) -> int | None:
        """The close in cents of the last session before the New York date of `at`."""
        return self._close_before(symbol, _day_of(at))

    def _find_close_before(self, symbol: str, today: date) -> int | None:
        on = today - ONE_DAY
        while on >= self._tape.first_day:
            for whole in self._frame(symbol, on, DAY):
                return self._in_todays_shares(symbol, whole, today)
            on -= ONE_DAY
        return None

    def _in_todays_shares(self, symbol: str, candle: Candle, today: date) -> int:
        """What its close is worth after the splits since."""
        if not self.actions:
            return candle.close
        on = _date(candle)
        since = [it for it in self.actions if it.symbol == symbol and on < it.ex_date <= today]
        return max(1, round(candle.close * split_factor(since)))

    def _adjusted(
        self, candles: Sequence[Candle], symbol: str, on: date, today: date, adjustment: Adjustment
    ) -> list[Candle]:
        """Candles of one day, for what went ex between that day and today."""
        later = [it for it in self.actions if it.symbol == symbol and on < it.ex_date <= today]
        splits = [it for it in later if it.splits and adjustment is not Adjustment.DIVIDEND]
        price = shares = split_factor(splits)
        for action in later if adjustment is not Adjustment.SPLIT else ():
            before = _midnight(action.ex_date)
            close = self.previous_close(symbol, datetime.fromtimestamp(before, UTC))
            price *= 1 - float(action.cash) * 100 / close if close else 1
        return [scaled(candle, price, 1 / shares) for candle in candles]

    def _minutes(self, symbol: str, on: date) -> Sequence[Candle]:
        day = self._tape.day(symbol, on)
        return day.candles if day else ()

    def _days_back(self, at: datetime) -> Iterator[date]:
        on = _day_of(at)
        while on >= self._tape.first_day:
            yield on
            on -= ONE_DAY

    def _so_far(self, symbol: str, session: Session, at: datetime) -> list[Candle]:
        opened, latest = session.open_at.timestamp(), at.timestamp() - MINUTE
        minutes = self._minutes(symbol, session.on)
        begin = bisect.bisect_left(minutes, opened, key=_start)
        until = bisect.bisect_right(minutes, latest, key=_start)
        return [merged(minutes[begin:until], _midnight(session.on))] if begin < until else []

    def _make_frame(self, symbol: str, on: date, seconds: int) -> Sequence[Candle]:
        """All candles of one length on one day. Only those that have ended may be shown."""
        if seconds == DAY:
            whole = self._tape.daily(symbol, on)
            return [whole._replace(start=_midnight(on))] if whole else []
        minutes = self._minutes(symbol, on)
        if seconds == MINUTE:
            return minutes
        midnight = _midnight(on)
        buckets: dict[int, list[Candle]] = {}
        for candle in minutes:
            buckets.setdefault((candle.start - midnight) // seconds, []).append(candle)
        return [merged(parts, midnight + n * seconds) for n, parts in buckets.items()]

    def _end(self, on: date, candle: Candle, seconds: int) -> float:
        if seconds < DAY:
            return candle.start + seconds
        session = self.hours.session_on(on)
        assert session is not None, "a day without a session has no daily candle"
        return session.close_at.timestamp()


def _date(candle: Candle) -> date:
    return _day_of(datetime.fromtimestamp(candle.start, UTC))


@lru_cache(maxsize=INSTANTS_KEPT)
def _day_of(at: datetime) -> date:
    """The New York date: asked for again and again at one instant."""
    return new_york(at).date()


@lru_cache(maxsize=FRAMES_KEPT)
def _midnight(on: date) -> int:
    return int(at_new_york(on, 0, 0).timestamp())
