"""Judges a campaign by what the exchange wrote down, and the desk's journal by that."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

KNOWN_WITHIN = timedelta(seconds=60)
COVERED_WITHIN = timedelta(seconds=10)

type Line = dict[str, Any]
type Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found wrong, in words; `orders` is how many entries there were to judge."""

    orders: int
    fills: int
    duplicates: tuple[str, ...]
    unknown: tuple[str, ...]
    naked: tuple[str, ...]
    longest_naked: timedelta

    @property
    def clean(self) -> bool:
        """Nothing was."""
        return not (self.duplicates or self.unknown or self.naked)


def read_history(path: Path) -> list[Line]:
    """The exchange's lines, oldest first, times as instants."""
    lines = (json.loads(text) for text in path.read_text(encoding="utf-8").splitlines())
    return [{**line, "at": datetime.fromisoformat(line["at"])} for line in lines]


def judge(lines: Sequence[Line], journal: Path, running: Sequence[Span]) -> Findings:
    """`running` are the trade server's lives in market time; the last line is the end."""
    last = {line["order"]: line for line in lines if line["kind"] == "order"}
    entries = [one for one in last.values() if one["side"] == "buy" and one["status"] != "rejected"]
    filled = [one for one in entries if one["filled"] not in ("0", "0E-9")]
    naked = list(_naked(lines, running))
    return Findings(
        orders=len(entries),
        fills=len(filled),
        duplicates=tuple(_duplicates(entries)) + tuple(_oversold(lines)),
        unknown=tuple(_unknown(filled, lines, journal)),
        naked=tuple(words for words, length in naked if length > COVERED_WITHIN),
        longest_naked=max((length for _, length in naked), default=timedelta(0)),
    )


def _duplicates(entries: Iterable[Line]) -> Iterable[str]:
    """Two orders of one decision: each decision has a target price of its own."""
    for target, count in Counter(one["target"] for one in entries).items():
        if count > 1:
            yield f"target {target}: {count} orders"


def _oversold(lines: Iterable[Line]) -> Iterable[str]:
    """More sold than held."""
    for line in lines:
        if line["kind"] == "cover" and line["held"].startswith("-"):
            yield f"{line['at']}: {line['held']} {line['symbol']}"


def _unknown(filled: Iterable[Line], lines: Sequence[Line], journal: Path) -> Iterable[str]:
    """Shares whose purchase, 60 s and more ago, the desk does not have as accepted."""
    with sqlite3.connect(f"file:{journal}?mode=ro", uri=True) as connection:
        known = dict(connection.execute("SELECT client_order_id, status FROM intents"))
    for one in filled:
        old = lines[-1]["at"] - one["at"] > KNOWN_WITHIN
        if old and known.get(one["client_id"]) != "accepted":
            yield f"{one['client_id']} {one['symbol']}: {known.get(one['client_id'])}"


def _naked(lines: Iterable[Line], running: Sequence[Span]) -> Iterable[tuple[str, timedelta]]:
    """Each time that shares lay without a stop, in seconds of the trade server's running time."""
    since: dict[str, datetime] = {}
    end = None
    for line in lines:
        end = line["at"]
        if line["kind"] != "cover":
            continue
        symbol = line["symbol"]
        if float(line["stopped"]) < float(line["held"]):
            since.setdefault(symbol, end)
        elif symbol in since:
            yield _span(symbol, since.pop(symbol), end, running)
    for symbol, began in since.items():
        assert end is not None
        yield _span(symbol, began, end, running)


def _span(
    symbol: str, began: datetime, ended: datetime, running: Sequence[Span]
) -> tuple[str, timedelta]:
    overlaps = (min(ended, died) - max(began, born) for born, died in running)
    length = sum((one for one in overlaps if one > timedelta(0)), timedelta(0))
    return f"{symbol} from {began:%H:%M:%S.%f} to {ended:%H:%M:%S.%f}", length
