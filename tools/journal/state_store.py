"""`state.sqlite3`: what the trade server decides from. Nobody else opens it; others ask over HTTP.

Everything is committed and on the disk (WAL, synchronous=FULL) when a method returns. One
connection and one lock: the methods may be called from any thread.
"""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tools.core.errors import ConfigError, Unavailable
from tools.core.reports import FlattenReport
from tools.core.safety import TradingState
from tools.core.trading import OrderIntent, Position
from tools.journal.order_ids import Leg, order_id

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    trading_state TEXT NOT NULL, reason TEXT NOT NULL, actor TEXT NOT NULL, since TEXT NOT NULL
);
CREATE TABLE sessions (
    session TEXT PRIMARY KEY, start_equity TEXT NOT NULL, opening TEXT NOT NULL
);
CREATE TABLE counters (session TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE intents (
    client_order_id TEXT PRIMARY KEY,
    session TEXT NOT NULL, leg TEXT NOT NULL, created_at TEXT NOT NULL,
    intent TEXT NOT NULL, status TEXT NOT NULL, detail TEXT NOT NULL
);
CREATE INDEX intents_by_status ON intents (status);
CREATE TABLE flattens (
    session TEXT PRIMARY KEY, caller TEXT NOT NULL, asked_at TEXT NOT NULL, report TEXT
);
"""

# Made at every start: files of schema 1 do not have it yet.
_BREAKERS = """
CREATE TABLE IF NOT EXISTS breakers (
    one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL
)
"""

_INTENT = TypeAdapter(OrderIntent)
_POSITIONS = TypeAdapter(tuple[Position, ...])
_REPORT = TypeAdapter(FlattenReport)


class StateUnavailable(Unavailable):
    """The state file cannot be read or written. Entries are refused; the message names the file."""


class IntentStatus(StrEnum):
    """What became of an intent. OPEN is the only one that needs an answer."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNSENT = "unsent"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """The trading state, and who put it there why and when."""

    trading_state: TradingState
    reason: str
    actor: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRecord:
    """How a session began: the equity that its limits rest on, the positions carried into it."""

    session_on: date
    start_equity_usd: Decimal
    opening: tuple[Position, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRecord:
    """An intent and its fate; `created_at` is when it was committed."""

    intent: OrderIntent
    leg: Leg
    created_at: datetime
    status: IntentStatus
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FlattenRecord:
    """A flatten that was asked for; `report` is None until it has ended."""

    session_on: date
    caller: str
    asked_at: datetime
    report: FlattenReport | None


class StateStore:
    """The trade server's memory across restarts."""

    def __init__(self, path: Path, now: datetime) -> None:
        """Open `path`, or make it with an ACTIVE state. Raises ConfigError for a newer schema."""
        self._path, self._lock = path, threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._translated():
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version == 0:
                self._create(now)
            if version <= SCHEMA_VERSION:
                self._connection.execute(_BREAKERS)
        if version > SCHEMA_VERSION:
            self.close()
            cure = "run the program version that wrote it, or move the file away"
            raise ConfigError(f"{path} has schema {version}, newer than {SCHEMA_VERSION}: {cure}")

    def close(self) -> None:
        """Close the file. No method works afterwards."""
        with self._lock:
            self._connection.close()

    def trading_state(self) -> StateRecord:
        """The state now."""
        row = self._one("SELECT trading_state, reason, actor, since FROM state")
        state, reason, actor, since = row or ()
        return StateRecord(
            trading_state=TradingState(state),
            reason=reason,
            actor=actor,
            since=datetime.fromisoformat(since),
        )

    def set_trading_state(
        self, state: TradingState, *, reason: str, actor: str, now: datetime
    ) -> None:
        """Replace the state."""
        self._write(
            "UPDATE state SET trading_state = ?, reason = ?, actor = ?, since = ?",
            (state, reason, actor, now.isoformat()),
        )

    def begin_session(self, record: SessionRecord) -> None:
        """Keep how a session began; the first record of a session stays."""
        opening = _POSITIONS.dump_json(record.opening).decode()
        self._write(
            "INSERT OR IGNORE INTO sessions VALUES (?, ?, ?)",
            (str(record.session_on), str(record.start_equity_usd), opening),
        )

    def session(self, session_on: date) -> SessionRecord | None:
        """How that session began, None if it has not."""
        row = self._one(
            "SELECT start_equity, opening FROM sessions WHERE session = ?", (str(session_on),)
        )
        if row is None:
            return None
        equity, opening = row
        return SessionRecord(
            session_on=session_on,
            start_equity_usd=Decimal(equity),
            opening=_POSITIONS.validate_json(opening),
        )

    def next_client_order_id(self, session_on: date, leg: Leg) -> str:
        """`AT-<session>-<counter>-<leg>`, never given twice."""
        with self._transaction() as connection:
            return _next_id(connection, session_on, leg)

    def record_intent(
        self, draft: OrderIntent, *, session_on: date, leg: Leg, now: datetime
    ) -> OrderIntent:
        """Commit `draft` under the session's next client order id; give it back with that id."""
        with self._transaction() as connection:
            intent = replace(draft, client_order_id=_next_id(connection, session_on, leg))
            connection.execute(
                "INSERT INTO intents VALUES (?, ?, ?, ?, ?, ?, '')",
                (
                    intent.client_order_id,
                    str(session_on),
                    leg,
                    now.isoformat(),
                    _INTENT.dump_json(intent).decode(),
                    IntentStatus.OPEN,
                ),
            )
        return intent

    def settle_intent(self, client_order_id: str, status: IntentStatus, detail: str = "") -> None:
        """Note what became of an intent."""
        self._write(
            "UPDATE intents SET status = ?, detail = ? WHERE client_order_id = ?",
            (status, detail, client_order_id),
        )

    def open_intents(self) -> list[IntentRecord]:
        """The intents whose outcome is not known, oldest first, of every session."""
        return self._intents("status = ?", (IntentStatus.OPEN,))

    def intents_on(self, session_on: date) -> list[IntentRecord]:
        """All intents of a session, oldest first."""
        return self._intents("session = ?", (str(session_on),))

    def entries_on(self, session_on: date) -> int:
        """How many entries of that session reached the broker, or may have."""
        row = self._one(
            "SELECT count(*) FROM intents WHERE session = ? AND leg = ? AND status NOT IN (?, ?)",
            (str(session_on), Leg.ENTRY, IntentStatus.REJECTED, IntentStatus.UNSENT),
        )
        return int(row[0]) if row else 0

    def begin_flatten(self, session_on: date, *, caller: str, now: datetime) -> None:
        """Note that a flatten was asked for; an earlier report of that session is superseded."""
        self._write(
            "INSERT OR REPLACE INTO flattens VALUES (?, ?, ?, NULL)",
            (str(session_on), caller, now.isoformat()),
        )

    def end_flatten(self, report: FlattenReport) -> None:
        """Note how it went."""
        self._write(
            "UPDATE flattens SET report = ? WHERE session = ?",
            (_REPORT.dump_json(report).decode(), str(report.session_on)),
        )

    def flatten(self, session_on: date) -> FlattenRecord | None:
        """The latest flatten of that session."""
        row = self._one(
            "SELECT caller, asked_at, report FROM flattens WHERE session = ?", (str(session_on),)
        )
        if row is None:
            return None
        caller, asked_at, report = row
        return FlattenRecord(
            session_on=session_on,
            caller=caller,
            asked_at=datetime.fromisoformat(asked_at),
            report=_REPORT.validate_json(report) if report else None,
        )

    def breakers(self) -> str | None:
        """What the circuit breakers remember, as they wrote it; None when they have not."""
        row = self._one("SELECT state FROM breakers")
        return None if row is None else str(row[0])

    def set_breakers(self, state: str) -> None:
        """Replace it."""
        self._write("INSERT OR REPLACE INTO breakers VALUES (1, ?)", (state,))

    def _intents(self, where: str, values: tuple[str, ...]) -> list[IntentRecord]:
        with self._translated():
            rows = self._connection.execute(
                "SELECT intent, leg, created_at, status, detail FROM intents"
                f" WHERE {where} ORDER BY created_at, rowid",
                values,
            ).fetchall()
        return [
            IntentRecord(
                intent=_INTENT.validate_json(raw),
                leg=Leg(leg),
                created_at=datetime.fromisoformat(created_at),
                status=IntentStatus(status),
                detail=detail,
            )
            for raw, leg, created_at, status, detail in rows
        ]

    def _one(self, query: str, values: tuple[str, ...] = ()) -> tuple[Any, ...] | None:
        with self._translated():
            row: tuple[Any, ...] | None = self._connection.execute(query, values).fetchone()
            return row

    def _write(self, statement: str, values: tuple[str, ...]) -> None:
        with self._transaction() as connection:
            connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """One caller at a time; what SQLite cannot do is StateUnavailable and names the file."""
        with self._lock:
            try:
                yield
            except sqlite3.Error as error:
                logger.error("%s: %s", self._path, error)
                raise StateUnavailable(f"{self._path}: {error}") from error

    def _create(self, now: datetime) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in _SCHEMA.split(";"):
            self._connection.execute(statement)
        self._connection.execute(
            "INSERT INTO state VALUES (1, ?, 'first start', 'desk', ?)",
            (TradingState.ACTIVE, now.isoformat()),
        )
        self._connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        self._connection.execute("COMMIT")


def _next_id(connection: sqlite3.Connection, session_on: date, leg: Leg) -> str:
    (counter,) = connection.execute(
        "INSERT INTO counters VALUES (?, 1)"
        " ON CONFLICT DO UPDATE SET value = value + 1 RETURNING value",
        (str(session_on),),
    ).fetchone()
    return order_id(session_on, counter, leg)
