"""The record of a day, `log/YYYY-MM-DD/record.jsonl.gz`: what the mind saw and said, in order.

One JSON object a line. Each line is pushed through the compressor at once, so that a crash loses
the last one at most, and carries in `chain` half the SHA-256 of the line before and its own text: a
line that was changed, taken out or put in shows. A tail that is torn off does not; the day's
`decisions.jsonl` tells how many cycles there were.

A gzip member ends with each cycle: between two cycles the file is one that `zcat` takes.
"""

import contextlib
import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, BinaryIO

from tools.core.errors import ActiveTraderError
from tools.journal.history import log_folder

GZIP = 31
"""zlib's `wbits` for a gzip member."""
LEVEL = 6
_SEAL = ', "chain": "'


class RecordDamaged(ActiveTraderError):
    """A line is not the one that was written; the message names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A day as far as it can be read. `torn` says what is lost of its end, "" for nothing."""

    entries: Sequence[Mapping[str, Any]]
    lines: Sequence[str]
    head: str
    torn: str = ""


def record_path(agent_folder: Path, session_on: date) -> Path:
    """Where the record of a session is."""
    return log_folder(agent_folder, session_on) / "record.jsonl.gz"


def read_record(path: Path) -> Record:
    """The record at `path`. Raises RecordDamaged, and OSError when it cannot be read."""
    text, torn = _unpacked(path.read_bytes(), path)
    *lines, rest = text.split("\n")
    if rest:
        torn = torn or "the last line is cut"
    head, entries = "", []
    for number, line in enumerate(lines, start=1):
        body, _, seal = line.rpartition(_SEAL)
        head = _seal(head, body + "}")
        if seal != f'{head}"}}':
            raise RecordDamaged(f"{path}: line {number} is not the one that was written")
        entries.append(json.loads(body + "}"))
    return Record(entries=entries, lines=lines, head=head, torn=torn)


class DayRecord:
    """The one writer of a day's record; what another process has begun is gone on with."""

    def __init__(self, path: Path) -> None:
        """Mend a torn end; a damaged record is set aside as `*.damaged`. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._head = _prepared(path)
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._packer: Any = None

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add one line, at once. Raises OSError, after which the writer is of no more use."""
        body = json.dumps(entry, default=plain)
        head = _seal(self._head, body)
        packer = self._packer = self._packer or zlib.compressobj(LEVEL, wbits=GZIP)
        line = f'{body[:-1]}{_SEAL}{head}"}}\n'.encode("ascii")
        self._write(packer.compress(line) + packer.flush(zlib.Z_SYNC_FLUSH))
        self._head = head

    def rest(self) -> None:
        """End the gzip member. Raises OSError."""
        if self._packer:
            packer, self._packer = self._packer, None
            self._write(packer.flush())

    def close(self) -> None:
        """End the file as well as may be."""
        with self._file, contextlib.suppress(OSError):
            self.rest()

    def _write(self, data: bytes) -> None:
        """All of it: an unbuffered file may take a part, as on a disk that is filling up."""
        while data:
            data = data[self._file.write(data) or 0 :]


def plain(value: object) -> object:
    """What JSON has no word for: a Decimal is a number, as in the day's other files."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value)


def _prepared(path: Path) -> str:
    """The chain's end in a file that can be added to."""
    try:
        found = read_record(path)
    except FileNotFoundError:
        return ""
    except RecordDamaged:
        os.replace(path, path.with_name(f"{path.name}.damaged"))
        return ""
    if found.torn:
        whole = "".join(f"{line}\n" for line in found.lines).encode("ascii")
        packer = zlib.compressobj(LEVEL, wbits=GZIP)
        mended = path.with_name(f".{path.name}.mended")
        mended.write_bytes(packer.compress(whole) + packer.flush())
        os.replace(mended, path)
    return found.head


def _unpacked(packed: bytes, path: Path) -> tuple[str, str]:
    """The text of all members, and what is amiss at the end."""
    parts: list[bytes] = []
    torn = ""
    while packed and not torn:
        member = zlib.decompressobj(wbits=GZIP)
        try:
            parts.append(member.decompress(packed))
        except zlib.error as error:
            lines = b"".join(parts).count(b"\n")
            raise RecordDamaged(f"{path}: after line {lines}: {error}") from None
        torn = "" if member.eof else "it ends in the middle of a cycle"
        packed = member.unused_data
    return b"".join(parts).decode("ascii", "replace"), torn


def _seal(head: str, body: str) -> str:
    return hashlib.sha256(f"{head}{body}".encode("ascii", "replace")).hexdigest()[:32]
