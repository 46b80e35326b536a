"""The flatten program reads what the services read, and goes on where they would refuse."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tools.core.errors import ConfigError
from tools.core.safety import FlattenScope
from tools.execution.plain_settings import PlainSettings, read_plain
from tools.settings import ROOT, load

KEYS = {"ALPACA_API_KEY": "the-key", "ALPACA_SECRET_KEY": "the-secret"}
MODEL = {"name": "deepseek", "signature": "mind-2", "enabled": True}


def home_with(home: Path, **changes: Any) -> dict[str, str]:
    (home / "configs").mkdir(exist_ok=True)
    text = json.dumps({"models": [MODEL]} | changes)
    (home / "configs" / "default_config.json").write_text(text, encoding="utf-8")
    return {"ACTIVE_TRADER_HOME": str(home)}


def written(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)


def agree(environment: dict[str, str]) -> PlainSettings:
    """Both readings, compared."""
    plain, full = read_plain(environment, ROOT), load(environment)
    assert plain.home == full.home
    assert plain.agent_folder == full.agent_folder
    assert plain.session_table == full.session_table
    assert plain.url == full.trading_url
    assert plain.key == full.alpaca_key.get_secret_value()
    assert plain.secret == full.alpaca_secret.get_secret_value()
    before_close = full.timetable.flatten_before_close
    assert plain.timetable.flatten_before_close == before_close
    assert plain.exempt == full.limits.flatten_exempt_symbols
    assert plain.own_only == (full.holding.flatten_scope is not FlattenScope.ALL)
    assert plain.alert_webhook == full.alert_webhook.get_secret_value()
    assert plain.faults == ()
    return plain


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"flatten_exempt_symbols": ["SPY", "IBM"]},
        {"flatten_minutes_before_close": 13},
        {"flatten_minutes_before_close": 2},
        {"flatten_scope": "own"},
        {"models": [MODEL | {"enabled": False, "signature": "mind-1"}, MODEL]},
    ],
)
def test_both_readings_agree(tmp_path: Path, changes: dict[str, Any]) -> None:
    home = home_with(tmp_path, **changes)
    agree(home)
    agree(home | KEYS | {"AGENT_MODE": "paper"})
    agree(home | KEYS | {"ALPACA_TRADING_URL": "https://broker.example/v2"})
    (tmp_path / "live-confirmed").write_text("1", encoding="utf-8")
    live = {"AGENT_MODE": "live", "ALPACA_TRADING_URL": "https://api.alpaca.markets"}
    agree(home | KEYS | live)


@pytest.mark.parametrize(
    "line",
    [
        "ALPACA_API_KEY=plain",
        "ALPACA_API_KEY='single'",
        'export ALPACA_API_KEY="double # not a comment"',
        "  ALPACA_API_KEY =  spaced   # a comment",
        "ALPACA_API_KEY=a#b",
        "# ALPACA_API_KEY=no\nALPACA_API_KEY=yes\r",
        "ALPACA_API_KEY=first\nALPACA_API_KEY=last",
    ],
)
def test_env_lines_mean_the_same_to_both(tmp_path: Path, line: str) -> None:
    written(tmp_path / ".env", f"{line}\nALPACA_SECRET_KEY=s\n")
    agree(home_with(tmp_path))


def test_credentials_win_over_env_and_the_environment_over_both(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "ALPACA_API_KEY").write_text("from-systemd\n", encoding="utf-8")
    (credentials / "ALPACA_SECRET_KEY").write_text("s-from-systemd\n", encoding="utf-8")
    written(tmp_path / ".env", "ALPACA_API_KEY=from-env\n")
    told = home_with(tmp_path) | {"CREDENTIALS_DIRECTORY": str(credentials)}
    assert agree(told).key == "from-systemd"
    assert agree(told | {"ALPACA_API_KEY": "told"}).key == "told"


@pytest.mark.parametrize(
    "broken",
    [
        '{"models": [{"signature": "mind-2"}], "flatten_exempt_symbols": ["SPY"], ',
        '{"flatten_exempt_symbols": ["SPY",], "models": [{"signature": "mind-2"}]}',
        '{"flatten_exempt_symbols": ["SPY"] "models": [{"signature": "mind-2"}]}',
    ],
)
def test_of_a_broken_file_counts_what_can_be_read(tmp_path: Path, broken: str) -> None:
    home_with(tmp_path)
    (tmp_path / "configs" / "default_config.json").write_text(broken, encoding="utf-8")
    plain = read_plain({"ACTIVE_TRADER_HOME": str(tmp_path)}, ROOT)
    assert plain.exempt == {"SPY"}
    assert plain.agent_folder.name == "mind-2"
    assert plain.timetable.flatten_before_close == timedelta(minutes=5)
    assert len(plain.faults) == 1


def test_a_stray_byte_in_env_hides_no_key(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"# f\xfcr Alpaca\nALPACA_API_KEY=k\nALPACA_SECRET_KEY=s\n")
    assert read_plain(home_with(tmp_path), ROOT).key == "k"


@pytest.mark.parametrize("content", [None, b"\xff"])
def test_credentials_that_cannot_be_read_leave_the_others(
    tmp_path: Path, content: bytes | None
) -> None:
    folder = tmp_path / "credentials"
    if content:
        folder.mkdir()
        (folder / "DEEPSEEK_API_KEY").write_bytes(content)
    written(tmp_path / ".env", "ALPACA_API_KEY=k\nALPACA_SECRET_KEY=s\n")
    plain = read_plain(home_with(tmp_path) | {"CREDENTIALS_DIRECTORY": str(folder)}, ROOT)
    assert (plain.key, len(plain.faults)) == ("k", 1)


@pytest.mark.parametrize("minutes", [1, 121, 10**20, -(10**20)])
def test_minutes_out_of_bounds_are_not_heeded(tmp_path: Path, minutes: int) -> None:
    plain = read_plain(home_with(tmp_path, flatten_minutes_before_close=minutes), ROOT)
    assert plain.timetable.flatten_before_close == timedelta(minutes=5)


def test_without_any_file_the_defaults_count(tmp_path: Path) -> None:
    plain = read_plain({"ACTIVE_TRADER_HOME": str(tmp_path)}, tmp_path)
    assert plain.timetable.flatten_before_close == timedelta(minutes=5)
    assert (plain.exempt, plain.own_only) == (frozenset(), False)
    assert len(plain.faults) == 2


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"AGENT_MODE": "paper"}, "needs ALPACA_API_KEY"),
        ({"ALPACA_API_KEY": "half"}, "needs ALPACA_API_KEY"),
        (KEYS | {"AGENT_MODE": "live"}, "does not belong to live"),
        (KEYS | {"ALPACA_TRADING_URL": "https://api.alpaca.markets"}, "does not belong to paper"),
        (KEYS | {"ALPACA_TRADING_URL": "https://[::1"}, "is no address"),
        (KEYS | {"ALPACA_TRADING_URL": "https://broker.example:x"}, "is no address"),
        ({"ALPACA_TRADING_URL": "http://192.0.2.1"}, "simulation talks to this machine only"),
    ],
)
def test_it_never_guesses_an_account(tmp_path: Path, told: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_plain(home_with(tmp_path) | told, ROOT)


def test_keys_that_others_can_read_are_told_of_and_used(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ALPACA_API_KEY=k\nALPACA_SECRET_KEY=s\n", encoding="utf-8")
    plain = read_plain(home_with(tmp_path), ROOT)
    assert (plain.key, plain.faults) == ("k", (f"{tmp_path / '.env'}: others can read it",))
