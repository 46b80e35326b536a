"""The kill switch in the trade room: anybody pulls it, an operator resets it with a code.

The latch is a file that others may write as well (`tools.safety.kill_switch`). What follows from it
for orders is `TradingControl.current`; what is said of it, once, and how it ends, is here.
"""

import logging
import threading

from tools.core.alerts import AlertKind, alert
from tools.execution.books import Books
from tools.execution.day_files import DayFiles
from tools.execution.premises import Premises
from tools.execution.trading_control import TradingControl
from tools.safety.kill_switch import Latch
from tools.safety.reset_codes import ResetCodes

logger = logging.getLogger(__name__)

KILL_SWITCH = "kill switch"


class KillSwitch:
    """See the module. Its methods may be called from any thread."""

    def __init__(
        self, premises: Premises, control: TradingControl, books: Books, files: DayFiles
    ) -> None:
        self._now, self._control, self._books, self._files = premises.now, control, books, files
        self._codes = ResetCodes()
        self._lock = threading.Lock()
        self._heeded = False
        self._close_all = False

    def pull(self, reason: str, actor: str, *, keep_positions: bool = False) -> None:
        """Nothing but the flatten from here on; unless kept, the monitor's next turn closes all.

        Pulled again without `keep_positions`, what was kept is closed.
        """
        self._control.kill(reason, actor, keep_positions=keep_positions)
        self._close_all = self._close_all or not keep_positions
        self.heed()

    def heed(self) -> Latch | None:
        """The latch, if there is one. The first look that finds it raises the alarm."""
        with self._lock:
            latch, known = self._control.latch(), self._heeded
            self._heeded = latch is not None
            if latch is None:
                self._close_all = False
        if latch is not None and not known:
            kept = ", positions are kept" if latch.keep_positions else ""
            words = f"pulled by the {latch.actor}{kept}: {latch.reason}"
            logger.critical("kill switch, %s", words, extra=alert(AlertKind.KILL_SWITCH))
            self._control.halt(f"{KILL_SWITCH}: {latch.reason}", latch.actor)
            self._note("kill_switch", words)
        return latch

    def closing(self) -> bool:
        """The switch is pulled, and all that is held is to be sold."""
        latch = self._control.latch()
        return latch is not None and (self._close_all or not latch.keep_positions)

    def issue_code(self, actor: str) -> str:
        """For the eyes of who asked alone: the trail says that there is one, not which."""
        code = self._codes.issue()
        logger.warning("a reset code was given to the %s", actor)
        self._note("reset_code", f"a reset code was given to the {actor}")
        return code

    def reset(self, code: str, reason: str, actor: str) -> str:
        """Release and go on, from whatever the state was. Empty, or why it was refused.

        Raises StateUnavailable when the latch cannot be taken away.
        """
        if refusal := self._codes.redeem(code):
            logger.warning("reset refused: %s", refusal)
            self._note("reset_refused", refusal)
            return refusal
        self._control.reset(reason, actor)
        self.heed()
        logger.warning("reset by the %s: %s", actor, reason)
        self._note("reset", f"by the {actor}: {reason}")
        return ""

    def _note(self, kind: str, words: str) -> None:
        """A line of the audit trail."""
        session, now = self._books.begun_session() or self._books.session(), self._now()
        self._files.append_event(session.on if session else now.date(), now, kind, "", words)
