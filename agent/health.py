"""Whether the trader is well: `/health` on :8002 for people and monitors, sd_notify for systemd."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tools.core.seams import Clock
from tools.hosting import sd_notify

GRACE = timedelta(seconds=60)


@dataclass(slots=True)
class Health:
    """The trader's state, kept by the working loop. Well is: model and tools loaded, no error."""

    agent_status: str = "STARTING"
    cycle_count: int = 0
    model_loaded: bool = False
    last_error: str | None = "not connected yet"
    cycle_state: str = "IDLE"
    rung: str = "FULL"
    why: str = ""

    @property
    def healthy(self) -> bool:
        """What the status code says."""
        return self.model_loaded and self.last_error is None


class Heartbeat:
    """systemd's watchdog, fed as long as the working loop keeps its promises.

    The loop says until when it will be silent; a hung loop, and one that waits for something that
    never comes, are both found out.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._silent_until = clock.now() + GRACE

    def promise(self, until: datetime) -> None:
        """The loop will be heard of again at `until`, give or take a minute."""
        self._silent_until = until + GRACE

    @property
    def kept(self) -> bool:
        """The promise was not broken so far."""
        return self._clock.now() <= self._silent_until

    async def feed(self, every_seconds: float) -> None:
        """Ping systemd as often, in real time, while promises are kept. Until cancelled."""
        while True:
            if self.kept:
                sd_notify("WATCHDOG=1")
            await asyncio.sleep(every_seconds)


def health_app(health: Health) -> Starlette:
    """The one route."""

    async def show(_: Request) -> JSONResponse:
        standing = {"cycle_state": health.cycle_state, "rung": health.rung}
        if health.why:
            standing["rung_reasons"] = health.why
        if health.healthy:
            return JSONResponse(
                {
                    "status": "healthy",
                    "agent_status": health.agent_status,
                    "cycle_count": health.cycle_count,
                    "model_loaded": health.model_loaded,
                    **standing,
                }
            )
        return JSONResponse(
            {
                "status": "unhealthy",
                "agent_status": health.agent_status,
                "last_error": health.last_error,
                **standing,
            },
            status_code=503,
        )

    return Starlette(routes=[Route("/health", show)])
