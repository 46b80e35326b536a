"""Sleeping for hours on a clock that is set and a machine that is suspended, in no time.

The loop's own time, which is what timers count, jumps to the next timer instead of waiting for it;
the wall clock is that time plus whatever a test adds to it.
"""

import asyncio
import selectors
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tools.schedule.clocks import SystemClock

START = datetime(2026, 11, 23, 14, 0, tzinfo=UTC)
ONE_LEG_SECONDS, LAST_LEG_SECONDS = 30, 1
ONE_MILLISECOND = timedelta(milliseconds=1)
DEADLINE = START + timedelta(seconds=100)


class JumpingSelector(selectors.DefaultSelector):
    """Where a loop waits: it lets the loop's time pass, and counts."""

    elapsed, wakes = 0.0, 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nobody would ever wake this loop"
        self.elapsed += max(0.0, timeout)
        self.wakes += timeout > 0
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop in which a timer is due at once."""

    def __init__(self) -> None:
        self.selector = JumpingSelector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.elapsed


class UnsteadyClock(SystemClock):
    """A wall clock that is set by `steps[s]` seconds once `s` seconds have been counted."""

    def __init__(self, loop: JumpingLoop, steps: Mapping[float, float]) -> None:
        super().__init__()
        self._loop, self._steps = loop, steps

    def now(self) -> datetime:
        counted = self._loop.time()
        shift = sum(by for at, by in self._steps.items() if at <= counted)
        return START + timedelta(seconds=counted + shift)


def slept(until: datetime, steps: Mapping[float, float]) -> tuple[datetime, float, int]:
    """The wall clock's time on waking, the seconds counted until then, and the wake-ups."""
    loop = JumpingLoop()

    async def sleep() -> datetime:
        clock = UnsteadyClock(loop, steps)
        async with clock.busy("sleeper"):
            await clock.sleep_until(until)
        return clock.now()

    try:
        woken = loop.run_until_complete(sleep())
        return woken, loop.time(), loop.selector.wakes
    finally:
        loop.close()


def test_on_a_steady_clock_it_wakes_on_time_in_few_legs() -> None:
    woken, _, wakes = slept(DEADLINE, {})
    assert DEADLINE <= woken <= DEADLINE + ONE_MILLISECOND
    assert wakes == 5  # 30, 30, 30, 9 and the last second


@pytest.mark.parametrize("back", [0.5, 20, 3600])
def test_a_clock_that_is_set_back_never_wakes_it_early_nor_late(back: float) -> None:
    woken, counted, _ = slept(DEADLINE, {35: -back})
    assert DEADLINE <= woken <= DEADLINE + ONE_MILLISECOND
    assert counted == pytest.approx(100 + back, abs=0.01)


@pytest.mark.parametrize("ahead", [0.5, 20, 60, 3600])
@pytest.mark.parametrize("at", [1, 35, 60.001, 89])
def test_a_clock_that_is_set_ahead_makes_it_late_by_one_leg_at_most(
    at: float, ahead: float
) -> None:
    _, counted, _ = slept(DEADLINE, {at: ahead})
    due = max(at, 100 - ahead)  # when the wall clock shows the deadline
    assert due <= counted + 0.001
    assert counted <= due + ONE_LEG_SECONDS


def test_a_step_within_the_last_second_is_missed_by_that_second_alone() -> None:
    _, counted, _ = slept(DEADLINE, {99.5: 3600})
    assert counted <= 99.5 + LAST_LEG_SECONDS


def test_a_machine_that_sleeps_through_the_deadline_wakes_it_within_a_leg() -> None:
    # While a machine is suspended the wall clock goes on and the timers do not.
    woken, counted, _ = slept(DEADLINE, {65: 7200})
    assert counted - 65 <= ONE_LEG_SECONDS
    assert woken >= DEADLINE


def test_a_night_is_slept_with_far_fewer_than_one_wake_up_in_five_seconds() -> None:
    night = timedelta(hours=17, minutes=25)
    woken, counted, wakes = slept(START + night, {})
    assert woken - (START + night) <= ONE_MILLISECOND
    assert wakes <= counted / 5 / 5


def test_two_tasks_may_not_sleep_in_one_name() -> None:
    async def twice() -> None:
        clock = SystemClock()
        async with clock.busy("sleeper"):
            first = asyncio.create_task(clock.sleep_until(clock.now() + timedelta(hours=1)))
            await asyncio.sleep(0)
            with pytest.raises(RuntimeError, match="two tasks"):
                await clock.sleep_until(clock.now() + timedelta(hours=1))
            await clock.rouse("sleeper")
            await first

    asyncio.run(twice())
