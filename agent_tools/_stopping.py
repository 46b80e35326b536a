"""`close_on_stop`: a trade server that is told to stop first closes everything, if configured."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio.to_thread

from tools.core.alerts import AlertKind, alert
from tools.execution.trade_room import TradeRoom

logger = logging.getLogger(__name__)

STOP = "stop"
STOP_LOOKS, LOOK_SECONDS = 200, 0.1
"""Twenty real seconds in all; systemd waits a little longer before it kills."""


async def close_before_stopping(room: TradeRoom, rouse: Callable[[], Awaitable[None]]) -> None:
    """Have the monitor flatten, in the session only, and wait for it for 20 s."""
    session = room.books.session()
    if session is None or not session.open_at <= room.premises.now() < session.close_at:
        return
    logger.info("closing all positions before stopping, as close_on_stop says")
    await anyio.to_thread.run_sync(room.monitor.request_flatten, STOP)
    await rouse()
    for _ in range(STOP_LOOKS):
        if room.monitor.flatten_status().state != "running":
            return
        await asyncio.sleep(LOOK_SECONDS)
    words = "stopped before everything was closed: resting stops stay at the broker"
    logger.critical("NOT FLAT: %s", words, extra=alert(AlertKind.NOT_FLAT))
