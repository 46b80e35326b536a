"""The bodies of `POST /v2/orders` and `PATCH /v2/orders/{id}`, read strictly.

What this exchange does not simulate (notional and fractional quantities, stop-limit and trailing
orders, OCO, extended hours, other times in force) is refused by name, never taken for something
else.
"""

import json
from collections.abc import Mapping
from typing import Any

from embedded.exchange.queries import bad_request, number
from tools.core.trading import OrderClass, OrderType, Side
from tools.simulation.orders import OrderRequest, Replacement, TimeInForce
from tools.simulation.refusals import forbidden, invalid, malformed

type Body = Mapping[str, Any]


def read_body(raw: bytes) -> Body:
    """A JSON object. Raises Refused (400)."""
    try:
        body = json.loads(raw)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise bad_request("request body format is invalid")
    return body


def order_request(body: Body) -> OrderRequest:
    """The order that is asked for. Raises Refused."""
    symbol, client_id = body.get("symbol"), body.get("client_order_id") or ""
    if not isinstance(symbol, str) or not isinstance(client_id, str):
        raise bad_request("request body format is invalid")
    quantity, notional = number(body, "qty"), number(body, "notional")
    if quantity is not None and notional is not None:
        raise malformed("only one of qty or notional is accepted")
    if notional is not None:
        raise forbidden(f'asset "{symbol}" is not fractionable')
    if quantity is None:
        raise malformed("qty or notional is required")
    if body.get("extended_hours") not in {None, False}:
        raise invalid("extended hours orders are not simulated")
    request = OrderRequest(
        symbol=symbol,
        side=_word(body, "side", Side),
        quantity=quantity,
        order_type=_word(body, "type", OrderType),
        time_in_force=_word(body, "time_in_force", TimeInForce),
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        take_profit_price=_leg(body, "take_profit", "limit_price"),
        stop_loss_price=_leg(body, "stop_loss", "stop_price"),
        client_order_id=client_id,
    )
    _check_class(body.get("order_class") or "simple", request)
    return request


def replacement(body: Body) -> Replacement:
    """What is to change. Raises Refused."""
    client_id = body.get("client_order_id") or ""
    if not isinstance(client_id, str):
        raise bad_request("request body format is invalid")
    if body.get("time_in_force") or body.get("trail"):
        raise invalid("replacing time_in_force or trail is not simulated")
    return Replacement(
        quantity=number(body, "qty"),
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        client_order_id=client_id,
    )


def _word[Word: (Side, OrderType, TimeInForce)](body: Body, name: str, words: type[Word]) -> Word:
    try:
        return words(str(body.get(name)))
    except ValueError:
        known = ", ".join(words)
        message = f"invalid {name}: {body.get(name)} (simulated are {known})"
        raise malformed(message) from None


def _leg(body: Body, name: str, price: str) -> Any:
    leg = body.get(name)
    if leg is None:
        return None
    if not isinstance(leg, dict):
        raise bad_request("request body format is invalid")
    if name == "stop_loss" and number(leg, "limit_price") is not None:
        raise invalid("stop-limit legs are not simulated")
    found = number(leg, price)
    if found is None:
        raise malformed(f"{name}.{price} is required")
    return found


def _check_class(named: object, request: OrderRequest) -> None:
    """The class that is named is the one that the legs make."""
    if named not in {OrderClass.SIMPLE, OrderClass.OTO, OrderClass.BRACKET}:
        raise malformed(f"invalid order_class: {named} (simulated are simple, oto, bracket)")
    if named == request.order_class:
        return
    match named:
        case OrderClass.BRACKET:
            raise malformed(
                "bracket orders require take_profit.limit_price and stop_loss.stop_price"
            )
        case OrderClass.OTO:
            raise malformed("oto orders require either take_profit or stop_loss")
        case _:
            raise malformed("simple orders require no take_profit or stop_loss")
