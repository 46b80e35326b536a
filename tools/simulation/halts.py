"""Which symbols do not trade: halted on command, or paused by their price bands (LULD).

The bands are those of tier 1: 5 % around the mean of the last five minutes' closes, 20 % up to $3,
twice as wide in the first 15 and the last 25 minutes of a session. A minute that closes on a band
or beyond, outside of a pause, pauses the next five. That reads a rule about seconds for minutes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from tools.core.session import Session
from tools.simulation.market import Market
from tools.simulation.tape import dollars

ONE_MINUTE = timedelta(minutes=1)
WINDOW = 5  # minutes: of the reference price, and of a pause
LOW_PRICE, WIDTH, LOW_WIDTH = Decimal(3), Decimal("0.05"), Decimal("0.20")
WIDE_AFTER_OPEN, WIDE_BEFORE_CLOSE = timedelta(minutes=15), timedelta(minutes=25)


@dataclass(frozen=True, slots=True)
class Band:
    """The lowest and the highest price of a fill, in dollars."""

    low: Decimal
    high: Decimal


class Halts:
    """Not trading, symbol by symbol; with `bands` also by price."""

    def __init__(self, market: Market, *, bands: bool = False) -> None:
        self._market, self._bands = market, bands
        self._spans: dict[str, tuple[datetime, datetime | None]] = {}

    def halt(self, symbol: str, at: datetime) -> None:
        """No fills from `at` on."""
        self._spans[symbol] = at, None

    def resume(self, symbol: str, at: datetime) -> None:
        """Fills again: from the first minute that begins at or after `at`."""
        if symbol in self._spans:
            self._spans[symbol] = self._spans[symbol][0], at

    def halted(self, symbol: str, begins: datetime, ends: datetime) -> bool:
        """Whether it did not trade in some part of [begins, ends]."""
        since, until = self._spans.get(symbol, (None, None))
        if since and since < ends and (until is None or until > begins):
            return True
        return self._bands and self._paused(symbol, begins)

    def allow(self, symbol: str, price: Decimal, at: datetime) -> bool:
        """Whether a fill at `price` lies within the bands in force at `at`."""
        band = self.band(symbol, at) if self._bands else None
        return band is None or band.low <= price <= band.high

    def band(self, symbol: str, at: datetime) -> Band | None:
        """The bands in force; None while the market is closed or nothing has traded."""
        session = self._market.session(at)
        start = at.replace(second=0, microsecond=0)
        closes = [
            close
            for back in range(1, WINDOW + 1)
            if session and (close := self._close(symbol, start - back * ONE_MINUTE)) is not None
        ]
        if session is None or not closes:
            return None
        reference = sum(closes, Decimal(0)) / len(closes)
        away = reference * _width(session, reference, at)
        return Band(round(reference - away, 2), round(reference + away, 2))

    def _paused(self, symbol: str, at: datetime) -> bool:
        start = at.replace(second=0, microsecond=0)
        before = (start - n * ONE_MINUTE for n in range(1, WINDOW + 1))
        return any(self._broke(symbol, it) and not self._paused(symbol, it) for it in before)

    def _broke(self, symbol: str, start: datetime) -> bool:
        close, band = self._close(symbol, start), self.band(symbol, start)
        return close is not None and band is not None and not band.low < close < band.high

    def _close(self, symbol: str, start: datetime) -> Decimal | None:
        candle = self._market.minute(symbol, int(start.timestamp()), start + ONE_MINUTE)
        return dollars(candle.close) if candle else None


def _width(session: Session, reference: Decimal, at: datetime) -> Decimal:
    width = WIDTH if reference > LOW_PRICE else LOW_WIDTH
    edge = at < session.open_at + WIDE_AFTER_OPEN or at >= session.close_at - WIDE_BEFORE_CLOSE
    return 2 * width if edge else width
