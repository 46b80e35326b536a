"""One pass: PERCEPTION → REASONING → RISK_CHECK → EXECUTION → LEARNING. Never repeated.

A call that fails may have been retried below; the cycle itself is run once, whatever happened.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from agent.base_agent.base_agent import BaseAgent, Message, Thought
from agent.base_agent.tickets import Outcome, TicketBook
from agent.faults import TimeoutInSimulation, timed_out
from agent.pace import BUSY_MINUTES, minutes_to_next_cycle, next_start
from agent.perception import Book, Perception, perceive, read_book, snapshot
from agent.prompt_file import Prompt
from tools.core.decisions import Decision
from tools.core.errors import Unavailable
from tools.core.safety import Denial, DenialReason
from tools.core.seams import Clock, ToolBox, ToolResult
from tools.core.session import Session

logger = logging.getLogger(__name__)

REASONING_ENDS_BEFORE_FLATTEN = timedelta(seconds=60)


class State(StrEnum):
    """Where a cycle is."""

    PERCEPTION = "PERCEPTION"
    REASONING = "REASONING"
    RISK_CHECK = "RISK_CHECK"
    EXECUTION = "EXECUTION"
    LEARNING = "LEARNING"


@dataclass(slots=True, kw_only=True)
class CycleReport:
    """Everything that one cycle leaves behind, filled in by `Cycle.run` as it goes.

    `error` says why it was skipped or cut short. `book` is the account after execution, None when
    the trade server did not say. Seconds are real.
    """

    number: int
    session_on: date
    started_at: datetime
    prompt_hash: str
    next_at: datetime | None
    states: list[State] = field(default_factory=list)
    perception: Perception | None = None
    thought: Thought | None = None
    decisions: tuple[Decision, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    book: Book | None = None
    error: str | None = None
    tool_calls: int = 0
    tool_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def messages(self) -> Sequence[Message]:
        """The whole conversation with the model."""
        return self.thought.messages if self.thought else ()

    @property
    def text(self) -> str:
        """The model's last words."""
        return self.thought.text if self.thought else ""

    @property
    def model_seconds(self) -> float:
        """Real time spent waiting for the model."""
        return self.thought.model_seconds if self.thought else 0.0


class Cycle:
    """Runs cycles; knows nothing of the day around them."""

    def __init__(
        self,
        *,
        clock: Clock,
        tools: ToolBox,
        agent: BaseAgent,
        watchlist: Sequence[str],
        deadline_seconds: float,
        simulated_time: bool,
    ) -> None:
        """`deadline_seconds` of real time bound the reasoning of one cycle."""
        self._clock, self._tools, self._agent = clock, tools, agent
        self._watchlist, self._deadline_seconds = watchlist, deadline_seconds
        self._simulated_time = simulated_time

    async def run(
        self, number: int, session: Session, prompt: Prompt, last_denials: Sequence[Outcome]
    ) -> CycleReport:
        """One cycle, started now. Raises nothing but TimeoutInSimulation and cancellation."""
        now, started = self._clock.now(), time.perf_counter()
        report = CycleReport(
            number=number,
            session_on=session.on,
            started_at=now,
            prompt_hash=prompt.hash,
            next_at=next_start(session, now, BUSY_MINUTES, now),
        )
        tools = _Stopwatch(self._tools, report)
        try:
            await self._pass(report, tools, session, prompt, last_denials)
        except TimeoutInSimulation:
            raise
        except Unavailable as error:
            self._fail_in_simulation(error)
            report.error = str(error)
            logger.warning("cycle #%d skipped: %s", number, error)
        except Exception as error:  # the cycle boundary: the next cycle starts afresh
            report.error = f"{type(error).__name__}: {error}"
            logger.exception("cycle #%d failed", number)
        report.seconds = time.perf_counter() - started
        return report

    async def _pass(
        self,
        report: CycleReport,
        tools: ToolBox,
        session: Session,
        prompt: Prompt,
        last_denials: Sequence[Outcome],
    ) -> None:
        report.states.append(State.PERCEPTION)
        report.perception = perception = await perceive(tools, self._watchlist)
        report.book = perception.book

        report.states.append(State.REASONING)
        tickets = TicketBook(tools, f"D-{session.on}-{report.number}", prompt.hash)
        view = snapshot(
            perception,
            session=session,
            cycle=report.number,
            now=report.started_at,
            last_denials=[entry for outcome in last_denials for entry in _denials(outcome)],
        )
        thought = await self._agent.think(
            prompt.system,
            prompt.message(view),
            tools=tools,
            tickets=tickets,
            deadline_seconds=self._reasoning_seconds(session),
        )
        report.thought, report.error = thought, thought.error
        report.decisions = tickets.decisions
        self._heed(thought.faults)

        report.states.append(State.RISK_CHECK)
        entries_refused = self._risk_check(thought, session)

        report.states.append(State.EXECUTION)
        report.outcomes = await tickets.send(entries_refused=entries_refused)
        self._heed(tickets.faults)

        report.states.append(State.LEARNING)
        await self._learn(report, perception, tools, session)

    async def _learn(
        self, report: CycleReport, perception: Perception, tools: ToolBox, session: Session
    ) -> None:
        """What the account looks like now, and when to look again."""
        if report.outcomes:
            report.book = await read_book(tools)
        holding = bool(report.book and report.book.positions)
        minutes = minutes_to_next_cycle(perception.volume_ratios, holding=holding)
        report.next_at = next_start(session, report.started_at, minutes, self._clock.now())

    def _risk_check(self, thought: Thought, session: Session) -> Denial | None:
        """Why no entry may be sent, None if any may. It only ever skips; the desk is the law."""
        if not thought.finished:
            return Denial(reason=DenialReason.STATE, message="the reasoning was not finished")
        if self._clock.now() >= session.entries_end_at:
            return Denial(reason=DenialReason.SESSION, message="entries have ended for today")
        return None

    def _reasoning_seconds(self, session: Session) -> float:
        """Real seconds: the configured deadline, or less when the flatten is near."""
        left = session.flatten_at - REASONING_ENDS_BEFORE_FLATTEN - self._clock.now()
        return max(0.0, min(self._deadline_seconds, left.total_seconds()))

    def _heed(self, faults: Sequence[Exception]) -> None:
        for fault in faults:
            self._fail_in_simulation(fault)
            logger.warning("in this cycle: %s", fault)

    def _fail_in_simulation(self, fault: Exception) -> None:
        if self._simulated_time and timed_out(fault):
            raise TimeoutInSimulation(str(fault)) from fault


class _Stopwatch:
    """A ToolBox that adds up what its calls cost into a report."""

    def __init__(self, tools: ToolBox, report: CycleReport) -> None:
        self._tools, self._report = tools, report

    def specs(self) -> Sequence[Mapping[str, Any]]:
        return self._tools.specs()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        started = time.perf_counter()
        try:
            return await self._tools.call(name, arguments)
        finally:
            self._report.tool_calls += 1
            self._report.tool_seconds += time.perf_counter() - started


def _denials(outcome: Outcome) -> list[dict[str, str]]:
    return [
        {"symbol": outcome.symbol, "reason": one.reason, "message": one.message}
        for one in outcome.denials
    ]
