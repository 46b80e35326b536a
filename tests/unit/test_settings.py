"""Settings: every source, every refusal, one line that names what is wrong."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tools.config_files import read_allowed_symbols, read_market_hours
from tools.core.errors import ConfigError
from tools.settings import ROOT, Mode, load

SEED_FILE = json.loads((ROOT / "configs/default_config.json").read_text(encoding="utf-8"))
ALPACA = {"ALPACA_API_KEY": "key", "ALPACA_SECRET_KEY": "secret"}
ALL_KEYS = ALPACA | {"DEEPSEEK_API_KEY": "model"}


def home_with(folder: Path, **changes: Any) -> dict[str, str]:
    (folder / "configs").mkdir()
    path = folder / "configs/default_config.json"
    path.write_text(json.dumps(SEED_FILE | changes), encoding="utf-8")
    return {"ACTIVE_TRADER_HOME": str(folder)}


def test_without_keys_and_without_a_mode_the_world_is_simulated(tmp_path: Path) -> None:
    settings = load({"ACTIVE_TRADER_HOME": str(tmp_path)})
    assert settings.mode is Mode.SIMULATION
    assert settings.trading_url == "http://127.0.0.1:8006"
    settings.require_broker()
    settings.require_model()


def test_the_seeds_three_keys_alone_in_the_env_file_mean_paper(tmp_path: Path) -> None:
    lines = "".join(f"{name}={value}\n" for name, value in ALL_KEYS.items())
    (tmp_path / ".env").write_text(lines, encoding="utf-8")
    (tmp_path / ".env").chmod(0o600)
    settings = load({"ACTIVE_TRADER_HOME": str(tmp_path)})
    assert settings.mode is Mode.PAPER
    assert settings.trading_url == "https://paper-api.alpaca.markets"
    assert settings.model_url == "https://api.deepseek.com"


def test_a_key_that_others_can_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ALPACA_API_KEY=canary\n", encoding="utf-8")
    file.chmod(0o640)
    with pytest.raises(ConfigError, match=f"chmod 600 {file}") as refusal:
        load({"ACTIVE_TRADER_HOME": str(tmp_path)})
    assert "canary" not in str(refusal.value)
    file.write_text("ALPACA_API_KEY=\nLOG_LEVEL=DEBUG\n", encoding="utf-8")
    assert load({"ACTIVE_TRADER_HOME": str(tmp_path)}).log_level == "DEBUG"


def test_an_env_file_that_is_no_utf8_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"# f\xfcr Alpaca\n")
    with pytest.raises(ConfigError, match=r"\.env is not UTF-8"):
        load({"ACTIVE_TRADER_HOME": str(tmp_path)})


def test_paper_without_a_key_is_refused_by_the_keys_name(tmp_path: Path) -> None:
    settings = load({"ACTIVE_TRADER_HOME": str(tmp_path), "AGENT_MODE": "paper"} | ALPACA)
    settings.require_broker()
    with pytest.raises(ConfigError, match="DEEPSEEK_API_KEY"):
        settings.require_model()


def test_credential_files_are_read_and_the_environment_wins(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    for name, value in ALL_KEYS.items():
        (credentials / name).write_text(value + "\n", encoding="utf-8")
    given = {"ACTIVE_TRADER_HOME": str(tmp_path), "CREDENTIALS_DIRECTORY": str(credentials)}
    settings = load(given | {"ALPACA_API_KEY": "other"})
    assert settings.alpaca_secret.get_secret_value() == "secret"
    assert settings.alpaca_key.get_secret_value() == "other"


def test_no_secret_shows_in_the_settings_repr(tmp_path: Path) -> None:
    given = {"ACTIVE_TRADER_HOME": str(tmp_path)} | dict.fromkeys(ALL_KEYS, "canary")
    assert "canary" not in repr(load(given | {"MCP_TRADE_TOKEN": "canary"}))


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"agent_config": {"max_stepz": 3}}, "agent_config.max_stepz"),
        ({"surprise": 1}, "surprise"),
        ({"risk": {"risk_per_trade_fraction": 1.5}}, "risk.risk_per_trade_fraction"),
        ({"models": [{"name": "x", "signature": "../up"}]}, "models.0.signature"),
        ({"watchlist": ["BTC/USD"]}, "crypto"),
        ({"allowed_symbols": ["EUR/USD"]}, "forex"),
        ({"date_range": {"init_date": "2013-13-45", "end_date": "2013-10-07"}}, "init_date"),
    ],
)
def test_a_bad_value_is_refused_by_its_path(
    tmp_path: Path, changes: dict[str, Any], where: str
) -> None:
    with pytest.raises(ConfigError, match=where) as refusal:
        load(home_with(tmp_path, **changes))
    assert "\n" not in str(refusal.value)


def test_a_retired_model_is_refused_with_its_replacement(tmp_path: Path) -> None:
    models = [SEED_FILE["models"][0] | {"model": "deepseek-chat"}]
    with pytest.raises(ConfigError, match="deepseek-flash"):
        load(home_with(tmp_path, models=models))


def test_two_enabled_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="exactly one"):
        load(home_with(tmp_path, models=SEED_FILE["models"] * 2))


@pytest.mark.parametrize("mode", ["paper", "live"])
def test_a_simulated_clock_is_refused_outside_simulation(tmp_path: Path, mode: str) -> None:
    given = {"ACTIVE_TRADER_HOME": str(tmp_path), "ACTIVE_TRADER_CLOCK": "ws://127.0.0.1:1/time"}
    with pytest.raises(ConfigError, match="ACTIVE_TRADER_CLOCK"):
        load(given | {"AGENT_MODE": mode})


def test_simulation_never_talks_to_another_machine(tmp_path: Path) -> None:
    given = {"ACTIVE_TRADER_HOME": str(tmp_path), "AGENT_MODE": "simulation"}
    with pytest.raises(ConfigError, match="this machine only"):
        load(given | {"ALPACA_TRADING_URL": "https://paper-api.alpaca.markets"})


def test_paper_mode_refuses_the_live_host(tmp_path: Path) -> None:
    given = {"ACTIVE_TRADER_HOME": str(tmp_path), "AGENT_MODE": "paper"} | ALL_KEYS
    with pytest.raises(ConfigError, match="live host"):
        load(given | {"ALPACA_TRADING_URL": "https://api.alpaca.markets"})


def test_live_mode_takes_the_url_and_the_file_as_well(tmp_path: Path) -> None:
    given = {"ACTIVE_TRADER_HOME": str(tmp_path), "AGENT_MODE": "live"} | ALL_KEYS
    with pytest.raises(ConfigError, match="ALPACA_TRADING_URL"):
        load(given)
    given["ALPACA_TRADING_URL"] = "https://api.alpaca.markets"
    with pytest.raises(ConfigError, match="live-confirmed"):
        load(given)
    (tmp_path / "live-confirmed").write_text("123", encoding="utf-8")
    assert load(given).mode is Mode.LIVE


def test_an_earlier_flatten_in_the_configuration_wins_over_the_literals(tmp_path: Path) -> None:
    settings = load(home_with(tmp_path, flatten_minutes_before_close=13))
    assert settings.timetable.flatten_before_close == timedelta(minutes=13)
    assert settings.timetable.entries_end_before_close == timedelta(minutes=15)


def test_a_later_flatten_in_the_configuration_does_not(tmp_path: Path) -> None:
    settings = load(home_with(tmp_path, flatten_minutes_before_close=2))
    assert settings.timetable.flatten_before_close == timedelta(minutes=5)


def test_market_hours_are_read_from_literals_and_never_run(tmp_path: Path) -> None:
    program = tmp_path / "active_trader.py"
    program.write_text(
        "REGULAR_START = time(9, 30)\nREGULAR_END = time(16, 0)\n"
        "CLOSE_POSITIONS_TIME = open('/etc/passwd')\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match="CLOSE_POSITIONS_TIME"):
        read_market_hours(program)


def test_allowed_symbols_of_the_prompt_and_the_configuration_both_narrow(tmp_path: Path) -> None:
    given = home_with(tmp_path, allowed_symbols=["SPY", "IBM"])
    (tmp_path / "prompts").mkdir()
    prompt = tmp_path / "prompts/agent_prompt.py"
    prompt.write_text('SYSTEM = "x"\nALLOWED_SYMBOLS = ["IBM", "AIG"]\n', encoding="utf-8")
    assert read_allowed_symbols(prompt) == ("IBM", "AIG")
    assert load(given).limits.allowed_symbols == frozenset({"IBM"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALPACA_DATA_MCP_PORT", "80o4"), ("LOG_LEVEL", "LOUD"), ("AGENT_MODE", "yolo")],
)
def test_a_bad_environment_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        load({"ACTIVE_TRADER_HOME": str(tmp_path), name: value})


def test_a_missing_token_says_which_command_makes_it(tmp_path: Path) -> None:
    settings = load({"ACTIVE_TRADER_HOME": str(tmp_path), "MCP_DATA_TOKEN": "t"})
    settings.require_tokens("MCP_DATA_TOKEN")
    with pytest.raises(ConfigError, match=r"MCP_TRADE_TOKEN.*manage_services.sh setup"):
        settings.require_tokens("MCP_DATA_TOKEN", "MCP_TRADE_TOKEN")
