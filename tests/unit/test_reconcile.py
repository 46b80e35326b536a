"""The broker is the truth: what does not add up closes entries until it is adopted, and is told."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_position, a_ticket
from tests.trading import TODAY, Bench, a_bench, opened
from tools.core.errors import BrokerUnavailable
from tools.core.safety import TradingState
from tools.execution.reconcile import differences
from tools.journal import history


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


def events(bench: Bench) -> list[str]:
    return [line["kind"] for line in history.read(history.safety_path(bench.home, TODAY))]


def conjure(bench: Bench, quantity: int) -> None:
    """Let the broker say that so much IBM is held, whatever was traded."""
    inner = bench.broker.inner
    true = inner.positions

    def positions() -> tuple[object, ...]:
        return (*true(), a_position("IBM", str(quantity)))

    inner.positions = positions  # type: ignore[method-assign,assignment]


def test_what_the_fills_add_up_to_is_no_difference() -> None:
    assert differences([a_position()], [], [a_position()]) == {}
    assert differences([], [], [a_position(quantity="3")]) == {"SPY": Decimal(3)}
    assert differences([a_position()], [], []) == {"SPY": Decimal(-10)}


def test_a_difference_closes_entries_until_it_is_adopted_and_is_written_down(
    bench: Bench,
) -> None:
    conjure(bench, 7)
    bench.room.monitor.look()
    assert not bench.room.books.reconciled
    assert events(bench) == []
    bench.room.monitor.look()
    assert not bench.room.books.reconciled
    assert events(bench) == ["difference"]
    bench.room.monitor.look()
    assert bench.room.books.reconciled
    assert events(bench) == ["difference"]
    assert bench.room.books.read().exposures["IBM"].value_usd == 700


def test_an_order_of_somebody_else_is_written_down_once_and_counts(bench: Bench) -> None:
    bench.buy("IBM")
    bench.room.monitor.look()
    bench.room.monitor.look()
    assert events(bench) == ["external_order"]
    assert bench.room.books.reconciled
    assert "IBM" in bench.room.books.read().occupied


def test_what_somebody_else_bought_has_a_decision_to_stand_under(bench: Bench) -> None:
    bench.buy("IBM")
    bench.room.desk.close("IBM", reason="not ours")
    bench.room.monitor.look()
    (trade,) = bench.room.auditor.trades
    assert trade.decision_id == "external-2013-10-07-IBM"


def test_an_order_of_ours_that_the_journal_does_not_know_is_recovered(bench: Bench) -> None:
    bench.bracket(client_order_id="AT-2013-10-07-77-E")
    bench.room.monitor.look()
    bench.room.desk.close("SPY", reason="enough")
    bench.room.monitor.look()
    (trade,) = bench.room.auditor.trades
    assert trade.decision_id.startswith("recovered")


def test_our_own_trades_keep_their_decision(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(decision_id="D-2013-10-07-5-1"))
    bench.room.desk.close("SPY", reason="enough")
    bench.room.monitor.look()
    assert bench.room.auditor.trades[0].decision_id == "D-2013-10-07-5-1"
    assert events(bench) == []


def test_while_the_books_disagree_the_state_is_reducing_and_it_is_an_alert(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.room.monitor.look()
    conjure(bench, 7)
    bench.room.monitor.look()
    record = bench.room.control.current()
    assert (record.trading_state, record.actor) == (TradingState.REDUCING, "books")
    assert "+7 IBM" in record.reason
    bench.room.monitor.look()
    assert [one for one in caplog.records if vars(one).get("alert") == "books_disagree"]
    bench.room.monitor.look()
    assert bench.room.control.current().trading_state is TradingState.ACTIVE


def test_a_proposal_has_old_books_compared_first(bench: Bench) -> None:
    bench.room.monitor.look()
    for seconds, looks in ((15, 0), (16, 1)):
        bench.hands.now = bench.hands.now.replace(minute=seconds, second=0)
        bench.room.monitor.look()
        bench.hands.now += timedelta(seconds=seconds)
        bench.broker.calls.clear()
        bench.room.desk.preview(a_ticket())
        assert len(bench.broker.sent("orders_since")) == looks


def test_books_that_cannot_be_compared_let_no_entry_pass(bench: Bench) -> None:
    bench.room.monitor.look()
    bench.hands.now += timedelta(seconds=31)
    bench.broker.faults["orders_since"] = ["away"]
    with pytest.raises(BrokerUnavailable):
        bench.room.desk.submit(a_ticket())
    assert bench.broker.sent() == []


def test_a_stops_number_is_not_given_again_after_the_store_is_lost(bench: Bench) -> None:
    bench.room.monitor.look()
    bench.room.desk.submit(a_ticket(stop="98"))
    moved = bench.room.desk.tighten_stop("SPY", Decimal(99))
    assert moved.client_order_id == "AT-2013-10-07-2-S"
    bench.room.premises.store.close()
    for file in (bench.home / "data").glob("state.sqlite3*"):
        file.unlink()
    again = a_bench(bench.home, bench.hands, bench.broker)
    again.room.monitor.look()
    assert again.room.desk.tighten_stop("SPY", Decimal("99.50")).client_order_id.endswith("-3-S")
