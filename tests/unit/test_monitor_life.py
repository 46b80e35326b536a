"""The monitor's loop in the trade server: it lives a day, and a bug does not end it."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from agent_tools import _trade_life
from agent_tools._trade_life import watch, watch_latch
from tests.builders import a_time
from tests.counters import Roused
from tests.trading import Bench, Hands, a_bench, a_tape, turn
from tools.safety import kill_switch
from tools.watchdog import Heartbeat

pytestmark = pytest.mark.anyio


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = a_bench(tmp_path, tape=a_tape(("10:30", 99)))
    bench.room.monitor.look()
    return bench


class EndOfDay(BaseException):
    """Ends a life that has no end of its own."""


class HandsClock:
    """`Hands` as a Clock for one actor, which lives until `ends_at`."""

    def __init__(self, hands: Hands, ends_at: datetime) -> None:
        self._hands, self._ends_at = hands, ends_at
        self.actors: list[tuple[str, int]] = []
        self.sleeps: list[datetime] = []

    def now(self) -> datetime:
        return self._hands.read()

    async def sleep_until(self, when: datetime) -> None:
        self.sleeps.append(when)
        if when > self._ends_at:
            raise EndOfDay
        self._hands.wait(when)

    @contextlib.asynccontextmanager
    async def busy(self, name: str, rank: int = 50) -> AsyncIterator[None]:
        self.actors.append((name, rank))
        yield

    async def rouse(self, name: str) -> None:
        """The one actor is awake."""


async def live(bench: Bench, until: str) -> HandsClock:
    """The monitor's life up to a New York time."""
    clock, joined = HandsClock(bench.hands, a_time(until)), asyncio.Event()
    attempted = asyncio.Event()
    with pytest.raises(EndOfDay):
        await watch(clock, bench.room, joined, attempted, Heartbeat(clock))
    assert joined.is_set()
    assert attempted.is_set()
    return clock


async def test_the_monitor_lives_a_day_and_gets_flat_when_nobody_asks(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, Hands("09:20"))
    bench.hands.alarms[a_time("11:00")] = lambda: bench.bracket("SPY")
    clock = await live(bench, "17:00")
    assert clock.actors == [("trade.monitor", 10)]
    assert clock.sleeps[0] == a_time("09:25")
    assert bench.held() == {}
    report = bench.room.monitor.flatten_status().report
    assert report is not None
    assert (report.caller, report.ended_at) == ("monitor", a_time("15:56:02"))
    assert len(bench.lines()) == 1


async def test_a_bug_in_a_turn_does_not_end_the_watchdog(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    bench = a_bench(tmp_path, Hands("15:50"))
    bench.bracket("SPY")

    def broken(event: str = "") -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(bench.room.auditor, "audit", broken)
    await live(bench, "15:59")
    assert bench.held() == {}
    assert "the monitor's turn failed" in caplog.messages


async def test_the_monitor_turns_while_every_thread_of_the_tools_is_taken(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, Hands("15:50"))
    bench.bracket("SPY")
    limiter, released = anyio.to_thread.current_default_thread_limiter(), threading.Event()

    async def tool() -> None:
        await anyio.to_thread.run_sync(released.wait)

    async with anyio.create_task_group() as tools:
        for _ in range(int(limiter.total_tokens)):
            tools.start_soon(tool)
        try:
            await anyio.wait_all_tasks_blocked()
            with anyio.fail_after(5):
                await live(bench, "15:59")
        finally:
            released.set()
    assert bench.held() == {}


async def test_a_latch_from_elsewhere_wakes_the_monitor_once_for_each_time_it_is_pulled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_trade_life, "LATCH_SECONDS", 0.0)
    roused = Roused()
    watching = asyncio.create_task(watch_latch(bench.room, roused))

    async def looks() -> int:
        for _ in range(10):
            await asyncio.sleep(0)
        return roused.times

    assert await looks() == 0
    for times in (1, 2):
        now = bench.hands.read()
        kill_switch.pull(bench.home, reason="smoke", actor="operator", now=now)
        assert await looks() == times
        kill_switch.release(bench.home)
        assert await looks() == times
    watching.cancel()


async def test_a_clock_that_is_set_back_wakes_the_monitor_which_audits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_trade_life, "LATCH_SECONDS", 0.0)
    bench.bracket("SPY")
    bench.hands.at("11:00")
    turn(bench)
    roused = Roused()
    watching = asyncio.create_task(watch_latch(bench.room, roused))
    for clock, times in (("11:00:01", 0), ("10:00", 1), ("10:00:01", 1)):
        await asyncio.sleep(0)
        bench.hands.at(clock)
        for _ in range(10):
            await asyncio.sleep(0)
        assert roused.times == times
    watching.cancel()
    bench.broker.calls.clear()
    turn(bench)
    assert "account" in [name for name, _ in bench.broker.calls]
    bench.hands.at("09:50")
    bench.broker.calls.clear()
    bench.room.books.freshen()
    assert bench.broker.calls != []
