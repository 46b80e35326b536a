"""The prompt file: read as data, rendered strictly, the same bytes for the same settings."""

from pathlib import Path

import pytest

from agent.prompt_file import read_prompt
from tests.doubles import ROOT, some_options
from tools.core.errors import ConfigError

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


def test_the_shipped_prompt_renders_with_every_name_that_it_documents(tmp_path: Path) -> None:
    path = ROOT / "prompts" / "agent_prompt.py"
    values = some_options(tmp_path).prompt_values
    prompt = read_prompt(path, values)
    assert "$" not in prompt.system
    assert "ENTRY_STRENGTH: 0.35" in prompt.system
    documented = path.read_text(encoding="utf-8").partition('"""\n\n')[0]
    assert [name for name in values if f"${name}" not in documented] == []
