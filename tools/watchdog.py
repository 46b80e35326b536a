"""What systemd is told of a working loop: that it is ready, what it does, that it still moves."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from tools.core.errors import Unavailable
from tools.core.seams import Clock
from tools.hosting import sd_notify, watchdog_seconds

logger = logging.getLogger(__name__)

GRACE = timedelta(seconds=60)
READY_SECONDS = 10.0
RETRY_SECONDS = 5.0


class Heartbeat:
    """systemd's watchdog, fed as long as the working loop keeps its promises.

    The loop says until when it will be silent; a hung loop, and one that waits for something that
    never comes, are both found out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # A watchdog that is set tighter is meant tighter.
        self._grace = min(GRACE, timedelta(seconds=watchdog_seconds() or GRACE.total_seconds()))
        self._silent_until = clock.now() + self._grace

    def promise(self, until: datetime) -> None:
        """The loop will be heard of again at `until`, give or take a minute."""
        self._silent_until = until + self._grace

    @property
    def kept(self) -> bool:
        """The promise was not broken so far."""
        return self._clock.now() <= self._silent_until

    async def feed(self) -> None:
        """Ping systemd in real time, as often as it asks, while promises are kept."""
        await feed(lambda: self.kept)


async def feed(alive: Callable[[], bool]) -> None:
    """Ping systemd twice in each interval while `alive()`; return at once when it did not ask."""
    if not (interval := watchdog_seconds()):
        return
    while True:
        if alive():
            sd_notify("WATCHDOG=1")
        await asyncio.sleep(interval / 2)


async def tell_ready(attempted: asyncio.Event) -> None:
    """Say READY once the first attempt to be of use has ended, however it did, or after 10 s.

    Who waits longer keeps back those that are started after it, and they can do without.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(READY_SECONDS):
            await attempted.wait()
    sd_notify("READY=1")


async def reach[Thing](make: Callable[[], Thing]) -> Thing:
    """`make()`, tried again in a thread for as long as it raises Unavailable.

    systemd is told that the service stands and what it lacks, so nobody ends it meanwhile.
    """
    told = ""
    while True:
        try:
            return await asyncio.to_thread(make)
        except Unavailable as error:
            sd_notify("READY=1", f"STATUS=degraded: {error}", "WATCHDOG=1")
            if str(error) != told:
                told = str(error)
                logger.warning("%s: tried again every %d s", error, RETRY_SECONDS)
            await asyncio.sleep(RETRY_SECONDS)


class StatusLine:
    """The line that `systemctl status` shows; told when it changes."""

    def __init__(self) -> None:
        self._told = ""

    def tell(self, text: str) -> None:
        """Show `text`."""
        if text != self._told:
            self._told = text
            sd_notify(f"STATUS={text}")
