"""The two tool servers as one `ToolBox`: connects, lists, calls one tool, survives their restarts.

Protocol 2026-07-28 has no handshake and no session, so that a pinned client can be entered while
the server is down and simply works again after a restart. The SDK turns a transport fault into a
cancellation of its caller (python-sdk #915, #3522); `FaultToJsonRpc` answers such faults below it.
"""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import httpx2
from mcp import Client, MCPError, Tool
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult
from pydantic import SecretStr

from agent.base_agent.tool_pins import fingerprint
from tools.core.errors import OutcomeUnknown, Unavailable
from tools.core.seams import ToolResult

logger = logging.getLogger(__name__)

PROTOCOL = "2026-07-28"
CALL_SECONDS = 20.0
CONNECT_SECONDS, LIST_SECONDS = 3.0, 4.0
AGENT_ONLY = "agent_only"
"""Marks a parameter that the agent passes and the model is not shown."""
EPOCH = "epoch"
ENTRIES = ("preview_order", "place_order")
UNKNOWN_TOOLS = "the servers' tools are not those this trader was made for: no entries"

UNREACHABLE, INTERRUPTED, REFUSED = -32099, -32098, -32097  # never sent; maybe executed; token
TIMED_OUT = -32001  # the SDK's own


class TokenRefused(Unavailable):
    """The server runs with another token than ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerAddress:
    """Where a tool server is, and how to start it when it is not."""

    name: str
    url: str
    token: SecretStr
    start_command: str


def tool_server(name: str, port: int, token: SecretStr) -> ServerAddress:
    """Our own server `name` (data or trade) on this machine."""
    return ServerAddress(
        name=f"alpaca-{name}",
        url=f"http://127.0.0.1:{port}",
        token=token,
        start_command=f"{sys.executable} -m agent_tools.tool_alpaca_{name}",
    )


class FaultToJsonRpc(httpx2.AsyncBaseTransport):
    """Answers a transport fault, or a refused token, with a JSON-RPC error instead of raising."""

    def __init__(self, inner: httpx2.AsyncBaseTransport | None = None) -> None:
        self._inner = inner or httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and read a JSON body to its end, so that a drop in mid-body is seen here."""
        try:
            response = await self._inner.handle_async_request(request)
            if response.headers.get("content-type", "").startswith("application/json"):
                await response.aread()
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout) as error:
            return _fault(request, UNREACHABLE, reachability(error))
        except httpx2.TransportError as error:
            return _fault(request, INTERRUPTED, f"the connection broke ({type(error).__name__})")
        if response.status_code in (401, 403):
            return _fault(request, REFUSED, f"the token was refused ({response.status_code})")
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


