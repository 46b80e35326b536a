"""The snapshot's parts in as few bytes as a decision needs: each is paid for in every model call.

Nothing is rounded or renamed; what is left out is said twice otherwise, says nothing, or explains a
view that is too weak to act on.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

type Json = Mapping[str, Any]

TELLING_STRENGTH = 0.25
"""From here on, up or down, a signal's evidence is told; that of what is held always is."""

_SIGNAL = (
    *("symbol", "strength", "coverage", "price", "price_at", "next_resistance", "atr"),
    *("volume_ratio", "exhaustion"),
)
_TOLD_ELSEWHERE = frozenset(("entries_end_at", "flatten_at", "day_pnl_fraction"))
_RESTING = frozenset(("limit", "stop"))


def as_text(content: Json) -> str:
    """Compact JSON in which no tag can begin, so that none can end the snapshot early."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def account(told: Json) -> Json:
    """The money; that trading is blocked only if it is."""
    left_out = {"last_equity"} | (set() if told.get("trading_blocked") else {"trading_blocked"})
    return {name: value for name, value in told.items() if name not in left_out}


def risk(told: Json) -> Json:
    """The desk's state and limits, but for what session and account tell."""
    return {
        name: value
        for name, value in told.items()
        if name not in _TOLD_ELSEWHERE and value is not None
    }


def orders(told: Iterable[Json], held: Collection[str]) -> list[Json]:
    """Open orders but for resting exits: a position shows them as its stop and its target."""
    return [
        {name: value for name, value in one.items() if value is not None}
        for one in told
        if not (one.get("side") == "sell" and one.get("type") in _RESTING and one["symbol"] in held)
    ]


def signals(told: Iterable[Json], held: Collection[str]) -> list[Json]:
    """One row a symbol; `quality` is its grade, with what is wrong if something is."""
    return [_signal(one, one.get("symbol") in held) for one in told]


def _signal(told: Json, held: bool) -> Json:
    row = {name: told[name] for name in _SIGNAL if told.get(name) not in (None, [], ())}
    if quality := told.get("quality"):
        row["quality"] = _quality(quality)
    if held or abs(float(told.get("strength") or 0)) >= TELLING_STRENGTH:
        row["evidence"] = told.get("evidence", ())
    return row


def _quality(told: Json) -> str:
    faults = [f"{told['gaps']} gaps"] if told.get("gaps") else []
    faults += ["halted"] if told.get("halted") else []
    return " ".join([str(told.get("grade")), *faults])
