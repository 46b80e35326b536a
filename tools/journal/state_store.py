"""What the trade server decides from: `state.sqlite3`. Nobody else opens it; others ask over HTTP.

Everything is committed and on the disk (WAL, synchronous=FULL) when a method returns, and checked
when it is read. When the file fails, at the start or later, a copy in memory takes over until the
server is started again: the state is at least REDUCING, entries are refused in words that name the
file, and everything that an exit needs goes on. The methods may be called from any thread.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter

from tools.core.alerts import AlertKind, alert
from tools.core.reports import FlattenReport
from tools.core.safety import TradingState
from tools.core.trading import OrderIntent, Position
from tools.journal.order_ids import Leg, OurId, order_id
from tools.journal.records import (
    FlattenRecord,
    IntentRecord,
    IntentStatus,
    Lease,
    SessionRecord,
    StateRecord,
)
from tools.journal.state_file import Row, StateFile, StateUnavailable, open_sound

__all__ = [
    "STATE_FILE",
    "FlattenRecord",
    "IntentRecord",
    "IntentStatus",
    "Lease",
    "SessionRecord",
    "StateRecord",
    "StateStore",
    "StateUnavailable",
]

logger = logging.getLogger(__name__)

STATE_FILE = "state file"
"""The actor who reduces when the file fails; only an operator undoes it."""

_INTENT = TypeAdapter(OrderIntent)
_POSITIONS = TypeAdapter(tuple[Position, ...])
_REPORT = TypeAdapter(FlattenReport)


class StateStore:
    """The trade server's memory across restarts."""

    def __init__(self, path: Path, now: datetime) -> None:
        """Open `path`, or make it with an ACTIVE state; a damaged file is set aside for a new one.

        Raises ConfigError for a newer schema.
        """
        self._path, self._lock = path, threading.Lock()
        self._memory = StateFile(None)
        self._file: StateFile | None = None
        self.failure = ""
        """Why entries are refused until the next start; empty while the file is sound.

        It does not heal: nobody knows what a failed fsync left on the disk, and the start is where
        the books are rebuilt from the broker.
        """
        try:
            self._file, damage = open_sound(path, now)
            self._begin(self._file, damage, now)
            self._memory.copy_from(self._file)
        except (StateUnavailable, OSError) as error:
            self._fail(error)
            self._begin(self._memory, self.failure, now)

    def close(self) -> None:
        """Close the file. No method works afterwards."""
        with self._lock:
            for file in (self._file, self._memory):
                if file is not None:
                    file.close()

    def trading_state(self) -> StateRecord:
        """The state now."""
        ((_, state, reason, actor, since),) = self._read(lambda file: file.rows("state"))
        record = StateRecord(
            trading_state=TradingState(state),
            reason=reason,
            actor=actor,
            since=datetime.fromisoformat(since),
        )
        if self.failure and record.trading_state is TradingState.ACTIVE:
            reducing = TradingState.REDUCING
            return replace(record, trading_state=reducing, reason=self.failure, actor=STATE_FILE)
        return record

    def set_trading_state(
        self, state: TradingState, *, reason: str, actor: str, now: datetime
    ) -> None:
        """Replace the state."""
        self._write(lambda file: file.put("state", 1, state, reason, actor, now.isoformat()))

    def begin_session(self, record: SessionRecord) -> None:
        """Keep how a session began; the first record of a session stays."""
        opening = _POSITIONS.dump_json(record.opening).decode()
        key = str(record.session_on)

        def begin(file: StateFile) -> None:
            if file.row("sessions", key) is None:
                file.put("sessions", key, str(record.start_equity_usd), opening)

        self._write(begin)

    def session(self, session_on: date) -> SessionRecord | None:
        """How that session began, None if it has not."""
        row = self._read(lambda file: file.row("sessions", str(session_on)))
        if row is None:
            return None
        _, equity, opening = row
        return SessionRecord(
            session_on=session_on,
            start_equity_usd=Decimal(equity),
            opening=_POSITIONS.validate_json(opening),
        )

    def last_session_before(self, day: date) -> date | None:
        """The latest session before that day that has begun, None without one."""
        rows = self._read(lambda file: file.rows("sessions"))
        days = [date.fromisoformat(str(row[0])) for row in rows]
        return max((one for one in days if one < day), default=None)

    def next_client_order_id(self, session_on: date, leg: Leg) -> str:
        """`AT-<session>-<counter>-<leg>`, never given twice."""
        return self._write(lambda file: _next_id(file, session_on, leg))

    def record_intent(
        self, draft: OrderIntent, *, session_on: date, leg: Leg, now: datetime
    ) -> OrderIntent:
        """Commit `draft` under the session's next client order id; give it back with that id.

        Raises StateUnavailable for an entry that is not on the disk; an exit needs no journal.
        """

        def record(file: StateFile) -> OrderIntent:
            intent = replace(draft, client_order_id=_next_id(file, session_on, leg))
            _put_intent(file, intent, session_on, leg, now, IntentStatus.OPEN)
            return intent

        return self._write(record, on_disk=leg is Leg.ENTRY)

    def skip_to(self, session_on: date, counter: int) -> None:
        """Give no number up to `counter` for that session."""
        if counter > self._read(lambda file: _counter(file, session_on)):
            self._write(lambda file: file.put("counters", str(session_on), counter))

    def adopt(self, intent: OrderIntent, our_id: OurId, at: datetime) -> None:
        """Know an order of ours again that the broker shows and this store does not."""
        given = our_id.session_on, our_id.leg
        self._write(lambda file: _put_intent(file, intent, *given, at, IntentStatus.ACCEPTED))

    def settle_intent(self, client_order_id: str, status: IntentStatus, detail: str = "") -> None:
        """Note what became of an intent."""
        self.settle_intents({client_order_id: (status, detail)})

    def settle_intents(self, outcomes: Mapping[str, tuple[IntentStatus, str]]) -> None:
        """Note what became of each, by client order id: all of them or none."""

        def settle(file: StateFile) -> None:
            for client_order_id, outcome in outcomes.items():
                if row := file.row("intents", client_order_id):
                    file.put("intents", *row[:-2], *outcome)

        if outcomes:
            self._write(settle)

    def open_intents(self) -> list[IntentRecord]:
        """The intents whose outcome is not known, oldest first, of every session."""
        return self._intents("status = ?", IntentStatus.OPEN)

    def intents_on(self, session_on: date) -> list[IntentRecord]:
        """All intents of a session, oldest first."""
        return self._intents("session = ?", str(session_on))

    def begin_flatten(self, session_on: date, *, caller: str, now: datetime) -> None:
        """Note that a flatten was asked for; an earlier report of that session is superseded."""
        row = str(session_on), caller, now.isoformat(), None
        self._write(lambda file: file.put("flattens", *row))

    def end_flatten(self, report: FlattenReport) -> None:
        """Note how it went."""

        def end(file: StateFile) -> None:
            if row := file.row("flattens", str(report.session_on)):
                file.put("flattens", *row[:-1], _REPORT.dump_json(report).decode())

        self._write(end)

    def flatten(self, session_on: date) -> FlattenRecord | None:
        """The latest flatten of that session."""
        row = self._read(lambda file: file.row("flattens", str(session_on)))
        if row is None:
            return None
        _, caller, asked_at, report = row
        return FlattenRecord(
            session_on=session_on,
            caller=caller,
            asked_at=datetime.fromisoformat(asked_at),
            report=_REPORT.validate_json(report) if report else None,
        )

    def breakers(self) -> str | None:
        """What the circuit breakers remember, as they wrote it; None when they have not."""
        row = self._read(lambda file: file.row("breakers", 1))
        return None if row is None else str(row[1])

    def set_breakers(self, state: str) -> None:
        """Replace it."""
        self._write(lambda file: file.put("breakers", 1, state))

    def lease(self, account: str) -> Lease | None:
        """The latest lease of that account."""
        row = self._read(lambda file: file.row("leases", account))
        return None if row is None else _lease(row)

    def take_lease(self, account: str, holder: str, now: datetime) -> Lease:
        """Give `holder` the account's next epoch: from here on every other one is stale."""

        def take(file: StateFile) -> Lease:
            row = file.row("leases", account)
            # Higher than any that was given from a store that is lost.
            epoch = max((_lease(row).epoch if row else 0) + 1, int(now.timestamp()))
            lease = Lease(account=account, epoch=epoch, holder=holder, since=now)
            file.put("leases", account, epoch, holder, now.isoformat())
            return lease

        return self._write(take)

    def _intents(self, where: str, value: str) -> list[IntentRecord]:
        rows = self._read(lambda file: file.rows("intents", where, value))
        return sorted((_record(*row) for row in rows), key=lambda record: record.created_at)

    def _read[T](self, question: Callable[[StateFile], T]) -> T:
        with self._lock:
            if self._file is not None and not self.failure:
                try:
                    return question(self._file)
                except StateUnavailable as error:
                    self._fail(error)
            return question(self._memory)

    def _write[T](self, change: Callable[[StateFile], T], *, on_disk: bool = False) -> T:
        """Make `change` in the file and in memory; `on_disk` raises when the file has failed."""
        with self._lock:
            if self._file is not None and not self.failure:
                try:
                    with self._file.transaction():
                        change(self._file)
                except StateUnavailable as error:
                    self._fail(error)
            if on_disk and self.failure:
                raise StateUnavailable(self.failure)
            with self._memory.transaction():
                return change(self._memory)

    def _begin(self, file: StateFile, damage: str, now: datetime) -> None:
        """The first row of a new store; after damage nobody knows what the last state was."""
        if file.rows("state"):
            return
        if damage:
            words = "%s: entries are refused until an operator resets it"
            logger.error(words, damage, extra=alert(AlertKind.STATE_FILE))
        first = (TradingState.REDUCING, damage, STATE_FILE) if damage else _FIRST
        with file.transaction():
            file.put("state", 1, *first, now.isoformat())

    def _fail(self, error: Exception) -> None:
        named = str(error) if str(self._path) in str(error) else f"{self._path}: {error}"
        self.failure = f"{named}: entries are refused until the server starts with a sound file"
        logger.error("%s", self.failure, extra=alert(AlertKind.STATE_FILE))


