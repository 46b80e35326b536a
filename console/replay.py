"""What `replay` does without another mind: the record is read, checked, and lived again."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from console.usage import UsageError
from tools.core.errors import ActiveTraderError
from tools.journal.day_record import Record, read_record, record_path
from tools.journal.history import log_folder, read
from tools.settings import ROOT

LAST_WORDS = 300


class ReplayFailed(ActiveTraderError):
    """The replay did not come to a result."""


def recorded_day(agent_folder: Path, on: date) -> Record:
    """The day's record. Raises UsageError when there is none, RecordDamaged."""
    path = record_path(agent_folder, on)
    try:
        return read_record(path)
    except OSError as error:
        days = sorted(file.parent.name for file in agent_folder.glob("log/*/record.jsonl.gz"))
        there = f"{days[0]} to {days[-1]}" if days else "none"
        raise UsageError(f"--date {on}: {path}: {error.strerror}; days there: {there}") from None


def lived_again(agent_folder: Path, on: date) -> dict[str, Any]:
    """How the day's replay went. Raises as `recorded_day`, and ReplayFailed."""
    record = recorded_day(agent_folder, on)
    report = _replayed(record)
    written = {one["cycle"]: one for one in read(log_folder(agent_folder, on) / "decisions.jsonl")}
    ended = {
        line["decision"]["cycle"]: line["decision"]
        for line in record.entries
        if line["what"] == "end"
    }
    other = [
        number for number, decision in ended.items() if written.get(number, decision) != decision
    ]
    if other and report["identical"]:
        report |= {"identical": False, "difference": _of_the_file(other[0], ended, written)}
    return {
        "date": str(on),
        **report,
        "unrecorded": sorted(written.keys() - ended.keys()),
        "torn": record.torn,
        "bytes": record_path(agent_folder, on).stat().st_size,
    }


def told(report: Mapping[str, Any]) -> str:
    """The report for a reader."""
    counts = (
        *(f"{report[name]} {name.replace('_', ' ')}" for name in ("cycles", "model_calls")),
        *(f"{report[name]} {name.replace('_', ' ')}" for name in ("tool_calls", "decisions")),
        f"{report['orders']} orders",
    )
    lines = [f"{report['date']}: {', '.join(counts)}"]
    if report["torn"]:
        lines.append(f"the record is torn: {report['torn']}")
    if report["unfinished"]:
        lines.append(f"cycles that were not lived to their end: {report['unfinished']}")
    if report["unrecorded"]:
        missing = ", ".join(map(str, report["unrecorded"]))
        lines.append(f"in decisions.jsonl and not in the record: cycle {missing}")
    if found := report["difference"]:
        lines.append(f"DIFFERENT in cycle {found['cycle']}, step {found['step']}: {found['where']}")
        lines.append(f"  expected: {found['expected']}")
        lines.append(f"  came:     {found['came']}")
    else:
        lines.append("identical")
    return "\n".join(lines)


def _replayed(record: Record) -> dict[str, Any]:
    """What the mind's own code makes of the record, in a process of its own."""
    finished = subprocess.run(
        [sys.executable, "-m", "agent.replay"],
        input="".join(f"{line}\n" for line in record.lines),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    try:
        return dict(json.loads(finished.stdout.splitlines()[-1]))
    except (LookupError, ValueError):
        last = "".join(finished.stderr.splitlines()[-1:])[:LAST_WORDS]
        raise ReplayFailed(f"the replay ended with status {finished.returncode}: {last}") from None


def _of_the_file(
    number: int, ended: Mapping[int, Any], written: Mapping[int, Any]
) -> dict[str, Any]:
    """`decisions.jsonl` tells a cycle in another way than the record does."""
    names: Sequence[str] = [
        name for name in ended[number] if ended[number][name] != written[number].get(name)
    ]
    return {
        "cycle": number,
        "step": 0,
        "where": f"decisions.jsonl: {', '.join(names) or 'more than was recorded'}",
        "expected": str([ended[number][name] for name in names])[:LAST_WORDS],
        "came": str([written[number].get(name) for name in names])[:LAST_WORDS],
    }
