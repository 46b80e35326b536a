"""What the market says about a ticket: its instrument, its quote, and the bars behind the rules."""

import logging
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from operator import attrgetter

from tools.core.errors import MarketDataUnavailable
from tools.core.market import Bar, Market, Quote, Timeframe, market_of
from tools.core.session import Session
from tools.core.trading import OrderTicket
from tools.execution.premises import Premises
from tools.risk.book import Glance, Proposal, Tape
from tools.risk.portfolio import NO_MOVES, common_moves
from tools.risk.sizing import propose, read_tape

logger = logging.getLogger(__name__)

# Sessions back that an average of 14 needs to be ready from the open on, half days included.
HISTORY = {Timeframe.MINUTE_5: 3, Timeframe.MINUTE_1: 2}
DAILY_HISTORY = timedelta(days=90)
"""Some sixty daily returns, and the days of the usual volume."""


class Pricing:
    """Prices tickets. Market data that is missing leaves a gap, which the rules then name."""

    def __init__(self, premises: Premises) -> None:
        self._premises = premises

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """The latest quotes of those that are US equities by their shape and have one."""
        equities = sorted({one for one in symbols if market_of(one) is Market.US_EQUITY})
        try:
            return self._premises.market.quotes(equities) if equities else {}
        except MarketDataUnavailable as error:
            logger.warning("quotes of %s: %s", ", ".join(equities), error)
            return {}

    def proposal(
        self,
        ticket: OrderTicket,
        quote: Quote | None,
        *,
        beside: Iterable[str] = (),
        decided: Glance | None = None,
    ) -> Proposal:
        """`ticket` at `quote`, beside what is held and `beside`. Raises BrokerUnavailable."""
        broker, limits = self._premises.broker, self._premises.limits
        instrument = broker.instrument(ticket.symbol)
        tape, moves = Tape(), NO_MOVES
        if instrument is not None and quote is not None:
            held = {position.symbol for position in broker.positions() if position.quantity}
            daily = self._daily({ticket.symbol, *held, *beside})
            tape = self._tape(ticket.symbol, daily.get(ticket.symbol, ()))
            moves = common_moves(daily)
        return propose(ticket, instrument, quote, tape, limits, moves=moves, decided=decided)

    def _tape(self, symbol: str, daily: Sequence[Bar]) -> Tape:
        try:
            five_minute, _ = self._bars(symbol, Timeframe.MINUTE_5)
            one_minute, today = self._bars(symbol, Timeframe.MINUTE_1)
        except MarketDataUnavailable as error:
            logger.warning("bars of %s: %s", symbol, error)
            return Tape()
        return read_tape(daily, five_minute, one_minute, today)

    def _daily(self, symbols: Iterable[str]) -> Mapping[str, Sequence[Bar]]:
        """The completed days of each."""
        now, equities = self._premises.now(), sorted(symbols)
        first = (now - DAILY_HISTORY).replace(hour=0, minute=0, second=0, microsecond=0)
        try:
            bars = self._premises.market.bars(equities, Timeframe.DAY_1, start=first, end=now)
        except MarketDataUnavailable as error:
            logger.warning("days of %s: %s", ", ".join(equities), error)
            return {}
        session = next(iter(self._premises.hours.sessions_before(now, 1)), None)
        return {symbol: _before(session, daily) for symbol, daily in bars.items()}

    def _bars(self, symbol: str, timeframe: Timeframe) -> tuple[Sequence[Bar], Sequence[Bar]]:
        """Closed bars of the regular hours, oldest first; and those of them of the last session."""
        now = self._premises.now()
        sessions = self._premises.hours.sessions_before(now, HISTORY[timeframe])
        if not sessions:
            return (), ()
        found = self._premises.market.bars([symbol], timeframe, start=sessions[0].open_at, end=now)
        regular = [_within(session, found[symbol]) for session in sessions]
        return [bar for bars in regular for bar in bars], regular[-1]


def _within(session: Session, bars: Sequence[Bar]) -> Sequence[Bar]:
    """Those of `bars`, oldest first, that start while it trades."""
    first = bisect_left(bars, session.open_at, key=attrgetter("start"))
    return bars[first : bisect_left(bars, session.close_at, key=attrgetter("start"))]


def _before(session: Session | None, daily: Sequence[Bar]) -> Sequence[Bar]:
    """Without the day of `session`, which may not be over."""
    if session is None:
        return daily
    return [bar for bar in daily if bar.start.date() < session.on]
