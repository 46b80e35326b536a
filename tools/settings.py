"""Every setting, read once.

From the environment, credential files, `.env`, `configs/default_config.json`, and the three
market-hours literals in `active_trader.py`.

Unknown keys are refused by their path; a value that cannot work is refused with the cure. What a
process does not need it does not ask for: `require_broker`, `require_model`.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from tools.config_files import (
    ConfigFile,
    ModelConfig,
    read_allowed_symbols,
    read_config,
    read_env,
    read_market_hours,
)
from tools.core.errors import ConfigError
from tools.core.market import Market, market_of
from tools.core.model_names import RETIRED
from tools.core.safety import FlattenScope, HoldingRules, RiskLimits
from tools.core.session import Timetable
from tools.notifications import fault_in
from tools.prompts.values import PromptSettings
from tools.prompts.versions import PromptVersions

ROOT = Path(__file__).resolve().parents[1]
LIVE_HOST, PAPER_HOST, DATA_HOST = (
    "api.alpaca.markets",
    "paper-api.alpaca.markets",
    "data.alpaca.markets",
)
SHORTEST_FLATTEN = timedelta(minutes=2)
_KEYS = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY", "DEEPSEEK_API_KEY")


class Mode(StrEnum):
    """Which world the orders go to."""

    SIMULATION = "simulation"
    PAPER = "paper"
    LIVE = "live"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole configuration of one process, frozen."""

    mode: Mode
    home: Path
    config: ConfigFile
    model: ModelConfig
    timetable: Timetable
    limits: RiskLimits
    prompt_file: Path
    alpaca_key: SecretStr
    alpaca_secret: SecretStr
    trading_url: str
    data_url: str
    model_key: SecretStr
    model_url: str
    data_port: int
    trade_port: int
    health_port: int
    data_token: SecretStr
    agent_token: SecretStr
    operator_token: SecretStr
    clock_url: str
    alert_webhook: SecretStr
    alert_command: SecretStr
    log_level: str

    @property
    def agent_folder(self) -> Path:
        """`data/agent_data/<signature>`: what this mind did, for people to read."""
        return _agent_folder(self.home, self.model)

    @property
    def prompt_settings(self) -> PromptSettings:
        """What the prompt file may name, and what holds it."""
        return PromptSettings(
            limits=self.limits,
            timetable=self.timetable,
            watchlist=self.config.watchlist,
            strategic_goal=self.config.agent_config.strategic_goal,
            risk_appetite=self.config.agent_config.risk_appetite,
        )

    @property
    def session_table(self) -> Path:
        """The session table: the home's own, else the program's."""
        return _found(self.home, "data/session_table.csv")

    @property
    def simulated(self) -> bool:
        """Time is the embedded exchange's, not the system's."""
        return bool(self.clock_url)

    @property
    def holding(self) -> HoldingRules:
        """What is done with what is held; in live mode an operator has to choose the scope."""
        everything = None if self.mode is Mode.LIVE else FlattenScope.ALL
        return HoldingRules(
            flatten_scope=self.config.flatten_scope or everything,
            overnight=self.config.overnight_positions,
            close_on_stop=self.config.close_on_stop,
        )

    def require_broker(self) -> None:
        """Raises ConfigError unless the broker's keys are there."""
        self._require({"ALPACA_API_KEY": self.alpaca_key, "ALPACA_SECRET_KEY": self.alpaca_secret})

    def require_model(self) -> None:
        """Raises ConfigError unless the model's key is there."""
        self._require({"DEEPSEEK_API_KEY": self.model_key})

    def require_tokens(self, *names: str) -> None:
        """Raises ConfigError unless the named MCP tokens are there."""
        tokens = {
            "MCP_DATA_TOKEN": self.data_token,
            "MCP_TRADE_TOKEN": self.agent_token,
            "MCP_OPERATOR_TOKEN": self.operator_token,
        }
        missing = [name for name in names if not tokens[name].get_secret_value()]
        if missing:
            raise ConfigError(f"{' and '.join(missing)} not set: run ./manage_services.sh setup")

    def _require(self, keys: Mapping[str, SecretStr]) -> None:
        missing = [name for name, value in keys.items() if not value.get_secret_value()]
        if missing:
            cure = f"set it in {self.home / '.env'}, or AGENT_MODE=simulation to run without keys"
            raise ConfigError(f"{self.mode} mode needs {' and '.join(missing)}: {cure}")


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read every source once. Raises ConfigError with one line that says what is wrong where."""
    given = os.environ if environment is None else environment
    home = Path(given.get("ACTIVE_TRADER_HOME") or ROOT).expanduser().resolve()
    values = _sources(given, home)
    mode = _mode(values)
    config_path = _found(home, "configs/default_config.json")
    config = read_config(config_path)
    model = _enabled_model(config, config_path)
    prompt_file = _found(home, "prompts/agent_prompt.py")
    trading_url, data_url, model_url = _urls(mode, values)
    clock_url = values.get("ACTIVE_TRADER_CLOCK", "")
    if clock_url and mode is not Mode.SIMULATION:
        raise ConfigError(
            f"ACTIVE_TRADER_CLOCK: a clock other than the system's is for simulation, not {mode}"
        )
    if mode is Mode.LIVE:
        _live_switches(home, values)
    alert_webhook, alert_command = _alerts(values)
    keyless = "simulated" if mode is Mode.SIMULATION else ""
    return Settings(
        mode=mode,
        home=home,
        config=config,
        model=model,
        timetable=_timetable(config, read_market_hours(ROOT / "active_trader.py")),
        limits=_limits(config, _allowed_in_prompt(prompt_file, home, model)),
        prompt_file=prompt_file,
        alpaca_key=SecretStr(values.get("ALPACA_API_KEY", keyless)),
        alpaca_secret=SecretStr(values.get("ALPACA_SECRET_KEY", keyless)),
        trading_url=trading_url,
        data_url=data_url,
        model_key=SecretStr(values.get("DEEPSEEK_API_KEY", keyless)),
        model_url=model_url,
        data_port=_port(values, "ALPACA_DATA_MCP_PORT", 8004),
        trade_port=_port(values, "ALPACA_TRADE_MCP_PORT", 8005),
        health_port=_port(values, "ACTIVE_TRADER_HEALTH_PORT", 8002),
        data_token=SecretStr(values.get("MCP_DATA_TOKEN", "")),
        agent_token=SecretStr(values.get("MCP_TRADE_TOKEN", "")),
        operator_token=SecretStr(values.get("MCP_OPERATOR_TOKEN", "")),
        clock_url=clock_url,
        alert_webhook=alert_webhook,
        alert_command=alert_command,
        log_level=_log_level(values),
    )


def _sources(given: Mapping[str, str], home: Path) -> dict[str, str]:
    """The environment wins over credential files, those over `.env`; empty counts as unset."""
    values: dict[str, Any] = read_env(
        home / ".env", has_credentials="CREDENTIALS_DIRECTORY" in given
    )
    if folder := given.get("CREDENTIALS_DIRECTORY"):
        files = (entry for entry in Path(folder).iterdir() if entry.is_file())
        values |= {entry.name: entry.read_text(encoding="utf-8").strip() for entry in files}
    values |= given
    return {name: value for name, value in values.items() if value}


def _mode(values: Mapping[str, str]) -> Mode:
    named = values.get("AGENT_MODE")
    if named is None:
        return Mode.PAPER if any(key in values for key in _KEYS) else Mode.SIMULATION
    try:
        return Mode(named.lower())
    except ValueError:
        raise ConfigError(f"AGENT_MODE={named!r}: must be simulation, paper or live") from None


def _urls(mode: Mode, values: Mapping[str, str]) -> tuple[str, str, str]:
    if mode is Mode.SIMULATION:
        trading = values.get("ALPACA_TRADING_URL", "http://127.0.0.1:8006")
        data = values.get("ALPACA_DATA_URL", trading)
        model = values.get("DEEPSEEK_BASE_URL", "http://127.0.0.1:8007/v1")
        for name, url in (("ALPACA_TRADING_URL", trading), ("ALPACA_DATA_URL", data)):
            if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
                raise ConfigError(
                    f"{name}={url}: simulation talks to this machine only; set AGENT_MODE=paper"
                )
        return trading, data, model
    trading = values.get("ALPACA_TRADING_URL", f"https://{PAPER_HOST}")
    data = values.get("ALPACA_DATA_URL", f"https://{DATA_HOST}")
    if mode is Mode.PAPER and urlsplit(trading).hostname == LIVE_HOST:
        raise ConfigError(f"ALPACA_TRADING_URL={trading} is the live host, but AGENT_MODE is paper")
    return trading, data, values.get("DEEPSEEK_BASE_URL", "https://api.deepseek.com")


def _alerts(values: Mapping[str, str]) -> tuple[SecretStr, SecretStr]:
    webhook, command = values.get("ALERT_WEBHOOK", ""), values.get("ALERT_COMMAND", "")
    if fault := fault_in(webhook, command):
        raise ConfigError(fault)
    return SecretStr(webhook), SecretStr(command)


def _live_switches(home: Path, values: Mapping[str, str]) -> None:
    """The second and third switch; the trade server compares the file with the broker's answer."""
    if urlsplit(values.get("ALPACA_TRADING_URL", "")).hostname != LIVE_HOST:
        raise ConfigError(f"live mode needs ALPACA_TRADING_URL=https://{LIVE_HOST}")
    if not (home / "live-confirmed").is_file():
        raise ConfigError(
            f"live mode needs the file {home / 'live-confirmed'} with the account number"
        )


