"""The broker's rate limit as a budget: what entries and questions leave of it is the exits'.

Alpaca takes 200 requests a minute. Every request counts, none is held back here; but once only the
reserve is left, there are no entries, so that an exit is never the request too many.
"""

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

PER_MINUTE, RESERVE = 200, 50
SECONDS = 60.0


class MessageBudget:
    """A token bucket of 200 that refills in a minute; the broker's own count rules over ours.

    `heard` is called with the headers of each answer, from any thread.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now, self._lock = now, threading.Lock()
        self._left, self._at = float(PER_MINUTE), now()
        self._exits_only_until = now()

    def heard(self, headers: Mapping[str, str]) -> None:
        """Count one request, and believe `X-RateLimit-Remaining` until `X-RateLimit-Reset`."""
        with self._lock:
            self._refill()
            self._left = max(0.0, self._left - 1)
            remaining, reset = (_number(headers, name) for name in ("Remaining", "Reset"))
            if remaining is not None:
                self._left = min(self._left, remaining)
                if reset is not None and remaining <= RESERVE:
                    self._exits_only_until = datetime.fromtimestamp(reset, UTC)

    def refusal(self) -> str:
        """Why there may be no entry now; "" when there may be one."""
        with self._lock:
            self._refill()
            if self._now() < self._exits_only_until:
                until = f"until {self._exits_only_until:%H:%M:%S} UTC"
                return f"the broker's rate limit is reached: exits only {until}"
            if self._left <= RESERVE:
                words = f"{self._left:.0f} of {PER_MINUTE} requests a minute are left"
                return f"{words}, and the last {RESERVE} are for exits"
            return ""

    def _refill(self) -> None:
        now = self._now()
        gained = (now - self._at).total_seconds() * PER_MINUTE / SECONDS
        self._left, self._at = min(float(PER_MINUTE), self._left + gained), now


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(f"X-RateLimit-{name}", "")
    is_number = text.isascii() and text.isdigit() and len(text) <= 10  # longer is no date
    return int(text) if is_number else None
