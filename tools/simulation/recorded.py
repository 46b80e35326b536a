"""Recorded tapes: `DIR/YYYY-MM-DD/SYMBOL.bars.csv` and, where there is one, `SYMBOL.quotes.csv`.

Both label a minute by its start. A bar is known at its end; a quote row tells the state at the end
of its minute, so it counts from there on. A missing row means that nothing changed. Prices are
rounded to the cent.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

from tools.core.errors import ConfigError
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.simulation.tape import MINUTE, Candle, Day, Tick, merged, minute, quotes_around

BARS = ("timestamp", "open", "high", "low", "close", "volume")
SIDES = "bid", "ask"
QUOTES = (
    "timestamp",
    *(f"{side}_{what}" for side in SIDES for what in ("open", "high", "low", "close", "size")),
)


class RecordedTape:
    """The files under one directory, read and checked at once."""

    def __init__(
        self,
        directory: Path,
        hours: MarketHours,
        *,
        last_day: date,
        symbols: Sequence[str] = (),
    ) -> None:
        """Read every day up to `last_day`, of `symbols` only if there are any.

        Raises ConfigError that names file and line when one is not as it should be, and when there
        is nothing to read, or nothing of a symbol that was named.
        """
        self._days: dict[tuple[str, date], Day] = {}
        self._daily: dict[tuple[str, date], Candle] = {}
        for on in recorded_dates(directory):
            session = hours.session_on(on) if on <= last_day else None
            if session is None:
                continue
            opens, closes = int(session.open_at.timestamp()), int(session.close_at.timestamp())
            for symbol, path in _files(directory / on.isoformat(), symbols):
                day = self._days[symbol, on] = _read_day(path, on)
                regular = [candle for candle in day.candles if opens <= candle.start < closes]
                if regular:
                    self._daily[symbol, on] = merged(regular, opens)
        self.symbols = tuple(sorted({symbol for symbol, _ in self._days}))
        missing = "".join(f" of {name}" for name in sorted({*symbols} - {*self.symbols}))
        if missing or not self._days:
            raise ConfigError(f"no recorded bars{missing} in {directory} up to {last_day}")
        self.first_day = min(on for _, on in self._days)

    def day(self, symbol: str, on: date) -> Day | None:
        """The minutes of that date, None when there is no file."""
        return self._days.get((symbol, on))

    def daily(self, symbol: str, on: date) -> Candle | None:
        """That date's regular session as one candle."""
        return self._daily.get((symbol, on))


def recorded_dates(directory: Path) -> list[date]:
    """The dates that `directory` has a folder for, ascending; what is named otherwise is no day."""
    dates = []
    for entry in directory.iterdir():
        with contextlib.suppress(ValueError):
            dates.append(date.fromisoformat(entry.name))
    return sorted(dates)


def _files(folder: Path, symbols: Sequence[str]) -> Iterator[tuple[str, Path]]:
    for path in sorted(folder.glob("*.bars.csv")):
        symbol = path.name.removesuffix(".bars.csv")
        if not symbols or symbol in symbols:
            yield symbol, path


def _read_day(path: Path, on: date) -> Day:
    candles = _read(path, BARS, on, _candle)
    quotes = path.with_name(path.name.replace(".bars.", ".quotes."))
    ticks = _read(quotes, QUOTES, on, _tick) if quotes.exists() else quotes_around(candles)
    return Day(candles, ticks)


def _read[Row](
    path: Path, header: tuple[str, ...], on: date, parse: Callable[[int, list[str]], Row]
) -> list[Row]:
    """The rows of one file, strictly ascending and all of the New York date `on`."""
    midnight = int(at_new_york(on, 0, 0).timestamp())
    tomorrow = int(at_new_york(on + timedelta(days=1), 0, 0).timestamp())
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    if not lines or tuple(lines[0].split(",")) != header:
        raise ConfigError(f"{path} line 1: expected the header {','.join(header)}")
    rows, previous = [], midnight - 1
    for number, line in enumerate(lines[1:], start=2):
        try:
            label, *fields = line.split(",")
            start = _seconds(label)
            if not previous < start < tomorrow:
                raise ValueError("out of order or not of that day")
            rows.append(parse(start, fields))
        except ValueError as error:
            raise ConfigError(f"{path} line {number}: cannot read {line[:80]!r}: {error}") from None
        previous = start
    return rows


def _candle(start: int, fields: list[str]) -> Candle:
    opened, high, low, close, volume = fields
    prices = _cents(opened), _cents(high), _cents(low), _cents(close)
    if not prices[2] <= min(prices) <= max(prices) <= prices[1]:
        raise ValueError("open or close outside of low to high")
    return minute(start, prices, _shares(volume))


def _tick(start: int, fields: list[str]) -> Tick:
    _, _, _, bid, bid_size, _, _, _, ask, ask_size = fields
    return Tick(start + MINUTE, _cents(bid), _cents(ask), _shares(bid_size), _shares(ask_size))


def _seconds(label: str) -> int:
    instant = datetime.fromisoformat(label)
    if instant.tzinfo is None or instant.second or instant.microsecond:
        raise ValueError("the time needs a zone and whole minutes")
    return int(instant.timestamp())


def _cents(text: str) -> int:
    price = float(text)
    if not 0.01 <= price < 1e7:
        raise ValueError(f"{text} is not a price")
    return round(price * 100)


def _shares(text: str) -> int:
    shares = float(text)
    if not 0 <= shares < 1e12:
        raise ValueError(f"{text} is not a number of shares")
    return int(shares)
