"""JSON lines under `data/agent_data/<signature>/`: history for people; nothing decides from it.

One writer per file. Readers also take a file that was gzipped meanwhile, and a torn last line (a
crash in mid-write) is dropped; damage in the middle is an error that names file and line.
"""

import gzip
import json
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tools.core.errors import ActiveTraderError
from tools.general_tools import atomic_write


class HistoryDamaged(ActiveTraderError):
    """A line that is not JSON, before the end of the file."""


def trades_path(agent_folder: Path, session_on: date) -> Path:
    """`trades/YYYY-MM-DD_trades.jsonl`: one line per closed round trip of that session."""
    return agent_folder / "trades" / f"{session_on}_trades.jsonl"


def fills_path(agent_folder: Path, session_on: date) -> Path:
    """`fills/YYYY-MM-DD_fills.jsonl`: what each order executed, and its slippage."""
    return agent_folder / "fills" / f"{session_on}_fills.jsonl"


def position_path(agent_folder: Path) -> Path:
    """`position/position.jsonl`: one line per change of the book, the last one is the present."""
    return agent_folder / "position" / "position.jsonl"


def ledger_path(agent_folder: Path, session_on: date) -> Path:
    """`ledger/YYYY-MM-DD_proposals.jsonl`: one line per proposal, with what each rule found."""
    return agent_folder / "ledger" / f"{session_on}_proposals.jsonl"


def safety_path(agent_folder: Path, session_on: date) -> Path:
    """`log/YYYY-MM-DD/safety.jsonl`: what the trade server's audits found, and did about it."""
    return log_folder(agent_folder, session_on) / "safety.jsonl"


def log_folder(agent_folder: Path, session_on: date) -> Path:
    """`log/YYYY-MM-DD/`: what the mind saw, said and wanted that day."""
    return agent_folder / "log" / str(session_on)


def json_line(record: Mapping[str, Any]) -> str:
    """One record as one line: keys in the order given, Decimals as JSON numbers, no NaN."""
    return json.dumps(record, default=_plain, allow_nan=False, separators=(", ", ": ")) + "\n"


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add one line. Creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json_line(record))


def replace(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Replace the whole file by these lines, at once. Creates the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, "".join(json_line(record) for record in records))


def read(path: Path) -> list[dict[str, Any]]:
    """All records of `path`, or of `path` + `.gz`, or none. Raises HistoryDamaged."""
    lines = _text(path).splitlines()
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            if number == len(lines):
                break
            raise HistoryDamaged(f"{path}:{number}: not a JSON line") from None
    return records


def _text(path: Path) -> str:
    packed = path.with_name(path.name + ".gz")
    if path.exists():
        return path.read_text(encoding="utf-8")
    if packed.exists():
        return gzip.decompress(packed.read_bytes()).decode("utf-8")
    return ""


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)
