"""One closed round trip as one line of `trades/DATE_trades.jsonl`, and back."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from tools.core.trading import ExitReason, Side, Trade


def to_record(trade: Trade) -> dict[str, Any]:
    """The line's fields in their order; times are ISO 8601 in UTC."""
    return {
        "symbol": trade.symbol,
        "side": trade.side,
        "quantity": trade.quantity,
        "entry_price": trade.entry_price,
        "exit_price": trade.exit_price,
        "pnl": trade.pnl_usd,
        "opened_at": trade.opened_at.isoformat(),
        "closed_at": trade.closed_at.isoformat(),
        "exit_reason": trade.exit_reason,
        "entry_order": trade.entry_client_order_id,
        "exit_order": trade.exit_client_order_id,
        "decision_id": trade.decision_id,
        "slippage_usd": trade.slippage_usd,
        "prompt_hash": trade.prompt_hash,
    }


def from_record(record: Mapping[str, Any]) -> Trade:
    """The trade of a line. Raises KeyError or ValueError for a line of another kind."""
    return Trade(
        symbol=record["symbol"],
        side=Side(record["side"]),
        quantity=Decimal(str(record["quantity"])),
        entry_price=Decimal(str(record["entry_price"])),
        exit_price=Decimal(str(record["exit_price"])),
        pnl_usd=Decimal(str(record["pnl"])),
        opened_at=datetime.fromisoformat(record["opened_at"]),
        closed_at=datetime.fromisoformat(record["closed_at"]),
        exit_reason=ExitReason(record["exit_reason"]),
        entry_client_order_id=record["entry_order"],
        exit_client_order_id=record["exit_order"],
        decision_id=record["decision_id"],
        slippage_usd=None if (lost := record.get("slippage_usd")) is None else Decimal(str(lost)),
        prompt_hash=record.get("prompt_hash", ""),
    )
