"""How `state.sqlite3` is kept on the disk: schema, migration, and a CRC32 in every row.

Rows are checked when they are read. What SQLite or a checksum objects to is StateUnavailable, and
names the file.
"""

import json
import logging
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from tools.core.errors import ConfigError, Unavailable

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2

TABLES = {
    "state": "one trading_state reason actor since",
    "sessions": "session start_equity opening",
    "counters": "session value",
    "intents": "client_order_id session leg created_at intent status detail",
    "flattens": "session caller asked_at report",
    "breakers": "one state",
    "leases": "account epoch holder since",
}
"""The columns of each table, its key first; `crc` comes last in all."""

_INTEGERS = frozenset(("one", "value", "epoch"))

_DAMAGED = frozenset((sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
"""What SQLite says of a file whose tables are not what they should be."""

type Row = tuple[Any, ...]


class StateUnavailable(Unavailable):
    """The state file cannot be read or written. Entries are refused; the message names the file."""


class StateDamaged(StateUnavailable):
    """The file can be read, but is not what was written."""


class StateFile:
    """The tables of one SQLite file, or of none: then they live in memory. For one thread."""

    def __init__(self, path: Path | None) -> None:
        """Open or make it. Raises StateUnavailable, and ConfigError for a newer schema."""
        self._path = path
        with self._translated():
            self._connection = sqlite3.connect(
                path or ":memory:", check_same_thread=False, isolation_level=None
            )
        try:
            with self._translated():
                self._set_up()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file. No method works afterwards."""
        self._connection.close()

    def copy_from(self, other: Self) -> None:
        """Take over everything that `other` holds."""
        with self._translated():
            other._connection.backup(self._connection)

    def check(self) -> None:
        """Read everything. Raises StateDamaged."""
        with self._translated():
            (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StateDamaged(f"{self._path}: {verdict}")
        for table in TABLES:
            self.rows(table)

    def rows(self, table: str, where: str = "", *values: object) -> list[Row]:
        """The rows in the order of their arrival, without their checksums. Raises StateDamaged."""
        columns = TABLES[table].split()
        condition = f"WHERE {where}" if where else ""
        query = f"SELECT {', '.join(columns)}, crc FROM {table} {condition} ORDER BY rowid"
        with self._translated():
            found = self._connection.execute(query, values).fetchall()
        for row in found:
            if not _sound(table, *row):
                raise StateDamaged(f"{self._path}: the row {row[0]!r} of {table} is damaged")
        return [row[:-1] for row in found]

    def row(self, table: str, key: object) -> Row | None:
        """The row of that key."""
        return next(iter(self.rows(table, f"{TABLES[table].split()[0]} = ?", key)), None)

    def put(self, table: str, *row: object) -> None:
        """Insert a row, or replace that of the same key."""
        with self._translated():
            self._connection.execute(_PUT[table], (*row, _crc(table, row)))

    @contextmanager
    def transaction(self) -> Iterator[Self]:
        """All or nothing, and on the disk when it ends."""
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            kind = StateDamaged if code in _DAMAGED else StateUnavailable
            raise kind(f"{self._path}: {error}") from error

    def _set_up(self) -> None:
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA_VERSION:
            cure = "run the program version that wrote it, or move the file away"
            raise ConfigError(
                f"{self._path} has schema {version}, newer than {SCHEMA_VERSION}: {cure}"
            )
        if version == SCHEMA_VERSION:
            return
        if version:
            self._copy(version)
        with self.transaction():
            if version:
                self._add_checksums()
            for table in TABLES:
                self._connection.execute(_creation(table))
            self._connection.execute(
                "CREATE INDEX IF NOT EXISTS intents_by_status ON intents (status)"
            )
            self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _copy(self, version: int) -> None:
        """Keep the file as the older program left it."""
        kept = Path(f"{self._path}.schema-{version}")
        with closing(sqlite3.connect(kept)) as copy:
            self._connection.backup(copy)
        logger.warning("%s is migrated from schema %d; the old is %s", self._path, version, kept)

    def _add_checksums(self) -> None:
        """From schema 1, whose rows had none; not every file of it knows every table."""
        named = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (table,) in named.fetchall():
            self._connection.execute(
                f"ALTER TABLE {table} ADD COLUMN crc INTEGER NOT NULL DEFAULT 0"
            )
            columns = ", ".join(TABLES[table].split())
            for row in self._connection.execute(f"SELECT {columns} FROM {table}").fetchall():
                self.put(table, *row)


def open_sound(path: Path, aside: datetime) -> tuple[StateFile, str]:
    """The file at `path`, and what was wrong with it: a damaged one is set aside for a new one.

    Raises StateUnavailable when there can be no file, ConfigError for a newer schema.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file: StateFile | None = None
    try:
        file = StateFile(path)
        file.check()
    except StateDamaged as damage:
        if file is not None:
            file.close()
        kept = _set_aside(path, aside)
        return StateFile(path), f"{damage}; the file is set aside as {kept.name}"
    return file, ""


def _set_aside(path: Path, at: datetime) -> Path:
    kept = path.with_name(f"{path.name}.damaged-{at:%Y%m%dT%H%M%S}")
    try:
        for suffix in ("-wal", "-shm", ""):
            part = Path(f"{path}{suffix}")
            if part.exists():
                part.rename(f"{kept}{suffix}")
    except OSError as error:
        raise StateUnavailable(f"{path}: damaged, and cannot be set aside: {error}") from error
    return kept


def _putting(table: str) -> str:
    columns = TABLES[table].split()
    places = ", ".join("?" * (len(columns) + 1))
    changes = ", ".join(f"{name} = excluded.{name}" for name in (*columns, "crc"))
    return f"INSERT INTO {table} VALUES ({places}) ON CONFLICT DO UPDATE SET {changes}"


_PUT = {table: _putting(table) for table in TABLES}


def _creation(table: str) -> str:
    key, *others = (
        f"{name} {'INTEGER' if name in _INTEGERS else 'TEXT'}" for name in TABLES[table].split()
    )
    columns = ", ".join((f"{key} PRIMARY KEY", *others, "crc INTEGER NOT NULL"))
    return f"CREATE TABLE IF NOT EXISTS {table} ({columns})"


@lru_cache(maxsize=4_096, typed=True)
def _sound(table: str, *row: Any) -> bool:
    """The checksum at the end of `row` is that of the rest.

    Remembered by everything that was read, checksum included: a row that reads otherwise in one
    character is reckoned anew.
    """
    *fields, crc = row
    return bool(crc == _crc(table, fields))


def _crc(table: str, row: Any) -> int:
    return zlib.crc32(json.dumps([table, *row]).encode())
