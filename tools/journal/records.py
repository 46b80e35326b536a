"""What the trade server remembers, as values."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from tools.core.reports import FlattenReport
from tools.core.safety import TradingState
from tools.core.trading import OrderIntent, Position
from tools.journal.order_ids import Leg


class IntentStatus(StrEnum):
    """What became of an intent. OPEN is the only one that needs an answer."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSENT = "unsent"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """The trading state, and who put it there why and when."""

    trading_state: TradingState
    reason: str
    actor: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """How a session began: the equity that its limits rest on, the positions carried into it."""

    session_on: date
    start_equity_usd: Decimal
    opening: tuple[Position, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecord:
    """An intent and its fate; `created_at` is when it was committed."""

    intent: OrderIntent
    leg: Leg
    created_at: datetime
    status: IntentStatus
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenRecord:
    """A flatten that was asked for; `report` is None until it has ended."""

    session_on: date
    caller: str
    asked_at: datetime
    report: FlattenReport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Who may send orders for an account: whoever carries the latest `epoch`."""

    account: str
    epoch: int
    holder: str
    since: datetime