class McpTools:
    """A `ToolBox` over several servers. Enter it before use, and in the task that leaves it.

    Reads are retried once; a tool that changes something is sent once, and when its answer is lost
    the call raises OutcomeUnknown.
    """

    def __init__(self, servers: Sequence[ServerAddress], pinned: str = "") -> None:
        """`pinned` is the fingerprint without which there are no entries; "" admits any tools."""
        self._pinned = pinned
        self._counters = [_Counter(server) for server in servers]
        self.epoch = 0
        """Of our lease; every order carries it, whatever a model may have written there."""
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        for counter in self._counters:
            await self._stack.enter_async_context(counter.connected())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def connect(self) -> int:
        """List every server's tools again and return their number.

        Raises Unavailable, naming the server and the command that starts it.
        """
        for counter in self._counters:
            try:
                await counter.list_tools()
            except Unavailable as error:
                verb = "restart" if isinstance(error, TokenRefused) else "start"
                command = counter.address.start_command
                raise Unavailable(f"{error}; {verb} it with: {command}") from error
        if self._pinned and fingerprint(self._tools()) != self._pinned:
            logger.error("%s", UNKNOWN_TOOLS)
        return len(self._tools())

    def specs(self) -> Sequence[Mapping[str, Any]]:
        """The tools as the model is shown them: servers as given, each in its own order."""
        return openai_specs(self._tools())

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call one tool. Raises Unavailable: nothing changed, OutcomeUnknown: something may be."""
        for counter in self._counters:
            if not counter.tools:
                await counter.list_tools()
            if name in ENTRIES and self._pinned not in ("", fingerprint(self._tools())):
                return ToolResult(text=UNKNOWN_TOOLS, is_error=True)
            if tool := counter.tools.get(name):
                own = {EPOCH: self.epoch} if EPOCH in tool.input_schema["properties"] else {}
                return await counter.call(name, {**arguments, **own})
        return ToolResult(text=f"there is no tool {name!r}", is_error=True)

    def _tools(self) -> list[Tool]:
        return [tool for counter in self._counters for tool in counter.tools.values()]


class _Counter:
    """One server: its client, and its tools once they were listed."""

    def __init__(self, address: ServerAddress) -> None:
        self.address = address
        self.tools: dict[str, Tool] = {}
        self._client: Client

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        http = httpx2.AsyncClient(
            transport=FaultToJsonRpc(),
            timeout=httpx2.Timeout(CONNECT_SECONDS, read=CALL_SECONDS * 2),
            headers={"Authorization": f"Bearer {self.address.token.get_secret_value()}"},
        )
        transport = streamable_http_client(f"{self.address.url}/mcp", http_client=http)
        client = Client(transport, mode=PROTOCOL, cache=None, read_timeout_seconds=CALL_SECONDS)
        async with http, client as self._client:
            yield

    async def list_tools(self) -> None:
        """Always before the first call: the SDK would else list *after* an order was placed."""
        try:
            async with asyncio.timeout(LIST_SECONDS):
                listed = await self._client.list_tools()
        except MCPError as error:
            raise self._unavailable(error) from _cause(error)
        except TimeoutError as error:
            raise Unavailable(f"{self.address.name}: no answer") from error
        self.tools = {tool.name: tool for tool in listed.tools}

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        if not _read_only(self.tools[name]):
            return await self._call_once(name, arguments)
        try:
            return await self._ask(name, arguments)
        except MCPError as error:
            if error.code not in (UNREACHABLE, INTERRUPTED):
                raise self._unavailable(error) from _cause(error)
        try:
            return await self._ask(name, arguments)
        except MCPError as error:
            raise self._unavailable(error) from _cause(error)

    async def _call_once(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            return await self._ask(name, arguments)
        except MCPError as error:
            if error.code in (UNREACHABLE, REFUSED):
                raise self._unavailable(error) from error
            raise OutcomeUnknown(f"{name}: {self._unavailable(error)}") from _cause(error)

    async def _ask(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        try:
            return _tool_result(name, await self._client.call_tool(name, dict(arguments)))
        except RuntimeError as error:  # how the SDK reports a result that breaks the tool's schema
            raise MCPError(INTERRUPTED, f"{name} answered out of shape") from error

    def _unavailable(self, error: MCPError) -> Unavailable:
        kind = TokenRefused if error.code == REFUSED else Unavailable
        return kind(f"{self.address.name}: {error.message}")


def openai_specs(tools: Sequence[Tool]) -> list[dict[str, Any]]:
    """Function specs for a chat model: no titles, no null unions, no agent-only parameters."""
    return [
        {
            "type": "function",
            "function": {
                "name": tool.name,
                "description": tool.description or tool.name,
                "parameters": _parameters(tool.input_schema),
            },
        }
        for tool in tools
    ]


def reachability(error: httpx2.TransportError) -> str:
    """`connection refused`, the words that users search their log for, or what else it was."""
    if isinstance(error, httpx2.ConnectError):
        return "connection refused"
    return "the connection timed out"


def _parameters(schema: Mapping[str, Any]) -> dict[str, Any]:
    definitions = schema.get("$defs", {})
    shown = {
        name: _compact(part, definitions)
        for name, part in schema.get("properties", {}).items()
        if not part.get(AGENT_ONLY)
    }
    compact: dict[str, Any] = {"type": "object", "properties": shown}
    if required := [name for name in schema.get("required", ()) if name in shown]:
        compact["required"] = required
    return compact


_UNTOLD = frozenset(
    (
        *("title", "$ref", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("minLength", "maxLength", "minItems", "maxItems", "multipleOf"),
    )
)
"""Bounds are the server's to keep: it says no in words, and strict tools know none of them."""


def _compact(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """One schema in short: no titles, no bounds, references inlined, `X or null` shown as X."""
    if isinstance(schema, list):
        return [_compact(part, definitions) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **schema}
    if "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
        if len(kinds) == 1:
            schema = {key: part for key, part in schema.items() if key != "anyOf"} | kinds[0]
    return {
        key: _compact(part, definitions)
        for key, part in schema.items()
        if key not in _UNTOLD and not (key == "default" and part is None)
    }


def _tool_result(name: str, result: CallToolResult) -> ToolResult:
    """The words are the server's, who bounds them; the data are all there are."""
    lines = [block.text for block in result.content if block.type == "text"]
    if not result.is_error and result.structured_content is not None:
        return ToolResult(text="\n".join(lines), data=result.structured_content)
    text = "\n".join(lines).removeprefix(f"Error executing tool {name}: ")
    return ToolResult(text=text, is_error=bool(result.is_error))


def _read_only(tool: Tool) -> bool:
    return tool.annotations is not None and tool.annotations.read_only_hint is True


def _fault(request: httpx2.Request, code: int, message: str) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return httpx2.Response(503, json=body, request=request)


def _cause(error: MCPError) -> Exception:
    """A time-out stays recognisable: in simulated time it must end the run."""
    return TimeoutError(error.message) if error.code == TIMED_OUT else error
