"""The operator's view of the prompt: is an edit good, what was in force, what did it earn."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from console.cli import main
from tests.unit.test_cli import a_trade
from tools.journal import history
from tools.prompts.versions import PromptVersions
from tools.settings import load

FIRST = "SYSTEM_PROMPT = 'one'\nCYCLE_PROMPT = 'Decide.'\n"
SECOND = FIRST.replace("one", "two")


class Desk:
    """A home whose trader has lived through two versions; the second stands in the file."""

    def __init__(self, home: Path) -> None:
        self.file = home / "prompts" / "agent_prompt.py"
        self.file.parent.mkdir()
        self.file.write_text(SECOND, encoding="utf-8")
        settings = load()
        self.folder = settings.agent_folder
        self.versions = PromptVersions(self.folder)
        self.hashes = []
        for day, source in ((4, FIRST), (7, SECOND)):
            prompt = settings.prompt_settings.accept(source, "")
            self.versions.in_force(prompt, datetime(2013, 10, day, 14, 0, tzinfo=UTC))
            self.hashes.append(prompt.hash)
            trade = a_trade("SPY", 10 * day, day) | {"prompt_hash": prompt.hash}
            history.replace(history.trades_path(self.folder, date(2013, 10, day)), [trade])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("ACTIVE_TRADER_HOME", str(tmp_path))
    return Desk(tmp_path)


def test_check_names_the_version_that_the_file_would_be(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prompt", "check"]) == 0
    assert capsys.readouterr().out.strip().endswith(f"good, 10 bytes, version {desk.hashes[1]}")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (SECOND + "x =", "agent_prompt.py:3: invalid syntax"),
        (SECOND + "MAX_POSITIONS = 50\n", "MAX_POSITIONS 50 is above the limit, 5"),
    ],
)
def test_check_says_in_one_line_what_is_wrong(
    desk: Desk, capsys: pytest.CaptureFixture[str], source: str, words: str
) -> None:
    desk.file.write_text(source, encoding="utf-8")
    assert main(["prompt", "check"]) == 78
    [line] = capsys.readouterr().err.splitlines()
    assert words in line


def test_history_shows_when_each_version_was_in_force_and_what_it_earned(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prompt", "history", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["version"], row["first_used"], row["pnl"]) for row in rows] == [
        (desk.hashes[0], "2013-10-04 10:00", 40.0),
        (desk.hashes[1], "2013-10-07 10:00", 70.0),
    ]


def test_diff_compares_a_version_with_another_or_with_the_file(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = desk.hashes
    for arguments in ([first[:6], second[:6]], [first[:6]]):
        assert main(["prompt", "diff", *arguments]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert "-SYSTEM_PROMPT = 'one'" in lines
        assert "+SYSTEM_PROMPT = 'two'" in lines


def test_a_rollback_brings_a_version_back_and_loses_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = "SYSTEM_PROMPT = 'three\n"
    desk.file.write_text(broken, encoding="utf-8")
    assert main(["prompt", "rollback", desk.hashes[0][:6]]) == 0
    assert desk.file.read_text(encoding="utf-8") == FIRST
    kept = capsys.readouterr().out.splitlines()[0].rpartition(" ")[2]
    assert desk.versions.source(desk.versions.find(kept)) == broken


@pytest.mark.parametrize("version", ["fff0", "", "ab"])
def test_a_version_that_there_is_not_is_one_line(
    desk: Desk, capsys: pytest.CaptureFixture[str], version: str
) -> None:
    assert main(["prompt", "rollback", version]) == 78
    [line] = capsys.readouterr().err.splitlines()
    assert "prompt history" in line
    assert desk.file.read_text(encoding="utf-8") == SECOND
