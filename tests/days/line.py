"""The line from one process to the broker, and the broker's own bad days."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.days.baton import Baton, Killed
from tests.days.plan import Kind, Plan
from tools.core.errors import BrokerUnavailable, OutcomeUnknown
from tools.simulation.orders import SimOrder
from tools.simulation.sim_broker import SimBroker

COMMANDS = ("submit", "replace_stop", "cancel", "cancel_all")
HANGING = timedelta(seconds=10)
HALF, MOST_PORTIONS = Decimal("0.5"), 3


class Line:
    """A Broker as one incarnation of the process `who` sees it. Cut when that has died."""

    def __init__(self, broker: SimBroker, who: str, baton: Baton, plan: Plan) -> None:
        self._broker, self._who, self._baton, self._plan = broker, who, baton, plan
        self._lock = threading.RLock()
        self._calls = 0
        self._seen: set[int] = set()
        self.cut = False
        self.owed = timedelta(0)
        """How long calls have hung: whoever made them lets that pass once it holds no lock."""

    def begin(self, call: Callable[[], Any]) -> Future[Any]:
        """At once: simulated time leaves no room for two calls side by side."""
        return self._broker.begin(call)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                return self._call(name, arguments, named)

        return call

    def _call(self, name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        self._calls += 1
        command = name in COMMANDS
        symbol = str(getattr(arguments[0], "symbol", "")) if arguments and command else ""
        if self._on(Kind.HANG):
            self.owed += HANGING
        if self.cut:
            raise Killed
        if self._on(Kind.AWAY):
            raise BrokerUnavailable("connection refused")
        if self._on(Kind.THROTTLE) and self._calls % 3:
            raise BrokerUnavailable("429 too many requests")
        if self._on(Kind.LOST) or self._on(Kind.HANG) or self._on(Kind.ERRORS):
            if not command:
                raise BrokerUnavailable("500 internal server error")
            if not self._on(Kind.ERRORS) or self._calls % 2:
                getattr(self._broker, name)(*arguments, **named)
            raise OutcomeUnknown(f"{name} {symbol}: no answer")
        if name == "positions" and self._stale_read():
            return ()
        return getattr(self._broker, name)(*arguments, **named)

    def _on(self, kind: Kind) -> bool:
        return self._plan.on(kind, self._baton.now(), self._who)

    def _stale_read(self) -> bool:
        """Once for each such fault, for each process."""
        for number, fault in enumerate(self._plan.of(Kind.STALE_READ)):
            if number not in self._seen and fault.strikes(self._baton.now()):
                self._seen.add(number)
                return True
        return False


class BadExchange:
    """The venue's mischief, by plan."""

    def __init__(self, plan: Plan, now: Callable[[], datetime]) -> None:
        self._plan, self._now = plan, now
        self._rejected: set[int] = set()
        self._portions = Counter[int]()

    def rejects(self, order: SimOrder) -> bool:
        """The first order that each such fault meets."""
        for number, fault in enumerate(self._plan.of(Kind.REJECT)):
            if number not in self._rejected and fault.strikes(self._now(), symbol=order.symbol):
                self._rejected.add(number)
                return True
        return False

    def holds_cancel(self, order: SimOrder) -> bool:
        """While such a fault lasts."""
        return self._plan.on(Kind.STUCK_CANCEL, self._now(), symbol=order.symbol)

    def portion(self, order: SimOrder) -> Decimal | None:
        """Half of it, three times for each such fault: then the market has filled up again."""
        for number, fault in enumerate(self._plan.of(Kind.PARTIAL)):
            struck = fault.strikes(self._now(), symbol=order.symbol)
            if struck and self._portions[number] < MOST_PORTIONS:
                self._portions[number] += 1
                return HALF
        return None
