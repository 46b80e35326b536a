"""The ladder that the trader goes down when something fails, and up again when it is over.

FULL, NO_NEW_ENTRIES, MANAGE_ONLY (no model is asked: stops and targets rest at the broker, and the
flatten needs no model), FLATTEN, SLEEP. `judge` is a pure function of the facts, so that recovery
is nothing but a fact that is no more. The trade server refuses by itself what it must; this is so
that the trader does not ask in vain, spends nothing, and says why.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from tools.core.alerts import AlertKind, alert
from tools.core.errors import BudgetExhausted, ModelMisconfigured, ModelOutOfCredit
from tools.core.safety import TradingState
from tools.core.session import Phase

logger = logging.getLogger(__name__)

FAILED_CYCLES = 3
"""This many in a row, and entries wait for a good one; as many without a decision, the model."""
MOST_SKEW = timedelta(seconds=2)
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=5), timedelta(minutes=30)


class Rung(IntEnum):
    """From everything to nothing; a higher number is a stricter rung."""

    FULL = 0
    NO_NEW_ENTRIES = 1
    MANAGE_ONLY = 2
    FLATTEN = 3
    SLEEP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of the world. A text says what is wrong, "" that nothing is."""

    phase: Phase = Phase.PREPARE
    trading_state: TradingState = TradingState.ACTIVE
    state_reason: str = ""
    reconciled: bool = True
    skew: timedelta = timedelta(0)
    trade_server: str = ""
    data_server: str = ""
    stale_data: str = ""
    model: str = ""
    """Why the last cycle ended without the model's conclusion."""
    model_failures: int = 0
    """Such cycles in a row."""
    model_barred: bool = False
    """No credit, no budget or no such model: one failure is enough."""
    failed_cycles: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """Where the trader stands, and why."""

    rung: Rung
    reasons: tuple[str, ...] = ()

    @property
    def why(self) -> str:
        """The reasons in one line."""
        return "; ".join(self.reasons)

    @property
    def asks_model(self) -> bool:
        """Whether a cycle reasons."""
        return self.rung < Rung.MANAGE_ONLY

    @property
    def asks_entries(self) -> bool:
        """Whether it may also propose to buy."""
        return self.rung is Rung.FULL

    def __str__(self) -> str:
        return f"{self.rung.name}: {self.why}" if self.reasons else self.rung.name


FULL = Step(Rung.FULL)


def judge(facts: Facts) -> Step:
    """The strictest rung that a fact asks for, with every reason for that rung."""
    if facts.phase is Phase.FLATTEN:
        return Step(Rung.FLATTEN)
    if facts.phase in (Phase.SLEEP, Phase.CLOSED):
        return Step(Rung.SLEEP)
    found = list(_findings(facts))
    rung = max((one for one, _ in found), default=Rung.FULL)
    return Step(rung, tuple(why for one, why in found if one is rung))


def _findings(facts: Facts) -> Iterator[tuple[Rung, str]]:
    if facts.trade_server:
        yield Rung.MANAGE_ONLY, facts.trade_server
    if facts.data_server:
        yield Rung.MANAGE_ONLY, facts.data_server
    if facts.model_barred or facts.model_failures >= FAILED_CYCLES:
        yield Rung.MANAGE_ONLY, f"the model is not to be had: {facts.model}"
    if facts.trading_state is TradingState.HALTED:
        yield Rung.MANAGE_ONLY, f"trading is HALTED: {facts.state_reason}"
    if facts.trading_state is TradingState.REDUCING:
        yield Rung.NO_NEW_ENTRIES, f"trading is REDUCING: {facts.state_reason}"
    if not facts.reconciled:
        yield Rung.NO_NEW_ENTRIES, "the books are not reconciled with the broker"
    if abs(facts.skew) > MOST_SKEW:
        seconds = facts.skew.total_seconds()
        yield Rung.NO_NEW_ENTRIES, f"the trade server's clock is {seconds:+.1f} s from ours"
    if facts.stale_data:
        yield Rung.NO_NEW_ENTRIES, facts.stale_data
    if facts.failed_cycles >= FAILED_CYCLES:
        yield Rung.NO_NEW_ENTRIES, f"{facts.failed_cycles} cycles in a row failed"


