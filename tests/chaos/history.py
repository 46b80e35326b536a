"""The exchange's history: every change of an order, and what is held under which stops, in time."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from starlette.types import ASGIApp, Receive, Scope, Send

from tools.core.trading import OrderType, Side
from tools.simulation.events import OrderEvent
from tools.simulation.orders import Role, SimOrder
from tools.simulation.venue import Venue


class Recorder:
    """Writes lines: `order` when one changes; `cover` after a request that changed what is held."""

    def __init__(self, venue: Venue, path: Path, now: Callable[[], datetime]) -> None:
        self._venue, self._now = venue, now
        self._file = path.open("w", encoding="utf-8", buffering=1)
        self._open: dict[str, SimOrder] = {}
        self._cover: dict[str, tuple[Decimal, Decimal]] = {}
        venue.listeners.append(self.heard)

    def heard(self, event: OrderEvent) -> None:
        """An order changed."""
        order = event.order
        self._open |= {one.order_id: one for one in order.family}
        target = [leg.request.limit_price for leg in order.legs if leg.role is Role.TAKE_PROFIT]
        self._write(
            kind="order",
            event=event.name,
            order=order.order_id,
            client_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            type=order.request.order_type,
            parent=order.parent.order_id if order.parent else "",
            status=order.status,
            quantity=order.quantity,
            filled=order.filled_quantity,
            limit=order.request.limit_price,
            target=target[0] if target else None,
        )

    def layer(self, app: ASGIApp) -> ASGIApp:
        """An app that is watched."""

        async def watched(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await app(scope, receive, send)
            finally:
                self.look()

        return watched

    def look(self) -> None:
        """Write down each symbol whose shares, or shares under a live stop, have changed."""
        held = {one.symbol: one.quantity for one in self._venue.holdings()}
        self._open = {name: order for name, order in self._open.items() if order.open}
        stopped: Counter[str] = Counter()
        for order in self._open.values():
            if _is_live_stop(order):
                stopped[order.symbol] += order.remaining  # type: ignore[assignment]
        for symbol in held.keys() | self._cover.keys():
            cover = held.get(symbol, Decimal(0)), Decimal(stopped[symbol])
            if cover != self._cover.get(symbol):
                self._cover[symbol] = cover
                self._write(kind="cover", symbol=symbol, held=cover[0], stopped=cover[1])

    def _write(self, **line: object) -> None:
        self._file.write(json.dumps({"at": self._now().isoformat(), **line}, default=str) + "\n")


def _is_live_stop(order: SimOrder) -> bool:
    stop = order.request.order_type is OrderType.STOP and order.side is Side.SELL
    return stop and order.watched_from is not None
