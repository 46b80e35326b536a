"""Which symbols to leave alone for a while: what could not be analysed, what the desk refused."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from agent.base_agent.tickets import Outcome
from agent.wording import clock_time
from tools.core.safety import DenialReason

NOT_THE_SYMBOLS_FAULT = frozenset(
    (
        DenialReason.STATE,
        DenialReason.SESSION,
        DenialReason.POSITIONS,
        DenialReason.GROSS,
        DenialReason.OPEN_RISK,
        DenialReason.RATE,
        DenialReason.ENTRIES,
        DenialReason.DAILY_LOSS,
        DenialReason.BUYING_POWER,
        DenialReason.LEASE,
        DenialReason.BROKER,
        DenialReason.CITATION,
    )
)
"""Refusals that say nothing of the symbol: the next proposal may find the place free."""


class Cooldowns:
    """Kept between cycles. Nothing here forbids an exit, or hides a symbol that is held."""

    def __init__(
        self, *, failures: int = 3, failure_minutes: int = 15, refusal_minutes: int = 15
    ) -> None:
        """`failures` in a row leave a symbol out for `failure_minutes`."""
        self._most_failures = failures
        self._failure_span = timedelta(minutes=failure_minutes)
        self._refusal_span = timedelta(minutes=refusal_minutes)
        self._failures: Counter[str] = Counter()
        self._left_out: dict[str, datetime] = {}
        self._refused: dict[str, tuple[datetime, str]] = {}

    def memory(self) -> dict[str, Any]:
        """All that it knows, as JSON values."""
        return {
            "failures": dict(self._failures),
            "left_out": {symbol: until.isoformat() for symbol, until in self._left_out.items()},
            "refused": {
                symbol: [until.isoformat(), why] for symbol, (until, why) in self._refused.items()
            },
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Know what `memory` says, and nothing else."""
        instant = datetime.fromisoformat
        self._failures = Counter(memory["failures"])
        self._left_out = {symbol: instant(at) for symbol, at in memory["left_out"].items()}
        self._refused = {
            symbol: (instant(at), why) for symbol, (at, why) in memory["refused"].items()
        }

    def analysed(self, worked: Iterable[str], failed: Iterable[str], now: datetime) -> None:
        """How the analysis of each symbol went in this cycle."""
        for symbol in worked:
            del self._failures[symbol]
        for symbol in failed:
            self._failures[symbol] += 1
            if self._failures[symbol] >= self._most_failures:
                del self._failures[symbol]
                self._left_out[symbol] = now + self._failure_span

    def left_out(self, now: datetime) -> Mapping[str, str]:
        """The symbols not to look at now, each with the reason."""
        return {
            symbol: f"its analysis failed; left out until {clock_time(until)}"
            for symbol, until in sorted(self._left_out.items())
            if now < until
        }

    def ruled(self, outcomes: Iterable[Outcome], now: datetime) -> None:
        """What the desk made of a cycle's tickets; what it approved at last is refused no more."""
        for outcome in outcomes:
            reasons = [one for one in outcome.denials if one.reason not in NOT_THE_SYMBOLS_FAULT]
            if outcome.approved:
                self._refused.pop(outcome.symbol, None)
            elif reasons:
                self._refused[outcome.symbol] = now + self._refusal_span, reasons[0].message

    def refused(self, now: datetime) -> Mapping[str, str]:
        """The symbols whose entry is not to be proposed again yet, each with the reason."""
        return {
            symbol: f"refused ({why}); not again before {clock_time(until)}"
            for symbol, (until, why) in sorted(self._refused.items())
            if now < until
        }
