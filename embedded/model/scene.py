"""What the rules see: the numbers they go by, and the snapshot under those numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from embedded.model.conversation import Conversation, Json

LEADS = 3  # candidates that a cycle looks into
COUNTED_COVERAGE = 0.5
HIGHEST_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The numbers; a line such as `ENTRY_STRENGTH: 0.4` in the system prompt sets one.

    Strengths are 0…1, distances are multiples of the signal's ATR.
    """

    entry_strength: float = 0.35
    """Buy from here on."""
    entry_step: float = 0.04
    """Each entry of the day raises the bar for the next by this much."""
    reentry_strength: float = 0.6
    """The bar for a symbol that made a round trip today already."""
    exit_strength: float = 0.25
    """Sell what has turned to minus this."""
    entries_per_cycle: float = 2
    widest_spread_fraction: float = 0.002
    target_distance: float = 4.0
    """How far above the price the target lies, unless a resistance is nearer."""
    nearest_target: float = 2.0
    trail_from: float = 2.0
    """A gain from which the stop follows the price, at `trail_distance`."""
    trail_distance: float = 1.5
    trail_step: float = 0.5
    """The least by which a stop is moved."""

    @classmethod
    def of(cls, settings: Mapping[str, float]) -> "Policy":
        """The default numbers but for those that `settings` names."""
        known = {field.name.upper(): field.name for field in fields(cls)}
        return cls(**{known[name]: value for name, value in settings.items() if name in known})


class Scene:
    """The snapshot under the policy, with the tools' answers so far."""

    def __init__(self, conversation: Conversation, snapshot: Json) -> None:
        self.policy = Policy.of(conversation.settings)
        self.answer, self.answers = conversation.answer, conversation.answers
        self.snapshot = snapshot
        self.risk: Json = snapshot.get("risk") or {}
        self.signals = _by_symbol(snapshot.get("signals"))
        self.held = _by_symbol(snapshot.get("positions"))
        self.ordered = _by_symbol(snapshot.get("open_orders")).keys() - self.held.keys()
        taken = len(self.held) + len(self.ordered)
        self.room = max(0, int(number(self.risk, "max_positions", 5)) - taken)
        fit = [symbol for symbol in self.others if not self.objection(symbol)]
        self.leads = fit[:LEADS] if self.room else []

    @property
    def others(self) -> list[str]:
        """The symbols that are not held, the strongest first."""
        names = self.signals.keys() - self.held.keys()
        return sorted(names, key=lambda name: (-self.strength(name), name))

    def strength(self, symbol: str) -> float:
        """-1…1; a view that covers too little does not count."""
        signal = self.signals.get(symbol, {})
        covered = number(signal, "coverage", 1.0) >= COUNTED_COVERAGE
        return number(signal, "strength") if covered else 0.0

    def confidence(self, symbol: str) -> float:
        """0.5 for no view at all, more with the strength of the view and with what it covers."""
        coverage = number(self.signals.get(symbol, {}), "coverage", 1.0)
        return round(min(HIGHEST_CONFIDENCE, 0.5 + 0.5 * self.strength(symbol) * coverage), 3)

    def atr(self, symbol: str) -> float:
        """Dollars a share, 0 when unknown."""
        return number(self.signals.get(symbol, {}), "atr")

    def quote(self, symbol: str) -> Json:
        """The quote that was asked for, {} when it was not."""
        quotes = self.answer("get_quotes") or {}
        return _by_symbol(quotes.get("quotes")).get(symbol, {})

    def citation(self, symbol: str) -> dict[str, Any]:
        """What an entry rests on: the ask, else the signal's price, with its time."""
        quote, signal = self.quote(symbol), self.signals.get(symbol, {})
        at = signal.get("price_at") or self.snapshot.get("prices_at")
        for price, when in ((quote.get("ask"), quote.get("at")), (signal.get("price"), at)):
            if price and when:
                return {"price": price, "price_at": when}
        return {}

    def objection(self, symbol: str) -> str | None:
        """Why the snapshot speaks against an entry, None when it does not."""
        strength, least = self.strength(symbol), number(self.risk, "min_confidence")
        bar = self.policy.entry_strength
        bar += self.policy.entry_step * number(self.risk, "entries_today")
        allowed = self.risk.get("allowed_symbols")
        if not self._entries_open:
            return "entries are closed"
        if symbol in self.ordered:
            return "an order is under way"
        if allowed is not None and symbol not in allowed:
            return "not among the allowed symbols"
        if strength < bar:
            return f"strength {strength:+.2f} is below {bar:.2f}"
        if self.confidence(symbol) < least:
            return f"confidence {self.confidence(symbol):.2f} is below {least:.2f}"
        return None

    @property
    def _entries_open(self) -> bool:
        session = self.snapshot.get("session") or {}
        active = self.risk.get("trading_state", "ACTIVE") == "ACTIVE"
        return active and session.get("entries_open") is True


def number(row: Json, name: str, default: float = 0.0) -> float:
    """A number of `row`; where there is none, `default`."""
    value = row.get(name)
    return float(value) if isinstance(value, (int, float)) else default


def _by_symbol(rows: Any) -> dict[str, Json]:
    return {row["symbol"]: row for row in rows or ()}
