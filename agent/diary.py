"""What the trader writes down: the day's log folder, the status snapshot, the cycle counter.

`log/DATE/` is for people and for later replay, `data/runtime_env.json` for whoever looks; nothing
decides from either. `data/trader_state.json` is the trader's own memory: the last cycle's number.
A full disk is reported and costs no trade.
"""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from agent.base_agent.tickets import Outcome
from agent.cycle import CycleReport
from agent.options import AgentOptions
from agent.quoting import one_line
from tools.core.decisions import Action, Decision
from tools.core.errors import ConfigError
from tools.core.session import Phase
from tools.general_tools import atomic_write
from tools.schedule.market_hours import new_york

logger = logging.getLogger(__name__)


class History(Protocol):
    """JSON lines; `tools.journal.history` is one."""

    def append(self, path: Path, record: Mapping[str, Any]) -> None:
        """Add one line to `path`."""
        ...


class Diary:
    """The trader's files. One writer for each."""

    def __init__(self, options: AgentOptions, history: History) -> None:
        self._options, self._history = options, history
        self._data = options.home / "data"
        self._log_file = options.home / "logs" / "active_trader_stdout.log"
        self._told_system = ""
        self._data.mkdir(parents=True, exist_ok=True)

    def last_cycle(self) -> int:
        """The number of the latest cycle of any day, 0 before the first. Raises ConfigError."""
        path = self._data / "trader_state.json"
        try:
            return int(json.loads(path.read_text(encoding="utf-8"))["cycle"])
        except FileNotFoundError:
            return 0
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigError(f"{path} is damaged ({error}): delete it") from None

    def begin_cycle(self, number: int) -> None:
        """Use up a cycle number, before the cycle: a crash in it must not repeat decision ids."""
        with _disk_trouble():
            atomic_write(self._data / "trader_state.json", json.dumps({"cycle": number}) + "\n")

    def write_cycle(self, report: CycleReport) -> None:
        """Add the cycle to the three files of its day."""
        folder = self._options.agent_folder / "log" / str(report.session_on)
        with _disk_trouble():
            self._history.append(folder / "decisions.jsonl", decision_record(report))
            self._history.append(folder / "timings.jsonl", _timings(report))
            with (folder / "agent.log").open("a", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in self._transcript(report))

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace `data/runtime_env.json`: who this is, and its `status`."""
        whole = {
            "mode": self._options.mode,
            "signature": self._options.signature,
            **status,
            "pid": os.getpid(),
            "log_file": str(self._log_file),
        }
        with _disk_trouble():
            text = json.dumps(whole, indent=2) + "\n"
            atomic_write(self._data / "runtime_env.json", text, durable=False)

    def _transcript(self, report: CycleReport) -> Iterator[str]:
        """The cycle for a reader, one line per message; the system prompt when it is new."""
        yield f"=== cycle #{report.number}, {new_york(report.started_at):%Y-%m-%d %H:%M:%S} ET ==="
        for message in report.messages:
            content = str(message.get("content") or "")
            if message["role"] != "system":
                yield from _said(message, content)
            elif content != self._told_system:
                self._told_system = content
                yield from (f"system: {one_line(line)}" for line in content.splitlines())
        yield from (_wish(decision) for decision in report.decisions)
        yield from (_ruling(outcome) for outcome in report.outcomes)
        if report.error:
            yield f"error: {one_line(report.error)}"


def decision_record(report: CycleReport) -> dict[str, Any]:
    """The cycle as a line of `decisions.jsonl`: nothing of the machine or of real time in it."""
    thought, book = report.thought, report.book
    return {
        "session": str(report.session_on),
        "cycle": report.number,
        "at": new_york(report.started_at).isoformat(),
        "phase": Phase.TRADE,
        "states": report.states,
        "rung": report.step.rung.name,
        "decisions": [_decision(one) for one in report.decisions],
        "verdicts": [_verdict(one) for one in report.outcomes],
        "positions": list(book.positions) if book else None,
        "equity": book.equity_usd if book else None,
        "model": {
            "calls": thought.model_calls if thought else 0,
            "prompt_tokens": thought.prompt_tokens if thought else 0,
            "completion_tokens": thought.completion_tokens if thought else 0,
            "cached_tokens": thought.cached_tokens if thought else 0,
            "cost_usd": thought.cost_usd if thought else 0,
            "served_by": thought.served_by if thought else [],
        },
        "text": report.text,
        "error": report.error,
        "prompt_hash": report.prompt_hash,
        "next_cycle_at": report.next_at and new_york(report.next_at).isoformat(),
    }


def _timings(report: CycleReport) -> dict[str, Any]:
    """Where the real time of one cycle went; overhead is everything but model and tools."""
    overhead = report.seconds - report.model_seconds - report.tool_seconds
    return {
        "session": str(report.session_on),
        "cycle": report.number,
        "seconds": round(report.seconds, 6),
        "model_seconds": round(report.model_seconds, 6),
        "model_calls": report.thought.model_calls if report.thought else 0,
        "tool_seconds": round(report.tool_seconds, 6),
        "tool_calls": report.tool_calls,
        "overhead_seconds": round(overhead, 6),
    }


def _decision(decision: Decision) -> dict[str, Any]:
    wish: dict[str, Any] = {
        "decision_id": decision.decision_id,
        "symbol": decision.symbol,
        "action": decision.action,
        "confidence": decision.confidence,
        "reason": decision.reason,
        "rests_on": decision.rests_on,
    }
    if decision.action is Action.BUY:
        wish |= {
            "quantity": decision.quantity,
            "stop_price": decision.stop_price,
            "target_price": decision.target_price,
            "price": decision.price,
            "price_at": decision.price_at and decision.price_at.isoformat(),
        }
    return wish


def _verdict(outcome: Outcome) -> dict[str, Any]:
    return {
        "decision_id": outcome.decision_id,
        "symbol": outcome.symbol,
        "approved": outcome.approved,
        "quantity": outcome.quantity,
        "denials": [{"reason": one.reason, "message": one.message} for one in outcome.denials],
        "client_order_id": outcome.client_order_id,
        "status": outcome.status,
        "filled_quantity": outcome.filled_quantity,
        "average_fill_price": outcome.average_fill_price,
    }


def _said(message: Mapping[str, Any], content: str) -> Iterator[str]:
    if content or message["role"] != "assistant":
        yield f"{message['role']}: {one_line(content)}"
    for call in message.get("tool_calls") or ():
        function = call["function"]
        yield f"call: {one_line(f'{function["name"]} {function["arguments"]}')}"


def _wish(decision: Decision) -> str:
    confidence = "" if decision.confidence is None else f" confidence {decision.confidence:g}"
    words = f"{decision.action.upper()} {decision.symbol}{confidence}: {decision.reason}"
    return f"decision: {decision.decision_id} {one_line(words)}"


def _ruling(outcome: Outcome) -> str:
    if not outcome.approved:
        words = "; ".join(f"{one.reason}: {one.message}" for one in outcome.denials)
        return f"verdict: {outcome.decision_id} refused, {one_line(words)}"
    price = outcome.average_fill_price
    filled = f", {outcome.filled_quantity} at {price}" if price is not None else ""
    sent = f"{outcome.client_order_id} {outcome.status}{filled}"
    return f"verdict: {outcome.decision_id} approved {outcome.quantity}, {sent}"


@contextmanager
def _disk_trouble() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        logger.error("not written down: %s", error)
