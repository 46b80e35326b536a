"""What the trade server remembers, and that it is on the disk before a method returns."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_position, a_time, an_intent
from tools.core.errors import ConfigError
from tools.core.reports import FlattenReport
from tools.core.safety import TradingState
from tools.journal.order_ids import Leg
from tools.journal.state_file import SCHEMA_VERSION
from tools.journal.state_store import (
    IntentStatus,
    SessionRecord,
    StateStore,
)

TODAY = date(2013, 10, 7)
NOW = a_time("10:00")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[StateStore]:
    store = StateStore(path, NOW)
    begin(store)
    yield store
    store.close()


def begin(store: StateStore, on: date = TODAY) -> None:
    store.begin_session(
        SessionRecord(session_on=on, start_equity_usd=Decimal("100000.25"), opening=())
    )


def test_a_new_store_is_active(store: StateStore) -> None:
    record = store.trading_state()
    assert (record.trading_state, record.since) == (TradingState.ACTIVE, NOW)


def test_everything_survives_a_reopening(store: StateStore, path: Path) -> None:
    store.set_trading_state(TradingState.HALTED, reason="halt", actor="agent", now=NOW)
    intent = store.record_intent(an_intent(), session_on=TODAY, leg=Leg.ENTRY, now=NOW)
    store.begin_flatten(TODAY, caller="agent", now=NOW)
    again = StateStore(path, NOW + timedelta(hours=1))
    assert again.trading_state() == store.trading_state()
    assert [record.intent for record in again.open_intents()] == [intent]
    assert again.next_client_order_id(TODAY, Leg.EXIT) == "AT-2013-10-07-2-X"
    flatten = again.flatten(TODAY)
    assert flatten is not None
    assert (flatten.caller, flatten.report) == ("agent", None)
    again.close()


def test_an_intent_is_committed_before_it_is_given_back(store: StateStore, path: Path) -> None:
    intent = store.record_intent(an_intent(), session_on=TODAY, leg=Leg.ENTRY, now=NOW)
    with sqlite3.connect(path) as other:
        rows = other.execute("SELECT client_order_id, status FROM intents").fetchall()
    other.close()
    assert rows == [(intent.client_order_id, "open")] == [("AT-2013-10-07-1-E", "open")]


def test_the_file_is_written_through_to_the_disk(store: StateStore) -> None:
    assert store._file
    read = store._file._connection.execute
    assert read("PRAGMA journal_mode").fetchone() == ("wal",)
    assert read("PRAGMA synchronous").fetchone() == (2,)


def test_each_session_counts_for_itself(store: StateStore) -> None:
    begin(store, date(2013, 10, 8))
    ids = [store.next_client_order_id(TODAY, Leg.STOP) for _ in range(2)]
    ids.append(store.next_client_order_id(date(2013, 10, 8), Leg.STOP))
    assert ids == ["AT-2013-10-07-1-S", "AT-2013-10-07-2-S", "AT-2013-10-08-1-S"]


def test_no_id_is_given_twice_whoever_asks(store: StateStore) -> None:
    def ask(_: int) -> str:
        intent = store.record_intent(an_intent(), session_on=TODAY, leg=Leg.ENTRY, now=NOW)
        return intent.client_order_id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(ask, range(80)))
    assert len(set(ids)) == 80
    assert len(store.open_intents()) == 80


def test_a_settled_intent_is_no_longer_open(store: StateStore) -> None:
    for status in (IntentStatus.ACCEPTED, IntentStatus.REJECTED, IntentStatus.UNSENT):
        intent = store.record_intent(an_intent(), session_on=TODAY, leg=Leg.ENTRY, now=NOW)
        store.settle_intent(intent.client_order_id, status, "because")
    assert store.open_intents() == []
    assert [record.detail for record in store.intents_on(TODAY)] == ["because"] * 3
    assert store.intents_on(date(2013, 10, 8)) == []


def test_an_intent_is_read_back_as_it_was(store: StateStore) -> None:
    draft = an_intent(quantity="12", limit="33.36", stop="32.10", target="40.00")
    intent = store.record_intent(draft, session_on=TODAY, leg=Leg.ENTRY, now=NOW)
    (record,) = store.open_intents()
    assert record.intent == intent
    assert (record.leg, record.created_at) == (Leg.ENTRY, NOW)


def test_the_first_word_on_how_a_session_began_stays(store: StateStore) -> None:
    begin(store)
    later = SessionRecord(
        session_on=TODAY, start_equity_usd=Decimal(1), opening=(a_position("IBM"),)
    )
    store.begin_session(later)
    record = store.session(TODAY)
    assert record is not None
    assert record.start_equity_usd == Decimal("100000.25")
    assert store.session(date(2013, 10, 8)) is None


def test_carried_positions_are_read_back(store: StateStore) -> None:
    tomorrow = SessionRecord(
        session_on=date(2013, 10, 8),
        start_equity_usd=Decimal(7),
        opening=(a_position("IBM", "3", "181.13"), a_position("SPY")),
    )
    store.begin_session(tomorrow)
    assert store.session(date(2013, 10, 8)) == tomorrow


def test_a_flatten_is_open_until_its_report(store: StateStore) -> None:
    assert store.flatten(TODAY) is None
    store.begin_flatten(TODAY, caller="agent", now=NOW)
    report = FlattenReport(
        session_on=TODAY,
        started_at=NOW,
        ended_at=NOW + timedelta(seconds=2),
        flat=True,
        closed_symbols=("SPY",),
        remaining_symbols=(),
        errors=("close SPY error: late",),
        caller="agent",
    )
    store.end_flatten(report)
    record = store.flatten(TODAY)
    assert record is not None
    assert record.report == report
    store.begin_flatten(TODAY, caller="operator", now=NOW)
    record = store.flatten(TODAY)
    assert record is not None
    assert (record.caller, record.report) == ("operator", None)


def test_a_newer_schema_is_refused_by_name(path: Path) -> None:
    StateStore(path, NOW).close()
    with sqlite3.connect(path) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    other.close()
    with pytest.raises(ConfigError, match=r"state\.sqlite3 has schema 3, newer than 2"):
        StateStore(path, NOW)
