"""The cost governor: no call is made whose worst case would pass a limit.

The worst case is written down before the call, and what it cost in truth replaces it afterwards; an
answer that was lost stays charged at the worst, since a provider may have billed it. A crash can
thus only leave too much on the books. Out of budget ends the reasoning and nothing else: exits,
stops and the flatten need no model.
"""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from agent.models.prices import Price, dearest, price_of
from tools.core.alerts import AlertKind, alert
from tools.core.errors import BudgetExhausted
from tools.core.seams import ModelTurn
from tools.general_tools import atomic_write

logger = logging.getLogger(__name__)

TOKENS_PER_BYTE = 0.3  # an estimate, DeepSeek's own rule of thumb for English


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetLimits:
    """What a cycle and a session may cost at most."""

    cycle_usd: Decimal
    cycle_tokens: int
    day_usd: Decimal
    day_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """Calls made, and what they cost; lost answers at their worst."""

    usd: Decimal = Decimal(0)
    tokens: int = 0
    calls: int = 0

    def __add__(self, other: "Spending") -> "Spending":
        return Spending(
            usd=self.usd + other.usd,
            tokens=self.tokens + other.tokens,
            calls=self.calls + other.calls,
        )

    def __sub__(self, other: "Spending") -> "Spending":
        return Spending(
            usd=self.usd - other.usd,
            tokens=self.tokens - other.tokens,
            calls=self.calls - other.calls,
        )


class Budget:
    """The money of one mind, by session. Its file has no other writer."""

    def __init__(
        self,
        limits: BudgetLimits,
        *,
        model: str,
        now: Callable[[], datetime],
        file: Path | None = None,
        price: Price | None = None,
    ) -> None:
        """`price` is what the configuration says instead of the list; `file` None keeps no book."""
        self.limits, self._model, self._now, self._file = limits, model, now, file
        self._price = price
        self._session, self.day = self._read()
        """`day` is what the session has cost so far."""
        self.cycle = Spending()
        """What the cycle under way has cost so far."""
        if price is None and price_of(model, now()) is None:
            self._price = dearest()
            logger.warning(
                "no price is listed for %r: it is charged %s USD a million output tokens, the"
                " dearest listed; set models[].price in the configuration",
                model,
                self._price.output_usd,
            )

    def begin_cycle(self, session_on: date) -> None:
        """A new cycle, of this session: another session than before starts from nothing."""
        self.cycle = Spending()
        if self._session != str(session_on):
            self._session, self.day = str(session_on), Spending()

    def reserve(self, *, request_bytes: int, most_output_tokens: int) -> "Reservation":
        """Charge the worst case of one call. Raises BudgetExhausted: it must not be made."""
        prompt = math.ceil(request_bytes * TOKENS_PER_BYTE)
        worst = Spending(
            usd=self._current().cost_usd(cached=0, prompt=prompt, output=most_output_tokens),
            tokens=prompt + most_output_tokens,
            calls=1,
        )
        self._refuse(worst)
        self._charge(worst)
        self._write()
        return Reservation(self, worst)

    def settle(self, worst: Spending, turn: ModelTurn) -> Decimal:
        """Replace a reservation by what the answer cost, which is returned."""
        if not turn.prompt_tokens:
            return worst.usd  # the provider does not count
        cost = self._current().cost_usd(
            cached=turn.cached_tokens, prompt=turn.prompt_tokens, output=turn.completion_tokens
        )
        tokens = turn.prompt_tokens + turn.completion_tokens
        self._charge(Spending(usd=cost, tokens=tokens, calls=1) - worst)
        return cost

    def release(self, worst: Spending) -> None:
        """Take a reservation back: the provider refused the call, or never got it."""
        self._charge(Spending() - worst)

    def _current(self) -> Price:
        return self._price or price_of(self._model, self._now()) or dearest()

    def _refuse(self, worst: Spending) -> None:
        limits, day, cycle = self.limits, self.day + worst, self.cycle + worst
        if day.usd > limits.day_usd or day.tokens > limits.day_tokens:
            said = (
                f"the day's model budget is spent: {self.day.usd:.4f} of {limits.day_usd} USD,"
                f" {self.day.tokens} of {limits.day_tokens} tokens"
            )
            logger.critical("%s; positions are managed without it", said, extra=_ALERT)
            raise BudgetExhausted(said, whole_day=True)
        if cycle.usd > limits.cycle_usd or cycle.tokens > limits.cycle_tokens:
            said = (
                f"the cycle's model budget is spent: {self.cycle.usd:.4f} of {limits.cycle_usd}"
                f" USD, {self.cycle.tokens} of {limits.cycle_tokens} tokens"
            )
            raise BudgetExhausted(said, whole_day=False)

    def _charge(self, spending: Spending) -> None:
        self.day, self.cycle = self.day + spending, self.cycle + spending

    def _read(self) -> tuple[str, Spending]:
        """The session that the file knows. A damaged file is no reason not to trade."""
        if self._file is None or not self._file.exists():
            return "", Spending()
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
            usd = Decimal(kept["usd"])
            if not (usd.is_finite() and usd >= 0):
                raise ValueError(f"usd is {usd}")
            spending = Spending(usd=usd, tokens=int(kept["tokens"]), calls=int(kept["calls"]))
            return str(kept["session"]), spending
        except (OSError, ValueError, LookupError, TypeError, InvalidOperation) as error:
            logger.error(
                "%s is damaged (%s): today's model budget starts anew",
                self._file,
                error,
                extra=_ALERT,
            )
            return "", Spending()

    def _write(self) -> None:
        if self._file is None:
            return
        kept = {
            "session": self._session,
            "usd": str(self.day.usd),
            "tokens": self.day.tokens,
            "calls": self.day.calls,
        }
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, json.dumps(kept) + "\n")
        except OSError as error:
            logger.error("the model budget is not written down: %s", error)


class Reservation:
    """One call's charge. Left without a word it stays at its worst."""

    def __init__(self, budget: Budget, worst: Spending) -> None:
        self._budget, self._worst = budget, worst

    def settle(self, turn: ModelTurn) -> Decimal:
        """The answer is there: charge what it cost, and return that."""
        return self._budget.settle(self._worst, turn)

    def release(self) -> None:
        """Nothing was billed."""
        self._budget.release(self._worst)


_ALERT = alert(AlertKind.BUDGET)
