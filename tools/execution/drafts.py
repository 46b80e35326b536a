"""Orders to be, without an id yet: what the desk hands to the sender. Pure."""

from decimal import Decimal

from tools.core.safety import RiskVerdict
from tools.core.trading import OrderIntent, OrderTicket, OrderType, Position, Side


def entry_of(ticket: OrderTicket, verdict: RiskVerdict) -> OrderIntent:
    """A marketable limit with its exits, as it was approved."""
    return OrderIntent(
        client_order_id="",
        symbol=verdict.symbol,
        side=Side.BUY,
        quantity=verdict.quantity,
        order_type=OrderType.LIMIT,
        limit_price=verdict.entry_price,
        stop_loss_price=verdict.stop_price,
        take_profit_price=verdict.target_price,
        decision_id=ticket.decision_id,
        prompt_hash=ticket.prompt_hash,
        decision_price=verdict.decision_price,
    )


def exit_of(position: Position, decision_id: str = "", prompt_hash: str = "") -> OrderIntent:
    """A market order that makes the position flat."""
    return OrderIntent(
        client_order_id="",
        symbol=position.symbol,
        side=Side.SELL if position.quantity > 0 else Side.BUY,
        quantity=abs(position.quantity),
        order_type=OrderType.MARKET,
        decision_id=decision_id,
        prompt_hash=prompt_hash,
        decision_price=position.current_price,
    )


def stop_of(position: Position, quantity: Decimal, stop_price: Decimal) -> OrderIntent:
    """A stop under `quantity` shares of a long position."""
    return OrderIntent(
        client_order_id="",
        symbol=position.symbol,
        side=Side.SELL,
        quantity=quantity,
        order_type=OrderType.STOP,
        stop_price=stop_price,
    )
