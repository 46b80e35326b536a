"""What was traded, held and earned, read from the history files for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from types import NoneType
from typing import Any

from tools.core.trading import Trade
from tools.journal.history import HistoryDamaged, position_path, read, trades_path
from tools.journal.trade_lines import from_record
from tools.performance import Performance, by_day, by_prompt, by_symbol, performance

type Record = dict[str, Any]

EARNINGS = ("trades", "winning_trades", "win_rate", "profit_factor", "pnl")
_COUNTS = ("quantity", "trades", "winning_trades", "positions")


class Group(StrEnum):
    """What to add up by."""

    DAY = "day"
    SYMBOL = "symbol"
    PROMPT = "prompt"


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
    """Round trips added up: by day (of `days` each), by symbol or by prompt (most traded first)."""
    done = _trades(closed)
    if by is Group.DAY:
        of_day = by_day(done)
        return [{"day": str(day)} | _row(of_day.get(day, performance(()))) for day in days]
    groups = by_symbol(done) if by is Group.SYMBOL else by_prompt(done)
    rows = [{str(by): key or "unknown"} | _row(numbers) for key, numbers in groups.items()]
    return sorted(rows, key=lambda row: (-row["trades"], row[str(by)]))


def total(closed: Sequence[Record]) -> Record:
    """All of them added up."""
    return _row(performance(_trades(closed)))


def table(rows: Sequence[Record], columns: Sequence[str]) -> str:
    """Aligned columns under their names: numbers to the right, dollars with their cents."""
    cells = [
        list(columns),
        *([_cell(column, row.get(column)) for column in columns] for row in rows),
    ]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    numeric = [
        all(isinstance(row.get(column), (int, float, NoneType)) for row in rows)
        for column in columns
    ]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )


def _trades(closed: Sequence[Record]) -> list[Trade]:
    """The lines as values. Raises HistoryDamaged."""
    try:
        return [from_record(record) for record in closed]
    except (KeyError, ValueError) as error:
        raise HistoryDamaged(f"a line of the trades is not one of ours: {error!r}") from None


def _row(numbers: Performance) -> Record:
    return {
        "trades": numbers.trades,
        "winning_trades": numbers.winning_trades,
        "win_rate": numbers.win_rate,
        "profit_factor": numbers.profit_factor,
        "pnl": float(numbers.pnl_usd),
    }


def _cell(column: str, value: object) -> str:
    if isinstance(value, (int, float)) and column not in _COUNTS:
        return f"{value:,.2f}"
    return "" if value is None else str(value)
