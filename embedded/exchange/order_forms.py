"""The bodies of `POST /v2/orders` and `PATCH /v2/orders/{id}`, read strictly."""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from embedded.exchange.queries import bad_request, number
from tools.core.trading import OrderClass, OrderType, Side
from tools.simulation.orders import OrderRequest, Replacement, TimeInForce
from tools.simulation.refusals import invalid, malformed

type Body = Mapping[str, Any]

INTENTS = {Side.BUY: "buy_to_open", Side.SELL: "sell_to_close"}
"""What an order is for, where nobody sells short."""


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
    symbol, client_id = text(body, "symbol"), text(body, "client_order_id", "")
    quantity, notional = number(body, "qty"), number(body, "notional")
    if quantity is not None and notional is not None:
        raise malformed("only one of qty or notional is accepted")
    if quantity is None and notional is None:
        raise malformed("qty or notional is required")
    named = _word(body, "order_class", OrderClass) if body.get("order_class") else OrderClass.SIMPLE
    side, oco = _word(body, "side", Side), named is OrderClass.OCO
    limit, target = number(body, "limit_price"), _leg(body, "take_profit", "limit_price")
    request = OrderRequest(
        symbol=symbol,
        side=side,
        quantity=quantity,
        notional=notional,
        order_type=_word(body, "type", OrderType),
        time_in_force=_word(body, "time_in_force", TimeInForce),
        limit_price=target if oco and limit is None else limit,
        stop_price=number(body, "stop_price"),
        trail_price=number(body, "trail_price"),
        trail_percent=number(body, "trail_percent"),
        take_profit_price=None if oco else target,
        stop_loss_price=_leg(body, "stop_loss", "stop_price"),
        stop_loss_limit_price=_leg(body, "stop_loss", "limit_price", required=False),
        oco=oco,
        extended_hours=body.get("extended_hours") is True,
        client_order_id=client_id,
    )
    _check_class(named, request, target_given=target is not None)
    _check_intent(body.get("position_intent"), side)
    return request


def replacement(body: Body) -> Replacement:
    """What is to change. Raises Refused."""
    lasts = body.get("time_in_force")
    return Replacement(
        quantity=number(body, "qty"),
        limit_price=number(body, "limit_price"),
        stop_price=number(body, "stop_price"),
        trail=number(body, "trail"),
        time_in_force=_word(body, "time_in_force", TimeInForce) if lasts else None,
        client_order_id=text(body, "client_order_id", ""),
    )


def text(body: Body, name: str, default: str | None = None) -> str:
    """A string; without a default it has to be there."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, str):
        raise bad_request("request body format is invalid")
    return value


def _word[Word: StrEnum](body: Body, name: str, words: type[Word]) -> Word:
    try:
        return words(str(body.get(name)))
    except ValueError:
        raise malformed(
            f"invalid {name}: {body.get(name)} (known are {', '.join(words)})"
        ) from None


def _leg(body: Body, name: str, price: str, *, required: bool = True) -> Any:
    leg = body.get(name)
    if leg is None:
        return None
    if not isinstance(leg, dict):
        raise bad_request("request body format is invalid")
    found = number(leg, price)
    if found is None and required:
        raise malformed(f"{name}.{price} is required")
    return found


def _check_class(named: OrderClass, request: OrderRequest, *, target_given: bool) -> None:
    """The class that is named is the one that the legs make."""
    if named is OrderClass.OCO and not (target_given and request.stop_loss_price is not None):
        raise malformed("oco orders require take_profit.limit_price and stop_loss.stop_price")
    if named is request.order_class:
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


def _check_intent(specified: object, side: Side) -> None:
    if specified not in {None, "", INTENTS[side]}:
        message = f"position intent mismatch, inferred: {INTENTS[side]}, specified: {specified}"
        raise invalid(message)
