"""The trade counter, :8005: ten tools, every write one call of the desk, and the operator's doors.

`python -m agent_tools.tool_alpaca_trade` serves them and hosts the monitor, which is the actor
`trade.monitor` of simulated time. A broker that is away does not end the process: it keeps the
entries closed until the books have been compared with it.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import anyio.from_thread
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr

from agent_tools._certificate_doors import CertificateDoors
from agent_tools._mcp_server import Role, ToolServer, serve
from agent_tools._stopping import close_before_stopping
from agent_tools._trade_answers import (
    AccountAnswer,
    Orders,
    Placed,
    Positions,
    RiskStatus,
    State,
    Verdict,
)
from agent_tools._trade_doors import OperatorDoors
from agent_tools._trade_life import MONITOR_ACTOR, until_one_ends, watch, watch_latch
from tools.core.errors import ConfigError, Unavailable
from tools.core.safety import DenialReason
from tools.core.trading import OrderTicket, Side
from tools.execution.leases import Leases
from tools.execution.premises import Premises
from tools.execution.rulings import Ruling, refused
from tools.execution.trade_room import TradeRoom, open_trade_room
from tools.hosting import AlreadyRunning, Incidents, PortTaken, log_to, only_one
from tools.journal.state_store import StateStore
from tools.risk.book import working
from tools.safety.message_budget import MessageBudget
from tools.schedule.clocks import ClockLost
from tools.settings import Settings, load
from tools.watchdog import Heartbeat, reach
from tools.wiring import (
    deliver_alerts,
    keep_hours,
    make_broker,
    make_clock,
    make_hours,
    make_market_data,
)

logger = logging.getLogger(__name__)

PERIOD, SIMULATED_PERIOD = timedelta(seconds=5), timedelta(seconds=60)

Symbol = Annotated[str, Field(max_length=12)]
Confidence = Annotated[float, Field(ge=0, le=1)]
Shares = Annotated[int, Field(ge=1, le=1_000_000)]
Price = Annotated[float, Field(gt=0, le=1_000_000)]
Words = Annotated[str, Field(min_length=1, max_length=2000)]
OrderId = Annotated[str, Field(max_length=128)]
Hash = Annotated[str, Field(max_length=64)]
AGENT_ONLY = Field(json_schema_extra={"agent_only": True})
Epoch = Annotated[int, Field(ge=0, json_schema_extra={"agent_only": True})]


class Earlier(BaseModel):
    """An entry that was approved earlier in the same cycle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    symbol: Symbol
    quantity: Shares