def _enabled_model(config: ConfigFile, path: Path) -> ModelConfig:
    enabled = [model for model in config.models if model.enabled]
    if len(enabled) != 1:
        raise ConfigError(f"{path}: models: exactly one must be enabled, {len(enabled)} are")
    model = enabled[0]
    if replacement := RETIRED.get(model.model):
        raise ConfigError(
            f"{path}: models: {model.model!r} is retired at DeepSeek; use {replacement!r}"
        )
    return model


def _timetable(config: ConfigFile, hours: Mapping[str, time]) -> Timetable:
    regular_open = timedelta(hours=9, minutes=30)
    written = _of_day(hours["REGULAR_END"]) - _of_day(hours["CLOSE_POSITIONS_TIME"])
    configured = timedelta(minutes=config.flatten_minutes_before_close or 0)
    if (flatten := max(written, configured)) < SHORTEST_FLATTEN or written < SHORTEST_FLATTEN:
        raise ConfigError(
            "active_trader.py: CLOSE_POSITIONS_TIME must be at least 2 minutes before REGULAR_END"
        )
    late_start = max(timedelta(0), _of_day(hours["REGULAR_START"]) - regular_open)
    return Timetable(
        flatten_before_close=flatten,
        entries_start_after_open=max(
            late_start, timedelta(minutes=config.entries_start_minutes_after_open)
        ),
        entries_end_before_close=max(
            flatten, timedelta(minutes=config.entries_end_minutes_before_close)
        ),
    )


