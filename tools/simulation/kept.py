"""What a data server was told of the market, kept as a recorded tape to trade the day again.

`DIR/YYYY-MM-DD/SYMBOL.bars.csv`, and beside it `SYMBOL.seen.csv`, the quotes as they were asked
for. Bars are added as they close and never rewritten; a session that ended before they were all
asked for is completed the next morning. Of days before the first only quarters of an hour are
known, each put down as the minute that it begins with. A full disk is told, and costs no trade.
"""

import csv
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

from tools.core.market import Bar, Mover, Quote, Timeframe
from tools.core.seams import MarketData
from tools.schedule.market_hours import new_york
from tools.simulation.recorded import BARS, QUOTES
from tools.simulation.tape import half_spread

logger = logging.getLogger(__name__)

MINUTE = timedelta(minutes=1)
SEEN = ("timestamp", "bid", "ask", "bid_size", "ask_size")
ROUND_LOT = 100

type Row = Sequence[object]


class WholeMarket(MarketData, Protocol):
    """The market data, and the day's largest moves."""

    def movers(self, top: int) -> tuple[Mover, ...]:
        """The day's `top` gainers, then its `top` losers."""
        ...


class KeptMarket:
    """A market whose answers are kept under a folder. Usable from several threads."""

    def __init__(self, market: WholeMarket, folder: Path, now: Callable[[], datetime]) -> None:
        self._market, self._folder, self._now = market, folder, now
        self._last: dict[Path, str] = {}
        self._writing = threading.Lock()

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """As the market's own."""
        quotes = self._market.quotes(symbols)
        now = self._now()
        for symbol, quote in quotes.items():
            path = self._path(now, symbol, "seen")
            self._add(path, SEEN, [_seen(quote, now)])
        return quotes

    def bars(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, tuple[Bar, ...]]:
        """As the market's own."""
        found = self._market.bars(symbols, timeframe, start=start, end=end)
        if timeframe in (Timeframe.MINUTE_1, Timeframe.MINUTE_15):
            for symbol, bars in found.items():
                self._keep(symbol, bars, whole_days=timeframe is not Timeframe.MINUTE_1)
        return found

    def movers(self, top: int) -> tuple[Mover, ...]:
        """As the market's own."""
        return self._market.movers(top)

    def _keep(self, symbol: str, bars: Iterable[Bar], *, whole_days: bool) -> None:
        """Add the bars that are newer than those kept; `whole_days` only where none are."""
        days: dict[Path, list[Row]] = {}
        for bar in bars:
            row = _label(bar.start), bar.open, bar.high, bar.low, bar.close, bar.volume
            days.setdefault(self._path(bar.start, symbol, "bars"), []).append(row)
        for path, rows in days.items():
            if not (whole_days and path.exists()):
                self._add(path, BARS, rows)

    def _path(self, at: datetime, symbol: str, what: str) -> Path:
        return self._folder / str(new_york(at).date()) / f"{symbol}.{what}.csv"

    def _add(self, path: Path, header: Row, rows: Sequence[Row]) -> None:
        with self._writing:
            try:
                last = self._last.get(path) or _last_label(path)
                new = [row for row in rows if str(row[0]) > last]
                if not new:
                    return
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("a", encoding="utf-8", newline="") as file:
                    writer = csv.writer(file, lineterminator="\n")
                    writer.writerows(new if file.tell() else [header, *new])
                self._last[path] = str(new[-1][0])
            except OSError as error:
                logger.error("the market is not kept: %s", error)


def make_tape(kept: Path, tape: Path, *, last_day: date) -> None:
    """Write what was kept up to `last_day` as a tape with quotes. Raises OSError."""
    for folder in sorted(kept.glob("????-??-??")):
        if folder.name <= str(last_day):
            (tape / folder.name).mkdir(parents=True)
            for path in sorted(folder.glob("*.bars.csv")):
                _complete(path, tape / folder.name)


def _complete(bars_path: Path, folder: Path) -> None:
    """A day's bars as they are, its quotes as they were seen, else half a spread off each close."""
    header, *bars = _rows(bars_path)
    quotes = {row[0]: _around(row[4]) for row in bars}
    seen = bars_path.with_name(bars_path.name.replace(".bars.", ".seen."))
    quotes |= {row[0]: row[1:] for row in _rows(seen)[1:]}
    with (folder / bars_path.name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *bars])
    quoted = folder / bars_path.name.replace(".bars.", ".quotes.")
    with quoted.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(QUOTES)
        for label, (bid, ask, bid_size, ask_size) in sorted(quotes.items()):
            writer.writerow([label, *[bid] * 4, bid_size, *[ask] * 4, ask_size])


def _rows(path: Path) -> list[list[str]]:
    """The rows that are whole: a crash may have torn the last."""
    if not path.exists():
        return []
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    return [row for row in rows if len(row) == len(rows[0]) and row[-1]]


def _around(close: str) -> list[str]:
    cents = round(float(close) * 100)
    half = half_spread(cents)
    prices = [f"{price / 100:.2f}" for price in (cents - half, cents + half)]
    return [*prices, str(ROUND_LOT), str(ROUND_LOT)]


def _seen(quote: Quote, now: datetime) -> Row:
    """Under the minute that ends at or after `now`: from there on a tape counts it."""
    whole = now.replace(second=0, microsecond=0)
    begun = whole - MINUTE if whole == now else whole
    return _label(begun), quote.bid, quote.ask, quote.bid_size, quote.ask_size


def _label(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _last_label(path: Path) -> str:
    """The last whole row's; "" without any. What follows it is cut off."""
    if not path.exists():
        return ""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    lines = whole.decode("utf-8").splitlines()
    return lines[-1].partition(",")[0] if len(lines) > 1 else ""
