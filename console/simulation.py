"""The launcher: whole trading days in processes of their own, under simulated time.

It is itself an actor of that time, of the last rank: it joins before the others, so that time
stands still until all of them are ready; it sleeps until a day is over; and it holds time again
while it asks how the day ended.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, NoReturn

import httpx2

from console.children import ChildFailed, Children
from console.outcome import Examiner, Outcome, together
from console.plan import Plan
from console.simulation_home import Ports, environment, make_home
from tools.core.errors import ActiveTraderError
from tools.schedule.clocks import ClockLost, SimulatedClock
from tools.schedule.market_hours import at_new_york
from tools.settings import ROOT, Settings, load

AFTER_CLOSE = timedelta(minutes=2)
STANDSTILL_SECONDS = 60.0
LOOKS_SECONDS = 5.0
REAPING_SECONDS = 1.0
INTERRUPTED = 130


class TimeStoodStill(ActiveTraderError):
    """Nobody let simulated time move for as long as the plan allows."""


def main(plan: Plan) -> int:
    """Run the plan; the last line printed is its outcome as JSON. 0 only when it ended flat."""
    return asyncio.run(_main(plan))


async def run(plan: Plan) -> dict[str, Any]:
    """Start the processes, live through the plan's days, end the processes, report.

    Raises ChildFailed and TimeStoodStill; no process is left behind then either.
    """
    began = time.monotonic()
    home, ports = make_home(plan), Ports.free()
    told = {**environment(home, ports, os.environ), **plan.model_door}
    children = Children(told, folder=home / "logs", cwd=ROOT)
    async with httpx2.AsyncClient(trust_env=False, timeout=STANDSTILL_SECONDS) as client:
        launcher = Launcher(plan, load(told), ports, children, client)
        try:
            outcomes = await _first_to_end(
                children.first_failure(), launcher.stillness(), launcher.live_through()
            )
        finally:
            await children.stop()
    report = together(outcomes).as_json()
    if len(outcomes) > 1:
        report["days"] = [outcome.as_json() for outcome in outcomes]
    wall_seconds = round(time.monotonic() - began, 2)
    return report | {"mode": "simulation", "home": str(home), "wall_seconds": wall_seconds}


class Launcher:
    """The actor `launcher`: what it does in simulated time."""

    def __init__(
        self,
        plan: Plan,
        settings: Settings,
        ports: Ports,
        children: Children,
        client: httpx2.AsyncClient,
    ) -> None:
        self._plan, self._settings, self._ports = plan, settings, ports
        self._children, self._client = children, client

    async def live_through(self) -> list[Outcome]:
        """Start everything, sleep from day to day, end everything while time stands still."""
        await self._start_exchange()
        try:
            async with (
                SimulatedClock(self._settings.clock_url) as clock,
                clock.busy("launcher", rank=99),
            ):
                await self._start_services()
                outcomes = await self._days(clock)
                await self._children.stop()
                return outcomes
        except (ClockLost, httpx2.HTTPError) as error:
            # A child's death would explain it better, and is noticed within this time.
            await asyncio.sleep(REAPING_SECONDS)
            first_line = str(error).partition("\n")[0]
            raise ChildFailed(f"a process did not answer: {first_line}", code=1) from error

    async def stillness(self) -> NoReturn:
        """Raises TimeStoodStill when an actor runs for too much real time, or nobody answers."""
        while True:
            await asyncio.sleep(LOOKS_SECONDS)
            try:
                answer = await self._client.get(f"{self._settings.trading_url}/time")
            except httpx2.TimeoutException:
                raise TimeStoodStill("the owner of simulated time does not answer") from None
            except httpx2.HTTPError:
                continue  # not there yet, or no more: others will tell
            state = answer.json()
            if state["running"] and state["still_for"] > self._plan.standstill_seconds:
                raise TimeStoodStill(f"simulated time stood still: {json.dumps(state)}")

    async def _start_exchange(self) -> None:
        plan = self._plan
        first = plan.sessions[0].on if plan.sessions else plan.first
        symbols = ",".join(plan.symbols)
        recorded = ("--data", str(plan.tape), "--symbols", symbols)
        exchange = await self._children.start(
            "exchange",
            *("-m", "embedded.exchange", "--port", str(self._ports.exchange)),
            *(recorded if plan.tape else ("--synthetic", symbols)),
            *("--session", str(first), "--until", str(plan.last)),
            *("--at", "09:00" if plan.sessions else "00:00"),
            *("--speed", plan.speed, "--cash", str(plan.cash), "--seed", str(plan.seed)),
            *("--page", str(self._settings.home / "data" / "time")),
            *("--table", str(plan.session_table)),
        )
        await exchange.ready(self._client, self._ports.exchange)

    async def _start_services(self) -> None:
        """The servers together, for all they do is import; then the trader, which needs them."""
        ports, start = self._ports, self._children.start
        servers = {
            ports.model: await start("model", "-m", "embedded.model", "--port", str(ports.model)),
            ports.data: await start("data", "-m", "agent_tools.tool_alpaca_data"),
            ports.trade: await start("trade", "-m", "agent_tools.tool_alpaca_trade"),
        }
        await asyncio.gather(*(child.ready(self._client, port) for port, child in servers.items()))
        entry = str(ROOT / "active_trader.py")
        trader = await start("trader", entry, to_terminal=not self._plan.as_json)
        await trader.ready(self._client, ports.trader)

    async def _days(self, clock: SimulatedClock) -> list[Outcome]:
        plan, examiner = self._plan, Examiner(self._settings, self._client)
        if not plan.sessions:
            await clock.sleep_until(at_new_york(plan.last + timedelta(days=1), 0, 0))
            return [await examiner.outcome(plan.first, None, plan.cash)]
        outcomes: list[Outcome] = []
        equity = plan.cash
        for session in plan.sessions:
            await clock.sleep_until(session.close_at + AFTER_CLOSE)
            outcomes.append(await examiner.outcome(session.on, session, equity))
            equity = outcomes[-1].equity_usd
        return outcomes


async def _main(plan: Plan) -> int:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    try:
        report = await run(plan)
    except ChildFailed as failure:
        print(failure, file=sys.stderr)
        return failure.code
    except asyncio.CancelledError:
        print("simulation interrupted; its processes were ended", file=sys.stderr)
        return INTERRUPTED
    print(json.dumps(report), flush=True)
    return 0 if report["flat"] else 1


async def _first_to_end[T](*coroutines: Coroutine[Any, Any, T]) -> T:
    """What the first of them to end returned or raised; the others are cancelled."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task.done()).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