_FIRST = (TradingState.ACTIVE, "first start", "desk")


def _put_intent(
    file: StateFile,
    intent: OrderIntent,
    session_on: date,
    leg: Leg,
    at: datetime,
    status: IntentStatus,
) -> None:
    raw = _INTENT.dump_json(intent).decode()
    file.put(
        *("intents", intent.client_order_id, str(session_on), leg, at.isoformat()),
        *(raw, status, ""),
    )


@lru_cache(maxsize=4_096)
def _record(
    _id: str, _session: str, leg: str, created_at: str, raw: str, status: str, detail: str
) -> IntentRecord:
    """A row of `intents` as a value; the checksum of the row has been looked at by then."""
    return IntentRecord(
        intent=_INTENT.validate_json(raw),
        leg=Leg(leg),
        created_at=datetime.fromisoformat(created_at),
        status=IntentStatus(status),
        detail=detail,
    )


def _counter(file: StateFile, session_on: date) -> int:
    row = file.row("counters", str(session_on))
    return int(row[1]) if row else 0


def _next_id(file: StateFile, session_on: date, leg: Leg) -> str:
    counter = _counter(file, session_on) + 1
    file.put("counters", str(session_on), counter)
    return order_id(session_on, counter, leg)


def _lease(row: Row) -> Lease:
    account, epoch, holder, since = row
    return Lease(account=account, epoch=epoch, holder=holder, since=datetime.fromisoformat(since))
