"""The seams: what each room needs of the next, as Protocols.

Every seam has one contract suite under `tests/contract`, run against each implementation.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from tools.core.market import Bar, Instrument, Quote, Timeframe
from tools.core.trading import Account, BrokerClock, Order, OrderIntent, Position


class Clock(Protocol):
    """Time. Everything that asks "when" asks this."""

    def now(self) -> datetime:
        """The instant, aware UTC. Cheap, from any thread."""
        ...

    async def sleep_until(self, when: datetime) -> None:
        """Return at `when`, at once if that has passed, early when roused. Only inside `busy`."""
        ...

    def busy(self, name: str, rank: int = 50) -> AbstractAsyncContextManager[None]:
        """The code inside is the actor `name`: simulated time stands still unless it sleeps."""
        ...

    async def rouse(self, name: str) -> None:
        """End the sleep of this process's actor `name`; on return it counts as running."""
        ...


class Broker(Protocol):
    """The one place where orders and positions are true. Synchronous; every call has a time-out.

    Questions raise BrokerUnavailable. `submit`, `replace_stop` and the cancels raise OrderRejected
    when the broker said no, OutcomeUnknown when its answer was lost, BrokerUnavailable when nothing
    was sent.
    """

    def clock(self) -> BrokerClock:
        """The broker's own time and whether the market is open."""
        ...

    def account(self) -> Account:
        """The account's money."""
        ...

    def positions(self) -> tuple[Position, ...]:
        """All positions, by symbol."""
        ...

    def open_orders(self) -> tuple[Order, ...]:
        """All orders that may still act, parents before their legs, legs nested; oldest first."""
        ...

    def orders_since(self, since: datetime) -> tuple[Order, ...]:
        """All orders submitted at or after `since` in any state, legs nested; oldest first."""
        ...

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """The order with that id; None means "not found now", never "was never sent"."""
        ...

    def submit(self, intent: OrderIntent) -> Order:
        """Send one order. The same id twice gives the first order, never a second."""
        ...

    def replace_stop(self, order: Order, *, stop_price: Decimal, client_order_id: str) -> Order:
        """Move a resting stop to `stop_price` without ever being without one."""
        ...

    def cancel(self, order: Order) -> None:
        """Ask for the end of one order. A request, not a state: read it back."""
        ...

    def cancel_all(self) -> None:
        """Ask for the end of every open order."""
        ...

    def instrument(self, symbol: str) -> Instrument | None:
        """What the broker says of `symbol`; None when it does not know it."""
        ...

    def begin[T](self, call: Callable[[], T]) -> Future[T]:
        """Start `call`, which asks this broker: beside others where it can, else here and now."""
        ...


class MarketData(Protocol):
    """Bars and quotes. Synchronous; raises MarketDataUnavailable."""

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        """The latest quote of each symbol that has one."""
        ...

    def bars(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, tuple[Bar, ...]]:
        """Closed bars that start in [start, end), oldest first; a symbol without bars has ()."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call that a model asks for; `arguments` is its raw JSON text, not yet believed."""

    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTurn:
    """One answer of a language model.

    `message` is the assistant message to send back. `model` and `fingerprint` say who answered, as
    far as the provider tells; `cached_tokens` are the part of the prompt that it had already, and
    `cost_usd` is what the answer was charged with.
    """

    text: str
    tool_calls: tuple[ToolCall, ...]
    finish_reason: str
    message: Mapping[str, Any]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    model: str = ""
    fingerprint: str = ""


class LanguageModel(Protocol):
    """A chat model with tools. Raises ModelUnavailable; any other answer is a ModelTurn."""

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        deadline_seconds: float,
        may_call: bool = True,
    ) -> ModelTurn:
        """One turn, within `deadline_seconds` of real time in total.

        Without `may_call` the model is to conclude in words; `tools` are told all the same.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What a tool answered: `data` is its structured content, `text` what the model reads."""

    text: str
    is_error: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)


class ToolBox(Protocol):
    """The counters, seen from the mind. Raises Unavailable when a server cannot be reached."""

    def specs(self) -> Sequence[Mapping[str, Any]]:
        """The tools as the model is shown them (OpenAI function specs), in a stable order."""
        ...

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolResult:
        """Call one tool once. A refusal is a result, not an exception."""
        ...
