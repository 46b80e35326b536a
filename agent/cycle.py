"""One pass: PERCEPTION → REASONING → RISK_CHECK → EXECUTION → LEARNING. Never repeated.

A call that fails may have been retried below; the cycle itself is run once, whatever happened.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from agent.base_agent.base_agent import BaseAgent, Message, Thought
from agent.base_agent.tickets import Outcome, TicketBook
from agent.cooldowns import Cooldowns
from agent.evidence import CITED_SECONDS, Evidence
from agent.faults import TimeoutInSimulation, timed_out
from agent.ladder import FULL, Ladder, Step
from agent.models.budget import Budget
from agent.pace import BUSY_MINUTES, minutes_to_next_cycle, next_start
from agent.perception import Book, Perception, perceive, read_book, snapshot
from tools.core.decisions import Decision
from tools.core.errors import Unavailable
from tools.core.safety import Denial, DenialReason
from tools.core.seams import Clock, ToolBox, ToolResult
from tools.core.session import Session
from tools.prompts.text import Prompt

logger = logging.getLogger(__name__)

REASONING_ENDS_BEFORE_FLATTEN = timedelta(seconds=60)
SETTLING_IN = timedelta(minutes=10)
"""After the open; until then the newest bar may be the day before's."""


class State(StrEnum):
    """Where a cycle is."""

    PERCEPTION = "PERCEPTION"
    REASONING = "REASONING"
    RISK_CHECK = "RISK_CHECK"
    EXECUTION = "EXECUTION"
    LEARNING = "LEARNING"
    IDLE = "IDLE"
    """Between two cycles."""


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
    step: Step = FULL
    """Where the trader stood on its ladder when the cycle was over."""
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


