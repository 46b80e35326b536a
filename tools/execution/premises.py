"""What everything in the trade room rests on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tools.core.safety import HoldingRules, RiskLimits
from tools.core.seams import Broker, MarketData
from tools.journal.state_store import StateStore
from tools.safety.message_budget import MessageBudget
from tools.schedule.market_hours import MarketHours


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """The seams and the settings, chosen once. `now` may be called from any thread."""

    home: Path
    broker: Broker
    market: MarketData
    store: StateStore
    hours: MarketHours
    limits: RiskLimits
    now: Callable[[], datetime]
    budget: MessageBudget
    holding: HoldingRules = field(default_factory=HoldingRules)
