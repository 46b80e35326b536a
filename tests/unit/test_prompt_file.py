"""The prompt file: read as data, rendered strictly, the same bytes for the same settings."""

from pathlib import Path

import pytest

from tests.doubles import ROOT, some_prompt_settings
from tools.core.errors import ConfigError
from tools.prompts.text import read_prompt

VALUES = {"max_positions": "5", "risk_per_trade": "1 %"}
CYCLE = "CYCLE_PROMPT = 'Decide.'\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "agent_prompt.py"
    path.write_text(text, encoding="utf-8")
    return path


def system(tmp_path: Path, text: str) -> str:
    return read_prompt(written(tmp_path, f"SYSTEM_PROMPT = {text!r}\n{CYCLE}"), VALUES).system


def test_names_stand_for_settings_and_other_dollars_are_dollars(tmp_path: Path) -> None:
    rendered = system(tmp_path, "At most $max_positions, $5 each, $$max_positions, 10$.")
    assert rendered == "At most 5, $5 each, $max_positions, 10$."


def test_an_unknown_name_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"SYSTEM_PROMPT: \$max_position is not known"):
        system(tmp_path, "At most $max_position.")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SYSTEM_PROMPT = 'x", ":1: unterminated string"),
        ("import os\n", ":1: only NAME = 'text'"),
        ("SYSTEM_PROMPT = 'a' + str(1)\n", ":1: only NAME = 'text'"),
        (CYCLE, "SYSTEM_PROMPT is missing"),
        (f"SYSTEM_PROMPT = '  '\n{CYCLE}", "SYSTEM_PROMPT is missing or empty"),
    ],
)
def test_what_would_have_no_effect_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"agent_prompt\.py") as refusal:
        read_prompt(written(tmp_path, text), VALUES)
    assert words in str(refusal.value)


def test_a_constant_of_the_file_is_a_name_in_its_texts(tmp_path: Path) -> None:
    text = f"ENTRY_STRENGTH = 0.4\nSYSTEM_PROMPT = 'ENTRY_STRENGTH: $ENTRY_STRENGTH'\n{CYCLE}"
    assert read_prompt(written(tmp_path, text), {}).system == "ENTRY_STRENGTH: 0.4"


def test_a_prompt_of_any_length_is_not_sent(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="40001 bytes are more than 32000"):
        system(tmp_path, "x" * (40_000 - len("Decide.")))


def accepted(text: str, **limits: object) -> str:
    source = (
        f"{text}\n{CYCLE}" if "SYSTEM_PROMPT" in text else f"{text}\nSYSTEM_PROMPT='s'\n{CYCLE}"
    )
    return some_prompt_settings(**limits).accept(source, "p.py").system


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("RISK_PER_TRADE = '2%'", "RISK_PER_TRADE 2% is above the limit, 1 %"),
        ("RISK_PER_TRADE = 0.02", "RISK_PER_TRADE 0.02 is above the limit, 0.01"),
        ("SYSTEM_PROMPT = 'x\\n- MAX_POSITIONS: 8'", "MAX_POSITIONS 8 is above the limit, 5"),
        ("MIN_CONFIDENCE = 0.3", "MIN_CONFIDENCE 0.3 is below the limit, 0.6"),
        ("FLATTEN_MINUTES = 1", "FLATTEN_MINUTES 1 is below the limit, 5"),
        ("ALLOWED_SYMBOLS = ['SPY', 'TSLA']", "ALLOWED_SYMBOLS: TSLA may not be bought"),
    ],
)
def test_what_asks_for_more_than_the_limits_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"^p\.py: ") as refusal:
        accepted(text, banned_symbols=frozenset({"TSLA"}))
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        "RISK_PER_TRADE = '0.5 %'",
        "MAX_POSITIONS = 5",
        "MIN_CONFIDENCE = 0.9",
        "ALLOWED_SYMBOLS = ['SPY']",
        "SYSTEM_PROMPT = 'ENTRY_STRENGTH: 7'",
    ],
)
def test_what_is_within_the_limits_is_taken(text: str) -> None:
    assert accepted(text)


def test_the_file_is_never_executed(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    with pytest.raises(ConfigError):
        read_prompt(written(tmp_path, f"open({str(trap)!r}, 'w')\n"), VALUES)
    assert not trap.exists()


def test_the_snapshot_ends_the_cycles_message(tmp_path: Path) -> None:
    prompt = read_prompt(written(tmp_path, f"SYSTEM_PROMPT = 's'\n{CYCLE}"), VALUES)
    assert prompt.message('{"now":1}') == 'Decide.\n<snapshot>{"now":1}</snapshot>'


def test_the_hash_follows_what_the_model_is_told(tmp_path: Path) -> None:
    def told(risk: str) -> str:
        text = f"SYSTEM_PROMPT = 'Risk $risk_per_trade.'\n{CYCLE}# a comment\n"
        return read_prompt(written(tmp_path, text), VALUES | {"risk_per_trade": risk}).hash

    assert told("1 %") == told("1 %") != told("2 %")


def test_the_shipped_prompt_renders_with_every_name_that_it_documents() -> None:
    path = ROOT / "prompts" / "agent_prompt.py"
    values = some_prompt_settings().values
    prompt = read_prompt(path, values)
    assert "$" not in prompt.system
    assert "ENTRY_STRENGTH: 0.35" in prompt.system
    documented = path.read_text(encoding="utf-8").partition('"""\n\n')[0]
    assert [name for name in values if f"${name}" not in documented] == []
