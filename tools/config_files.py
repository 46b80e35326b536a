"""The files a user edits, and what may stand in them.

`configs/default_config.json` by its schema; literals in `active_trader.py` and in the prompt file,
which are read as text and never run.
"""

import ast
import json
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tools.config_risk import Profile, RiskConfig, with_profile
from tools.core.errors import ConfigError
from tools.core.safety import FlattenScope, OvernightRule

SECRET_ENDINGS = ("_KEY", "_TOKEN")
Symbols = Annotated[tuple[str, ...], Field(max_length=500)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DateRange(_Section):
    """Days of `simulate` without `--date`, both inclusive. The service ignores it."""

    init_date: date
    end_date: date


class PriceConfig(_Section):
    """Dollars for a million tokens, instead of the list in the program."""

    hit_usd: Decimal = Field(ge=0, le=1000)
    miss_usd: Decimal = Field(ge=0, le=1000)
    output_usd: Decimal = Field(ge=0, le=1000)


class ModelConfig(_Section):
    """One mind: `signature` is its folder, `model` the id on the wire."""

    name: str
    signature: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    basemodel: str = "openai"
    enabled: bool = True
    model: str = "deepseek-flash"
    thinking: Literal["disabled", "enabled"] = "disabled"
    max_output_tokens: int | None = Field(None, ge=256, le=384_000)
    strict_tools: bool = False
    price: PriceConfig | None = None
    allowed_fingerprints: Annotated[tuple[str, ...], Field(max_length=20)] = ()


class BudgetConfig(_Section):
    """What the model may cost in a cycle and in a session; beyond, positions are only managed."""

    cycle_usd: Decimal = Field(Decimal("0.05"), gt=0, le=100)
    cycle_tokens: int = Field(60_000, ge=1_000)
    day_usd: Decimal = Field(Decimal(1), gt=0, le=1000)
    day_tokens: int = Field(3_000_000, ge=1_000)


class AgentConfig(_Section):
    """How long and how often the agent tries, and what it is told to want.

    Seconds are real seconds, minutes the market's.
    """

    max_steps: int = Field(30, ge=1, le=200)
    max_retries: int = Field(3, ge=0, le=10)
    base_delay: float = Field(1.0, ge=0, le=60)
    initial_cash: Decimal = Field(Decimal(100_000), gt=0)
    call_deadline_seconds: float = Field(60, gt=0, le=600)
    cycle_deadline_seconds: float = Field(240, gt=0, le=600)
    symbol_failures: int = Field(3, ge=1, le=20)
    symbol_pause_minutes: int = Field(15, ge=0, le=240)
    refusal_pause_minutes: int = Field(15, ge=0, le=240)
    cited_price_seconds: int = Field(120, ge=5, le=900)
    strategic_goal: str = Field("steady gains with small losses", min_length=1, max_length=200)
    risk_appetite: int = Field(50, ge=0, le=100)


class ConfigFile(_Section):
    """`configs/default_config.json`: the seed's keys and ours (configs/README.md)."""

    agent_type: str = "BaseAgent"
    date_range: DateRange | None = None
    models: Annotated[tuple[ModelConfig, ...], Field(min_length=1)]
    agent_config: AgentConfig = AgentConfig()
    budget: BudgetConfig = BudgetConfig()
    profile: Profile = Profile.BALANCED
    risk: RiskConfig = RiskConfig()
    watchlist: Annotated[Symbols, Field(min_length=1)] = (
        "SPY", "QQQ", "AAPL", "MSFT", "NVDA", "AMZN", "GOOGL", "META", "TSLA", "AMD",
    )  # fmt: skip
    allowed_symbols: Symbols = ()
    banned_symbols: Symbols = ()
    flatten_exempt_symbols: Symbols = ()
    flatten_scope: FlattenScope | None = None
    overnight_positions: OvernightRule = OvernightRule.CLOSE_AT_OPEN
    close_on_stop: bool = False
    flatten_minutes_before_close: int | None = Field(None, ge=2, le=120)
    entries_start_minutes_after_open: int = Field(0, ge=0, le=240)
    entries_end_minutes_before_close: int = Field(15, ge=2, le=240)

    @model_validator(mode="before")
    @classmethod
    def _under_the_profile(cls, written: object) -> object:
        return with_profile(written)


def read_config(path: Path) -> ConfigFile:
    """The configuration file, validated. Raises ConfigError naming the key by its path."""
    try:
        return ConfigFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not JSON: {error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        what = "is not a known key" if first["type"] == "extra_forbidden" else first["msg"]
        if first["type"] in ("less_than_equal", "greater_than_equal") and where.startswith("risk."):
            what = f"{what}: the compiled ceiling"
        raise ConfigError(f"{path}: {where}: {what}") from None


def read_env(path: Path, *, has_credentials: bool) -> dict[str, str | None]:
    """What stands in `.env`. Raises ConfigError when others can read a secret in it.

    A service that was given credentials of its own is not meant to read it, and goes without.
    """
    try:
        values = dotenv_values(path)
        readable_by_others = path.exists() and path.stat().st_mode & 0o077
    except PermissionError:
        if has_credentials:
            return {}
        raise ConfigError(f"{path} cannot be read: it belongs to another user") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8: save it as that") from None
    secret = next((n for n, value in values.items() if value and n.endswith(SECRET_ENDINGS)), None)
    if secret and readable_by_others:
        raise ConfigError(f"{path} holds {secret}, and others can read it: chmod 600 {path}")
    return values


def read_market_hours(path: Path) -> dict[str, time]:
    """The three literals as written in `active_trader.py`, which is read and never run."""
    wanted = ("REGULAR_START", "REGULAR_END", "CLOSE_POSITIONS_TIME")
    found = {
        name: _time(node, name, path) for name, node in _constants(path).items() if name in wanted
    }
    if missing := [name for name in wanted if name not in found]:
        raise ConfigError(f"{path}: {missing[0]} = time(hour, minute) is missing")
    return found


def read_allowed_symbols(prompt_file: Path) -> tuple[str, ...]:
    """ALLOWED_SYMBOLS of the prompt file, () when it has none."""
    node = _constants(prompt_file).get("ALLOWED_SYMBOLS")
    if node is None:
        return ()
    try:
        symbols = ast.literal_eval(node)
    except ValueError:
        symbols = None
    if not isinstance(symbols, (list, tuple)) or not all(isinstance(s, str) for s in symbols):
        raise ConfigError(f"{prompt_file}: ALLOWED_SYMBOLS must be a list of strings")
    return tuple(symbols)


def _constants(path: Path) -> dict[str, ast.expr]:
    """The top-level `NAME = value` lines of a Python file that is read and never executed."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from None
    return {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _time(node: ast.expr, name: str, path: Path) -> time:
    try:
        match node:
            case ast.Call(func=ast.Name(id="time"), args=[_, *_] as parts, keywords=[]):
                return time(*(ast.literal_eval(part) for part in parts))
    except (ValueError, TypeError):
        pass
    raise ConfigError(f"{path}: {name} must be written as time(hour, minute)")