class TradeTools:
    """The ten tools. Each is called in a worker thread; what needs order is ordered by the desk."""

    def __init__(self, room: TradeRoom, rouse: Callable[[], Awaitable[None]]) -> None:
        """`rouse` wakes the monitor."""
        self._room, self._broker, self._desk = room, room.premises.broker, room.desk
        self._rouse = rouse
        self._leases = Leases(room.premises)

    def reads(self) -> Sequence[Callable[..., object]]:
        """The tools that change nothing, in the order that the model is shown."""
        return (
            self.get_account,
            self.get_positions,
            self.get_orders,
            self.get_risk_status,
            self.preview_order,
        )

    def writes(self) -> Sequence[Callable[..., object]]:
        """The tools that change something."""
        return (
            self.place_order,
            self.cancel_order,
            self.close_position,
            self.tighten_stop,
            self.halt,
        )

    def get_account(self) -> AccountAnswer:
        """Cash, equity, buying power, day's P&L."""
        return AccountAnswer.of(self._broker.account())

    def get_positions(self) -> Positions:
        """Positions with resting stop and target."""
        held = self._broker.begin(self._broker.positions)  # while the orders are asked for
        resting = working(self._broker.open_orders())
        return Positions.of(held.result(), resting)

    def get_orders(self) -> Orders:
        """Open orders, and today's round trips."""
        if not self._room.auditor.idle:
            self._room.monitor.look()
        return Orders.of(working(self._broker.open_orders()), self._room.auditor.trades)

    def get_risk_status(self) -> RiskStatus:
        """Trading state, limits, and what is used of them."""
        return RiskStatus.of(self._room.books.read(), self._room.premises.limits)

    def preview_order(
        self,
        symbol: Symbol,
        confidence: Confidence,
        quantity: Shares | None = None,
        stop_price: Price | None = None,
        target_price: Price | None = None,
        price: Price | None = None,
        price_at: AwareDatetime | None = None,
        earlier: Annotated[list[Earlier] | None, AGENT_ONLY] = None,
        decision_id: Annotated[str, AGENT_ONLY] = "",
    ) -> Verdict:
        """Check an entry against every rule without sending it. A denial lists all reasons."""
        ticket = _ticket(symbol, confidence, "", decision_id, quantity, stop_price, target_price)
        ticket = _citing(ticket, price, price_at)
        bought = {one.symbol: Decimal(one.quantity) for one in earlier or ()}
        return Verdict.of(self._desk.preview(ticket, bought))

    def place_order(
        self,
        symbol: Symbol,
        confidence: Confidence,
        reason: Words,
        quantity: Shares | None = None,
        stop_price: Price | None = None,
        target_price: Price | None = None,
        price: Price | None = None,
        price_at: AwareDatetime | None = None,
        decision_id: Annotated[str, AGENT_ONLY] = "",
        prompt_hash: Annotated[Hash, AGENT_ONLY] = "",
        epoch: Epoch = 0,
    ) -> Placed:
        """Buy. The desk sizes it (quantity is a ceiling) and sets a 2xATR stop if none is given.

        price and its time price_at, as a tool told them, are what the decision rests on: required.
        """
        ticket = _ticket(
            symbol, confidence, reason, decision_id, quantity, stop_price, target_price
        )
        ticket = _citing(replace(ticket, prompt_hash=prompt_hash), price, price_at)
        return self._obey(epoch, symbol, lambda: self._desk.submit(ticket))

    def cancel_order(self, client_order_id: OrderId, epoch: Epoch = 0) -> Placed:
        """Cancel an unfilled entry."""
        return self._obey(epoch, "", lambda: self._desk.cancel(client_order_id))

    def close_position(
        self,
        symbol: Symbol,
        reason: Words,
        decision_id: Annotated[str, AGENT_ONLY] = "",
        prompt_hash: Annotated[Hash, AGENT_ONLY] = "",
        epoch: Epoch = 0,
    ) -> Placed:
        """Sell all of a position at the market."""
        origin = {"decision_id": decision_id, "prompt_hash": prompt_hash}
        return self._obey(epoch, symbol, lambda: self._desk.close(symbol, reason=reason, **origin))

    def tighten_stop(self, symbol: Symbol, stop_price: Price, epoch: Epoch = 0) -> Placed:
        """Raise a position's stop."""
        price = Decimal(str(stop_price))
        return self._obey(epoch, symbol, lambda: self._desk.tighten_stop(symbol, price))

    def halt(self, reason: Words) -> State:
        """Pull the kill switch: all is closed, and nothing trades until an operator resets it."""
        self._room.kill_switch.pull(reason, Role.AGENT.value)
        anyio.from_thread.run(self._wake)
        record = self._room.control.current()
        return State(trading_state=record.trading_state, reason=record.reason)

    def _obey(self, epoch: int, symbol: str, write: Callable[[], Ruling]) -> Placed:
        """The answer to a write, once the books know of it; a stale trader's is not made."""
        if words := self._leases.refusal(epoch):
            logger.warning("an order is denied: %s", words)
            return Placed.of_ruling(refused(symbol, DenialReason.LEASE, words))
        ruling = write()
        if ruling.client_order_id:
            self._room.monitor.look()
            if self._room.auditor.look_again_at:
                anyio.from_thread.run(self._wake)  # sooner than the period
        return Placed.of_ruling(ruling)

    async def _wake(self) -> None:
        await self._rouse()


