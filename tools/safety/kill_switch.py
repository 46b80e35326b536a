"""The kill switch's latch: a file that says "nothing but the flatten", whoever wrote it.

A file, so that a command can write it while every service is dead or hangs, and so that neither a
restart nor a lost state file forgets it. That it exists is what counts: a latch whose text cannot
be read is a latch. Standard library alone: the flatten program reads it too.
"""

import contextlib
import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

FOLDER_MODE = 0o2770
"""Every user of ours shares the group, may pull the switch and, behind its door, release it."""

FILE_MODE = 0o640
MOST_CHARACTERS = 4096
UNREADABLE = "the latch cannot be read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Latch:
    """Who pulled the switch, when (None: unreadable) and why."""

    reason: str
    actor: str
    at: datetime | None
    keep_positions: bool


def latch_path(home: Path) -> Path:
    """Where the latch of the installation in `home` is, when it is."""
    return home / "data" / "latches" / "kill"


def latched(home: Path) -> bool:
    """Whether the switch is pulled: one stat. A latch that cannot be looked for is there."""
    try:
        latch_path(home).lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


def pull(
    home: Path, *, reason: str, actor: str, now: datetime, keep_positions: bool = False
) -> bool:
    """Latch, durably. False when it was latched already: then the first latch stays as it is.

    The file appears with its text, at once: nobody reads half of one and closes what was to be
    kept. On a full disk it appears without. Raises OSError when not even that is possible.
    """
    path = latch_path(home)
    _make_folder(path.parent)
    line = json.dumps(
        {
            "reason": reason,
            "actor": actor,
            "at": now.isoformat(),
            "keep_positions": keep_positions,
        }
    )
    draft = path.with_name(f".kill-{os.getpid()}-{os.urandom(4).hex()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    try:
        with contextlib.suppress(OSError):
            os.write(descriptor, line.encode() + b"\n")
            os.fsync(descriptor)
        os.link(draft, path)  # fails if there is one: exclusive, as O_EXCL is
    except FileExistsError:
        return False
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)
    _settle(path.parent)
    return True


def read(home: Path) -> Latch | None:
    """The latch; None when the switch is not pulled. Never raises."""
    if not latched(home):
        return None
    try:
        with latch_path(home).open(encoding="utf-8", errors="replace") as file:
            return _parsed(json.loads(file.read(MOST_CHARACTERS)))
    except (OSError, ValueError, KeyError, TypeError):
        if not latched(home):
            return None  # released meanwhile
        return Latch(reason=UNREADABLE, actor="unknown", at=None, keep_positions=False)


def release(home: Path) -> bool:
    """Take the latch away, durably; False when there was none. Raises OSError if it cannot be."""
    path = latch_path(home)
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    _settle(path.parent)
    return True


def _parsed(value: dict[str, Any]) -> Latch:
    return Latch(
        reason=str(value["reason"]),
        actor=str(value["actor"]),
        at=datetime.fromisoformat(value["at"]),
        keep_positions=value["keep_positions"] is True,
    )


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # another user of ours made it at the same moment
        folder.chmod(FOLDER_MODE)  # mkdir's mode is subject to the umask


def _settle(folder: Path) -> None:
    """The directory's own entry on the disk, where the file system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
