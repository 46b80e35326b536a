"""Stand-ins for the seams that the mind is tested through: clock, model, tools, routes."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from agent.options import AgentOptions
from agent.server_routes import DeskState, Incident
from tools.config_files import AgentConfig
from tools.core.errors import Unavailable
from tools.core.reports import FlattenReport
from tools.core.safety import RiskLimits
from tools.core.seams import ModelTurn, ToolCall, ToolResult
from tools.core.session import Timetable
from tools.prompts.values import PromptSettings

ROOT = Path(__file__).resolve().parents[1]


class EndOfTest(BaseException):
    """Raised out of a sleep that would pass the end of a JumpClock."""


class JumpClock:
    """A clock for one actor: sleeping is a jump. A sleep past `ends_at` raises EndOfTest."""

    def __init__(self, start: str, *, ends_at: str = "9999-01-01T00:00+00:00") -> None:
        """Both are ISO 8601 with offset."""
        self._now = datetime.fromisoformat(start).astimezone(UTC)
        self._ends_at = datetime.fromisoformat(ends_at)
        self.actors: list[tuple[str, int]] = []

    def now(self) -> datetime:
        return self._now

    async def sleep_until(self, when: datetime) -> None:
        if when > self._ends_at:
            raise EndOfTest
        self._now = max(self._now, when)

    @contextlib.asynccontextmanager
    async def busy(self, name: str, rank: int = 50) -> AsyncIterator[None]:
        self.actors.append((name, rank))
        yield

    async def rouse(self, name: str) -> None:
        """Nobody else sleeps."""


type Script = Callable[[Sequence[Mapping[str, Any]]], ModelTurn]


class ScriptedModel:
    """A language model that is a function of the messages, or a list of turns in order."""

    def __init__(self, script: Script | Sequence[ModelTurn | Exception]) -> None:
        self._script = script
        self.requests: list[list[Mapping[str, Any]]] = []
        self.offered: list[list[str]] = []

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        deadline_seconds: float,
        may_call: bool = True,
    ) -> ModelTurn:
        self.requests.append(list(messages))
        offered = [tool["function"]["name"] for tool in tools]
        self.offered.append(offered if may_call else [])
        if callable(self._script):
            return self._script(messages)
        turn = self._script[len(self.requests) - 1]
        if isinstance(turn, Exception):
            raise turn
        return turn


def says(text: str) -> ModelTurn:
    """A turn that concludes."""
    return ModelTurn(
        text=text,
        tool_calls=(),
        finish_reason="stop",
        message={"role": "assistant", "content": text},
        prompt_tokens=100,
        completion_tokens=10,
    )


def calls(*wanted: tuple[str, Mapping[str, Any] | str]) -> ModelTurn:
    """A turn that calls tools; arguments as an object, or as the raw text that the model wrote."""
    made = tuple(
        ToolCall(
            call_id=f"c{i}", name=name, arguments=args if isinstance(args, str) else _raw(args)
        )
        for i, (name, args) in enumerate(wanted)
    )
    functions = [
        {"id": one.call_id, "function": {"name": one.name, "arguments": one.arguments}}
        for one in made
    ]
    return ModelTurn(
        text="",
        tool_calls=made,
        finish_reason="tool_calls",
        message={"role": "assistant", "content": "", "tool_calls": functions},
        prompt_tokens=100,
        completion_tokens=10,
    )


type Answer = Mapping[str, Any] | ToolResult | Exception | Callable[..., Mapping[str, Any]]

ACCOUNT = {"cash": 100000.0, "equity": 100000.0, "day_pnl_fraction": 0.0}
RISK = {"trading_state": "ACTIVE", "entries_open": True, "min_confidence": 0.6}
APPROVED = {"approved": True, "quantity": 10, "denials": [], "notes": []}

CITED = {"price": 50.0, "price_at": "2999-12-31T20:59:00Z"}
"""What the signals of FakeTools tell: later than any clock of a test, and so never old."""

PARAMETERS = {
    "get_account": (),
    "get_positions": (),
    "get_orders": (),
    "get_risk_status": (),
    "get_trading_signals": ("symbols",),
    "get_levels": ("symbol",),
    "preview_order": ("symbol", "confidence"),
    "place_order": ("symbol", "confidence", "reason"),
    "close_position": ("symbol", "reason"),
    "cancel_order": ("client_order_id",),
}


class FakeTools:
    """A ToolBox with canned answers; a function gets the arguments, an error is raised."""

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = {
            "get_account": ACCOUNT,
            "get_positions": {"positions": []},
            "get_orders": {"open_orders": [], "round_trips": []},
            "get_risk_status": RISK,
            "get_trading_signals": a_signal_each,
            "preview_order": APPROVED,
            "place_order": filled,
            "close_position": filled,
            **answers,
        }
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.connections: list[int | Exception] = []
        self.epoch = 0

    def specs(self) -> Sequence[Mapping[str, Any]]:
        return [_spec(name, required) for name, required in PARAMETERS.items()]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        self.calls.append((name, dict(arguments)))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, ToolResult):
            return answer
        data = answer(**arguments) if callable(answer) else answer
        return ToolResult(text=_raw(data), data=data)

    async def connect(self) -> int:
        """20, or what `connections` says next."""
        outcome = self.connections.pop(0) if self.connections else 20
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def named(self, name: str) -> list[dict[str, Any]]:
        """The arguments of every call of one tool."""
        return [arguments for called, arguments in self.calls if called == name]


def a_signal_each(symbols: Sequence[str]) -> Mapping[str, Any]:
    """The answer of a data server that knows every symbol, and nothing of note about it."""
    return {"signals": [{"symbol": symbol, **CITED} for symbol in symbols]}


def filled(symbol: str, **_: object) -> Mapping[str, Any]:
    """The answer to an order that filled ten shares at 50."""
    order = {"client_order_id": f"AT-1-{symbol}", "status": "filled"}
    return {**APPROVED, **order, "filled_quantity": 10, "average_fill_price": 50.0}


def denied(reason: str = "confidence", message: str = "0.4 is below 0.6") -> Mapping[str, Any]:
    """The answer to a ticket that the desk refused."""
    return {**APPROVED, "approved": False, "denials": [{"reason": reason, "message": message}]}


def a_position(symbol: str = "SPY", quantity: int = 10, price: float = 50.0) -> dict[str, Any]:
    """One row of `get_positions`."""
    return {
        "symbol": symbol,
        "quantity": quantity,
        "average_entry_price": price,
        "current_price": price,
        "market_value": quantity * price,
        "unrealized_pnl": 0.0,
    }


class FakeRoutes:
    """ServerRoutes whose flatten ends as told; while `away` every call raises Unavailable."""

    def __init__(self, *, flat: bool = True, remaining: tuple[str, ...] = ()) -> None:
        self.flat, self.remaining = flat, remaining
        self.away = False
        self.started_at: list[datetime] = []
        self.clock: JumpClock | None = None
        self.incidents: list[Incident] = []
        self.leases: list[str] = []
        self.desk = DeskState()
        self.reported: list[str | None] = []
        self.certificate: dict[str, Any] | None = None

    async def last_certificate(self) -> dict[str, Any] | None:
        return self.certificate

    async def take_lease(self, holder: str) -> int:
        self.leases.append(holder)
        return len(self.leases)

    async def desk_state(self) -> DeskState:
        if self.away:
            raise Unavailable("alpaca-trade: connection refused")
        return self.desk

    async def report_cycle(self, error: str | None) -> None:
        self.reported.append(error)

    async def start_flatten(self, reason: str) -> None:
        if self.away:
            raise Unavailable("alpaca-trade: connection refused")
        if self.clock:
            self.started_at.append(self.clock.now())

    async def flatten_report(self, session_on: date) -> FlattenReport | None:
        return FlattenReport(
            session_on=session_on,
            started_at=datetime(2026, 1, 5, tzinfo=UTC),
            ended_at=datetime(2026, 1, 5, tzinfo=UTC),
            flat=self.flat,
            closed_symbols=(),
            remaining_symbols=self.remaining,
            errors=(),
            caller="agent",
        )

    async def new_incidents(self) -> Sequence[Incident]:
        new, self.incidents = self.incidents, []
        return new


def _raw(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _spec(name: str, required: tuple[str, ...]) -> Mapping[str, Any]:
    entry = ("quantity", "stop_price", "target_price", "price", "price_at")
    optional = entry if name in ("preview_order", "place_order") else ()
    properties: dict[str, Any] = {parameter: {} for parameter in (*required, *optional)}
    parameters = {"type": "object", "properties": properties, "required": list(required)}
    return {
        "type": "function",
        "function": {"name": name, "description": name, "parameters": parameters},
    }


def some_options(home: Path) -> AgentOptions:
    """The options of a simulation in `home`, with the shipped prompt and the default limits."""
    return AgentOptions(
        mode="simulation",
        home=home,
        agent_folder=home / "data" / "agent_data" / "deepseek-chat-v3.1",
        signature="deepseek-chat-v3.1",
        agent_type="BaseAgent",
        wire_model="deepseek-flash",
        model_url="http://127.0.0.1:8007/v1",
        model_key_given=True,
        date_range_given=True,
        simulated_time=False,
        watchlist=("SPY", "QQQ"),
        tuning=AgentConfig(),
        prompt_file=ROOT / "prompts" / "agent_prompt.py",
        prompt_settings=some_prompt_settings(),
    )


def some_prompt_settings(**limits: Any) -> PromptSettings:
    """The default limits but for `limits`."""
    return PromptSettings(
        limits=RiskLimits(**limits),
        timetable=Timetable(),
        watchlist=("SPY", "QQQ"),
        strategic_goal=AgentConfig().strategic_goal,
        risk_appetite=AgentConfig().risk_appetite,
    )