class _WatchedTools:
    """A ToolBox that adds up what its calls cost into a report, and notes what was read."""

    def __init__(self, tools: ToolBox, report: CycleReport, evidence: Evidence) -> None:
        self._tools, self._report = tools, report
        self.evidence = evidence

    def specs(self) -> Sequence[Mapping[str, Any]]:
        return self._tools.specs()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        started = time.perf_counter()
        try:
            result = await self._tools.call(name, arguments)
        finally:
            self._report.tool_calls += 1
            self._report.tool_seconds += time.perf_counter() - started
        self.evidence.note(name, result)
        return result


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
        cooldowns: Cooldowns | None = None,
        budget: Budget | None = None,
        cited_seconds: float = CITED_SECONDS,
    ) -> None:
        """`deadline_seconds` of real time bound the reasoning of one cycle.

        A price that an entry rests on may be `cited_seconds` of market time old.
        """
        self.ladder, self.budget = Ladder(), budget
        self.announce: Callable[[State], None] = lambda _: None
        """Is told of each state that is entered."""
        self._cooldowns = cooldowns or Cooldowns()
        self._clock, self._tools, self._agent = clock, tools, agent
        self._watchlist, self._deadline_seconds = watchlist, deadline_seconds
        self._simulated_time, self._cited_seconds = simulated_time, cited_seconds

    def memory(self) -> dict[str, Any]:
        """What is carried from cycle to cycle, as JSON values."""
        return {"ladder": self.ladder.memory(), "cooldowns": self._cooldowns.memory()}

    def recall(self, memory: Mapping[str, Any]) -> None:
        """Go on from there."""
        self.ladder.recall(memory["ladder"])
        self._cooldowns.recall(memory["cooldowns"])

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
        tools = _WatchedTools(self._tools, report, Evidence(self._clock.now, self._cited_seconds))
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
        if report.error or report.thought:
            self.ladder.cycle_ended(report.error)
        report.step = self.ladder.step
        report.seconds = time.perf_counter() - started
        self.announce(State.IDLE)
        return report

    async def _pass(
        self,
        report: CycleReport,
        tools: _WatchedTools,
        session: Session,
        prompt: Prompt,
        last_denials: Sequence[Outcome],
    ) -> None:
        self._turn(report, State.PERCEPTION)
        report.perception = perception = await self._perceive(report, tools, session)

        if self.ladder.asks_model(report.started_at):
            tickets = await self._reason(report, perception, tools, session, prompt, last_denials)

            self._turn(report, State.RISK_CHECK)
            entries_refused = self._risk_check(report, session)

            self._turn(report, State.EXECUTION)
            report.outcomes = await tickets.send(entries_refused=entries_refused)
            self._heed(tickets.faults)

        self._turn(report, State.LEARNING)
        await self._learn(report, perception, tools, session)

    async def _perceive(self, report: CycleReport, tools: ToolBox, session: Session) -> Perception:
        """The book first: it is known, and written down, also when the data server is away."""
        now = report.started_at
        try:
            report.book = book = await read_book(tools)
            self.ladder.learn(trade_server="")
        except Unavailable as error:
            self.ladder.learn(trade_server=str(error))
            raise
        left_out = self._cooldowns.left_out(now)
        try:
            perception = await perceive(tools, self._watchlist, book, left_out)
        except Unavailable as error:
            self.ladder.learn(data_server=str(error))
            raise
        stale = perception.stale if now - session.open_at > SETTLING_IN else ""
        self.ladder.learn(data_server="", stale_data=stale)
        if not stale:
            worked = [one["symbol"] for one in perception.signals]
            self._cooldowns.analysed(set(worked) - set(perception.failed), perception.failed, now)
        return perception

    async def _reason(
        self,
        report: CycleReport,
        perception: Perception,
        tools: _WatchedTools,
        session: Session,
        prompt: Prompt,
        last_denials: Sequence[Outcome],
    ) -> TicketBook:
        """Let the model think; its wishes are in the tickets, and nothing is sent yet."""
        self._turn(report, State.REASONING)
        now, step = report.started_at, self.ladder.step
        left_alone = {**self._cooldowns.refused(now), **self._cooldowns.left_out(now)}
        cycle_id = f"D-{session.on}-{report.number}"
        tickets = TicketBook(tools, cycle_id, prompt.hash, left_alone, tools.evidence)
        view = snapshot(
            perception,
            session=session,
            cycle=report.number,
            now=now,
            last_denials=[entry for outcome in last_denials for entry in _denials(outcome)],
            no_entries="" if step.asks_entries or not step.asks_model else step.why,
            left_alone=left_alone,
        )
        if self.budget:
            self.budget.begin_cycle(session.on)
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
        self.ladder.heard(thought.error, thought.faults, self._clock.now())
        return tickets

    async def _learn(
        self, report: CycleReport, perception: Perception, tools: ToolBox, session: Session
    ) -> None:
        """What the account looks like now, and when to look again."""
        self._cooldowns.ruled(report.outcomes, report.started_at)
        if report.outcomes:
            report.book = await read_book(tools)
        holding = bool(report.book and report.book.positions)
        minutes = minutes_to_next_cycle(perception.volume_ratios, holding=holding)
        report.next_at = next_start(session, report.started_at, minutes, self._clock.now())

    def _turn(self, report: CycleReport, state: State) -> None:
        """Enter a state, and let everybody know."""
        report.states.append(state)
        logger.info("cycle #%d: %s", report.number, state)
        self.announce(state)

    def _risk_check(self, report: CycleReport, session: Session) -> Denial | None:
        """Why no entry may be sent, None if any may. It only ever skips; the desk is the law."""
        if report.thought is None or not report.thought.finished:
            return Denial(reason=DenialReason.STATE, message="the reasoning was not finished")
        if self._clock.now() >= session.entries_end_at:
            return Denial(reason=DenialReason.SESSION, message="entries have ended for today")
        if not (step := self.ladder.step).asks_entries:
            return Denial(reason=DenialReason.STATE, message=f"no new entries: {step.why}")
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


def _denials(outcome: Outcome) -> list[dict[str, str]]:
    return [
        {"symbol": outcome.symbol, "reason": one.reason, "message": one.message}
        for one in outcome.denials
    ]
