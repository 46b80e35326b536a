"""Who may change the trading state, and how. The state is persisted; the flatten's grip is not."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from tools.core.safety import TradingState
from tools.journal.state_store import STATE_FILE, StateRecord, StateStore

logger = logging.getLogger(__name__)

MONITOR = "monitor"
BREAKER = "breaker"


class TradingControl:
    """The state that every order is held against. Never blocked by an order."""

    def __init__(self, store: StateStore, now: Callable[[], datetime]) -> None:
        self._store, self._now = store, now
        self.flattening = False
        """A flatten is at work: it alone sends orders."""
        self._closures: dict[str, str] = {}

    def current(self) -> StateRecord:
        """The state now; at least REDUCING while a flatten is at work or entries are closed."""
        record = self._store.trading_state()
        if record.trading_state is not TradingState.ACTIVE:
            return record
        if self.flattening:
            reason = "the flatten is at work"
            return replace(record, trading_state=TradingState.REDUCING, reason=reason)
        for closer, reason in sorted(self._closures.items()):
            return replace(record, trading_state=TradingState.REDUCING, reason=reason, actor=closer)
        return record

    def close_entries(self, closer: str, reason: str) -> None:
        """Refuse entries until `closer` opens them again.

        For what is looked at afresh at each start and each audit, and so needs no memory.
        """
        if self._closures.get(closer) != reason:
            logger.warning("entries are closed, by the %s: %s", closer, reason)
        self._closures = self._closures | {closer: reason}

    def open_entries(self, closer: str) -> None:
        """`closer` has nothing against entries any more; others may have."""
        if closer in self._closures:
            logger.info("entries are open again as far as the %s is concerned", closer)
            self._closures = {k: v for k, v in self._closures.items() if k != closer}

    def halt(self, reason: str, actor: str) -> None:
        """Nothing but the flatten from here on, until an operator resets it."""
        self._set(TradingState.HALTED, reason, actor)

    def reset(self, reason: str, actor: str) -> None:
        """Back to ACTIVE, from whatever it was. For operators."""
        self._set(TradingState.ACTIVE, reason, actor)

    def reduce(self, reason: str, actor: str) -> bool:
        """ACTIVE becomes REDUCING; a stricter state stays. True when it changed."""
        if self._store.trading_state().trading_state is not TradingState.ACTIVE:
            return False
        self._set(TradingState.REDUCING, reason, actor)
        return True

    def lift(self, actor: str) -> None:
        """Back to ACTIVE from the REDUCING that `actor` asked for; any other state stays."""
        record = self._store.trading_state()
        if record.trading_state is TradingState.REDUCING and record.actor == actor:
            self._set(TradingState.ACTIVE, "its reason is over", actor)

    def begin_session(self) -> None:
        """A new day: REDUCING ends, and what a breaker has HALTED.

        Any other HALTED stays, and REDUCING for a damaged state file: who knows what was in it?
        """
        record = self._store.trading_state()
        over = record.trading_state is TradingState.HALTED and record.actor == BREAKER
        reducing = record.trading_state is TradingState.REDUCING and record.actor != STATE_FILE
        if over or reducing:
            self._set(TradingState.ACTIVE, "a new session", MONITOR)

    def _set(self, state: TradingState, reason: str, actor: str) -> None:
        self._store.set_trading_state(state, reason=reason, actor=actor, now=self._now())
        level = logging.WARNING if state is TradingState.HALTED else logging.INFO
        logger.log(level, "trading is %s, by the %s: %s", state, actor, reason)
