"""The gate ledger: for every proposal, what each rule and cap found, with its numbers.

`ledger/DATE_proposals.jsonl`, history for `python active_trader.py explain`. Nothing decides from
it, and an order is not refused because a line of it cannot be written.
"""

import logging
from pathlib import Path
from typing import Any

from tools.core.safety import Finding
from tools.core.trading import OrderTicket
from tools.execution.rulings import Ruling
from tools.journal import history
from tools.risk.book import Book

logger = logging.getLogger(__name__)


class GateLedger:
    """Appends one line per proposal."""

    def __init__(self, agent_folder: Path) -> None:
        self._folder = agent_folder

    def record(self, ticket: OrderTicket, ruling: Ruling, book: Book, *, sent: bool) -> Ruling:
        """Write down `ruling`, and give it back. An order was `sent`; a preview only asks."""
        verdict = ruling.verdict
        session_on = book.session.on if book.session else book.now.date()
        line = {
            "at": book.now.isoformat(),
            "kind": "order" if sent else "preview",
            "decision_id": ticket.decision_id,
            "symbol": ticket.symbol,
            "confidence": _finite(ticket.confidence),
            "reason": ticket.reason,
            "asked": ticket.quantity,
            "cited_price": ticket.cited_price,
            "cited_at": ticket.cited_at.isoformat() if ticket.cited_at else None,
            "approved": verdict.approved,
            "quantity": verdict.quantity,
            "entry_price": verdict.entry_price,
            "stop_price": verdict.stop_price,
            "target_price": verdict.target_price,
            "risk_usd": verdict.risk_usd,
            "client_order_id": ruling.client_order_id or None,
            "denials": [{"reason": d.reason, "message": d.message} for d in verdict.denials],
            "notes": list(verdict.notes),
            "gates": [_gate(name, finding) for name, finding in verdict.findings],
        }
        try:
            history.append(history.ledger_path(self._folder, session_on), line)
        except OSError as error:
            logger.warning("the gate ledger misses a line: %s", error)
        return ruling


def _gate(name: str, finding: Finding) -> dict[str, Any]:
    return {
        "rule": name,
        "gate": finding.gate,
        "reason": finding.reason,
        "measured": _finite(finding.measured),
        "limit": _finite(finding.limit),
        "key": finding.key,
        "message": finding.message,
    }


def _finite(value: object) -> object:
    """As it is, but for what JSON has no number for."""
    return str(value) if isinstance(value, float) and value - value != 0 else value
