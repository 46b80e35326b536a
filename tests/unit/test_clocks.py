"""The clocks: simulated time over a real socket, and the system's clock."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette

from embedded.exchange.timekeeper import TimeKeeper, routes
from tools.hosting import bind, http_server
from tools.schedule.clocks import ClockLost, SimulatedClock, SystemClock

START = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@asynccontextmanager
async def owner(tmp_path: Path) -> AsyncIterator[tuple[TimeKeeper, str]]:
    keeper = TimeKeeper(START, tmp_path / "page")
    server = http_server(Starlette(routes=routes(keeper)), ws="websockets-sansio")
    listener = await bind(0)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield keeper, f"ws://127.0.0.1:{listener.getsockname()[1]}/time"
    finally:
        server.should_exit = True
        await serving


@pytest.mark.anyio
async def test_time_moves_to_the_earliest_wish_and_wakes_one_actor_at_a_time(
    tmp_path: Path,
) -> None:
    events: list[tuple[str, datetime]] = []

    async def actor(clock: SimulatedClock, name: str, rank: int, every: timedelta) -> None:
        async with clock.busy(name, rank):
            started.release()
            await go.wait()
            for step in range(1, 4):
                await clock.sleep_until(START + step * every)
                events.append((name, clock.now()))

    started, go = threading.Semaphore(0), asyncio.Event()
    async with owner(tmp_path) as (_, url), SimulatedClock(url) as one, SimulatedClock(url) as two:
        first = asyncio.create_task(actor(one, "slow", 20, 2 * MINUTE))
        second = asyncio.create_task(actor(two, "fast", 10, MINUTE))
        while started._value < 2:
            await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, second)
    minutes = [(name, (at - START) // MINUTE) for name, at in events]
    assert minutes == [
        ("fast", 1), ("fast", 2), ("slow", 2), ("fast", 3), ("slow", 4), ("slow", 6),
    ]  # fmt: skip


@pytest.mark.anyio
async def test_time_stands_still_while_an_actor_runs(tmp_path: Path) -> None:
    async with owner(tmp_path) as (keeper, url), SimulatedClock(url) as clock:
        async with clock.busy("worker"):
            await asyncio.sleep(0.01)
            assert clock.now() == START
            assert keeper.state()["running"] == ["worker"]


@pytest.mark.anyio
async def test_a_roused_actor_counts_as_running_before_its_rouser_goes_on(tmp_path: Path) -> None:
    async with owner(tmp_path) as (keeper, url), SimulatedClock(url) as clock:
        woken = asyncio.Event()

        async def monitor() -> None:
            async with clock.busy("monitor", 10):
                await clock.sleep_until(START + 60 * MINUTE)
                woken.set()
                assert clock.now() == START

        async with clock.busy("trader", 50):
            task = asyncio.create_task(monitor_outside(monitor))
            while not keeper.state()["sleeping"]:
                await asyncio.sleep(0)
            await clock.rouse("monitor")
            assert keeper.state()["running"] == ["monitor", "trader"] or woken.is_set()
            await task


async def monitor_outside(monitor: object) -> None:
    """Run a coroutine function as if started before the caller became an actor."""
    import contextvars

    assert callable(monitor)
    await asyncio.get_running_loop().create_task(monitor(), context=contextvars.Context())


@pytest.mark.anyio
async def test_rousing_nobody_is_no_error(tmp_path: Path) -> None:
    async with owner(tmp_path) as (_, url), SimulatedClock(url) as clock:
        await clock.rouse("nobody")


@pytest.mark.anyio
async def test_a_lost_process_releases_time(tmp_path: Path) -> None:
    async with owner(tmp_path) as (keeper, url), SimulatedClock(url) as clock:
        async with SimulatedClock(url) as doomed:
            await doomed._ask("join", "doomed", 50)
        async with clock.busy("survivor"):
            await clock.sleep_until(START + MINUTE)
        assert keeper.now() == START + MINUTE


@pytest.mark.anyio
async def test_a_cancelled_sleep_leaves_the_actor_running(tmp_path: Path) -> None:
    async with owner(tmp_path) as (keeper, url), SimulatedClock(url) as clock:
        async with clock.busy("holder", 1):

            async def sleeper() -> None:
                async with clock.busy("sleeper"):
                    try:
                        await clock.sleep_until(START + MINUTE)
                    finally:
                        left.set()

            left = asyncio.Event()
            task = asyncio.create_task(monitor_outside(sleeper))
            while not keeper.state()["sleeping"]:
                await asyncio.sleep(0)
            task.cancel()
            await left.wait()
            assert clock.now() == START


@pytest.mark.anyio
async def test_the_owners_death_is_an_error_in_every_sleeper(tmp_path: Path) -> None:
    async with owner(tmp_path) as (_, url):
        clock = SimulatedClock(url)
        await clock.__aenter__()
        await clock._ask("join", "other", 1)
    with pytest.raises(ClockLost):
        await clock._ask("join", "late", 1)
    await clock.__aexit__()


@pytest.mark.anyio
async def test_without_an_owner_there_is_no_simulated_clock() -> None:
    with pytest.raises(ClockLost, match="no owner of simulated time"):
        async with SimulatedClock("ws://127.0.0.1:9/time"):
            pass


@pytest.mark.anyio
async def test_sleeping_outside_busy_is_refused_by_both_clocks(tmp_path: Path) -> None:
    async with owner(tmp_path) as (_, url), SimulatedClock(url) as simulated:
        for clock in (simulated, SystemClock()):
            with pytest.raises(RuntimeError, match="outside busy"):
                await clock.sleep_until(clock.now())


@pytest.mark.anyio
async def test_the_system_clock_wakes_on_time_and_never_early() -> None:
    clock = SystemClock()
    async with clock.busy("sleeper"):
        when = clock.now() + timedelta(milliseconds=30)
        await clock.sleep_until(when)
        assert when <= clock.now() < when + timedelta(seconds=5)


@pytest.mark.anyio
async def test_the_system_clock_can_be_roused() -> None:
    clock = SystemClock()

    async def sleeper() -> None:
        async with clock.busy("sleeper"):
            await clock.sleep_until(clock.now() + timedelta(hours=1))

    task = asyncio.create_task(sleeper())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await clock.rouse("sleeper")
    await asyncio.wait_for(task, 5)
