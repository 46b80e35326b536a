"""Why was this bought, why was this not: the gate ledger, read for people."""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from tools.journal.history import ledger_path, read
from tools.schedule.market_hours import new_york

type Record = dict[str, Any]

COLUMNS = ("at", "kind", "symbol", "answer", "quantity", "cited", "why")
GATE_COLUMNS = ("rule", "gate", "measured", "limit", "key", "message")


def proposals(agent_folder: Path, on: date | None, symbol: str | None) -> list[Record]:
    """The proposals of session `on`, else of the latest that has some; of `symbol`, or of all."""
    day = on or _latest(agent_folder)
    lines = read(ledger_path(agent_folder, day)) if day else []
    return [line for line in lines if symbol is None or line["symbol"] == symbol]


def rows(found: Sequence[Record]) -> list[Record]:
    """One row per proposal: what was answered, and the rules that decided it."""
    return [
        {
            "at": f"{new_york(datetime.fromisoformat(line['at'])):%H:%M:%S}",
            "kind": line["kind"],
            "symbol": line["symbol"],
            "answer": _answer(line),
            "quantity": line["quantity"],
            "cited": _cited(line),
            "why": _why(line),
        }
        for line in found
    ]


def gates(line: Record) -> list[Record]:
    """One row per rule of a proposal."""
    return [{column: _text(gate[column]) for column in GATE_COLUMNS} for gate in line["gates"]]


def _latest(agent_folder: Path) -> date | None:
    files = (agent_folder / "ledger").glob("????-??-??_proposals.jsonl*")
    return max((date.fromisoformat(file.name[:10]) for file in files), default=None)


def _answer(line: Record) -> str:
    if not line["approved"]:
        return "refused"
    return "bought" if line["kind"] == "order" else "allowed"


def _cited(line: Record) -> str:
    """The price that the proposal says it rests on, and when that was; "" if it says nothing."""
    price, at = line.get("cited_price"), line.get("cited_at")
    return f"{price} at {new_york(datetime.fromisoformat(at)):%H:%M:%S}" if price and at else ""


def _why(line: Record) -> str:
    """The denials' words; of a yes, what the ticket said and which limit set the size."""
    if line["denials"]:
        return "; ".join(denial["message"] for denial in line["denials"])
    bound = [gate["message"] for gate in line["gates"] if gate["gate"] == "clamp"]
    return "; ".join(part for part in (line["reason"], *bound) if part)


def _text(value: object) -> str:
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
