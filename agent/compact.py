"""The snapshot's parts in as few bytes as a decision needs: each is paid for in every model call.

Nothing is rounded or renamed; what is left out is said twice otherwise, says nothing, or explains a
view that is too weak to act on.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

type Json = Mapping[str, Any]

TELLING_STRENGTH = 0.25
"""From here on up a signal's evidence is told, and always that of what is held: nothing is sold
short here, so that weakness elsewhere needs no reasons."""

_SIGNAL = (
    *("symbol", "strength", "coverage", "price", "price_at", "next_resistance", "atr"),
    *("volume_ratio", "exhaustion"),
)
_TOLD_ELSEWHERE = frozenset(
    (
        *("entries_end_at", "flatten_at", "day_pnl_fraction"),  # in session and account
        *("max_entries_per_day", "daily_loss_fraction"),  # in the system prompt, as are these
        *("risk_per_trade_fraction", "max_position_fraction"),
    )
)
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
    """The desk's state and limits, but for what the prompt, session and account tell."""
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


def prices_at(told: Sequence[Json]) -> str:
    """When most of the signals' prices were, "" when nobody says."""
    most = Counter(one["price_at"] for one in told if one.get("price_at")).most_common(1)
    return str(most[0][0]) if most else ""


def signals(told: Sequence[Json], held: Collection[str]) -> list[Json]:
    """One row a symbol: `quality` is its grade, with what is wrong if something is.

    `price_at` is told where it is not `prices_at`, `coverage` where it is not full.
    """
    usual = {"price_at": prices_at(told), "coverage": 1}
    return [_signal(one, usual, one.get("symbol") in held) for one in told]


def _signal(told: Json, usual: Json, held: bool) -> Json:
    row = {
        name: told[name]
        for name in _SIGNAL
        if told.get(name) not in (None, [], ()) and told[name] != usual.get(name)
    }
    if quality := told.get("quality"):
        row["quality"] = _quality(quality)
    if held or float(told.get("strength") or 0) >= TELLING_STRENGTH:
        row["evidence"] = told.get("evidence", ())
    return row


def _quality(told: Json) -> str:
    faults = [f"{told['gaps']} gaps"] if told.get("gaps") else []
    faults += ["halted"] if told.get("halted") else []
    return " ".join([str(told.get("grade")), *faults])
