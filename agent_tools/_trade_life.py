"""The trade server's own life beside its requests: the monitor, the latch, what systemd hears."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta

import anyio
import anyio.from_thread
import anyio.to_thread

from tools.core.seams import Clock
from tools.execution.trade_room import TradeRoom
from tools.schedule.clocks import ClockLost
from tools.watchdog import Heartbeat, StatusLine

logger = logging.getLogger(__name__)

MONITOR_ACTOR, MONITOR_RANK = "trade.monitor", 10
AFTER_A_FAILURE = timedelta(seconds=1)
LATCH_SECONDS, LATCH_SECONDS_CLOSED = 1.0, 30.0
"""Real seconds between two looks for a latch that somebody else wrote; each order looks itself."""


async def watch(
    clock: Clock,
    room: TradeRoom,
    joined: asyncio.Event,
    attempted: asyncio.Event,
    heartbeat: Heartbeat,
) -> None:
    """The monitor's life: a turn, a sleep.

    `joined` is set once simulated time waits for it, `attempted` when the first turn has ended.
    """
    status = StatusLine()
    # Its thread is not one of the forty that the tools share: those may all wait for a slow broker.
    own_thread = anyio.CapacityLimiter(1)

    def wait(when: datetime) -> None:
        heartbeat.promise(when)
        anyio.from_thread.run(clock.sleep_until, when)

    async with clock.busy(MONITOR_ACTOR, rank=MONITOR_RANK):
        joined.set()
        while True:
            heartbeat.promise(clock.now())
            try:
                await anyio.to_thread.run_sync(room.monitor.turn, wait, limiter=own_thread)
                wake = room.monitor.next_wake()
                status.tell(status_line(room))
            except ClockLost:
                raise
            except Exception:  # the server's boundary: the watchdog outlives a bug
                logger.exception("the monitor's turn failed")
                wake = clock.now() + AFTER_A_FAILURE
            attempted.set()
            heartbeat.promise(wake)
            await clock.sleep_until(wake)


def status_line(room: TradeRoom) -> str:
    """What `systemctl status` shows of the desk."""
    state = room.control.current().trading_state
    if not room.books.reconciled:
        return f"degraded: the books are not compared with the broker yet, no entries ({state})"
    return f"{state}, books compared with the broker"


async def watch_latch(room: TradeRoom, rouse: Callable[[], Awaitable[None]]) -> None:
    """Wake the monitor when the kill switch was pulled by who could not reach this server.

    By real seconds, in a simulation too: it is a person who pulls it. And when the clock was set
    back: else it would sleep until that has caught up.
    """
    pulled, now = False, room.premises.now()
    while True:
        before, pulled = pulled, room.control.latch() is not None
        earlier, now = now, room.premises.now()
        if (pulled and not before) or now < earlier:
            await rouse()
        session = room.books.session()
        trading = session is not None and session.open_at <= now
        await asyncio.sleep(LATCH_SECONDS if trading else LATCH_SECONDS_CLOSED)


async def until_one_ends(*lives: Coroutine[None, None, None]) -> None:
    """Live them side by side; the first to end ends all, and its exception is raised."""
    tasks = [asyncio.create_task(life) for life in lives]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()
