"""Whether the trader is well: `/health` on :8002, for people and monitors."""

import asyncio
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


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
    attempted: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the servers were asked for the first time, whatever came of it."""

    @property
    def healthy(self) -> bool:
        """What the status code says."""
        return self.model_loaded and self.last_error is None


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