class Ladder:
    """Keeps the facts between cycles, and says each step up or down in one line."""

    def __init__(self) -> None:
        self.told: Callable[[Step], None] = lambda _: None
        """Hears of each change of the rung or of its reasons."""
        self.facts = Facts()
        self.step = judge(self.facts)
        self._wait = timedelta(0)
        self._retry_at: datetime | None = None

    def learn(self, **facts: object) -> Step:
        """Facts by their names; the step that follows from all of them."""
        before, old = self.step, self.facts
        self.facts = replace(self.facts, **facts)  # type: ignore[arg-type]
        self.step = judge(self.facts)
        if self.step.rung is not before.rung:
            _say_step(before, self.step)
        if self.step != before:
            self.told(self.step)
        _raise_alerts(old, self.facts)
        return self.step

    def memory(self) -> dict[str, Any]:
        """All that it knows, as JSON values."""
        return {
            **asdict(self.facts),
            "skew": self.facts.skew.total_seconds(),
            "wait": self._wait.total_seconds(),
            "retry_at": self._retry_at and self._retry_at.isoformat(),
        }

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Know what `memory` says, and nothing else."""
        facts = dict(memory)
        retry_at = facts.pop("retry_at")
        self._retry_at = datetime.fromisoformat(retry_at) if retry_at else None
        self._wait = timedelta(seconds=facts.pop("wait"))
        facts["phase"] = Phase(facts["phase"])
        facts["trading_state"] = TradingState(facts["trading_state"])
        self.learn(**facts | {"skew": timedelta(seconds=facts["skew"])})

    def new_day(self) -> Step:
        """Forget what was the past session's: the desk's state, its clock, the data, the count."""
        return self.learn(
            trading_state=TradingState.ACTIVE,
            state_reason="",
            reconciled=True,
            skew=timedelta(0),
            data_server="",
            stale_data="",
            failed_cycles=0,
        )

    def asks_model(self, now: datetime) -> bool:
        """Whether the cycle that starts `now` reasons.

        A model that failed is tried again after 5, 10, 20 and then each 30 minutes: a failing call
        costs nothing, and no other probe shows that the next cycle would work.
        """
        if self.step.asks_model:
            return True
        without = replace(self.facts, model_failures=0, model_barred=False)
        return judge(without).asks_model and (self._retry_at is None or now >= self._retry_at)

    def heard(self, error: str | None, faults: list[Exception], now: datetime) -> Step:
        """How the reasoning of a cycle ended; `error` is None when the model concluded."""
        if error is None:
            self._wait = timedelta(0)
            return self.learn(model="", model_failures=0, model_barred=False)
        barred = any(_bars(fault) for fault in faults)
        failures = self.facts.model_failures + 1
        if barred or failures >= FAILED_CYCLES:
            self._wait = min(max(2 * self._wait, FIRST_WAIT), LONGEST_WAIT)
            self._retry_at = now + self._wait
        return self.learn(model=error, model_failures=failures, model_barred=barred)

    def cycle_ended(self, error: str | None) -> Step:
        """A cycle is over; `error` says why it was not a good one."""
        return self.learn(failed_cycles=self.facts.failed_cycles + 1 if error else 0)


def _bars(fault: Exception) -> bool:
    if isinstance(fault, BudgetExhausted):
        return fault.whole_day
    return isinstance(fault, (ModelMisconfigured, ModelOutOfCredit))


def _say_step(before: Step, after: Step) -> None:
    if Rung.FULL < after.rung < Rung.FLATTEN and after.rung > before.rung:
        logger.warning("ladder: down from %s to %s", before.rung.name, after)
    elif before.rung >= Rung.FLATTEN or after.rung >= Rung.FLATTEN:
        logger.info("ladder: from %s to %s", before.rung.name, after)
    else:
        logger.info("ladder: up from %s to %s", before.rung.name, after)


def _raise_alerts(before: Facts, after: Facts) -> None:
    for server in ("trade_server", "data_server"):
        if (why := getattr(after, server)) and not getattr(before, server):
            logger.error("server down: %s", why, extra=alert(AlertKind.SERVER_DOWN))
    if _model_down(after) and not _model_down(before):
        words = "model down, positions are managed without it: %s"
        logger.error(words, after.model, extra=alert(AlertKind.MODEL_DOWN))


def _model_down(facts: Facts) -> bool:
    return facts.model_barred or facts.model_failures >= FAILED_CYCLES
