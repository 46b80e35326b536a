"""An edit of the prompt while the trader runs: taken when it will do, kept, and never lost."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.prompt_file import PromptFile
from tests.doubles import some_prompt_settings
from tools.core.alerts import AlertKind
from tools.core.errors import ConfigError
from tools.prompts.versions import PromptVersions

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 11, 25, 17, 0, tzinfo=UTC)
BROKEN = "SYSTEM_PROMPT = 'half\n"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.prompt_file.SETTLE_SECONDS", 0)


def text(system: str) -> str:
    return f"SYSTEM_PROMPT = {system!r}\nCYCLE_PROMPT = 'Decide.'\n"


class Desk:
    """A prompt file in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.path, self.versions = folder / "agent_prompt.py", PromptVersions(folder)
        self._saves = 0
        self.save(text("one"))

    def save(self, source: str) -> None:
        self.path.write_text(source, encoding="utf-8")
        self._saves += 1
        os.utime(self.path, (self._saves, self._saves))

    def open(self) -> PromptFile:
        return PromptFile(self.path, some_prompt_settings(), self.versions, lambda: NOON)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    kept = [one for one in caplog.records if getattr(one, "alert", None) is AlertKind.BAD_PROMPT]
    return [one.getMessage() for one in kept]


async def test_an_edit_is_in_force_from_the_next_look_on(desk: Desk) -> None:
    file = desk.open()
    first = await file.look()
    desk.save(text("two"))
    second = await file.look()
    assert (first.system, second.system) == ("one", "two")
    assert [use.hash for use in desk.versions.uses()] == [first.hash, second.hash]
    assert desk.versions.source(first.hash) == text("one")


async def test_a_bad_edit_changes_nothing_and_is_complained_of_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    file = desk.open()
    desk.save(BROKEN)
    assert [(await file.look()).system for _ in range(3)] == ["one"] * 3
    [words] = complaints(caplog)
    assert words.startswith(f"the prompt stays as it was: {desk.path}:1: unterminated string")
    desk.save(BROKEN + "\n")
    await file.look()
    assert len(complaints(caplog)) == 2
    desk.save(text("mended"))
    assert (await file.look()).system == "mended"


async def test_a_file_that_is_gone_changes_nothing_and_is_complained_of_once(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    file = desk.open()
    desk.path.unlink()
    assert [(await file.look()).system for _ in range(3)] == ["one"] * 3
    assert len(complaints(caplog)) == 1


async def test_a_file_that_is_being_saved_is_left_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = desk.open()
    desk.save(BROKEN)

    async def meanwhile(_: float) -> None:
        desk.save(text("two"))

    monkeypatch.setattr("agent.prompt_file.asyncio.sleep", meanwhile)
    assert (await file.look()).system == "one"
    monkeypatch.undo()
    assert (await file.look()).system == "two"
    assert complaints(caplog) == []


async def test_an_edit_beyond_the_limits_is_a_bad_edit(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    file = desk.open()
    desk.save(text("RISK_PER_TRADE: 5 %"))
    assert (await file.look()).system == "one"
    assert "RISK_PER_TRADE 5 % is above the limit, 1 %" in complaints(caplog)[0]


async def test_a_comment_alone_makes_no_new_version(desk: Desk) -> None:
    file = desk.open()
    desk.save("# why\n" + text("one"))
    prompt = await file.look()
    assert len(desk.versions.uses()) == 1
    assert desk.versions.source(prompt.hash).startswith("# why")


async def test_a_start_with_a_broken_file_takes_the_last_good_version(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.open()
    desk.save(BROKEN)
    assert desk.open().prompt.system == "one"
    assert len(complaints(caplog)) == 1


async def test_a_first_start_with_a_broken_file_is_refused(desk: Desk) -> None:
    desk.save(BROKEN)
    with pytest.raises(ConfigError, match="unterminated"):
        desk.open()
