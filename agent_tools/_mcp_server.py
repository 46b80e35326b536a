"""How both tool servers are hosted: a guard in front, strict arguments, `/health`, `/incidents`.

    class DataTools:
        def get_asset(self, symbol: Annotated[str, Field(max_length=12)]) -> AssetAnswer:
            "What the broker says of one symbol."         # AssetAnswer is an `Answer`

    incidents = Incidents()                               # tools.hosting; add to the root logger
    tools = DataTools(...)
    server = ToolServer(
        "alpaca-data",
        reads=(tools.get_asset, ...),                     # plain `def`: runs in a worker thread
        caller=Role.DATA,                                 # who may use /mcp
        tokens={Role.DATA: settings.data_token},
        incidents=incidents,
    )
    await serve(server.app(), settings.data_port)         # in memory: mcp.Client(server.mcp)

A tool raises an ActiveTraderError when something outside failed: its words become an error result
that the model can read; whoever saw the failure has logged it, and so made it an incident. Anything
else is a crash, whose text stays in this process.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult, TextContent, ToolAnnotations
from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, ValidationError
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from agent_tools._bounded_text import bounded_text
from tools.core.errors import ActiveTraderError
from tools.core.untrusted import cleaned
from tools.hosting import Incidents, bind, http_server, sd_notify
from tools.watchdog import tell_ready

LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))


class Role(StrEnum):
    """Whose token came with a request."""

    DATA = "data"
    AGENT = "agent"
    OPERATOR = "operator"


class Answer(BaseModel):
    """A tool's result: frozen, and no NaN in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


Foreign = Annotated[str, AfterValidator(cleaned)]
"""Text of an answer that somebody else wrote: data, on one line, of at most 500 characters."""
ForeignName = Annotated[str, AfterValidator(lambda text: cleaned(text, 60))]
"""The same where a name is to be expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """One plain HTTP route: `handler` gets requests whose token has one of `roles`."""

    path: str
    method: str
    handler: Callable[[Request], Awaitable[Response]]
    roles: frozenset[Role]


class StrictTool(Tool):
    """A tool that takes what its schema says: no unknown name, no `"41"` for 41, no NaN."""

    async def run(
        self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False
    ) -> Any:
        """Raises ToolError with words that the caller can act on."""
        self._check(arguments)
        try:
            result = await super().run(arguments, context, convert_result)
            return _in_short(result) if isinstance(result, CallToolResult) else result
        except UnexpectedToolError as error:
            if isinstance(cause := error.__cause__, ActiveTraderError):
                raise ToolError(cleaned(str(cause))) from cause
            raise

    def _check(self, arguments: dict[str, Any]) -> None:
        try:
            text = json.dumps(arguments, allow_nan=False)
            self.fn_metadata.arg_model.model_validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            faults = (
                f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
                for fault in error.errors(include_url=False)
            )
            raise ToolError("; ".join(faults)) from None
        except ValueError:
            raise ToolError("NaN and infinity are not numbers here") from None


def _in_short(result: CallToolResult) -> CallToolResult:
    """The result with a text that is as short as a model should read it."""
    if result.structured_content is None:
        return result
    try:
        text = bounded_text(result.structured_content)
    except ValueError as error:
        raise ToolError(str(error)) from None
    return result.model_copy(update={"content": [TextContent(type="text", text=text)]})


class ToolServer:
    """An MCP server behind one guard: tools, own doors, and the routes that both have."""

    def __init__(
        self,
        name: str,
        *,
        caller: Role,
        tokens: Mapping[Role, SecretStr],
        incidents: Incidents,
        reads: Sequence[Callable[..., Any]] = (),
        writes: Sequence[Callable[..., Any]] = (),
        doors: Sequence[Door] = (),
        health: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`caller` is the role that may use `/mcp`; `health` adds its fields to `/health`."""
        self.mcp = MCPServer(
            name,
            tools=[_tool(one, read_only=True) for one in reads]
            + [_tool(one, read_only=False) for one in writes],
            log_level="WARNING",
        )
        self._name, self._incidents, self._health = name, incidents, health
        everyone = frozenset(tokens)
        self._doors = (
            *doors,
            Door(path="/incidents", method="GET", handler=self._show_incidents, roles=everyone),
        )
        self._keys = {role: token.get_secret_value().encode() for role, token in tokens.items()}
        self._caller = caller

    def app(self) -> ASGIApp:
        """The whole server as one ASGI application. To be built once."""
        app = self.mcp.streamable_http_app(json_response=True, stateless_http=True)
        roles: dict[tuple[str, str], frozenset[Role]] = {}
        for door in self._doors:
            app.routes.append(Route(door.path, door.handler, methods=[door.method]))
            roles[door.method, door.path] = door.roles
        for method in ("POST", "GET", "DELETE"):
            roles[method, "/mcp"] = frozenset((self._caller,))
        app.routes.append(Route("/health", self._show_health))
        return _Guard(app, keys=self._keys, roles=roles)

    async def _show_health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "server": self._name, **self._health()})

    async def _show_incidents(self, request: Request) -> Response:
        """`?after=N`: the warnings numbered above N, which the trader repeats in its own log."""
        after = request.query_params.get("after", "0")
        if not (after.isascii() and after.isdigit()):
            return JSONResponse({"error": "after must be a number"}, status_code=400)
        incidents = self._incidents.after(int(after))
        return JSONResponse({"incidents": [{"number": n, "text": text} for n, text in incidents]})


class _Guard:
    """Host, origin, token, role: refused here, before anything else happens.

    The role lands in `scope["role"]`. Only `/health` is open; what is not listed does not exist.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Mapping[Role, bytes],
        roles: Mapping[tuple[str, str], frozenset[Role]],
    ) -> None:
        self._app, self._keys, self._roles = app, keys, roles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (refusal := self._refusal(scope)):
            status, words = refusal
            await JSONResponse({"error": words}, status_code=status)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if _host_name(headers.get("host", "")) not in LOOPBACK:
            return 421, "this server answers on the loopback interface only"
        if "origin" in headers:
            return 403, "no web page may call this server"
        if scope["path"] == "/health":
            return None
        role = self._role(headers.get("authorization", ""))
        if role is None:
            return 401, "a bearer token is needed"
        admitted = self._roles.get((scope["method"], scope["path"]))
        if admitted is None:
            return 404, "no such route"
        if role not in admitted:
            return 403, f"not for the role {role}"
        scope["role"] = role
        return None

    def _role(self, authorization: str) -> Role | None:
        scheme, _, given = authorization.partition(" ")
        if scheme.lower() != "bearer" or not given:
            return None
        token = given.encode("latin-1")
        matches = [role for role, key in self._keys.items() if hmac.compare_digest(key, token)]
        return matches[0] if matches else None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:  # "[::1" and the like
        return None


async def serve(app: ASGIApp, port: int, attempted: asyncio.Event | None = None) -> None:
    """Serve until SIGTERM; systemd hears READY once that and `attempted` are so.

    Raises PortTaken after 5 s.
    """
    listener = await bind(port)  # from here on a request waits in the socket's queue
    if attempted is None:
        sd_notify("READY=1")
        await http_server(app).serve(sockets=[listener])
        return
    telling = asyncio.create_task(tell_ready(attempted))
    await http_server(app).serve(sockets=[listener])
    telling.cancel()


def _tool(function: Callable[..., Any], *, read_only: bool) -> Tool:
    return StrictTool.from_function(
        function,
        annotations=ToolAnnotations(read_only_hint=read_only, destructive_hint=not read_only),
    )
