"""What a mind thinks and wants: signals and decisions. Neither can move a share."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    """What to do about one symbol."""

    BUY = "buy"
    SELL = "sell"
    HOLD = "hold"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A view of one symbol, never a quantity.

    `strength` runs from -1 (sell) to +1 (buy). `coverage` 0…1 is the share of the score's weight
    whose indicators were ready; below the documented minimum the view does not count.
    """

    symbol: str
    strength: float
    coverage: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the mind wants for one symbol in one cycle, in its own words.

    `decision_id` is `D-<session>-<cycle>-<number>`: nothing in it depends on wall time or chance.
    `confidence` is 0…1 for an entry; exits and holds state none. `rests_on` are the readings of the
    symbol's market in that cycle, as the agent saw them: which tool, when, and how old the data.
    `price` and `price_at` are what the mind itself says that an entry rests on.
    """

    decision_id: str
    symbol: str
    action: Action
    confidence: float | None
    reason: str
    quantity: Decimal | None = None
    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    price: Decimal | None = None
    price_at: datetime | None = None
    rests_on: tuple[str, ...] = ()
