"""The desk's answers as values."""

from dataclasses import dataclass, replace
from decimal import Decimal

from tools.core.safety import Denial, DenialReason, RiskVerdict
from tools.core.trading import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The verdict, and the order if one was sent.

    An id without an order: the broker refused it, or its outcome is not known yet.
    """

    verdict: RiskVerdict
    client_order_id: str = ""
    order: Order | None = None
    rejected: bool = False
    """The broker said no."""


def approved(
    symbol: str,
    quantity: Decimal = Decimal(0),
    *,
    order: Order | None = None,
    stop_price: Decimal | None = None,
    note: str = "",
) -> Ruling:
    """A yes to an exit, or to a change of an order."""
    verdict = RiskVerdict(
        symbol=symbol,
        approved=True,
        quantity=quantity,
        stop_price=stop_price,
        notes=(note,) if note else (),
    )
    return Ruling(
        verdict=verdict, client_order_id=order.client_order_id if order else "", order=order
    )


def refused(symbol: str, reason: DenialReason, message: str) -> Ruling:
    """A no to an exit, or to a change of an order."""
    nothing = RiskVerdict(symbol=symbol, approved=False, quantity=Decimal(0))
    return overruled(nothing, reason, message)


def overruled(
    verdict: RiskVerdict, reason: DenialReason, message: str, client_order_id: str = ""
) -> Ruling:
    """A yes that the sending turned into a no."""
    denial = Denial(reason=reason, message=message)
    return Ruling(
        verdict=replace(verdict, approved=False, quantity=Decimal(0), denials=(denial,)),
        client_order_id=client_order_id,
    )
