"""The trader as a process: the trading day beside `/health`, until SIGTERM or SIGINT."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from pydantic import SecretStr

from agent.base_agent.base_agent import agent_type
from agent.base_agent.mcp_tools import McpTools, tool_server
from agent.base_agent.tool_pins import PINNED
from agent.cooldowns import Cooldowns
from agent.diary import Diary, History
from agent.health import Health, health_app
from agent.language_models import OpenAICompatibleModel
from agent.options import AgentOptions
from agent.recorder import (
    Page,
    RecordedClock,
    RecordedCycle,
    RecordedModel,
    RecordedTools,
    Recorder,
    mind_content,
)
from agent.server_routes import HttpRoutes
from agent.trading_day import TradingDay
from tools.core.seams import Clock
from tools.hosting import bind, http_server, log_to, only_one
from tools.schedule.market_hours import MarketHours
from tools.watchdog import tell_ready

logger = logging.getLogger(__name__)


def open_logs(folder: Path, level: str) -> None:
    """Everything to the console and the `stdout` file, warnings also to the `stderr` file."""
    log_to(
        (folder / "active_trader_stdout.log", logging.NOTSET),
        (folder / "active_trader_stderr.log", logging.WARNING),
        level=level,
    )


type Door = tuple[int, SecretStr]
"""A tool server of ours on this machine: its port and its token."""


async def live(
    options: AgentOptions,
    *,
    clock: Clock,
    load_hours: Callable[[], Awaitable[MarketHours]],
    model: OpenAICompatibleModel,
    data: Door,
    trade: Door,
    history: History,
    open_page: Callable[[Path], Page],
    health_port: int,
) -> None:
    """Build the mind and live through the days, until a signal; `clock` has been entered.

    Raises AlreadyRunning, PortTaken, ConfigError, ClockLost, TimeoutInSimulation.
    """
    mind = mind_content(options, model.endpoint)
    recorder = Recorder(options.agent_folder, clock, mind, open_page)
    agent = agent_type(options.agent_type)(
        RecordedModel(model, recorder),
        max_steps=options.tuning.max_steps,
        call_deadline_seconds=options.tuning.call_deadline_seconds,
    )
    # Entered here, outside the actor: their background tasks must not sleep in its name.
    servers = tool_server("data", *data), tool_server("trade", *trade)
    with only_one(options.home, "active-trader"), contextlib.closing(recorder):
        async with McpTools(servers, PINNED) as counters, HttpRoutes(*servers) as routes:
            tools = RecordedTools(counters, recorder)
            cycle = RecordedCycle(
                clock=RecordedClock(clock, recorder),
                tools=tools,
                agent=agent,
                watchlist=options.watchlist,
                deadline_seconds=options.tuning.cycle_deadline_seconds,
                simulated_time=options.simulated_time,
                cooldowns=Cooldowns(
                    failures=options.tuning.symbol_failures,
                    failure_minutes=options.tuning.symbol_pause_minutes,
                    refusal_minutes=options.tuning.refusal_pause_minutes,
                ),
                budget=model.budget,
                cited_seconds=options.tuning.cited_price_seconds,
            )
            cycle.recorder = recorder
            day = TradingDay(
                options=options,
                clock=clock,
                load_hours=load_hours,
                tools=tools,
                routes=routes,
                cycle=cycle,
                diary=Diary(options, history),
                health=Health(),
                check_model=None if options.model_is_rules else model.check,
            )
            await serve(day, health_port)


async def serve(day: TradingDay, port: int) -> None:
    """Run `day` with its health on `port`, until a signal or until the day ends in an error."""
    listener = await bind(port)
    server = http_server(health_app(day.health))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    working = asyncio.create_task(day.run())
    feeding = asyncio.create_task(day.heartbeat.feed())
    telling = asyncio.create_task(tell_ready(day.health.attempted))
    await asyncio.wait((serving, working), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    feeding.cancel()
    telling.cancel()
    working.cancel()
    await serving
    with contextlib.suppress(asyncio.CancelledError):
        await working
