"""The second step of a reset: a code that was shown to whoever asked, and must be given back.

So that no stray click, replayed request or line in a script opens trading again.
"""

import hmac
import secrets
import threading
import time
from collections.abc import Callable

LIFETIME_SECONDS = 300
MOST_WRONG = 5
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # nothing that reads like something else
_LENGTH = 6


class ResetCodes:
    """The latest code alone counts, once. Its methods may be called from any thread."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        """`clock` counts real seconds, those of a suspended machine too."""
        self._clock = clock or (lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
        self._lock = threading.Lock()
        self._code, self._ends, self._wrong = "", 0.0, 0

    def issue(self) -> str:
        """A new code, in place of the one before."""
        with self._lock:
            self._code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
            self._ends, self._wrong = self._clock() + LIFETIME_SECONDS, 0
            return self._code

    def redeem(self, code: str) -> str:
        """Empty when `code` is right, which ends it; else why not, in words for the operator."""
        with self._lock:
            if not self._code:
                return "no reset code is in force: ask for one with reset-code"
            if self._clock() >= self._ends:
                self._code = ""
                return "the reset code has expired: ask for a new one with reset-code"
            given = code.strip().upper().encode()
            if hmac.compare_digest(given, self._code.encode()):
                self._code = ""
                return ""
            self._wrong += 1
            if self._wrong >= MOST_WRONG:
                self._code = ""
                return f"{self._wrong} wrong codes: ask for a new one with reset-code"
            return f"a wrong code, {self._wrong} of {MOST_WRONG}"
