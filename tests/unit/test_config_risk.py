"""Limits as a user writes them: units, profiles, ceilings, and a refusal that names its key."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tools.config_files import ConfigFile, read_config
from tools.config_risk import PROFILES, Profile, RiskConfig, read_fraction
from tools.core.errors import ConfigError
from tools.core.safety import RiskLimits

MODEL = {"name": "m", "signature": "m"}


def read(tmp_path: Path, **written: Any) -> ConfigFile:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"models": [MODEL], **written}), encoding="utf-8")
    return read_config(path)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (0.05, "0.05"),
        ("5%", "0.05"),
        ("0.5 %", "0.005"),
        ("0.05", "0.05"),
        ("100%", "1"),
        (1, "1"),
        (Decimal("0.2"), "0.2"),
    ],
)
def test_a_fraction_and_a_percentage_say_their_unit(written: object, expected: str) -> None:
    assert read_fraction(written) == Decimal(expected)


@pytest.mark.parametrize("written", [5, 1.01, "5", "1.01", "101%", True, None, "x%", float("nan")])
def test_what_may_mean_either_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"unit|more than 1|not a number"):
        read_fraction(written)


@pytest.mark.parametrize(
    ("profile", "numbers"),
    [
        ("conservative", ("0.005", "0.01", "0.03", "0.02", 10, 0.8)),
        ("balanced", ("0.01", "0.02", "0.05", "0.05", 50, 0.6)),
        ("production", ("0.01", "0.02", "0.05", "0.05", 50, 0.6)),
        ("aggressive", ("0.02", "0.05", "0.10", "0.15", 100, 0.5)),
    ],
)
def test_each_profile_has_its_numbers(tmp_path: Path, profile: str, numbers: Any) -> None:
    risk = read(tmp_path, profile=profile).risk
    assert (
        risk.risk_per_trade_fraction,
        risk.daily_loss_fraction,
        risk.drawdown_fraction,
        risk.profit_lock_fraction,
    ) == tuple(Decimal(number) for number in numbers[:4])
    assert (risk.max_entries_per_day, risk.min_confidence) == numbers[4:]
    assert (risk.max_position_fraction, risk.max_positions) == (Decimal("0.20"), 5)


def test_the_default_is_balanced_and_a_written_limit_wins(tmp_path: Path) -> None:
    assert read(tmp_path).risk == read(tmp_path, profile="balanced").risk == RiskConfig()
    mixed = read(tmp_path, profile="conservative", risk={"min_confidence": 0.7})
    assert mixed.risk.min_confidence == 0.7
    assert mixed.risk.max_entries_per_day == 10


def test_the_aggressive_profile_is_the_ceiling(tmp_path: Path) -> None:
    for key, value in PROFILES[Profile.AGGRESSIVE].items():
        looser = value * 0.99 if key == "min_confidence" else value * 1.01 + (value > 1)
        written = int(looser) if key == "max_entries_per_day" else looser
        with pytest.raises(ConfigError, match=rf"risk\.{key}: .*ceiling"):
            read(tmp_path, risk={key: written})


@pytest.mark.parametrize(
    ("risk", "key"),
    [
        ({"max_position_fraction": "21%"}, "risk.max_position_fraction"),
        ({"max_positions": 6}, "risk.max_positions"),
        ({"daily_loss_fraction": 5}, "risk.daily_loss_fraction"),
        ({"max_spread_fraction": 0}, "risk.max_spread_fraction"),
        ({"nonsense": 1}, "risk.nonsense"),
    ],
)
def test_a_refusal_names_its_key(tmp_path: Path, risk: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        read(tmp_path, risk=risk)


def test_an_unknown_profile_is_refused_by_its_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="profile"):
        read(tmp_path, profile="reckless")


def test_the_files_defaults_are_the_desks() -> None:
    assert RiskLimits(**RiskConfig().model_dump()) == RiskLimits()
