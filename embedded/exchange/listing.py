"""Which orders `GET /v2/orders` lists.

As observed at Alpaca, not as one would wish: a `held` leg is not open, and with `nested` only the
entries are looked at, so once the entry of a bracket is filled, `status=open&nested=true` is silent
about its resting legs (alpaca-trade-api-js#87, alpaca-trade-api-python#322). `status=all` lists
them.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from embedded.exchange import queries
from embedded.exchange.queries import Query
from tools.core.trading import OrderStatus
from tools.simulation.orders import SimOrder
from tools.simulation.refusals import not_found

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
END = datetime(9999, 1, 1, tzinfo=UTC)


def listed(orders: Sequence[SimOrder], query: Query) -> list[SimOrder]:
    """The page of `orders` (oldest first) that the query asks for. Raises Refused (400, 404)."""
    status = queries.one_of(query, "status", ("open", "closed", "all"))
    direction = queries.one_of(query, "direction", ("desc", "asc"))
    limit = queries.whole(query, "limit", 50, most=500)
    after = queries.instant(query, "after") or BEGINNING
    until = queries.instant(query, "until") or END
    symbols, side = queries.names(query), query.get("side", "")
    nested = queries.flag(query, "nested")
    equities = query.get("asset_class", "us_equity") in {"us_equity", "all"}
    first, last = (
        _number(orders, query, "after_order_id"),
        _number(orders, query, "before_order_id"),
    )
    found = [
        order
        for order in orders
        if equities
        and after < order.submitted_at < until
        and (first is None or order.number > first)
        and (last is None or order.number < last)
        and status in {"all", "open" if _is_open(order) else "closed"}
        and (not symbols or order.symbol in symbols)
        and side in {"", order.side}
        and not (nested and order.parent)
    ]
    return (found if direction == "asc" else found[::-1])[:limit]


def _number(orders: Sequence[SimOrder], query: Query, name: str) -> int | None:
    """Where in the order of arrival the order is that the query names."""
    order_id = query.get(name)
    if order_id is None:
        return None
    for order in orders:
        if order.order_id == order_id:
            return order.number
    raise not_found(f"order not found for {order_id}")


def _is_open(order: SimOrder) -> bool:
    return order.open and order.status is not OrderStatus.HELD
