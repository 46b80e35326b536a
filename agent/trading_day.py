"""The market-hours controller: sleep → prepare → trade → flatten → closed, day after day.

The clock alone says which part of the day it is, so that a trader started at any moment does what
that moment asks for: at 11:02 it trades, at 15:57 it flattens, in the evening it sleeps.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import NoReturn, Protocol

from agent.base_agent.tickets import Outcome
from agent.closing import Closing, day_summary, ending
from agent.cycle import Cycle, CycleReport
from agent.diary import Diary
from agent.faults import TimeoutInSimulation, timed_out
from agent.health import Health
from agent.last_close import LastClose
from agent.models.preparation import Finding, tell
from agent.narrator import Narrator
from agent.options import AgentOptions
from agent.pace import first_start
from agent.perception import Book, read_book
from agent.prompt_file import PromptFile
from agent.server_routes import ServerRoutes
from agent.status import StatusBoard
from tools.core.alerts import AlertKind, alert
from tools.core.errors import Unavailable
from tools.core.reports import FlattenReport
from tools.core.seams import Clock, ToolBox
from tools.core.session import Phase, Session
from tools.prompts.text import Prompt
from tools.prompts.versions import PromptVersions
from tools.schedule.market_hours import CalendarEnded, MarketHours
from tools.watchdog import Heartbeat

logger = logging.getLogger(__name__)

ACTOR, RANK = "trader", 50
HOLDER = f"the trader with pid {os.getpid()}"
HOUR = timedelta(hours=1)
CYCLE_SLACK = timedelta(minutes=4)
RECONNECT_SECONDS, FIRST_COMPLAINT_SECONDS, NEXT_COMPLAINT_SECONDS = 0.25, 2.0, 30.0


class ToolServers(ToolBox, Protocol):
    """A ToolBox that may have to wait for its servers; its orders carry `epoch`."""

    epoch: int

    async def connect(self) -> int:
        """The number of tools. Raises Unavailable, with the cure."""
        ...


class TradingDay:
    """One trader's days. `run` it; everything else follows from the clock."""

    def __init__(
        self,
        *,
        options: AgentOptions,
        clock: Clock,
        load_hours: Callable[[], Awaitable[MarketHours]],
        tools: ToolServers,
        routes: ServerRoutes,
        cycle: Cycle,
        diary: Diary,
        health: Health,
        check_model: Callable[[], Awaitable[Sequence[Finding]]] | None = None,
    ) -> None:
        """`load_hours` reads the session table afresh, once a night.

        `check_model` tells before each open what stands in the way of trading by the model.
        """
        self._options, self._clock, self._load_hours = options, clock, load_hours
        self._tools, self._routes, self._cycle = tools, routes, cycle
        self._diary, self.health = diary, health
        self.heartbeat = Heartbeat(clock)
        self._narrator = Narrator(options)
        self._prompt_file = PromptFile(
            options.prompt_file,
            options.prompt_settings,
            PromptVersions(options.agent_folder),
            clock.now,
        )
        self._ladder = cycle.ladder
        self._board = StatusBoard(
            diary, health, cycle=diary.last_cycle(), prompt_hash=self._prompt_file.prompt.hash
        )
        self._ladder.told, cycle.announce = self._board.stand, self._board.turn
        health.cycle_count = self._board.cycle
        self._closing = Closing(
            clock=clock, routes=routes, pause_until=self._pause_until, complain=self._unwell
        )
        self._last_close = LastClose(options.home / "data", routes, self._narrator)
        self._check_model = check_model
        self._refused: Sequence[Outcome] = ()
        self._hours: MarketHours

    async def run(self) -> NoReturn:
        """Live through the days, until cancelled."""
        self._narrator.starting()
        try:
            async with self._clock.busy(ACTOR, RANK):
                session = await self._next_session(self._clock.now())
                await self._connect(patience_ends=session.flatten_at)
                while True:
                    await self._last_close.tell(session, self._clock.now())
                    await self._live(session)
                    session = await self._next_session(session.close_at)
        except asyncio.CancelledError:
            self._narrator.stopped()
            raise

    async def _live(self, session: Session) -> None:
        """What is left of `session`."""
        await self._sleep(session)
        if self._clock.now() < session.flatten_at:
            await self._prepare(session)
            await self._trade(session)
        if self._clock.now() < session.close_at:
            await self._close_out(session)

    async def _trade(self, session: Session) -> None:
        start = first_start(session, self._clock.now())
        while start:
            await self._pause_until(start)
            start = (await self._run_cycle(session)).next_at
        await self._pause_until(session.flatten_at)

    async def _close_out(self, session: Session) -> None:
        self._enter(Phase.FLATTEN, session, "market close", session.close_at)
        held = await self._book()
        self._narrator.closing(session, None if held is None else held.holdings)
        report = await self._closing.flatten(session, self._board.held)
        await self._repeat_incidents()
        await self._sum_up(session, report)
        if report and report.flat:
            self._last_close.told(session.on)
        await self._pause_until(session.close_at)

    async def _sleep(self, session: Session) -> None:
        now = self._clock.now()
        if now >= session.wake_at:
            return
        self._enter(Phase.SLEEP, session, "wake up", session.wake_at)
        self._ladder.new_day()
        self._narrator.sleeping(now, session)
        while (hour := _next_hour(now)) < session.wake_at:
            await self._pause_until(hour)
            now = self._clock.now()
            self._narrator.still_sleeping(now, session.wake_at)
        await self._pause_until(session.wake_at)

    async def _prepare(self, session: Session) -> None:
        self._enter(Phase.PREPARE, session, "market open", session.open_at)
        await self._connect(patience_ends=self._clock.now())
        await self._look_at_desk()
        prompt = await self._look_at_prompt()
        if self._check_model:
            tell(await self._check_model())
        book = await self._book()
        self._narrator.prepared(self._clock.now(), session, book, prompt.hash)

    async def _run_cycle(self, session: Session) -> CycleReport:
        self._board.cycle += 1
        number, now = self._board.cycle, self._clock.now()
        self._diary.begin_cycle(number)
        await self._look_at_desk()
        prompt = await self._look_at_prompt()
        self._enter(Phase.TRADE, session, "flatten", session.flatten_at)
        self._narrator.cycle_started(number, now)
        reasoning = timedelta(seconds=self._options.tuning.cycle_deadline_seconds)
        self.heartbeat.promise(now + reasoning + CYCLE_SLACK)
        report = await self._cycle.run(number, session, prompt, self._refused)
        self._refused = [outcome for outcome in report.outcomes if outcome.denials]
        self._board.held = report.book.symbols if report.book else self._board.held
        self.health.last_error = report.error
        if report.error or report.thought:
            await self._routes.report_cycle(report.error)
        await self._repeat_incidents()
        self._diary.write_cycle(report)
        if report.next_at:
            self._enter(Phase.TRADE, session, "next cycle", report.next_at)
        self._narrator.cycle_ended(report, self._clock.now())
        return report

    async def _sum_up(self, session: Session, report: FlattenReport | None) -> None:
        book = await self._book()
        flat, remaining = ending(report, book, self._board.held)
        if flat:
            self.health.last_error = None
        self._enter(Phase.CLOSED, session, "market close", session.close_at)
        self._narrator.closed(
            flat=flat,
            remaining=remaining,
            summary=None if book is None else day_summary(session, book, self._cycle.budget),
            next_open=self._next_open(session),
        )

    async def _connect(self, *, patience_ends: datetime) -> None:
        """Wait for the servers, in real time: in a simulation, time stands still meanwhile."""
        loop = asyncio.get_running_loop()
        complain_at = loop.time() + FIRST_COMPLAINT_SECONDS  # they may be starting as we are
        while True:
            try:
                tool_count = await self._tools.connect()
                self._tools.epoch = self._tools.epoch or await self._routes.take_lease(HOLDER)
                break
            except Unavailable as error:
                self.health.last_error = str(error)
                self.health.attempted.set()
                given_up = self._clock.now() >= patience_ends
                if given_up or loop.time() >= complain_at:
                    complain_at = loop.time() + NEXT_COMPLAINT_SECONDS
                    self._narrator.waiting(str(error))
                    self._board.waiting(str(error))
                if given_up:
                    why = "server down, and no more waiting for it: %s"
                    logger.error(why, error, extra=alert(AlertKind.SERVER_DOWN))
                    return
            self.heartbeat.promise(self._clock.now())
            await asyncio.sleep(RECONNECT_SECONDS)
        self.health.attempted.set()
        self.health.last_error = None
        if not self.health.model_loaded:
            self.health.model_loaded = True
            self._narrator.ready(tool_count)

    async def _next_session(self, after: datetime) -> Session:
        """The session after `after`, or the one it falls in. Waits while the table knows none."""
        while True:
            try:
                self._hours = await self._load_hours()
                return self._hours.current_or_next(max(after, self._clock.now()))
            except CalendarEnded as error:
                self.health.last_error = str(error)
                self._narrator.calendar_ended(str(error))
                await self._pause_until(self._clock.now() + HOUR)

    def _next_open(self, session: Session) -> datetime | None:
        try:
            return self._hours.current_or_next(session.close_at).open_at
        except CalendarEnded:
            return None

    async def _look_at_prompt(self) -> Prompt:
        """The prompt of the cycles from here on."""
        prompt = await self._prompt_file.look()
        self._board.prompt_hash = prompt.hash
        return prompt

    async def _look_at_desk(self) -> None:
        """What the trade server lets through now: facts for the ladder."""
        try:
            desk = await self._routes.desk_state()
        except Unavailable as error:
            if self._options.simulated_time and timed_out(error):
                raise TimeoutInSimulation(str(error)) from error
            self._ladder.learn(trade_server=str(error))
            return
        # Simulated time has one owner: what two clocks show there is no news of either.
        comparable = desk.at is not None and not self._options.simulated_time
        self._ladder.learn(
            trade_server="",
            trading_state=desk.trading_state,
            state_reason=desk.reason,
            reconciled=desk.reconciled,
            skew=desk.at - self._clock.now() if desk.at and comparable else timedelta(0),
        )

    async def _book(self) -> Book | None:
        """The account's state, None when the trade server does not tell."""
        try:
            book = await read_book(self._tools)
        except Unavailable as error:
            logger.warning("%s", error)
            return None
        self._board.held = book.symbols
        return book

    async def _repeat_incidents(self) -> None:
        for incident in await self._routes.new_incidents():
            logger.log(incident.level, "%s: %s", incident.server, incident.text)

    async def _pause_until(self, when: datetime) -> None:
        self.heartbeat.promise(when)
        await self._clock.sleep_until(when)

    def _enter(self, phase: Phase, session: Session, what: str, at: datetime) -> None:
        """Say everywhere where the day is, and what comes next."""
        self._ladder.learn(phase=phase)
        self._board.enter(phase, session, what, at)

    def _unwell(self, why: str) -> None:
        self.health.last_error = why


def _next_hour(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0) + HOUR