def _ticket(
    symbol: str,
    confidence: float,
    reason: str,
    decision_id: str,
    quantity: int | None,
    stop_price: float | None,
    target_price: float | None,
) -> OrderTicket:
    return OrderTicket(
        symbol=symbol,
        side=Side.BUY,
        confidence=confidence,
        reason=reason,
        decision_id=decision_id,
        quantity=None if quantity is None else Decimal(quantity),
        stop_price=None if stop_price is None else Decimal(str(stop_price)),
        target_price=None if target_price is None else Decimal(str(target_price)),
    )


def _citing(ticket: OrderTicket, price: float | None, at: datetime | None) -> OrderTicket:
    return replace(ticket, cited_price=None if price is None else Decimal(str(price)), cited_at=at)


def counter(
    room: TradeRoom,
    tokens: Mapping[Role, SecretStr],
    incidents: Incidents,
    rouse: Callable[[], Awaitable[None]],
) -> ToolServer:
    """The server in front of `room`; `rouse` wakes its monitor."""
    tools = TradeTools(room, rouse)

    def health() -> dict[str, str]:
        return {
            "trading_state": room.control.current().trading_state,
            "open_intents": str(len(room.premises.store.open_intents())),
        }

    return ToolServer(
        "alpaca-trade",
        caller=Role.AGENT,
        tokens=tokens,
        incidents=incidents,
        reads=tools.reads(),
        writes=tools.writes(),
        doors=(*OperatorDoors(room, rouse).all(), *CertificateDoors(room).all()),
        health=health,
    )


async def _serve(settings: Settings) -> None:
    incidents = Incidents()
    log_to(
        (settings.home / "logs" / "alpaca_trade_mcp.log", logging.NOTSET), level=settings.log_level
    )
    logging.getLogger().addHandler(incidents)
    deliver_alerts(settings)
    async with make_clock(settings) as clock:
        budget = MessageBudget(clock.now)
        broker = await reach(lambda: make_broker(settings, budget))
        premises = Premises(
            home=settings.home,
            broker=broker,
            market=make_market_data(settings, clock.now),
            store=StateStore(settings.home / "data" / "state.sqlite3", clock.now()),
            hours=make_hours(settings),
            limits=settings.limits,
            now=clock.now,
            budget=budget,
            holding=settings.holding,
        )
        period = SIMULATED_PERIOD if settings.simulated else PERIOD
        room = open_trade_room(premises, agent_folder=settings.agent_folder, period=period)

        async def rouse() -> None:
            await clock.rouse(MONITOR_ACTOR)

        tokens = {Role.AGENT: settings.agent_token, Role.OPERATOR: settings.operator_token}
        server = counter(room, tokens, incidents, rouse)
        joined, attempted, heartbeat = asyncio.Event(), asyncio.Event(), Heartbeat(clock)

        async def answer() -> None:
            await joined.wait()  # who sees /health may let simulated time go
            await serve(server.app(), settings.trade_port, attempted)
            if settings.holding.close_on_stop:
                await close_before_stopping(room, rouse)

        hours = keep_hours(settings, premises.hours, clock.now, broker)
        beside = asyncio.gather(heartbeat.feed(), hours)
        await until_one_ends(
            watch(clock, room, joined, attempted, heartbeat), answer(), watch_latch(room, rouse)
        )
        beside.cancel()


def main() -> int:
    """0 after SIGTERM, 78 for a setting to be mended, 1 without its port, clock or state file."""
    try:
        settings = load()
        settings.require_tokens("MCP_TRADE_TOKEN", "MCP_OPERATOR_TOKEN")
        with only_one(settings.home, "alpaca-trade"):
            asyncio.run(_serve(settings))
    except ConfigError as error:
        sys.stderr.write(f"configuration error: {error}\n")
        return 78
    except (AlreadyRunning, PortTaken, ClockLost, Unavailable) as error:
        sys.stderr.write(f"alpaca-trade: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
