"""`replay --prompt` and `--model`: the market of a recorded day, traded by another mind.

The market is the one that a simulated day was made from; of any other day it is what the data
server had kept of it (`tools.simulation.kept`). The other day is an ordinary `simulate`, in which
nobody can see what has not happened yet; where there is a key, the model itself is asked.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from console import records
from console.plan import Plan, Request, make_plan
from console.replay import recorded_day
from console.simulation import run
from console.simulation_home import MARK
from console.usage import UsageError
from tools.journal.day_record import Record
from tools.journal.history import log_folder, read
from tools.prompts.text import read_text
from tools.settings import Settings
from tools.simulation.kept import make_tape

SUMS = ("prompt", "model", "cycles", "entries", "exits", "denials", "trades", "cost", "pnl")
SHOWN_HASH = 12
KEYLESS = "simulated"
"""The model's key in a home that has none: the embedded rules answer there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherMind:
    """What is to be different; None is as it was."""

    prompt: Path | None
    model: str | None


def other_day(settings: Settings, on: date, mind: OtherMind, out: Path | None) -> dict[str, Any]:
    """Both days side by side, the recorded and the other.

    Raises UsageError, ConfigError, RecordDamaged, and what `console.simulation.run` raises.
    """
    record = recorded_day(settings.agent_folder, on)
    if mind.prompt:
        settings.prompt_settings.accept(read_text(mind.prompt), str(mind.prompt))
    with TemporaryDirectory(prefix="active-trader-tape-") as tape:
        plan = _plan(settings, _request(settings, record, on, out, Path(tape)), mind)
        report = asyncio.run(run(plan))
    folder = Path(report["home"]) / "data" / "agent_data" / settings.model.signature
    recorded, other = _Day.of(settings.agent_folder, on), _Day.of(folder, on)
    return {
        "date": str(on),
        "market": _market(plan, Path(tape).resolve()),
        "recorded": recorded.sums(),
        "other": {**other.sums(), "flat": report["flat"], "home": report["home"]},
        "decisions": _beside(recorded.acts(), other.acts()),
    }


def shown(both: Mapping[str, Any]) -> str:
    """Both days for a reader."""
    days = [(name, both[name]) for name in ("recorded", "other")]
    sums = [
        {"": name}
        | {column: str(day[column]) for column in SUMS}
        | {"prompt": day["prompt"][:SHOWN_HASH], "pnl": day["pnl"]}
        for name, day in days
    ]
    rows: Sequence[records.Record] = both["decisions"]
    differing = sum(row["recorded"] != row["other"] for row in rows)
    return "\n".join(
        (
            f"{both['date']}, market: {both['market']}",
            records.table(sums, ["", *SUMS]),
            "",
            records.table(rows, ["at", "symbol", "recorded", "other"]) if rows else "nobody acted",
            "",
            f"{differing} of {len(rows)} actions differ; the other day: {both['other']['home']}",
        )
    )


@dataclass(frozen=True, slots=True)
class _Day:
    """A day's history files."""

    cycles: Sequence[Mapping[str, Any]]
    trades: Sequence[records.Record]

    @classmethod
    def of(cls, folder: Path, on: date) -> "_Day":
        return cls(read(log_folder(folder, on) / "decisions.jsonl"), records.trades(folder, [on]))

    def sums(self) -> dict[str, Any]:
        """The day in numbers. `prompt` and `model` are those of its end."""
        acts = [one for cycle in self.cycles for one in cycle["decisions"]]
        verdicts = [one for cycle in self.cycles for one in cycle["verdicts"]]
        served = [name for cycle in self.cycles for name in cycle["model"]["served_by"]]
        return {
            "prompt": self.cycles[-1]["prompt_hash"] if self.cycles else "",
            "model": served[-1] if served else "",
            "cycles": len(self.cycles),
            "entries": sum(one["action"] == "buy" for one in acts),
            "exits": sum(one["action"] == "sell" for one in acts),
            "denials": sum(not one["approved"] for one in verdicts),
            "trades": len(self.trades),
            "cost": round(sum(float(cycle["model"]["cost_usd"]) for cycle in self.cycles), 4),
            "pnl": records.total(self.trades)["pnl"],
        }

    def acts(self) -> dict[tuple[str, str], str]:
        """What was bought, sold or refused, by minute and symbol."""
        found: dict[tuple[str, str], str] = {}
        for cycle in self.cycles:
            at = f"{datetime.fromisoformat(cycle['at']):%H:%M}"
            verdicts = {one["decision_id"]: one for one in cycle["verdicts"]}
            for one in cycle["decisions"]:
                if one["action"] != "hold":
                    told = _ruling(verdicts.get(one["decision_id"]))
                    found[at, one["symbol"]] = f"{one['action']} {told}"
        return found


