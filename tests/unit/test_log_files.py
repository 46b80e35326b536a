"""The log files: rotated without a line lost, made anew when moved, told to the journal by rank."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import hosting
from tools.hosting import log_to

logger = logging.getLogger("a service")


@pytest.fixture(autouse=True)
def _own_root() -> Iterator[None]:
    root = logging.getLogger()
    kept, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = kept, level


def test_rotation_keeps_five_and_loses_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosting, "LOG_FILE_BYTES", 1000)
    log_to((tmp_path / "a.log", logging.NOTSET), level="INFO", console=False)
    for number in range(1000):
        logger.info("line %04d", number)

    files = [tmp_path / f"a.log.{n}" for n in (5, 4, 3, 2, 1)] + [tmp_path / "a.log"]
    lines = "".join(file.read_text(encoding="utf-8") for file in files).splitlines()

    assert sorted(tmp_path.iterdir()) == sorted(files)
    assert all(file.stat().st_size <= 1000 for file in files)
    assert lines == [f"line {number:04d}" for number in range(1000 - len(lines), 1000)]
    assert len(lines) > 500


def test_a_file_that_somebody_moved_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    log_to((file, logging.NOTSET), level="INFO", console=False)
    logger.info("before")
    file.rename(tmp_path / "a.log.old")
    logger.info("after")
    file.unlink()
    logger.info("at last")

    assert (tmp_path / "a.log.old").read_text(encoding="utf-8") == "before\n"
    assert file.read_text(encoding="utf-8") == "at last\n"


def test_the_journal_hears_how_bad_it_is_on_every_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    log_to(level="DEBUG")
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logger.log(level, "two\nlines")

    said = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in said] == [f"<{p}>" for p in (7, 7, 6, 6, 4, 4, 3, 3, 2, 2)]
