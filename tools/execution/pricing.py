"""What the market says about a ticket: its instrument, its quote, and bars for a default stop."""

import logging
from collections.abc import Mapping, Sequence

from tools.core.errors import MarketDataUnavailable
from tools.core.market import Bar, Market, Quote, Timeframe, market_of
from tools.core.trading import OrderTicket
from tools.execution.premises import Premises
from tools.risk.book import Proposal
from tools.risk.sizing import StopBasis, propose, stop_basis, wilder_atr

logger = logging.getLogger(__name__)

# Sessions back that an average of 14 needs to be ready from the open on, half days included.
HISTORY = {Timeframe.MINUTE_5: 3, Timeframe.MINUTE_1: 2}


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

    def proposal(self, ticket: OrderTicket, quote: Quote | None) -> Proposal:
        """`ticket` at `quote`. Raises BrokerUnavailable."""
        instrument = self._premises.broker.instrument(ticket.symbol)
        known = instrument is not None and quote is not None
        basis = self._basis(ticket.symbol) if known and ticket.stop_price is None else None
        return propose(ticket, instrument, quote, basis, self._premises.limits)

    def _basis(self, symbol: str) -> StopBasis | None:
        try:
            five_minute = self._bars(symbol, Timeframe.MINUTE_5)
            ready = wilder_atr(five_minute) is not None
            one_minute = () if ready else self._bars(symbol, Timeframe.MINUTE_1)
        except MarketDataUnavailable as error:
            logger.warning("bars of %s: %s", symbol, error)
            return None
        return stop_basis(five_minute, one_minute)

    def _bars(self, symbol: str, timeframe: Timeframe) -> Sequence[Bar]:
        """Closed bars of the regular hours, oldest first."""
        now = self._premises.now()
        sessions = self._premises.hours.sessions_before(now, HISTORY[timeframe])
        if not sessions:
            return ()
        bars = self._premises.market.bars([symbol], timeframe, start=sessions[0].open_at, end=now)
        return [
            bar
            for bar in bars[symbol]
            if any(session.open_at <= bar.start < session.close_at for session in sessions)
        ]
