"""The trade server's plain HTTP routes: the flatten, the kill switch, its reset, the state.

They are doors for operators, not tools: no model is shown them. The agent may open one of them, the
flatten's, from the flatten time on.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent_tools._mcp_server import Door, Role
from tools.core.errors import Unavailable
from tools.core.reports import FlattenReport
from tools.execution.kill_switch import KILL_SWITCH
from tools.execution.leases import Leases
from tools.execution.trade_room import TradeRoom
from tools.safety.reset_codes import LIFETIME_SECONDS

logger = logging.getLogger(__name__)

OPERATOR = frozenset((Role.OPERATOR,))
AGENT = frozenset((Role.AGENT,))
BOTH = frozenset((Role.OPERATOR, Role.AGENT))
MOST_WORDS = 500


class OperatorDoors:
    """The handlers. `rouse` wakes the monitor, and returns when it counts as awake."""

    def __init__(self, room: TradeRoom, rouse: Callable[[], Awaitable[None]]) -> None:
        self._room, self._rouse, self._leases = room, rouse, Leases(room.premises)

    def all(self) -> tuple[Door, ...]:
        """Every door, with who may open it."""
        return (
            Door(path="/flatten", method="POST", handler=self._ask_flatten, roles=BOTH),
            Door(path="/flatten", method="GET", handler=self._show_flatten, roles=BOTH),
            Door(path="/lease", method="POST", handler=self._lease, roles=AGENT),
            Door(path="/cycle", method="POST", handler=self._cycle, roles=AGENT),
            Door(path="/kill", method="POST", handler=self._kill, roles=OPERATOR),
            Door(path="/reset-code", method="POST", handler=self._reset_code, roles=OPERATOR),
            Door(path="/reset", method="POST", handler=self._reset, roles=OPERATOR),
            Door(path="/state", method="GET", handler=self._show_state, roles=BOTH),
        )

    async def _ask_flatten(self, request: Request) -> Response:
        """The monitor carries it out; the caller polls."""
        role, session = request.scope["role"], self._room.books.begun_session()
        early = session is None or self._room.premises.now() < session.flatten_at
        if role is Role.AGENT and early:
            words = "the agent may flatten from the flatten time on, not earlier"
            return JSONResponse({"error": words}, status_code=403)
        if _word(await _body(request), "reason") is None:
            return _bad_request("reason")
        await anyio.to_thread.run_sync(self._room.monitor.request_flatten, role.value)
        await self._rouse()
        return JSONResponse({"accepted": True}, status_code=202)

    async def _show_flatten(self, _: Request) -> Response:
        status = self._room.monitor.flatten_status()
        report = None if status.report is None else _report(status.report)
        return JSONResponse({"state": status.state, "report": report})

    async def _lease(self, request: Request) -> Response:
        """A trader starts, and is from here on the only one that is obeyed."""
        holder = _word(await _body(request), "holder")
        if not holder:
            return _bad_request("holder")
        try:
            lease = await anyio.to_thread.run_sync(self._leases.take, holder)
        except Unavailable as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        logger.info("epoch %d of the lease goes to %s", lease.epoch, lease.holder)
        return JSONResponse({"epoch": lease.epoch, "account": lease.account})

    async def _cycle(self, request: Request) -> Response:
        """How a cycle of the trader ended, for the breakers."""
        body = await _body(request)
        well, error = (body or {}).get("ok"), _word(body, "error")
        if not isinstance(well, bool) or error is None:
            return _bad_request("error")
        words = "" if well else error or "it does not say how"
        await anyio.to_thread.run_sync(self._room.watch.cycle_ended, words)
        return JSONResponse({"accepted": True}, status_code=202)

    async def _kill(self, request: Request) -> Response:
        """Nothing but the flatten from here on, and all is closed unless the body says otherwise.

        The monitor closes; it is woken, and the caller polls `/flatten`.
        """
        body = await _body(request)
        reason, keep = _word(body, "reason"), (body or {}).get("keep_positions", False)
        if not reason or not isinstance(keep, bool):
            return _bad_request("reason")
        closing = await anyio.to_thread.run_sync(self._pull, reason, keep)
        await self._rouse()
        return await anyio.to_thread.run_sync(partial(self._state, closing=closing))

    def _pull(self, reason: str, keep: bool) -> bool:
        """Whether all is being closed now."""
        self._room.kill_switch.pull(reason, Role.OPERATOR.value, keep_positions=keep)
        session = self._room.books.session()
        if keep or session is None or self._room.premises.now() < session.open_at:
            return False
        self._room.monitor.request_flatten(KILL_SWITCH)
        return True

    async def _reset_code(self, _: Request) -> Response:
        """The first step of a reset. The answer is the only place that shows the code."""
        issue = self._room.kill_switch.issue_code
        code = await anyio.to_thread.run_sync(issue, Role.OPERATOR.value)
        answer = {"code": code, "expires_in_seconds": LIFETIME_SECONDS}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def _reset(self, request: Request) -> Response:
        """Back to ACTIVE, for who gives the code back."""
        body = await _body(request)
        code, reason = _word(body, "code"), _word(body, "reason")
        if not code or not reason:
            return _bad_request("code" if reason else "reason")
        reset = self._room.kill_switch.reset
        try:
            refusal = await anyio.to_thread.run_sync(reset, code, reason, Role.OPERATOR.value)
        except Unavailable as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        if refusal:
            return JSONResponse({"error": refusal}, status_code=403)
        return await self._show_state(request)

    async def _show_state(self, _: Request) -> Response:
        return await anyio.to_thread.run_sync(self._state)

    def _state(self, **more: bool) -> Response:
        try:
            record = self._room.control.current()
        except Unavailable as error:
            return JSONResponse({"error": str(error)}, status_code=503)
        return JSONResponse(
            {
                "trading_state": record.trading_state,
                "reason": record.reason,
                "actor": record.actor,
                "since": record.since.isoformat(),
                "latched": self._room.control.latch() is not None,
                "reconciled": self._room.books.reconciled,
                "now": self._room.premises.now().isoformat(),
                **more,
            }
        )


async def _body(request: Request) -> dict[str, Any] | None:
    """The body, {} without one; None when it is not a JSON object."""
    raw = await request.body()
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def _word(body: dict[str, Any] | None, name: str) -> str | None:
    """The body's field `name`, "" without one; None when body or field is not what it should be."""
    word = None if body is None else body.get(name, "")
    return word if isinstance(word, str) and len(word) <= MOST_WORDS else None


def _bad_request(name: str) -> Response:
    words = f'the body must be {{"{name}": "..."}}, of at most {MOST_WORDS} characters'
    return JSONResponse({"error": words}, status_code=400)


def _report(report: FlattenReport) -> dict[str, Any]:
    return {
        "session": str(report.session_on),
        "started_at": report.started_at.isoformat(),
        "ended_at": report.ended_at.isoformat(),
        "flat": report.flat,
        "closed_symbols": list(report.closed_symbols),
        "remaining_symbols": list(report.remaining_symbols),
        "errors": list(report.errors),
        "caller": report.caller,
    }
