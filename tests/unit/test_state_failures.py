"""A state file that is damaged, full or read-only: no entries, every exit, and its name is said."""

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket, a_time, an_intent
from tests.trading import Bench, a_bench, opened, reasons
from tools.core.errors import Unavailable
from tools.core.safety import DenialReason, TradingState
from tools.journal.order_ids import Leg
from tools.journal.records import SessionRecord
from tools.journal.state_store import StateStore

TODAY = date(2013, 10, 7)
NOW = a_time("10:00")

SCHEMA_1 = """
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
INSERT INTO state VALUES (1, 'HALTED', 'a test', 'operator', '2013-10-07T13:00:00+00:00');
INSERT INTO counters VALUES ('2013-10-07', 1);
INSERT INTO intents VALUES ('AT-2013-10-07-1-E', '2013-10-07', 'E', '2013-10-07T14:00:00+00:00',
    '{"client_order_id": "AT-2013-10-07-1-E", "symbol": "SPY", "side": "buy", "quantity": "10",
      "order_type": "limit", "limit_price": "100.10", "decision_id": "D-1"}', 'open', '');
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.sqlite3"


def written(path: Path) -> None:
    """A store that has seen a session and one entry."""
    store = StateStore(path, NOW)
    store.begin_session(SessionRecord(session_on=TODAY, start_equity_usd=Decimal(1), opening=()))
    store.record_intent(an_intent(), session_on=TODAY, leg=Leg.ENTRY, now=NOW)
    store.close()


def an_entry(store: StateStore) -> str:
    intent = store.record_intent(an_intent(), session_on=TODAY, leg=Leg.ENTRY, now=NOW)
    return intent.client_order_id


def an_exit(store: StateStore) -> str:
    intent = store.record_intent(an_intent(), session_on=TODAY, leg=Leg.EXIT, now=NOW)
    return intent.client_order_id


def exits_only(store: StateStore) -> None:
    """What every failure of the file must leave."""
    record = store.trading_state()
    assert record.trading_state is TradingState.REDUCING
    assert "state.sqlite3" in record.reason
    with pytest.raises(Unavailable, match=r"state\.sqlite3"):
        an_entry(store)
    sold = an_exit(store)
    assert [one.intent.client_order_id for one in store.open_intents()][-1] == sold


def spoil(path: Path, statement: str) -> None:
    """Change the file behind the store's back."""
    with closing(sqlite3.connect(path)) as other:
        other.execute(statement)
        other.commit()


@contextmanager
def no_bytes_left() -> Iterator[None]:
    """No file of this process may grow: what a full disk does to SQLite."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_an_older_schema_is_migrated_after_a_copy(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(SCHEMA_1)
    store = StateStore(path, NOW)
    assert store.trading_state().trading_state is TradingState.HALTED
    (record,) = store.open_intents()
    assert (record.intent.decision_id, record.intent.limit_price) == ("D-1", Decimal("100.10"))
    assert an_exit(store) == "AT-2013-10-07-2-X"
    store.close()
    with closing(sqlite3.connect(f"{path}.schema-1")) as kept:
        assert kept.execute("PRAGMA user_version").fetchone() == (1,)
        assert kept.execute("SELECT count(*) FROM intents").fetchone() == (1,)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE intents SET status = 'accepted'",
        "UPDATE intents SET intent = replace(intent, '10', '90')",
        "UPDATE counters SET value = 0",
        "UPDATE state SET trading_state = 'HALTED'",
        "UPDATE sessions SET start_equity = '2'",
        "DROP TABLE intents",
    ],
)
def test_damage_found_at_the_start_sets_the_file_aside(path: Path, change: str) -> None:
    written(path)
    spoil(path, change)
    store = StateStore(path, NOW)
    record = store.trading_state()
    assert record.trading_state is TradingState.REDUCING
    assert "set aside as state.sqlite3.damaged-20131007T140000" in record.reason
    assert store.open_intents() == []
    assert (path.parent / "state.sqlite3.damaged-20131007T140000").is_file()
    store.close()


@pytest.mark.parametrize("keep", [100, 4096, 5000])
def test_a_torn_file_is_set_aside(path: Path, keep: int) -> None:
    written(path)
    os.truncate(path, keep)
    store = StateStore(path, NOW)
    assert store.trading_state().trading_state is TradingState.REDUCING
    assert an_exit(store)
    store.close()


def test_no_flipped_bit_is_ever_believed(path: Path) -> None:
    """Each bit of the file's last page, where the rows are: found, or without effect."""
    written(path)
    sound = path.read_bytes()
    untouched = told(path)
    for place in range(len(sound) - 4096, len(sound), 97):
        flipped = bytearray(sound)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        state, intents = told(path)
        assert (state, intents) == untouched or state is TradingState.REDUCING


def told(path: Path) -> tuple[TradingState, int]:
    store = StateStore(path, NOW)
    try:
        return store.trading_state().trading_state, len(store.open_intents())
    finally:
        store.close()


def test_damage_found_later_leaves_the_exits(path: Path) -> None:
    written(path)
    store = StateStore(path, NOW)
    spoil(path, "UPDATE intents SET detail = 'x'")
    assert [one.intent.client_order_id for one in store.open_intents()] == ["AT-2013-10-07-1-E"]
    exits_only(store)
    store.close()


def test_a_full_disk_leaves_the_exits(path: Path) -> None:
    written(path)
    store = StateStore(path, NOW)
    with no_bytes_left():
        with pytest.raises(Unavailable, match=r"state\.sqlite3"):
            an_entry(store)
        exits_only(store)
    exits_only(store)
    store.close()
    again = StateStore(path, NOW)
    assert again.failure == ""
    assert len(again.open_intents()) == 1
    again.close()


def test_a_disk_that_is_full_from_the_start_leaves_the_exits(path: Path) -> None:
    with no_bytes_left():
        store = StateStore(path, NOW)
        exits_only(store)
        store.close()


def test_a_place_that_cannot_be_written_leaves_the_exits(tmp_path: Path) -> None:
    store = StateStore(Path("/proc/nowhere/state.sqlite3"), NOW)
    exits_only(store)
    store.close()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


def test_with_a_damaged_store_the_desk_refuses_entries_and_closes_positions(bench: Bench) -> None:
    bench.buy("IBM")
    spoil(bench.home / "data" / "state.sqlite3", "UPDATE state SET reason = 'x'")
    ruling = bench.room.desk.submit(a_ticket())
    assert DenialReason.STATE in reasons(ruling)
    assert any("state.sqlite3" in denial.message for denial in ruling.verdict.denials)
    assert bench.room.desk.close("IBM", reason="out").verdict.approved
    assert bench.held() == {}


def test_after_damage_the_books_are_rebuilt_from_the_broker(bench: Bench) -> None:
    first = bench.room.desk.submit(a_ticket())
    assert first.verdict.approved
    spoil(bench.home / "data" / "state.sqlite3", "UPDATE state SET reason = 'x'")
    again = bench.restart()
    again.room.monitor.look()
    store = again.room.premises.store
    assert [one.intent.client_order_id for one in store.intents_on(TODAY)] == [
        first.client_order_id
    ]
    assert again.room.control.current().trading_state is TradingState.REDUCING
    again.room.control.reset("looked at", "operator")
    assert again.room.control.current().trading_state is TradingState.ACTIVE
    assert store.next_client_order_id(TODAY, Leg.ENTRY) == "AT-2013-10-07-2-E"
