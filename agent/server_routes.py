"""The tool servers' plain HTTP routes that the trader uses: the flatten, and their incidents."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol, Self

import httpx2

from agent.base_agent.mcp_tools import ServerAddress, reachability
from agent.quoting import one_line
from tools.core.errors import Unavailable
from tools.core.reports import FlattenReport
from tools.core.safety import TradingState

ROUTE_SECONDS = 10.0
LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Incident:
    """A warning of a server, numbered in the order of its log."""

    server: str
    number: int
    text: str

    @property
    def level(self) -> int:
        """Its level in a log: the text begins with the level's name."""
        name = self.text.partition(":")[0]
        return logging.getLevelNamesMapping().get(name, logging.WARNING)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """What the trade server says of itself. `at` is its clock, None when it does not tell."""

    trading_state: TradingState = TradingState.ACTIVE
    reason: str = ""
    reconciled: bool = True
    at: datetime | None = None


class ServerRoutes(Protocol):
    """What the trading day asks of the servers besides their tools."""

    async def take_lease(self, holder: str) -> int:
        """The epoch that our orders carry; earlier traders' are stale. Raises Unavailable."""
        ...

    async def desk_state(self) -> DeskState:
        """What the desk lets through now, and why. Raises Unavailable."""
        ...

    async def report_cycle(self, error: str | None) -> None:
        """Tell the desk's breakers how a cycle ended. Raises nothing: they are a second net."""
        ...

    async def start_flatten(self, reason: str) -> None:
        """Ask for the flatten; its monitor carries it out. Raises Unavailable."""
        ...

    async def flatten_report(self, session_on: date) -> FlattenReport | None:
        """How that session's flatten went, None while it is under way. Raises Unavailable."""
        ...

    async def last_certificate(self) -> Mapping[str, Any] | None:
        """The last session's flat certificate, None without one. Raises Unavailable."""
        ...

    async def new_incidents(self) -> Sequence[Incident]:
        """What the servers warned of since the last call. A server that is away has none."""
        ...


class HttpRoutes:
    """`ServerRoutes` over httpx2. Enter it before use."""

    def __init__(self, data: ServerAddress, trade: ServerAddress) -> None:
        self._clients = {server.name: _client(server) for server in (data, trade)}
        self._trade = trade.name
        self._seen: dict[str, frozenset[Incident]] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for client in self._clients.values():
            await self._stack.enter_async_context(client)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def take_lease(self, holder: str) -> int:
        answer = await self._ask(self._trade, "POST", "/lease", {"holder": holder})
        return int(answer["epoch"])

    async def desk_state(self) -> DeskState:
        answer = await self._ask(self._trade, "GET", "/state")
        try:
            return DeskState(
                trading_state=TradingState(answer["trading_state"]),
                reason=answer["reason"],
                reconciled=answer["reconciled"],
                at=datetime.fromisoformat(answer["now"]),
            )
        except (LookupError, ValueError, TypeError) as error:
            raise Unavailable(f"{self._trade}: /state answered out of shape ({error!r})") from None

    async def report_cycle(self, error: str | None) -> None:
        told = {"ok": error is None, "error": one_line(error or "", LONGEST_ERROR)}
        with contextlib.suppress(Unavailable):
            await self._ask(self._trade, "POST", "/cycle", told)

    async def start_flatten(self, reason: str) -> None:
        await self._ask(self._trade, "POST", "/flatten", {"reason": reason})

    async def flatten_report(self, session_on: date) -> FlattenReport | None:
        answer = await self._ask(self._trade, "GET", "/flatten")
        report = answer["report"]
        if answer["state"] != "done" or report is None or report["session"] != str(session_on):
            return None
        return _flatten_report(report)

    async def last_certificate(self) -> Mapping[str, Any] | None:
        answer = await self._ask(self._trade, "GET", "/certificates")
        certificate: Mapping[str, Any] | None = answer["certificate"]
        return certificate

    async def new_incidents(self) -> Sequence[Incident]:
        """Compared by content, not by number: a server that was restarted counts from 1 again."""
        new: list[Incident] = []
        for server in self._clients:
            try:
                answer = await self._ask(server, "GET", "/incidents?after=0")
            except Unavailable:
                continue
            kept = [Incident(server, one["number"], one["text"]) for one in answer["incidents"]]
            new += [one for one in kept if one not in self._seen.get(server, frozenset())]
            self._seen[server] = frozenset(kept)
        return new

    async def _ask(
        self, server: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        try:
            response = await self._clients[server].request(method, path, json=body)
        except httpx2.TimeoutException as error:
            raise Unavailable(f"{server}: {reachability(error)}") from TimeoutError(path)
        except httpx2.TransportError as error:
            raise Unavailable(f"{server}: {reachability(error)}") from error
        if not response.is_success:
            raise Unavailable(f"{server}: {method} {path} answered {response.status_code}")
        try:
            return response.json()
        except ValueError:
            raise Unavailable(f"{server}: {method} {path} did not answer JSON") from None


def _client(server: ServerAddress) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(
        base_url=server.url,
        timeout=ROUTE_SECONDS,
        trust_env=False,  # this machine's own servers stand behind no proxy
        headers={"Authorization": f"Bearer {server.token.get_secret_value()}"},
    )


def _flatten_report(report: Mapping[str, Any]) -> FlattenReport:
    return FlattenReport(
        session_on=date.fromisoformat(report["session"]),
        started_at=datetime.fromisoformat(report["started_at"]),
        ended_at=datetime.fromisoformat(report["ended_at"]),
        flat=report["flat"],
        closed_symbols=tuple(report["closed_symbols"]),
        remaining_symbols=tuple(report["remaining_symbols"]),
        errors=tuple(report["errors"]),
        caller=report["caller"],
    )
