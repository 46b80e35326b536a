"""What the mind is told of the configuration, as plain values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tools.prompts.values import PromptSettings


class Tuning(Protocol):
    """How long and how often the mind tries: `agent_config` of the configuration."""

    @property
    def max_steps(self) -> int:
        """Model calls in a cycle, at most."""

    @property
    def call_deadline_seconds(self) -> float:
        """Real seconds for one call."""

    @property
    def cycle_deadline_seconds(self) -> float:
        """Real seconds for one cycle's reasoning."""

    @property
    def symbol_failures(self) -> int:
        """Failed analyses of a symbol in a row before it is left out."""

    @property
    def symbol_pause_minutes(self) -> int:
        """For so long."""

    @property
    def refusal_pause_minutes(self) -> int:
        """How long an entry that the desk refused is not proposed again."""

    @property
    def cited_price_seconds(self) -> int:
        """How old a price may be that an entry rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentOptions:
    """One mind and its day."""

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
    tuning: Tuning
    prompt_file: Path
    prompt_settings: PromptSettings

    @property
    def simulated_exchange(self) -> bool:
        """Orders go to the embedded exchange."""
        return self.mode == "simulation"

    @property
    def model_is_rules(self) -> bool:
        """The embedded model answers: no other serves a simulation on this machine."""
        local = urlsplit(self.model_url).hostname in ("127.0.0.1", "localhost", "::1")
        return self.simulated_exchange and local
