"""The processes of the campaign, each a function that a fork runs to its death."""

import asyncio
import dataclasses
import importlib
import itertools
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from agent.base_agent.mcp_tools import McpTools, tool_server
from agent_tools import tool_alpaca_trade
from embedded.exchange.access import Access
from embedded.exchange.app import create_app
from tests.chaos.history import Recorder
from tests.chaos.naive import NaiveSender
from tests.chaos.quick_clock import PACE, QuickClock
from tools import alpaca_transport
from tools.core.errors import OutcomeUnknown, Unavailable
from tools.core.safety import RiskLimits
from tools.core.session import Timetable
from tools.execution import order_desk, order_sender
from tools.hosting import bind, http_server
from tools.safety import message_budget
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.settings import ROOT, Settings, load
from tools.simulation.market import Market
from tools.simulation.rules import Rules
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.venue import Venue

logger = logging.getLogger(__name__)

AT_THE_START = (
    *("tools.alpaca_data_feed", "tools.alpaca_trading", "anyio._backends._asyncio", "rich.logging"),
    *("uvicorn.lifespan.on", "uvicorn.protocols.http.auto", "uvicorn.protocols.websockets.auto"),
    *("h11", "httpcore2", "truststore", "netrc"),
)
"""What a process imports when it starts: here before the forks."""

DAY = date(2026, 3, 3)
SYMBOLS = ("AAPL", "AMD", "AMZN", "GOOGL", "META", "MSFT", "NVDA", "QQQ", "SPY", "TSLA")
ADMIN = "campaign"
PARTIAL_FILLS = 0.1
REAL_READ_SECONDS, REAL_CONNECT_SECONDS = 10.0, 3.05
REAL_PAUSE_SECONDS, REAL_PATIENCE_SECONDS = 0.2, 1.0

NO_LIMITS = RiskLimits(
    max_positions=8,
    max_gross_fraction=Decimal(10),
    max_late_gross_fraction=Decimal(10),
    max_open_risk_fraction=Decimal(1),
    daily_loss_fraction=Decimal(1),
    drawdown_fraction=Decimal(1),
    profit_lock_fraction=Decimal(1),
    max_consecutive_losses=10**6,
    min_win_rate_fraction=Decimal(0),
    max_analysis_failures=10**6,
    max_stale_quotes=10**6,
    max_rejects=10**6,
    max_unknown_outcomes=10**6,
    max_slippage_fraction=Decimal(1),
    max_entries_per_day=10**6,
    max_entries_per_minute=10**6,
    max_entries_per_five_minutes=10**6,
    max_entries_per_symbol=10**6,
    max_entries_per_cycle=10**6,
    repeat_seconds=0,
    max_quote_age_seconds=10**6,
    max_correlated_positions=10,
    max_var_fraction=Decimal(1),
    min_stop_distance_fraction=Decimal(0),
)
"""What bounds an honest day would only let the campaign fall asleep."""

NO_BUDGET = 10**6
"""Requests a minute."""

FAULTS: tuple[tuple[float, str, dict[str, object]], ...] = (
    (0.08, "POST", {"kind": "delay", "seconds": 0.3}),
    (0.04, "POST", {"kind": "delay", "seconds": 1.5}),
    (0.02, "POST", {"kind": "delay", "seconds": 4}),
    (0.05, "POST", {"kind": "drop", "after": True}),
    (0.03, "POST", {"kind": "drop"}),
    (0.05, "POST", {"kind": "status", "status": 504, "after": True}),
    (0.03, "POST", {"kind": "status", "status": 504}),
    (0.03, "POST", {"kind": "status", "status": 429}),
    (0.02, "POST", {"kind": "hang", "after": True}),
    (0.01, "GET", {"kind": "status", "status": 429}),
    (0.01, "GET", {"kind": "drop"}),
)
"""How likely, on which requests to `/v2/orders*`, and what; delays in real seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Where everything is; the same in each process."""

    home: Path
    seed: int
    exchange_port: int
    trade_port: int
    naive: bool = False

    @property
    def clock(self) -> QuickClock:
        """The market's time."""
        return QuickClock(at_new_york(DAY, 9, 40).astimezone(UTC), self.hand, self.births)

    @property
    def hand(self) -> Path:
        """Where the ticker shows the time."""
        return self.home / "hand"

    @property
    def births(self) -> Path:
        """When each trade server began to watch."""
        return self.home / "births"

    @property
    def history(self) -> Path:
        """What the exchange writes."""
        return self.home / "exchange.jsonl"

    @property
    def settings(self) -> Settings:
        """Of the trade server."""
        exchange = f"http://127.0.0.1:{self.exchange_port}"
        told = {
            "AGENT_MODE": "simulation",
            "ACTIVE_TRADER_HOME": str(self.home),
            "ALPACA_TRADING_URL": exchange,
            "ALPACA_DATA_URL": exchange,
            "ALPACA_TRADE_MCP_PORT": str(self.trade_port),
            "MCP_TRADE_TOKEN": "agent" * 8,
            "MCP_OPERATOR_TOKEN": "operator" * 8,
        }
        return dataclasses.replace(load(told), limits=NO_LIMITS)


