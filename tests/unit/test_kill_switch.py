"""The kill switch's latch: a file that counts by being there."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.safety import kill_switch
from tools.safety.kill_switch import Latch, latch_path, latched, pull, read, release

AT = datetime(2026, 11, 23, 15, 54, tzinfo=UTC)


def _pull(home: Path, reason: str = "a bad day", *, keep: bool = False) -> bool:
    return pull(home, reason=reason, actor="operator", now=AT, keep_positions=keep)


def test_an_untouched_home_is_not_latched(tmp_path: Path) -> None:
    assert (latched(tmp_path), read(tmp_path), release(tmp_path)) == (False, None, False)


def test_a_pulled_switch_says_who_when_and_why_until_it_is_released(tmp_path: Path) -> None:
    assert _pull(tmp_path, keep=True)
    expected = Latch(reason="a bad day", actor="operator", at=AT, keep_positions=True)
    assert (latched(tmp_path), read(tmp_path)) == (True, expected)
    assert release(tmp_path)
    assert (latched(tmp_path), read(tmp_path)) == (False, None)


def test_the_first_latch_stays_when_somebody_pulls_again(tmp_path: Path) -> None:
    assert _pull(tmp_path, "first")
    assert not _pull(tmp_path, "second")
    latch = read(tmp_path)
    assert latch is not None
    assert latch.reason == "first"
    assert os.listdir(latch_path(tmp_path).parent) == ["kill"]


def test_of_many_who_pull_at_once_one_latches(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(lambda n: _pull(tmp_path, f"reason {n}"), range(64)))
    latch = read(tmp_path)
    assert latch is not None
    assert [f"reason {n}" for n, first in enumerate(won) if first] == [latch.reason]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"7", b"\xff\x00", b'{"reason": "x"}', b"x" * 9000]
)
def test_a_latch_that_cannot_be_read_is_a_latch_that_closes_positions(
    tmp_path: Path, content: bytes
) -> None:
    latch_path(tmp_path).parent.mkdir(parents=True)
    latch_path(tmp_path).write_bytes(content)
    latch = read(tmp_path)
    assert latched(tmp_path)
    assert latch is not None
    assert (latch.reason, latch.keep_positions) == (kill_switch.UNREADABLE, False)
    assert not _pull(tmp_path)


def test_whatever_lies_where_the_latch_would_be_counts(tmp_path: Path) -> None:
    latch_path(tmp_path).parent.mkdir(parents=True)
    latch_path(tmp_path).symlink_to(tmp_path / "nowhere")
    assert latched(tmp_path)
    assert read(tmp_path) is not None
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "data").write_text("not a folder", encoding="utf-8")
    assert latched(tmp_path / "other")


def test_a_full_disk_still_latches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    assert _pull(tmp_path)
    assert latched(tmp_path)


def test_the_folder_lets_the_whole_group_pull_the_switch(tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        _pull(tmp_path)
    finally:
        os.umask(previous)
    mode = stat.S_IMODE(latch_path(tmp_path).parent.stat().st_mode)
    assert mode == kill_switch.FOLDER_MODE


def test_it_needs_the_standard_library_alone() -> None:
    code = (
        "import sys, tools.safety.kill_switch; print([m for m in sys.modules if 'pydantic' in m])"
    )
    command = [sys.executable, "-S", "-c", code]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"
