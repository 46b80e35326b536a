"""What the `$names` of the prompt file stand for, and what no prompt may ask for.

The check is explicit and small: a number under the upper-case name of a limit, either a constant of
the file (`RISK_PER_TRADE = "0.5%"`) or a line of a text (`MAX_POSITIONS: 3`), is held against the
limit in force. Prose is not understood; the desk refuses whatever it asks for beyond the limits.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from tools.core.errors import ConfigError
from tools.core.safety import RiskLimits
from tools.core.session import Timetable
from tools.prompts.text import SYMBOLS, Prompt, parse_prompt

_LINE = re.compile(
    r"^[ \t>*-]*([A-Z][A-Z_]*[A-Z])[ \t]*[:=][ \t]*(\d+(?:\.\d+)?[ \t]*%?)", re.MULTILINE
)
_NUMBER = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSettings:
    """The settings that a prompt may name; the same all day."""

    limits: RiskLimits
    timetable: Timetable
    watchlist: tuple[str, ...]
    strategic_goal: str
    risk_appetite: int

    @property
    def values(self) -> Mapping[str, str]:
        """The `$names` in words."""
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
            "strategic_goal": self.strategic_goal,
            "risk_appetite": str(self.risk_appetite),
        }

    def accept(self, source: str, where: str) -> Prompt:
        """The prompt of a file's text, held against the limits. Raises ConfigError."""
        prompt = parse_prompt(source, self.values, where)
        if contradictions := list(self._contradictions(prompt)):
            raise ConfigError(f"{where}: {'; '.join(contradictions)}")
        return prompt

    def _contradictions(self, prompt: Prompt) -> Iterator[str]:
        ceilings, floors = self._bounds()
        for name, text in _numbers(prompt):
            if name in ceilings and _amount(text) > ceilings[name]:
                yield f"{name} {text} is above the limit, {_shown(ceilings[name], text)}"
            if name in floors and _amount(text) < floors[name]:
                yield f"{name} {text} is below the limit, {_shown(floors[name], text)}"
        allowed = self.limits.allowed_symbols
        outside = set(prompt.symbols) & self.limits.banned_symbols
        outside |= set(prompt.symbols) - allowed if allowed is not None else set()
        if outside:
            names = ", ".join(sorted(outside))
            yield f"{SYMBOLS}: {names} may not be bought (the services read it when they start)"

    def _bounds(self) -> tuple[Mapping[str, Decimal], Mapping[str, Decimal]]:
        """What a number of that name may be at most, and at least."""
        limits, times = self.limits, self.timetable
        ceilings = {
            "MAX_POSITIONS": Decimal(limits.max_positions),
            "RISK_PER_TRADE": limits.risk_per_trade_fraction,
            "MAX_POSITION": limits.max_position_fraction,
            "DAILY_LOSS": limits.daily_loss_fraction,
            "MAX_ENTRIES_PER_DAY": Decimal(limits.max_entries_per_day),
            "MAX_STOP_DISTANCE": limits.max_stop_distance_fraction,
        }
        floors = {
            "MIN_CONFIDENCE": Decimal(str(limits.min_confidence)),
            "ENTRIES_END_MINUTES": Decimal(_minutes(times.entries_end_before_close)),
            "FLATTEN_MINUTES": Decimal(_minutes(times.flatten_before_close)),
        }
        return ceilings, floors


def _numbers(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """Every number that stands under a name: in the file's constants, then in the two texts."""
    for name, text in prompt.constants.items():
        if _NUMBER.fullmatch(text):
            yield name, text.strip()
    for text in (prompt.system, prompt.cycle):
        yield from ((name, number.strip()) for name, number in _LINE.findall(text))


def _amount(text: str) -> Decimal:
    match = _NUMBER.fullmatch(text)
    number = Decimal(match[1]) if match else Decimal(0)
    return number / 100 if match and match[2] else number


def _shown(bound: Decimal, like: str) -> str:
    return _percent(bound) if "%" in like else f"{bound:f}"


def _percent(fraction: Decimal) -> str:
    return f"{float(100 * fraction):g} %"


def _minutes(span: timedelta) -> str:
    return str(span // timedelta(minutes=1))