def make_market() -> Market:
    """The market; made before the forks, so that every process has its past in memory."""
    for name in AT_THE_START:
        importlib.import_module(name)
    hours = MarketHours.load(ROOT / "data" / "session_table.csv", Timetable())
    market = Market(SyntheticTape(SYMBOLS, hours), hours)
    for symbol in SYMBOLS:
        market.last_price(symbol, at_new_york(DAY, 15, 0).astimezone(UTC))
    return market


def exchange(world: World, market: Market) -> Coroutine[Any, Any, None]:
    """The embedded exchange with faults, its history written down."""
    clock = world.clock
    rules = Rules(partial_fills=PARTIAL_FILLS)
    cash = Decimal(10_000_000)
    venue = Venue(market, clock.now, cash=cash, seed=world.seed, rules=rules)
    recorder = Recorder(venue, world.history, clock.now)
    layers = recorder.layer, lambda app: Twice(app, world.seed)
    app = create_app(venue, clock.now, access=Access(admin_token=ADMIN), layers=layers)

    async def serve() -> None:
        await http_server(app).serve(sockets=[await bind(world.exchange_port)])

    return serve()


class Twice:
    """Now and then an order's request arrives twice; the answer is that to the second."""

    probability = 0.03

    def __init__(self, app: ASGIApp, seed: int) -> None:
        self._app, self._chance = app, Random(seed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve once or twice."""
        order = scope["type"] == "http" and scope["method"] == "POST" and "/v2" in scope["path"]
        if not order or self._chance.random() >= self.probability:
            await self._app(scope, receive, send)
            return
        body = await receive()

        async def nowhere(_: Message) -> None: ...

        await self._app(scope, _first(body, receive), nowhere)
        await self._app(scope, _first(body, receive), send)


def _first(message: Message, rest: Receive) -> Receive:
    waiting = [message]

    async def receive() -> Message:
        return waiting.pop() if waiting else await rest()

    return receive


def trade_server(world: World) -> Coroutine[Any, Any, None]:
    """The trade server as it is, in quick time."""
    alpaca_transport.READ_SECONDS = REAL_READ_SECONDS / PACE
    alpaca_transport.CONNECT_SECONDS = REAL_CONNECT_SECONDS / PACE
    order_desk.CLEARING_PAUSE_SECONDS = REAL_PAUSE_SECONDS / PACE
    message_budget.PER_MINUTE, message_budget.RESERVE = NO_BUDGET, -1
    order_sender.PATIENCE_SECONDS = REAL_PATIENCE_SECONDS / PACE
    tool_alpaca_trade.SIMULATED_PERIOD = tool_alpaca_trade.PERIOD  # time is real here
    setattr(tool_alpaca_trade, "make_clock", lambda _: world.clock)  # noqa: B010 - not ours
    if world.naive:
        setattr(order_desk, "OrderSender", NaiveSender)  # noqa: B010 - not ours
    return tool_alpaca_trade._serve(world.settings)


async def trader(world: World, first_decision: int) -> None:
    """Stands in for the mind: buys, closes, tightens, as fast as it is answered.

    Each decision wants a target price that no other one has: so the oracle can tell them apart.
    """
    draw = Random(f"{world.seed}/{first_decision}")
    server = tool_server("trade", world.trade_port, world.settings.agent_token)
    decisions = itertools.count(first_decision)
    async with McpTools([server]) as tools:
        while True:
            try:
                await _act(tools, draw, decisions)
            except (Unavailable, OutcomeUnknown) as error:
                logger.info("trader: %s", error)
                await asyncio.sleep(0.02)


async def _act(tools: McpTools, draw: Random, decisions: "itertools.count[int]") -> None:
    held = (await tools.call("get_positions", {})).data.get("positions", [])
    number = next(decisions)
    decision = {"decision_id": f"D-{DAY}-{number}-1", "reason": "campaign"}
    if held and draw.random() < 0.4:
        name = draw.choice(held)["symbol"]
        await tools.call("close_position", {"symbol": name, **decision})
    elif held and draw.random() < 0.2:
        one = draw.choice(held)
        price = round(one["current_price"] * draw.uniform(0.985, 0.999), 2)
        await tools.call("tighten_stop", {"symbol": one["symbol"], "stop_price": price})
    else:
        ticket = {
            "symbol": draw.choice(SYMBOLS),
            "confidence": 0.9,
            "quantity": draw.randint(2, 40),
            "target_price": target_of(number),
        }
        result = await tools.call("place_order", {**ticket, **decision})
        logger.info("decision %s: %s", number, result.text)


def target_of(decision: int) -> float:
    """A price far above the market, the decision's own."""
    return round(2_000 + decision / 100, 2)


def write_faults() -> list[dict[str, object]]:
    """The faults as `/sim/faults` takes them."""
    return [
        {
            "where": {"method": method, "path": "/v2/orders*"},
            "what": what,
            "times": None,
            "probability": probability,
            "seed": number,
        }
        for number, (probability, method, what) in enumerate(FAULTS)
    ]
