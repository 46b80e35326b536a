"""Feeds the circuit breakers with what the broker says, keeps their state, and acts on a trip.

The state file may be gone: then the session's trades and equity, which are the broker's, say again
what happened, and a day that was over is over again.
"""

import itertools
import logging
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

from pydantic import TypeAdapter

from tools.core.alerts import AlertKind, alert
from tools.core.safety import DenialReason, RiskVerdict, TradingState
from tools.core.trading import Account, Trade
from tools.execution.premises import Premises
from tools.execution.rulings import Ruling
from tools.execution.slippage import Execution
from tools.execution.trading_control import BREAKER, TradingControl
from tools.journal.state_store import SessionRecord, StateUnavailable
from tools.safety.breakers import (
    AnalysisEnded,
    Breaker,
    BreakerState,
    EquitySeen,
    Event,
    Filled,
    OrderRefused,
    Overfilled,
    QuoteSeen,
    TradeClosed,
    Trip,
    after,
    new_session,
)

logger = logging.getLogger(__name__)

_STATE = TypeAdapter(BreakerState)


class BreakerWatch:
    """Its methods may be called from any thread."""

    def __init__(self, premises: Premises, control: TradingControl) -> None:
        self._store, self._limits, self._now = premises.store, premises.limits, premises.now
        self._control = control
        self._lock = threading.Lock()
        self.day_over = False
        """A breaker has ended the session's trading, and nobody has reset it: close everything."""

    def look(
        self,
        began: SessionRecord,
        account: Account,
        trades: Sequence[Trade],
        executions: Sequence[Execution] = (),
        overfilled: Sequence[str] = (),
    ) -> None:
        """What an audit found: the book's worth, the session's round trips and executions.

        Of the executions those count that were decided at a price and have ended.

        Raises StateUnavailable.
        """
        now, start = self._now(), began.start_equity_usd
        with self._lock:
            state = self._state(began, trades)
            fresh = trades[state.trades_seen :]
            closed = [TradeClosed(at=one.closed_at, pnl_usd=one.pnl_usd) for one in fresh]
            worth = EquitySeen(at=now, equity_usd=account.equity, start_equity_usd=start)
            events: list[Event] = [
                *closed,
                worth,
                *_fills(executions),
                *(Overfilled(at=now, client_order_id=one) for one in overfilled),
            ]
            self._feed(state, events, now)

    def cycle_ended(self, error: str) -> None:
        """What a trader says of its cycle: how it failed, or "". Never raises."""
        if error:
            logger.info("the trader's analysis failed: %s", error)
        self._learn([AnalysisEnded(at=self._now(), failed=bool(error))])

    def heed(self, verdict: RiskVerdict, ruling: Ruling | None = None) -> None:
        """What the desk learned from a ticket, and from sending it if it did. Never raises."""
        now = self._now()
        events: list[Event] = [
            QuoteSeen(at=now, fresh=DenialReason.QUOTE not in _reasons(verdict)),
            AnalysisEnded(at=now, failed=_unanalysed(verdict)),
        ]
        if ruling is not None and ruling.client_order_id:
            if DenialReason.UNKNOWN_OUTCOME in _reasons(ruling.verdict):
                events.append(OrderRefused(at=now, unknown=True))
            elif DenialReason.BROKER in _reasons(ruling.verdict):
                events.append(OrderRefused(at=now))
        self._learn(events)

    def _learn(self, events: Sequence[Event]) -> None:
        with self._lock:
            try:
                if (state := self._stored()) is not None:
                    self._feed(state, events, self._now())
            except StateUnavailable:
                logger.exception("the breakers go on without the state file")

    def _feed(self, state: BreakerState, events: Sequence[Event], now: datetime) -> None:
        """Step, keep, act."""
        fed = after(state, events, self._limits)
        if fed != self._stored():
            self._store.set_breakers(_STATE.dump_json(fed).decode())
        for trip in fed.trips[len(state.trips) :]:
            self._act(trip, now)
        standing = self._control.current().trading_state
        ended = any(trip.breaker.ends_the_day for trip in fed.trips)
        self.day_over = ended and standing is TradingState.HALTED
        if not fed.open_trips(now):
            self._control.lift(BREAKER)

    def _act(self, trip: Trip, now: datetime) -> None:
        if not trip.open_at(now):
            return
        words = f"{trip.breaker}: {trip.reason}"
        logger.warning("circuit breaker %s", words, extra=alert(AlertKind.CIRCUIT_BREAKER))
        if trip.breaker is Breaker.OVERFILL:
            self._control.kill(words, BREAKER)  # we send what nobody asked for: a person looks
        elif trip.breaker.halts:
            self._control.halt(words, BREAKER)
        else:
            self._control.reduce(words, BREAKER)

    def _state(self, began: SessionRecord, trades: Sequence[Trade]) -> BreakerState:
        """The session's state as it was kept, else made again from its trades."""
        stored = self._stored()
        if stored is not None and stored.session_on == began.session_on:
            return stored
        if stored is not None:
            return new_session(stored, began.session_on)
        realized = itertools.accumulate((one.pnl_usd for one in trades), initial=Decimal(0))
        peak = began.start_equity_usd + max(realized)
        return BreakerState(session_on=began.session_on, peak_equity_usd=peak)

    def _stored(self) -> BreakerState | None:
        text = self._store.breakers()
        return None if text is None else _STATE.validate_json(text)


def _fills(executions: Sequence[Execution]) -> Iterator[Filled]:
    for one in executions:
        if one.done and one.slippage_fraction is not None:
            yield Filled(
                at=one.at,
                client_order_id=one.client_order_id,
                slippage_fraction=one.slippage_fraction,
            )


def _reasons(verdict: RiskVerdict) -> list[DenialReason]:
    return [denial.reason for denial in verdict.denials]


def _unanalysed(verdict: RiskVerdict) -> bool:
    """No bars were to be had, so that there was neither a volume nor a default stop."""
    return any(
        name == "liquidity_rule" and finding.measured is None and finding.message.startswith("no ")
        for name, finding in verdict.findings
    )
