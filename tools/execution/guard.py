"""Keeps every share that the desk bought under a live stop at the broker, or sells it."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

from tools.core.alerts import AlertKind, alert
from tools.core.trading import Order, Position, Side
from tools.execution.day_files import DayFiles
from tools.execution.order_desk import OrderDesk
from tools.execution.premises import Premises
from tools.execution.protection import half_done, is_stop, live, uncovered
from tools.journal.order_ids import Leg, leg_of
from tools.risk.book import working

logger = logging.getLogger(__name__)

SOON = timedelta(seconds=1)


class Guard:
    """What is not the desk's has no stop of the desk's: it counts, and ends with the flatten."""

    def __init__(self, premises: Premises, desk: OrderDesk, files: DayFiles) -> None:
        self._broker, self._store, self._now = premises.broker, premises.store, premises.now
        self._desk, self._files = desk, files

    def protect(
        self, session_on: date, orders: Sequence[Order], positions: Sequence[Position]
    ) -> datetime | None:
        """Act on the session's `orders` and on what is held, as they were just read.

        Returns the instant at which to look again, None if none is due. Raises Unavailable.
        """
        due = [self._end_half_done(session_on, *one) for one in half_done(orders)]
        if uncovered(positions, live(orders)) and self._close_gaps(session_on, orders):
            due.append(self._now() + SOON)
        return min(due, default=None)

    def _close_gaps(self, session_on: date, orders: Sequence[Order]) -> bool:
        """Ask again what is held and what stands, and restore the stops that are missing."""
        positions, standing = self._broker.positions(), self._broker.open_orders()
        bought = {one.symbol for one in working(standing) if one.side is Side.BUY}
        stops, restored = self._stops(session_on, orders), False
        for symbol, shares in uncovered(positions, standing).items():
            # Beside an open purchase a stop would be refused, as a wash trade.
            if symbol in stops and symbol not in bought:
                self._restore(session_on, symbol, shares, stops[symbol])
                restored = True
        return restored

    def _end_half_done(self, session_on: date, entry: Order, ends_at: datetime) -> datetime:
        if self._now() < ends_at:
            return ends_at
        words = f"{entry.filled_quantity} of {entry.quantity} are filled: the rest is cancelled"
        self._note(session_on, "half_done", entry.symbol, f"{entry.client_order_id}: {words}")
        self._desk.cancel(entry.client_order_id)
        return self._now() + SOON

    def _restore(self, session_on: date, symbol: str, shares: Decimal, stop: Decimal) -> None:
        words = f"{shares} {symbol} are held without a stop: restoring it at {stop}"
        self._note(session_on, "unprotected", symbol, words, alert(AlertKind.UNPROTECTED))
        self._desk.restore_stop(symbol, stop)

    def _stops(self, session_on: date, orders: Sequence[Order]) -> Mapping[str, Decimal]:
        """Where the stop of each symbol that the desk bought belongs: where it was highest."""
        found = {
            record.intent.symbol: record.intent.stop_loss_price
            for record in self._store.intents_on(session_on)
            if record.leg is Leg.ENTRY and record.intent.stop_loss_price is not None
        }
        for entry in orders:
            if leg_of(entry.client_order_id) is Leg.ENTRY:
                later = [one for one in orders if one.submitted_at >= entry.submitted_at]
                if stops := list(_stop_prices(later, entry.symbol)):
                    found[entry.symbol] = max(stops)
        return found

    def _note(
        self,
        session_on: date,
        kind: str,
        symbol: str,
        words: str,
        extra: Mapping[str, AlertKind] | None = None,
    ) -> None:
        logger.warning("%s", words, extra=extra)
        self._files.append_event(session_on, self._now(), kind, symbol, words)


def _stop_prices(orders: Iterable[Order], symbol: str) -> Iterable[Decimal]:
    for order in orders:
        for one in (order, *order.legs):
            if one.symbol == symbol and is_stop(one) and one.stop_price is not None:
                yield one.stop_price
