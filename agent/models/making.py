"""A model as the configuration describes it, with its books beside it."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from agent.language_models import Endpoint, OpenAICompatibleModel
from agent.models.budget import Budget, BudgetLimits
from agent.models.capabilities import capabilities_of
from agent.models.identity import IdentityWatch
from agent.models.prices import Price
from tools.core.errors import ConfigError

PLAIN_OUTPUT_TOKENS, THINKING_OUTPUT_TOKENS = 4_096, 16_384


class ListedPrice(Protocol):
    """`models[].price`: dollars for a million tokens."""

    @property
    def hit_usd(self) -> Decimal:
        """Prompt from the provider's cache."""

    @property
    def miss_usd(self) -> Decimal:
        """Prompt that was read anew."""

    @property
    def output_usd(self) -> Decimal:
        """Output, thinking included."""


class ModelChoice(Protocol):
    """`models[]` of the configuration."""

    @property
    def model(self) -> str:
        """The id on the wire."""

    @property
    def thinking(self) -> str:
        """`enabled` or `disabled`."""

    @property
    def max_output_tokens(self) -> int | None:
        """The longest answer; None leaves it to the mode."""

    @property
    def strict_tools(self) -> bool:
        """Whether the model is held to the tools' schemas."""

    @property
    def price(self) -> ListedPrice | None:
        """Instead of the price list."""

    @property
    def allowed_fingerprints(self) -> Sequence[str]:
        """By which there may be entries; empty is any."""


class Patience(Protocol):
    """`agent_config`: how a failed call is repeated."""

    @property
    def max_retries(self) -> int:
        """Times."""

    @property
    def base_delay(self) -> float:
        """Seconds before the first, doubled each time."""


def make_model(
    choice: ModelChoice,
    patience: Patience,
    limits: BudgetLimits,
    *,
    base_url: str,
    api_key: str,
    folder: Path,
    now: Callable[[], datetime],
) -> OpenAICompatibleModel:
    """The model; its budget and who answered are kept in `folder`.

    Raises ConfigError for what the model is not known to do.
    """
    if choice.strict_tools and not capabilities_of(choice.model).strict_tools:
        raise ConfigError(f"models[].strict_tools: {choice.model!r} is not known to take them")
    thinking = choice.thinking == "enabled"
    usual = THINKING_OUTPUT_TOKENS if thinking else PLAIN_OUTPUT_TOKENS
    told = choice.price
    return OpenAICompatibleModel(
        Endpoint(
            model=choice.model,
            base_url=base_url,
            api_key=api_key,
            thinking=thinking,
            max_output_tokens=choice.max_output_tokens or usual,
            max_retries=patience.max_retries,
            base_delay=patience.base_delay,
            strict_tools=choice.strict_tools,
        ),
        budget=Budget(
            limits,
            model=choice.model,
            now=now,
            file=folder / "budget.json",
            price=Price(told.hit_usd, told.miss_usd, told.output_usd) if told else None,
        ),
        identity=IdentityWatch(folder / "model_identity.json", choice.allowed_fingerprints),
    )
