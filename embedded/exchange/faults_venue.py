"""Faults inside of the exchange: rejects, parts, cancels that hang, and symbols that halt."""

from decimal import Decimal

from embedded.exchange.faults import Armed, Faults, Kind
from tools.simulation.orders import SimOrder
from tools.simulation.venue import Venue


class FaultyVenue:
    """The venue's mischief, as armed. A halt and a hanging cancel end with their fault."""

    def __init__(self, venue: Venue, faults: Faults) -> None:
        """Meddle with `venue` from now on."""
        self._venue, self._faults = venue, faults
        venue.meddle(self)

    def arm(self, armed: Armed) -> None:
        """A fault has been armed: a halt begins at once."""
        if armed.fault.what.kind is Kind.HALT:
            now = self._venue.catch_up()
            for symbol in self._met(armed):
                self._venue.halts.halt(symbol, now)

    def disarm(self, armed: Armed) -> None:
        """A fault has been removed: what it held goes on."""
        if armed.fault.what.kind is Kind.HALT:
            now = self._venue.catch_up()
            for symbol in self._met(armed):
                self._venue.halts.resume(symbol, now)
        if armed.fault.what.kind is Kind.STUCK_CANCEL:
            self._venue.finish_cancels()

    def rejects(self, order: SimOrder) -> bool:
        """Accepted a moment ago, it is rejected now."""
        return self._faults.strike({Kind.REJECT}, symbol=order.symbol) is not None

    def holds_cancel(self, order: SimOrder) -> bool:
        """Its cancel hangs in `pending_cancel`."""
        return self._faults.strike({Kind.STUCK_CANCEL}, symbol=order.symbol) is not None

    def portion(self, order: SimOrder) -> Decimal | None:
        """Only this share of what remains fills."""
        armed = self._faults.strike({Kind.PARTIAL}, symbol=order.symbol)
        return Decimal(str(armed.fault.what.share)) if armed else None

    def _met(self, armed: Armed) -> list[str]:
        wanted = armed.fault.where.symbol
        return [symbol for symbol in self._venue.market.symbols if wanted in {"", symbol}]
