"""Who may change the trading state, and how. The state is persisted; the flatten's grip is not."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tools.core.safety import TradingState
from tools.journal.state_store import STATE_FILE, StateRecord, StateStore, StateUnavailable
from tools.safety import kill_switch
from tools.safety.kill_switch import Latch

logger = logging.getLogger(__name__)

MONITOR = "monitor"
BREAKER = "breaker"


class TradingControl:
    """The state that every order is held against. Never blocked by an order."""

    def __init__(self, store: StateStore, now: Callable[[], datetime], home: Path) -> None:
        """`home` is where the kill switch's latch is, whoever made it."""
        self._store, self._now, self._home = store, now, home
        self.flattening = False
        """A flatten is at work: it alone sends orders."""
        self._lock, self._closures = threading.Lock(), dict[str, str]()
        self._unwritten: Latch | None = None

    def current(self) -> StateRecord:
        """The state now: HALTED while the kill switch is pulled, whatever the state file says.

        At least REDUCING while a flatten is at work or entries are closed.
        """
        if latch := self.latch():
            return StateRecord(
                trading_state=TradingState.HALTED,
                reason=f"kill switch: {latch.reason}",
                actor=latch.actor,
                since=latch.at or self._now(),
            )
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
        with self._lock:
            if self._closures.get(closer) != reason:
                logger.warning("entries are closed, by the %s: %s", closer, reason)
            self._closures = self._closures | {closer: reason}

    def open_entries(self, closer: str) -> None:
        """`closer` has nothing against entries any more; others may have."""
        with self._lock:
            if closer in self._closures:
                logger.info("entries are open again as far as the %s is concerned", closer)
                self._closures = {k: v for k, v in self._closures.items() if k != closer}

    def halt(self, reason: str, actor: str) -> None:
        """Nothing but the flatten from here on, until an operator resets it."""
        self._set(TradingState.HALTED, reason, actor)

    def kill(self, reason: str, actor: str, *, keep_positions: bool = False) -> None:
        """Pull the kill switch: HALTED, over restarts and without the state file too."""
        now = self._now()
        try:
            kill_switch.pull(
                self._home, reason=reason, actor=actor, now=now, keep_positions=keep_positions
            )
        except OSError:
            logger.exception("the kill switch's latch cannot be written: it holds until a restart")
            self._unwritten = Latch(
                reason=reason, actor=actor, at=now, keep_positions=keep_positions
            )

    def latch(self) -> Latch | None:
        """The kill switch's latch, if it is pulled. One stat when it is not. Never raises."""
        return kill_switch.read(self._home) or self._unwritten

    def reset(self, reason: str, actor: str) -> None:
        """Back to ACTIVE, from whatever it was. For operators.

        Raises StateUnavailable when the kill switch's latch cannot be taken away.
        """
        self._set(TradingState.ACTIVE, reason, actor)
        try:
            kill_switch.release(self._home)
        except OSError as error:
            path = kill_switch.latch_path(self._home)
            raise StateUnavailable(f"the kill switch stays pulled, {path}: {error}") from error
        self._unwritten = None

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
