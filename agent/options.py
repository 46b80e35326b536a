"""What the mind is told of the configuration, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from tools.core.safety import RiskLimits
from tools.core.session import Timetable


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """One mind and its day. Deadlines are real seconds."""

    mode: str
    home: Path
    agent_folder: Path
    signature: str
    agent_type: str
    wire_model: str
    model_url: str
    model_key_given: bool
    date_range_given: bool
    simulated_time: bool
    watchlist: tuple[str, ...]
    max_steps: int
    call_deadline_seconds: float
    cycle_deadline_seconds: float
    prompt_file: Path
    limits: RiskLimits
    timetable: Timetable

    @property
    def simulated_exchange(self) -> bool:
        """Orders go to the embedded exchange."""
        return self.mode == "simulation"

    @property
    def model_is_rules(self) -> bool:
        """The embedded model answers: no other serves a simulation on this machine."""
        local = urlsplit(self.model_url).hostname in ("127.0.0.1", "localhost", "::1")
        return self.simulated_exchange and local

    @property
    def prompt_values(self) -> Mapping[str, str]:
        """What the `$names` in the prompt file stand for; the same all day."""
        limits, times = self.limits, self.timetable
        allowed = limits.allowed_symbols
        return {
            "max_positions": str(limits.max_positions),
            "risk_per_trade": _percent(limits.risk_per_trade_fraction),
            "max_position": _percent(limits.max_position_fraction),
            "daily_loss": _percent(limits.daily_loss_fraction),
            "min_confidence": f"{limits.min_confidence:.2f}",
            "max_entries_per_day": str(limits.max_entries_per_day),
            "stop_atr_multiple": f"{limits.stop_atr_multiple:g}",
            "max_stop_distance": _percent(limits.max_stop_distance_fraction),
            "entries_end_minutes": _minutes(times.entries_end_before_close),
            "flatten_minutes": _minutes(times.flatten_before_close),
            "watchlist": ", ".join(self.watchlist),
            "allowed_symbols": "any US stock" if allowed is None else ", ".join(sorted(allowed)),
        }


def _percent(fraction: Decimal) -> str:
    return f"{float(100 * fraction):g} %"


def _minutes(span: timedelta) -> str:
    return str(span // timedelta(minutes=1))
