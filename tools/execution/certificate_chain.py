"""The file of the flat certificates: JSON lines, each bound to the one before. Needs no library.

`before` is the SHA-256 of the line before, `hash` that of the line's own content: a line that was
changed, taken out or put in shows. `certificates.head` beside it holds the length of the file and
the hash of its last line, so that lines missing at the end show too; it is what appenders lock.

A power cut may leave an unfinished last line. The head does not know that line yet, so it is told
from one that somebody cut off: it is no damage, the next append ends it and binds it in, and what
it would have said counts as never written. Any other damage stays until somebody has acknowledged
it: an acknowledgement holds the SHA-256 of the whole file before it, and counts as a new beginning.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ACKNOWLEDGED = "acknowledged"
MODE = 0o664  # whichever user runs a flatten appends to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The file as it was read: every line that is sound in itself, oldest first.

    `fault` says in words what does not fit together, "" when all does; `unfinished` that the file
    ends in the middle of a line.
    """

    records: tuple[Mapping[str, Any], ...]
    fault: str
    unfinished: bool


def read_chain(path: Path) -> Chain:
    """The file at `path`; one that does not exist is empty. Raises OSError."""
    with _locked(_head_of(path), fcntl.LOCK_SH) as head:
        return _judge(_bytes(path), _content(head))


def append(path: Path, record: Mapping[str, Any]) -> None:
    """Add one line, on the disk when this returns. Creates the file; raises OSError.

    A line behind a broken chain says so in `fault`, and an acknowledgement gets its `prefix`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(_head_of(path), fcntl.LOCK_EX) as head, _opened(path, os.O_APPEND) as file:
        data = _bytes(path)
        ending = b"\n" if data and not data.endswith(b"\n") else b""
        if not data:
            _rewrite(head, 0, b"")  # so that a cut through the very first line is told from damage
        line = _line(record, data + ending, _judge(data, _content(head)).fault)
        _write(file, ending + line)
        _rewrite(head, len(data + ending + line), line)


def _line(record: Mapping[str, Any], data: bytes, fault: str) -> bytes:
    content = dict(record)
    if record.get("kind") == ACKNOWLEDGED:
        content["prefix"] = _sha(data)
    elif fault:
        content["fault"] = fault
    content["before"] = _sha(_last_link(data))
    return _encoded(content | {"hash": _sha(_encoded(content))})


def _judge(data: bytes, head: bytes) -> Chain:
    """Follow the chain from its last new beginning."""
    lines = _split(data)
    parsed = [_parsed(line) for line in lines]
    start = _beginning(data, lines, parsed)
    fault = _misfit(lines, parsed, start) or _cut(data, head)
    return Chain(
        records=tuple(record for record in parsed if record),
        fault=fault,
        unfinished=bool(lines) and parsed[-1] is None,
    )


def _split(data: bytes) -> list[bytes]:
    """Lines end with a line feed and with nothing else."""
    *whole, rest = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([rest] if rest else [])


def _beginning(data: bytes, lines: list[bytes], parsed: list[dict[str, Any] | None]) -> int:
    """The last line that acknowledges all before it, as that still stands; -1 without one."""
    offset = len(data)
    for number in range(len(lines) - 1, -1, -1):
        offset -= len(lines[number])
        record = parsed[number]
        acknowledges = record is not None and record.get("kind") == ACKNOWLEDGED
        if record and acknowledges and record.get("prefix") == _sha(data[:offset]):
            return number
    return -1


def _misfit(lines: list[bytes], parsed: list[dict[str, Any] | None], start: int) -> str:
    """The first thing that does not fit from line `start` on."""
    link = b""
    for number, (line, record) in enumerate(zip(lines, parsed, strict=True)):
        if record is None:
            link += line  # unfinished, or foreign: the next line tells
            continue
        if number > start:
            if record.get("before") != _sha(link):
                return f"line {number + 1} does not follow from the one before it"
            if "fault" in record:
                return f"line {number + 1} was written behind a broken chain: {record['fault']}"
        link = line
    return ""


def _cut(data: bytes, head: bytes) -> str:
    """What the head knows and the file does not have; a file that is gone counts as new."""
    if not data:
        return ""
    length, _, last = head.decode("ascii", "replace").strip().partition(" ")
    if not length.isdigit() or len(last) != 64:
        return "its head is missing or damaged"
    known = data[: int(length)]
    if len(known) < int(length) or _sha(_split(known)[-1] if known else b"") != last:
        return "lines are missing at its end, or were changed there"
    return ""


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The line's content when it is sound in itself: whole, as we write it, with its own hash."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    if not isinstance(record, dict) or _encoded(record) != line:
        return None
    content = {name: value for name, value in record.items() if name != "hash"}
    return record if record.get("hash") == _sha(_encoded(content)) else None


def _last_link(data: bytes) -> bytes:
    """The last sound line with what stands behind it."""
    link = b""
    for line in _split(data):
        link = line if _parsed(line) else link + line
    return link


def _encoded(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, allow_nan=False).encode("ascii") + b"\n"


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _head_of(path: Path) -> Path:
    return path.with_suffix(".head")


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[int]:
    """The head, under a lock; -1 for a reader where there is none."""
    if kind == fcntl.LOCK_SH and not path.exists():
        yield -1
        return
    with _opened(path, 0, read_only=kind == fcntl.LOCK_SH) as head:
        fcntl.flock(head, kind)
        yield head


@contextmanager
def _opened(path: Path, flags: int, *, read_only: bool = False) -> Iterator[int]:
    """`path`, created for every member of its folder's group."""
    if read_only:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    else:
        new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | flags, MODE)
        if new:
            _share(file, path.parent)
    try:
        yield file
    finally:
        os.close(file)


def _share(file: int, folder: Path) -> None:
    """The umask does not shut others out, and what root makes is its folder's owner's."""
    owner = folder.stat()
    with suppress(OSError):
        os.fchmod(file, MODE)
    with suppress(OSError):
        os.fchown(file, owner.st_uid if os.geteuid() == 0 else -1, owner.st_gid)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _content(head: int) -> bytes:
    return b"" if head < 0 else os.pread(head, 200, 0)


def _rewrite(head: int, length: int, last: bytes) -> None:
    """In place: shorter than a sector, so a power cut leaves the old or the new."""
    _write_at(head, f"{length:015d} {_sha(last)}\n".encode("ascii"))


def _write_at(file: int, data: bytes) -> None:
    if os.pwrite(file, data, 0) != len(data):
        raise OSError("the head could not be written")
    os.fsync(file)


def _write(file: int, data: bytes) -> None:
    if os.write(file, data) != len(data):
        raise OSError("the line could not be written whole")
    os.fsync(file)
