"""A dumb trader: fixed rules over the snapshot and the tools' answers. It is not a language model.

It reads what it is sent and nothing else, calls only tools that it is offered, over several turns
as a model would, and leaves every size to the desk. It is there to drive the real path from end to
end and to obey the prompt's numbers, not to make money.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from embedded.model.conversation import Call, Conversation, Json
from embedded.model.scene import LEADS, Scene, number

BANNER = "fixed rules, not a language model"

_ORDERS = ("preview_order", "place_order")

# After one of these the desk would say the same of every other symbol.
_FINAL = frozenset(
    ("state", "session", "confidence", "positions", "entries", "daily_loss", "buying_power")
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer: calls to make, or a text that concludes."""

    text: str
    calls: tuple[Call, ...] = ()


def next_turn(conversation: Conversation) -> Turn:
    """The calls of the first stage that were not made yet, else the conclusion."""
    if conversation.snapshot is None:
        return Turn(f"I am {BANNER}: without a <snapshot> I have nothing to say.")
    scene = Scene(conversation, conversation.snapshot)
    for stage in (_look, _act, _enter):
        wanted = (call for call in stage(scene) if call.name in conversation.tools)
        if calls := tuple(call for call in wanted if not conversation.asked(call)):
            return Turn("", calls)
    return Turn(_conclusion(scene))


def _look(scene: Scene) -> Iterator[Call]:
    """What to know before acting: quotes of all in question, the candidates' surroundings."""
    if symbols := [*scene.held, *scene.leads]:
        yield Call("get_quotes", {"symbols": symbols})
    for symbol in scene.leads:
        yield Call("get_levels", {"symbol": symbol})
        yield Call("get_multi_timeframe_analysis", {"symbol": symbol})
    if scene.leads and scene.snapshot.get("round_trips_today"):
        yield Call("get_orders", {})


def _act(scene: Scene) -> Iterator[Call]:
    """Leave what has turned, follow what went well, ask the desk about the candidates."""
    for symbol, position in scene.held.items():
        if scene.strength(symbol) <= -scene.policy.exit_strength:
            reason = f"the signal turned to {scene.strength(symbol):+.2f}"
            yield Call("close_position", {"symbol": symbol, "reason": reason})
        elif (stop := _better_stop(scene, symbol, position)) is not None:
            yield Call("tighten_stop", {"symbol": symbol, "stop_price": stop})
    for symbol in _entries(scene):
        yield Call("preview_order", _proposal(scene, symbol))


def _enter(scene: Scene) -> Iterator[Call]:
    """Order what the desk did not object to."""
    for symbol in _entries(scene):
        evidence = "; ".join(scene.signals[symbol].get("evidence", ())[:3])
        reason = f"strength {scene.strength(symbol):+.2f}: {evidence or 'no evidence given'}"
        yield Call("place_order", {**_proposal(scene, symbol), "reason": reason})


def _entries(scene: Scene) -> list[str]:
    """The candidates to go on with: none once the desk has refused for a reason that stays."""
    if any(_FINAL.intersection(_denials(scene, symbol)) for symbol in scene.leads):
        return []
    fit = [symbol for symbol in scene.leads if not _second_thought(scene, symbol)]
    return fit[: min(scene.room, int(scene.policy.entries_per_cycle))]


def _second_thought(scene: Scene, symbol: str) -> str | None:
    """What the tools' answers say against an entry, None when nothing."""
    strength, spread = scene.strength(symbol), number(scene.quote(symbol), "spread_fraction")
    if spread > scene.policy.widest_spread_fraction:
        return f"the spread is {spread:.2%}"
    trips = (scene.answer("get_orders") or {}).get("round_trips", ())
    again = any(trip["symbol"] == symbol for trip in trips)
    if again and strength < scene.policy.reentry_strength:
        return f"a round trip today, and {strength:+.2f} is not enough for another"
    analysis = scene.answer("get_multi_timeframe_analysis", symbol=symbol) or {}
    for view in analysis.get("timeframes", ()):
        if number(view, "score") <= -scene.policy.exit_strength:
            return f"{view['timeframe']} points down"
    verdict = _verdict(scene, symbol)
    if verdict is None or verdict.get("approved"):
        return None
    said = (f"{denial['reason']}: {denial['message']}" for denial in verdict.get("denials", ()))
    return f"the desk says no: {'; '.join(said) or 'its answer was an error'}"