def _ruling(verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "not sent"
    if not verdict["approved"]:
        return f"refused: {', '.join(one['reason'] for one in verdict['denials'])}"
    price = verdict["average_fill_price"]
    return f"{verdict['filled_quantity']} at {price}" if price is not None else "sent"


def _beside(
    recorded: Mapping[tuple[str, str], str], other: Mapping[tuple[str, str], str]
) -> list[records.Record]:
    return [
        {"at": at, "symbol": symbol, "recorded": recorded.get(key), "other": other.get(key)}
        for key in sorted({*recorded, *other})
        for at, symbol in (key,)
    ]


def _request(settings: Settings, record: Record, on: date, out: Path | None, tape: Path) -> Request:
    """A `simulate` of that day; `tape` is an empty folder."""
    request = Request(date=str(on), cash=str(_cash(record, on)), out=out, as_json=True)
    if made_from := _mark(settings.home):
        symbols = ",".join(made_from["symbols"])
        if made_from["tape"]:
            return replace(request, data=Path(made_from["tape"]), symbols=symbols)
        return replace(request, synthetic=symbols, seed=made_from["seed"])
    kept = settings.agent_folder / "tape"
    if not (kept / str(on)).is_dir():
        raise UsageError(f"--date {on}: nothing was kept of that day's market: no {kept / str(on)}")
    make_tape(kept, tape, last_day=on)
    return replace(request, data=tape)


def _plan(settings: Settings, request: Request, mind: OtherMind) -> Plan:
    """The other day, with the configuration as it is but for the mind."""
    plan = make_plan(request)
    config = settings.config.model_dump(mode="json", exclude_unset=True)
    config["watchlist"] = [one for one in settings.config.watchlist if one in plan.symbols]
    config["agent_config"] = plan.config["agent_config"]
    if mind.model:
        config = _with_model(config, settings, mind.model)
    prompt_file = mind.prompt.resolve() if mind.prompt else plan.prompt_file
    plan = replace(plan, config=config, prompt_file=prompt_file)
    if (key := settings.model_key.get_secret_value()) in ("", KEYLESS):
        return plan
    door = {"DEEPSEEK_API_KEY": key, "DEEPSEEK_BASE_URL": settings.model_url}
    patience = 2 * settings.config.agent_config.cycle_deadline_seconds
    return replace(plan, model_door=door, standstill_seconds=patience)


def _market(plan: Plan, made: Path) -> str:
    """Where the prices came from, in words."""
    if plan.tape is None:
        return f"synthetic, seed {plan.seed}"
    return "what the data server kept" if plan.tape == made else str(plan.tape)


def _mark(home: Path) -> Mapping[str, Any] | None:
    """What a simulated day was made from; None when this is no simulation's home."""
    try:
        mark: Mapping[str, Any] = json.loads((home / MARK).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return mark


def _with_model(config: Mapping[str, Any], settings: Settings, model: str) -> dict[str, Any]:
    """The configuration with another id on the wire."""
    signature = settings.model.signature
    models = [
        one | {"model": model} if one["signature"] == signature else one for one in config["models"]
    ]
    return {**config, "models": models}


def _cash(record: Record, on: date) -> Decimal:
    """The equity that the recorded day began with."""
    lines = iter(record.entries)
    for line in lines:
        if line["what"] == "call" and line["name"] == "get_account":
            answer = next(lines, {})
            if "text" in answer and not answer.get("is_error"):
                return round(Decimal(str(json.loads(answer["text"])["equity"])), 2)
    raise UsageError(f"--date {on}: the record does not say what the account held")
