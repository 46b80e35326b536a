"""How both tool servers are hosted: who gets in, and what a tool accepts."""

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Literal

import httpx2
import pytest
from mcp import Client
from pydantic import Field, SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from agent_tools._mcp_server import Answer, Door, Role, ToolServer
from tools.core.errors import BrokerUnavailable
from tools.hosting import Incidents

CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}


class Sum(Answer):
    total: float


def add(
    count: Annotated[int, Field(ge=0)],
    weight: float = 1.0,
    kind: Literal["plain", "odd"] = "plain",
    names: list[str] | None = None,
) -> Sum:
    """Add."""
    return Sum(total=count * weight + len(names or ()))


def broken() -> Sum:
    """Fail as the broker does."""
    raise BrokerUnavailable("connection refused")


def crash() -> Sum:
    """Fail with a secret."""
    raise RuntimeError("the password is swordfish")


def not_a_number() -> Sum:
    """Answer NaN."""
    return Sum(total=float("nan"))


async def stop(request: Request) -> Response:
    return JSONResponse({"role": request.scope["role"]})


def a_server(incidents: Incidents | None = None) -> ToolServer:
    return ToolServer(
        "test",
        caller=Role.AGENT,
        tokens={Role.AGENT: SecretStr("agent-key"), Role.OPERATOR: SecretStr("operator-key")},
        incidents=incidents or Incidents(),
        reads=(add, broken, crash, not_a_number),
        doors=(Door(path="/stop", method="POST", handler=stop, roles=frozenset((Role.OPERATOR,))),),
        health=lambda: {"mood": "fine"},
    )


@pytest.fixture
async def http() -> AsyncIterator[httpx2.AsyncClient]:
    server = a_server()
    transport = httpx2.ASGITransport(app=server.app())
    async with (
        server.mcp.session_manager.run(),
        httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8005") as client,
    ):
        yield client


def bearer(token: str, **headers: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Accept": "application/json", **headers}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path", "token", "status"),
    [
        ("GET", "/health", "", 200),
        ("POST", "/mcp", "", 401),
        ("POST", "/mcp", "wrong", 401),
        ("POST", "/mcp", "operator-key", 403),
        ("POST", "/mcp", "agent-key", 200),
        ("POST", "/stop", "", 401),
        ("POST", "/stop", "agent-key", 403),
        ("POST", "/stop", "operator-key", 200),
        ("GET", "/incidents", "wrong", 401),
        ("GET", "/incidents", "agent-key", 200),
        ("GET", "/incidents", "operator-key", 200),
        ("GET", "/stop", "operator-key", 404),
        ("GET", "/", "agent-key", 404),
    ],
)
async def test_each_route_admits_its_roles_and_nobody_else(
    http: httpx2.AsyncClient, method: str, path: str, token: str, status: int
) -> None:
    headers = bearer(token) if token else {}
    answer = await http.request(
        method, path, headers=headers, json=CALL if method == "POST" else None
    )
    assert answer.status_code == status


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/health", "/stop", "/mcp"])
@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "127.0.0.1.evil.example:8005"}, 421),
        ({"Host": "127.0.0.1@evil.example"}, 421),
        ({"Host": "0.0.0.0:8005"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Origin": "http://127.0.0.1:8005"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
async def test_a_web_page_reaches_nothing_even_with_the_token(
    http: httpx2.AsyncClient, path: str, header: dict[str, str], status: int
) -> None:
    answer = await http.post(path, headers=bearer("operator-key", **header), json=CALL)
    assert answer.status_code == status


@pytest.mark.anyio
async def test_an_empty_token_opens_nothing_even_where_none_is_configured() -> None:
    server = ToolServer(
        "t", caller=Role.AGENT, tokens={Role.AGENT: SecretStr("")}, incidents=Incidents()
    )
    transport = httpx2.ASGITransport(app=server.app())
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for value in ("Bearer ", "Bearer", "Bearer  ", "", "bearer \xff"):
            answer = await client.post(
                "/mcp", headers={b"authorization": value.encode("latin-1")}, json=CALL
            )
            assert answer.status_code == 401


@pytest.mark.anyio
async def test_health_carries_the_servers_own_fields(http: httpx2.AsyncClient) -> None:
    assert (await http.get("/health")).json() == {"status": "ok", "server": "test", "mood": "fine"}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "count"),
        ({"count": 1, "extra": 2}, "extra"),
        ({"count": "1"}, "count"),
        ({"count": "\u0663"}, "count"),
        ({"count": True}, "count"),
        ({"count": -1}, "count"),
        ({"count": 1.5}, "count"),
        ({"count": 1, "weight": "NaN"}, "weight"),
        ({"count": 1, "kind": "even"}, "kind"),
        ({"count": 1, "names": '["a"]'}, "names"),
    ],
)
async def test_a_malformed_call_is_refused_by_the_name_of_its_fault(
    arguments: dict[str, object], words: str
) -> None:
    async with Client(a_server().mcp) as client:
        result = await client.call_tool("add", arguments)
        assert result.is_error
        assert words in result.content[0].text  # type: ignore[union-attr]


@pytest.mark.anyio
@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e309", "-1e309"])
async def test_what_is_not_a_number_is_refused_on_the_wire(
    http: httpx2.AsyncClient, number: str
) -> None:
    arguments = f'{{"count": 1, "weight": {number}}}'
    body = (
        '{"jsonrpc": "2.0", "id": 1, "method": "tools/call",'
        f' "params": {{"name": "add", "arguments": {arguments}}}}}'
    )
    headers = bearer("agent-key") | {"Content-Type": "application/json"}
    answer = await http.post("/mcp", headers=headers, content=body)
    assert '"total"' not in answer.text


@pytest.mark.anyio
async def test_a_wellformed_call_is_answered_with_structured_content() -> None:
    async with Client(a_server().mcp) as client:
        result = await client.call_tool("add", {"count": 2, "weight": 3, "names": ["a"]})
        assert result.structured_content == {"total": 7.0}


@pytest.mark.anyio
async def test_an_outside_failure_is_readable_and_a_crash_keeps_its_secret() -> None:
    async with Client(a_server().mcp) as client:
        failed = await client.call_tool("broken", {})
        assert failed.is_error
        assert failed.content[0].text == "connection refused"  # type: ignore[union-attr]
        crashed = await client.call_tool("crash", {})
        assert "swordfish" not in str(crashed)
        assert (await client.call_tool("not_a_number", {})).is_error


@pytest.mark.anyio
async def test_incidents_are_the_warnings_after_a_number() -> None:
    incidents = Incidents()
    server = a_server(incidents)
    transport = httpx2.ASGITransport(app=server.app())
    for text in ("one", "two"):
        incidents.emit(logging.LogRecord("x", logging.WARNING, "", 0, text, (), None))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/incidents?after=1", headers=bearer("agent-key"))
        assert answer.json() == {"incidents": [{"number": 2, "text": "WARNING: two"}]}
        torn = await client.get("/incidents?after=%D9%A3", headers=bearer("agent-key"))
        assert torn.status_code == 400