def _verdict(scene: Scene, symbol: str) -> Json | None:
    """The desk's last word on the proposal as it stands now."""
    proposal = {**_proposal(scene, symbol), "reason": None}
    for call, verdict in reversed(scene.answers):
        if call.name in _ORDERS and {**call.arguments, "reason": None} == proposal:
            return verdict
    return None


def _denials(scene: Scene, symbol: str) -> set[str]:
    """The rules by which the desk has refused `symbol` in this cycle."""
    return {
        denial["reason"]
        for call, verdict in scene.answers
        if call.name in _ORDERS and call.arguments["symbol"] == symbol
        for denial in verdict.get("denials", ())
    }


def _proposal(scene: Scene, symbol: str) -> dict[str, Any]:
    """The ticket but for its reason; without a target once the desk has refused one."""
    proposal: dict[str, Any] = {"symbol": symbol, "confidence": scene.confidence(symbol)}
    proposal |= scene.citation(symbol)
    target = _target(scene, symbol)
    if target is not None and "target" not in _denials(scene, symbol):
        proposal["target_price"] = target
    return proposal


def _target(scene: Scene, symbol: str) -> float | None:
    """The nearest resistance that is worth the risk, else a fixed distance above the price."""
    ask, atr = number(scene.quote(symbol), "ask"), scene.atr(symbol)
    price = ask or number(scene.signals[symbol], "price")
    if not price or not atr:
        return None
    levels = (scene.answer("get_levels", symbol=symbol) or {}).get("resistance", ())
    near, far = scene.policy.nearest_target * atr, scene.policy.target_distance * atr
    return round(
        min((float(level) for level in levels if level >= price + near), default=price + far), 2
    )


def _better_stop(scene: Scene, symbol: str, position: Json) -> float | None:
    """Where the stop of a winning position should follow to; None when it is well where it is."""
    policy, atr = scene.policy, scene.atr(symbol)
    price, entry = number(position, "current_price"), number(position, "average_entry_price")
    stop = number(position, "stop_price")
    if not stop or not atr or price - entry < policy.trail_from * atr:
        return None
    better = round(price - policy.trail_distance * atr, 2)
    return better if better >= stop + policy.trail_step * atr else None


def _conclusion(scene: Scene) -> str:
    """A HOLD line for what is kept and for the best of what was left alone, and a sentence."""
    entered = [symbol for symbol in scene.leads if _agreed(scene, "place_order", symbol)]
    left = [symbol for symbol in scene.held if _agreed(scene, "close_position", symbol)]
    kept = [symbol for symbol in scene.held if symbol not in left]
    passed = [symbol for symbol in scene.others if symbol not in entered][:LEADS]
    holds = [(symbol, f"strength {scene.strength(symbol):+.2f}, not turned") for symbol in kept]
    holds += [(symbol, _why_not(scene, symbol)) for symbol in passed]
    lines = [f"HOLD {symbol}: {why}" for symbol, why in holds]
    parts = (("Entered", entered), ("left", left), ("kept", kept))
    summary = ", ".join(f"{word} {' '.join(symbols) or 'nothing'}" for word, symbols in parts)
    return "\n".join([*lines, f"{summary}."])


def _why_not(scene: Scene, symbol: str) -> str:
    if not scene.room:
        return "no room for another position"
    thought = scene.objection(symbol) or _second_thought(scene, symbol)
    return thought or "others came first in this cycle"


def _agreed(scene: Scene, tool: str, symbol: str) -> bool:
    return bool((scene.answer(tool, symbol=symbol) or {}).get("approved"))
