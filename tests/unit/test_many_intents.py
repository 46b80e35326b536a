"""What became of many intents at once: one listing says it, and concludes nothing too early."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.builders import an_intent
from tests.trading import TODAY, Bench, a_bench, opened, orders, statuses
from tools.core.trading import OrderStatus
from tools.execution.order_sender import FEW
from tools.journal.order_ids import Leg
from tools.journal.state_store import IntentStatus, StateUnavailable

MANY = FEW + 1


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


def write_down(bench: Bench, count: int, at: datetime) -> list[str]:
    """Committed intents that nobody sent; their ids."""
    store, draft = bench.room.premises.store, an_intent(limit="99.00", stop="98.00")
    return [
        store.record_intent(draft, session_on=TODAY, leg=Leg.ENTRY, now=at).client_order_id
        for _ in range(count)
    ]


def long_ago(bench: Bench) -> datetime:
    return bench.hands.read() - timedelta(seconds=61)


def test_many_old_intents_are_settled_by_one_listing(bench: Bench) -> None:
    write_down(bench, MANY, long_ago(bench))
    assert bench.room.desk.resolve_open_intents()
    assert statuses(bench) == [IntentStatus.LOST] * MANY
    assert [name for name, _ in bench.broker.calls] == ["orders_since"]


def test_what_is_listed_is_accepted_and_an_entry_so_old_does_not_stay(bench: Bench) -> None:
    first, *_ = write_down(bench, MANY, long_ago(bench))
    bench.broker.inner.submit(an_intent(first, limit="99.00", stop="98.00"))
    assert bench.room.desk.resolve_open_intents()
    assert statuses(bench) == [IntentStatus.ACCEPTED] + [IntentStatus.LOST] * (MANY - 1)
    assert [order.status for order in orders(bench)] == [OrderStatus.CANCELED]


def test_the_listing_concludes_nothing_about_what_may_still_be_under_way(bench: Bench) -> None:
    write_down(bench, MANY, long_ago(bench))
    write_down(bench, 1, bench.hands.read() - timedelta(seconds=60))
    assert bench.room.desk.resolve_open_intents()
    assert statuses(bench) == [IntentStatus.LOST] * MANY + [IntentStatus.OPEN]


def test_a_few_are_asked_for_by_their_ids(bench: Bench) -> None:
    ids = write_down(bench, FEW, long_ago(bench))
    assert bench.room.desk.resolve_open_intents()
    assert bench.broker.calls == [("order_by_client_id", one) for one in ids]
    assert statuses(bench) == [IntentStatus.LOST] * FEW


def test_without_a_listing_nothing_is_concluded(bench: Bench) -> None:
    write_down(bench, MANY, long_ago(bench))
    bench.broker.faults["orders_since"] = ["away"]
    assert not bench.room.desk.resolve_open_intents()
    assert statuses(bench) == [IntentStatus.OPEN] * MANY


def test_a_cancel_that_fails_leaves_that_intent_open_and_settles_those_before(
    bench: Bench,
) -> None:
    *_, last = write_down(bench, MANY, long_ago(bench))
    bench.broker.inner.submit(an_intent(last, limit="99.00", stop="98.00"))
    bench.broker.faults["cancel"] = ["away"]
    assert not bench.room.desk.resolve_open_intents()
    assert statuses(bench) == [IntentStatus.LOST] * (MANY - 1) + [IntentStatus.OPEN]
    assert bench.room.desk.resolve_open_intents()
    assert statuses(bench)[-1] is IntentStatus.ACCEPTED


def test_outcomes_that_cannot_be_journalled_leave_the_intents_open(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_down(bench, MANY, long_ago(bench))

    def full(*_: object) -> None:
        raise StateUnavailable("disk full")

    monkeypatch.setattr(bench.room.premises.store, "settle_intents", full)
    assert bench.room.desk.resolve_open_intents()
    assert statuses(bench) == [IntentStatus.OPEN] * MANY
