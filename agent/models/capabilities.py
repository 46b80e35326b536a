"""What each model on the wire can do, and what it refuses.

From api-docs.deepseek.com as of October 2026 and reports of its users (docs/models.md); an id that
is not here is taken for a plain OpenAI-compatible model.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

DEEPSEEK_HOST = "api.deepseek.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """One model's ways. Context and output are in tokens."""

    thinking_switch: bool = False
    """It thinks unless told not to, by DeepSeek's `thinking` field; others refuse the field."""
    echoes_reasoning: bool = False
    """`reasoning_content` has to come back with later requests; others refuse it there."""
    tool_choice_while_thinking: bool = True
    limit_field: str = "max_tokens"
    context_tokens: int = 128_000
    most_output_tokens: int = 16_384
    tells_balance: bool = False
    """`GET /user/balance` is there."""
    strict_tools: bool = False
    """It holds itself to a tool's schema where the tool is `strict`."""


_DEEPSEEK = Capabilities(
    thinking_switch=True,
    echoes_reasoning=True,
    tool_choice_while_thinking=False,
    context_tokens=1_000_000,
    most_output_tokens=384_000,
    tells_balance=True,
    strict_tools=True,
)
_OPENAI_REASONER = Capabilities(
    limit_field="max_completion_tokens", context_tokens=200_000, most_output_tokens=100_000
)

# By the beginning of the id, the longest first.
_TABLE = (
    ("deepseek-", _DEEPSEEK),
    ("gpt-5", _OPENAI_REASONER),
    ("o1", _OPENAI_REASONER),
    ("o3", _OPENAI_REASONER),
    ("o4", _OPENAI_REASONER),
)

SERVED_AS = {
    "deepseek-v4-flash": "deepseek-flash",
    "deepseek-v4-flash-vision-exp": "deepseek-flash",
}
"""Ids that are accepted, and the model that answers them and is billed."""


def completions_url(base_url: str, *, strict: bool) -> str:
    """Where questions go, seen from `base_url`: DeepSeek takes strict tools at /beta only."""
    parts = urlsplit(base_url)
    if strict and parts.hostname == DEEPSEEK_HOST:
        return f"{parts.scheme}://{parts.netloc}/beta/chat/completions"
    return "/chat/completions"


def capabilities_of(model: str) -> Capabilities:
    """The ways of `model`, those of a plain one when it is not known."""
    return next((ways for start, ways in _TABLE if model.startswith(start)), Capabilities())
