"""The trade server's routes about flat certificates: what the last one says, and taking note."""

import logging
from collections.abc import Mapping
from datetime import date
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent_tools._mcp_server import Door, Role
from tools.execution.trade_room import TradeRoom

logger = logging.getLogger(__name__)

MOST_WORDS = 500


class CertificateDoors:
    """The handlers. Acknowledging is for operators alone."""

    def __init__(self, room: TradeRoom) -> None:
        self._room = room

    def all(self) -> tuple[Door, ...]:
        """Every door, with who may open it."""
        both = frozenset((Role.OPERATOR, Role.AGENT))
        return (
            Door(path="/certificates", method="GET", handler=self._show, roles=both),
            Door(
                path="/acknowledge",
                method="POST",
                handler=self._acknowledge,
                roles=frozenset((Role.OPERATOR,)),
            ),
        )

    async def _show(self, _: Request) -> Response:
        """The last certificate of the latest session that has one."""
        return await anyio.to_thread.run_sync(self._last)

    def _last(self) -> Response:
        standing = self._room.notary.last()
        if standing is None:
            return JSONResponse({"error": "the certificates cannot be read"}, status_code=503)
        latest = max(standing.last, default=None)
        record: Mapping[str, Any] | None = standing.last[latest] if latest else None
        return JSONResponse({"certificate": record, "fault": standing.fault})

    async def _acknowledge(self, request: Request) -> Response:
        """An operator has looked at a session that did not end flat, or at a broken chain."""
        try:
            body = await request.json()
            session_on, reason = date.fromisoformat(body["session"]), body["reason"]
            if not isinstance(reason, str) or not 0 < len(reason) <= MOST_WORDS:
                raise ValueError(reason)
        except (ValueError, TypeError, LookupError):
            words = 'the body must be {"session": "YYYY-MM-DD", "reason": "..."}'
            return JSONResponse({"error": words}, status_code=400)
        return await anyio.to_thread.run_sync(self._take_note, session_on, reason)

    def _take_note(self, session_on: date, reason: str) -> Response:
        try:
            self._room.notary.acknowledge(session_on, by=Role.OPERATOR.value, reason=reason)
        except OSError as error:
            return JSONResponse({"error": f"it cannot be written: {error}"}, status_code=503)
        record = self._room.control.current()
        return JSONResponse({"trading_state": record.trading_state, "reason": record.reason})