def _of_day(moment: time) -> timedelta:
    return timedelta(hours=moment.hour, minutes=moment.minute, seconds=moment.second)


def _agent_folder(home: Path, model: ModelConfig) -> Path:
    return home / "data" / "agent_data" / model.signature


def _allowed_in_prompt(prompt_file: Path, home: Path, model: ModelConfig) -> tuple[str, ...]:
    """Of the file, or of the last good version when an edit broke it: no edit stops a service."""
    try:
        return read_allowed_symbols(prompt_file)
    except ConfigError:
        last_good = PromptVersions(_agent_folder(home, model)).last_good()
        if last_good is None:
            raise
        return read_allowed_symbols(last_good)


def _limits(config: ConfigFile, in_prompt: tuple[str, ...]) -> RiskLimits:
    """Both lists of allowed symbols narrow; with neither there is no list."""
    lists = [frozenset(names) for names in (config.allowed_symbols, in_prompt) if names]
    for name in sorted(frozenset().union(*lists, config.watchlist)):
        if (market := market_of(name)) is not Market.US_EQUITY:
            raise ConfigError(f"{name!r} is a {market} symbol; only US equities trade")
    return RiskLimits(
        **config.risk.model_dump(),
        allowed_symbols=frozenset.intersection(*lists) if lists else None,
        banned_symbols=frozenset(config.banned_symbols),
        flatten_exempt_symbols=frozenset(config.flatten_exempt_symbols),
    )


def _port(values: Mapping[str, str], name: str, default: int) -> int:
    text = values.get(name, str(default))
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise ConfigError(f"{name}={text!r}: must be a port, 1 to 65535")
    return int(text)


def _log_level(values: Mapping[str, str]) -> str:
    level = values.get("LOG_LEVEL", "INFO").upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ConfigError(f"LOG_LEVEL={level!r}: must be DEBUG, INFO, WARNING or ERROR")
    return level


def _found(home: Path, relative: str) -> Path:
    """The home's own file, else the program's."""
    own = home / relative
    return own if own.exists() else ROOT / relative
