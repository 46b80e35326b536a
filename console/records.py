"""What was traded, held and earned, read from the history files for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from tools.journal.history import position_path, read, trades_path

type Record = dict[str, Any]

_COUNTS = ("quantity", "trades", "winning_trades", "positions")


class Group(StrEnum):
    """What to add up by."""

    DAY = "day"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which sessions: `on` alone, those from `since` on (inclusive), or all."""

    on: date | None = None
    since: date | None = None

    def takes(self, day: date) -> bool:
        """Whether the session of New York date `day` is among them."""
        if self.on:
            return day == self.on
        return self.since is None or day >= self.since


def sessions(agent_folder: Path, selection: Selection) -> list[date]:
    """The sessions that have a file of trades (an empty or a gzipped one included), in order."""
    files = (agent_folder / "trades").glob("????-??-??_trades.jsonl*")
    days = {date.fromisoformat(file.name[:10]) for file in files}
    return sorted(day for day in days if selection.takes(day))


def trades(agent_folder: Path, days: Sequence[date]) -> list[Record]:
    """The round trips closed on `days`, each with its session's date as `session`."""
    return [
        {"session": str(day)} | trade
        for day in days
        for trade in read(trades_path(agent_folder, day))
    ]


def books(agent_folder: Path, selection: Selection) -> list[Record]:
    """What was held after the last change of each session, in order."""
    last: dict[date, Record] = {}
    for record in read(position_path(agent_folder)):
        day = date.fromisoformat(record["session"])
        if selection.takes(day):
            last[day] = record
    return [last[day] for day in sorted(last)]


def earnings(closed: Sequence[Record], by: Group, days: Sequence[date] = ()) -> list[Record]:
    """Round trips added up by day (of `days` each) or by symbol (most traded first)."""
    profits: dict[str, list[Decimal]] = {}
    if by is Group.DAY:
        profits = {str(day): [] for day in days}
    for trade in closed:
        key = trade["session" if by is Group.DAY else "symbol"]
        profits.setdefault(key, []).append(Decimal(str(trade["pnl"])))
    rows = [{str(by): key} | _sums(values) for key, values in profits.items()]
    return (
        rows if by is Group.DAY else sorted(rows, key=lambda row: (-row["trades"], row["symbol"]))
    )


def total(closed: Sequence[Record]) -> Record:
    """All of them added up."""
    return _sums([Decimal(str(trade["pnl"])) for trade in closed])


def table(rows: Sequence[Record], columns: Sequence[str]) -> str:
    """Aligned columns under their names: numbers to the right, dollars with their cents."""
    cells = [
        list(columns),
        *([_cell(column, row.get(column)) for column in columns] for row in rows),
    ]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    numeric = [all(isinstance(row.get(column), (int, float)) for row in rows) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )


def _sums(profits: Sequence[Decimal]) -> Record:
    return {
        "trades": len(profits),
        "winning_trades": sum(profit > 0 for profit in profits),
        "pnl": float(sum(profits)),
    }


def _cell(column: str, value: object) -> str:
    if isinstance(value, (int, float)) and column not in _COUNTS:
        return f"{value:,.2f}"
    return "" if value is None else str(value)
