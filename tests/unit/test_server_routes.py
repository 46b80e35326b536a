"""The servers' plain routes as the trader uses them, against a server that answers as told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from agent.base_agent.mcp_tools import ServerAddress
from agent.server_routes import DeskState, HttpRoutes, Incident
from tools.core.errors import Unavailable
from tools.core.safety import TradingState
from tools.hosting import bind, http_server

pytestmark = pytest.mark.anyio

MONDAY = date(2013, 10, 7)
REPORT = {
    "session": "2013-10-07",
    "started_at": "2013-10-07T19:55:00+00:00",
    "ended_at": "2013-10-07T19:55:10+00:00",
    "flat": True,
    "closed_symbols": ["SPY"],
    "remaining_symbols": [],
    "errors": [],
    "caller": "agent",
}


class Server:
    """Both tool servers in one, as far as the routes go."""

    def __init__(self) -> None:
        self.status = 200
        self.flatten: dict[str, Any] = {"state": "idle", "report": None}
        self.incidents: list[dict[str, object]] = []
        self.asked: list[tuple[str, Any]] = []
        self.state: dict[str, object] = {
            "trading_state": "REDUCING",
            "reason": "the clock",
            "reconciled": False,
            "now": "2013-10-07T14:00:00+00:00",
        }

    @contextlib.asynccontextmanager
    async def routes(self) -> AsyncIterator[HttpRoutes]:
        app = Starlette(
            routes=[
                Route("/flatten", self._flatten, methods=["GET", "POST"]),
                Route("/incidents", self._incidents),
                Route("/state", self._state),
                Route("/cycle", self._cycle, methods=["POST"]),
            ]
        )
        server, listener = http_server(app), await bind(0)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        address = ServerAddress(
            name="alpaca-trade",
            url=f"http://127.0.0.1:{listener.getsockname()[1]}",
            token=SecretStr("t"),
            start_command="",
        )
        try:
            async with HttpRoutes(address, address) as routes:
                yield routes
        finally:
            server.should_exit = True
            await serving

    async def _flatten(self, request: Request) -> JSONResponse:
        body = await request.json() if request.method == "POST" else None
        self.asked.append((request.headers["authorization"], body))
        return JSONResponse(self.flatten, status_code=self.status)

    async def _state(self, _: Request) -> JSONResponse:
        return JSONResponse(self.state)

    async def _cycle(self, request: Request) -> JSONResponse:
        self.asked.append(("cycle", await request.json()))
        return JSONResponse({}, status_code=self.status)

    async def _incidents(self, _: Request) -> JSONResponse:
        return JSONResponse({"incidents": self.incidents})


async def test_a_flatten_is_asked_for_with_the_agents_token_and_a_reason() -> None:
    server = Server()
    async with server.routes() as routes:
        await routes.start_flatten("end of day")
    assert server.asked == [("Bearer t", {"reason": "end of day"})]


async def test_a_flatten_is_over_when_that_sessions_report_is_there() -> None:
    server = Server()
    async with server.routes() as routes:
        unfinished: tuple[tuple[str, Any], ...] = (
            ("idle", None),
            ("running", None),
            ("running", REPORT),
            ("done", {**REPORT, "session": "2013-10-04"}),
        )
        for state, so_far in unfinished:
            server.flatten = {"state": state, "report": so_far}
            assert await routes.flatten_report(MONDAY) is None
        server.flatten = {"state": "done", "report": REPORT}
        report = await routes.flatten_report(MONDAY)
    assert report is not None
    assert (report.flat, report.closed_symbols, report.session_on) == (True, ("SPY",), MONDAY)


async def test_a_refused_flatten_is_unavailable_with_its_status() -> None:
    server = Server()
    server.status = 403
    async with server.routes() as routes:
        with pytest.raises(Unavailable, match="alpaca-trade: POST /flatten answered 403"):
            await routes.start_flatten("too early")


async def test_a_server_that_is_away_is_named_and_has_no_incidents() -> None:
    nobody = ServerAddress(
        name="alpaca-trade", url="http://127.0.0.1:1", token=SecretStr("t"), start_command=""
    )
    async with HttpRoutes(nobody, nobody) as routes:
        with pytest.raises(Unavailable, match="alpaca-trade: connection refused"):
            await routes.start_flatten("end of day")
        assert await routes.new_incidents() == []


async def test_incidents_are_told_once_even_of_a_server_that_was_restarted() -> None:
    server = Server()
    async with server.routes() as routes:
        server.incidents = [{"number": 1, "text": "WARNING: x"}]
        assert await routes.new_incidents() == [Incident("alpaca-trade", 1, "WARNING: x")]
        assert await routes.new_incidents() == []
        server.incidents = [{"number": 1, "text": "ERROR: y"}]
        assert await routes.new_incidents() == [Incident("alpaca-trade", 1, "ERROR: y")]


async def test_the_desks_state_is_read_as_a_value() -> None:
    server = Server()
    async with server.routes() as routes:
        assert await routes.desk_state() == DeskState(
            trading_state=TradingState.REDUCING,
            reason="the clock",
            reconciled=False,
            at=datetime(2013, 10, 7, 14, 0, tzinfo=UTC),
        )


@pytest.mark.parametrize("nonsense", [{}, {"trading_state": "MERRY"}])
async def test_a_state_out_of_shape_is_no_state(nonsense: dict[str, object]) -> None:
    server = Server()
    server.state = nonsense
    async with server.routes() as routes:
        with pytest.raises(Unavailable, match="out of shape"):
            await routes.desk_state()


async def test_how_a_cycle_ended_is_told_and_nobody_minds_when_it_cannot_be() -> None:
    server = Server()
    async with server.routes() as routes:
        await routes.report_cycle(None)
        server.status = 404
        await routes.report_cycle("x" * 900)
    (_, good), (_, bad) = server.asked
    assert good == {"ok": True, "error": ""}
    assert (bad["ok"], len(bad["error"])) == (False, 300)
