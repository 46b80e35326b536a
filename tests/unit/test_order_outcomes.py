"""What became of an order: yes, no, or not known yet, and never two orders for one intent."""

import itertools
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket, an_intent
from tests.trading import Bench, a_bench, opened, orders, reasons, statuses, the_stop
from tools.core.errors import OrderRejected, OutcomeUnknown
from tools.core.safety import DenialReason
from tools.core.trading import OrderStatus, OrderType, Side
from tools.execution import order_desk, order_sender
from tools.execution.rulings import Ruling
from tools.journal.state_store import IntentStatus


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


def test_a_rejected_order_is_denied_with_the_brokers_words_and_is_no_entry(bench: Bench) -> None:
    bench.broker.faults["submit"] = ["rejected"]
    ruling = bench.room.desk.submit(a_ticket())
    assert reasons(ruling) == [DenialReason.BROKER]
    assert "insufficient buying power" in ruling.verdict.denials[0].message
    assert ruling.verdict.quantity == 0
    assert statuses(bench) == [IntentStatus.REJECTED]
    assert bench.room.books.read().entries_today == 0
    assert bench.room.desk.submit(a_ticket()).client_order_id == "AT-2013-10-07-2-E"


def test_what_was_not_sent_is_denied_and_not_sent_later(bench: Bench) -> None:
    bench.broker.faults["submit"] = ["away"]
    assert reasons(bench.room.desk.submit(a_ticket())) == [DenialReason.BROKER]
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.UNSENT]
    assert orders(bench) == []


def test_an_accepted_order_whose_answer_is_lost_is_found_and_not_sent_again(bench: Bench) -> None:
    bench.broker.faults["submit"] = ["lost"]
    ruling = bench.room.desk.submit(a_ticket())
    assert ruling.verdict.approved
    assert len(bench.broker.sent()) == len(orders(bench)) == 1
    assert statuses(bench) == [IntentStatus.ACCEPTED]


def test_a_request_that_never_arrived_is_sent_again_under_its_own_id(bench: Bench) -> None:
    bench.broker.faults["submit"] = ["dropped"]
    assert bench.room.desk.submit(a_ticket()).verdict.approved
    ids = [intent.client_order_id for intent in bench.broker.sent()]
    assert ids == ["AT-2013-10-07-1-E"] * 2
    assert len(orders(bench)) == 1


@pytest.mark.parametrize("keep_positions", [True, False])
def test_an_entry_is_not_sent_again_when_the_kill_switch_was_pulled_meanwhile(
    bench: Bench, keep_positions: bool
) -> None:
    def killed_while_waiting() -> None:
        switch = bench.room.kill_switch
        switch.pull("a test", "operator", keep_positions=keep_positions)
        raise OutcomeUnknown("timed out")

    bench.broker.faults["submit"] = [killed_while_waiting]
    assert reasons(bench.room.desk.submit(a_ticket())) == [DenialReason.UNKNOWN_OUTCOME]
    assert len(bench.broker.sent()) == 1
    assert orders(bench) == []


def unanswered(bench: Bench) -> Ruling:
    """An entry whose sending, and sending again, got no answer."""
    bench.broker.faults["submit"] = ["dropped", "dropped"]
    return bench.room.desk.submit(a_ticket())


def test_without_an_answer_the_outcome_is_neither_yes_nor_no(bench: Bench) -> None:
    ruling = unanswered(bench)
    assert reasons(ruling) == [DenialReason.UNKNOWN_OUTCOME]
    assert ruling.client_order_id == "AT-2013-10-07-1-E"
    assert statuses(bench) == [IntentStatus.OPEN]
    assert bench.room.books.read().entries_today == 1
    assert DenialReason.DUPLICATE in reasons(bench.room.desk.submit(a_ticket()))


def test_while_fresh_the_monitor_sends_the_same_id_again(bench: Bench) -> None:
    unanswered(bench)
    bench.hands.at("10:00:19")
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.ACCEPTED]
    assert [order.client_order_id for order in orders(bench)] == ["AT-2013-10-07-1-E"]


@pytest.mark.parametrize("clock", ["10:00:20", "10:01:00"])
def test_later_it_only_asks_and_concludes_nothing_from_not_found(bench: Bench, clock: str) -> None:
    unanswered(bench)
    bench.hands.at(clock)
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.OPEN]
    assert orders(bench) == []


def test_a_late_arrival_is_found_however_late(bench: Bench) -> None:
    unanswered(bench)
    bench.hands.at("10:00:40")
    bench.bracket(client_order_id="AT-2013-10-07-1-E")
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.ACCEPTED]


def test_beyond_the_longest_flight_an_intent_is_lost_and_its_symbol_free(bench: Bench) -> None:
    unanswered(bench)
    bench.hands.at("10:01:01")
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.LOST]
    again = a_ticket(decision_id="D-2013-10-07-2-1")
    assert bench.room.desk.submit(again).client_order_id == "AT-2013-10-07-2-E"


def test_what_was_given_up_and_arrives_after_all_is_known_and_not_left_standing(
    bench: Bench,
) -> None:
    unanswered(bench)
    bench.hands.at("10:01:01")
    bench.room.monitor.look()
    bench.broker.inner.submit(an_intent("AT-2013-10-07-1-E", limit="99.00", stop="98.00"))
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.ACCEPTED]
    assert [order.status for order in orders(bench)] == [OrderStatus.CANCELED]


def test_an_entry_found_when_it_is_no_longer_fresh_is_cancelled(bench: Bench) -> None:
    unanswered(bench)
    bench.hands.at("10:00:40")
    bench.broker.inner.submit(an_intent("AT-2013-10-07-1-E", limit="99.00", stop="98.00"))
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.ACCEPTED]
    assert [order.status for order in orders(bench)] == [OrderStatus.CANCELED]


def test_an_intent_that_cannot_be_asked_about_keeps_entries_closed_and_nothing_else(
    bench: Bench,
) -> None:
    unanswered(bench)
    bench.broker.faults["order_by_client_id"] = ["away"]
    bench.room.monitor.look()
    assert not bench.room.books.reconciled
    bench.room.monitor.look()
    assert bench.room.books.reconciled


def test_a_refusal_of_the_second_sending_says_nothing_about_the_first(bench: Bench) -> None:
    bench.broker.faults["submit"] = ["dropped", "rejected"]
    assert reasons(bench.room.desk.submit(a_ticket())) == [DenialReason.UNKNOWN_OUTCOME]
    assert statuses(bench) == [IntentStatus.OPEN]


def test_the_broker_gone_after_the_sending_leaves_the_intent_open(bench: Bench) -> None:
    bench.broker.faults["submit"] = ["lost"]
    bench.broker.faults["order_by_client_id"] = ["away"]
    assert reasons(bench.room.desk.submit(a_ticket())) == [DenialReason.UNKNOWN_OUTCOME]
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.ACCEPTED]
    assert len(orders(bench)) == 1


@pytest.mark.parametrize("stop", ["halt", "reduce"])
def test_an_entry_is_not_sent_again_once_entries_are_closed(bench: Bench, stop: str) -> None:
    unanswered(bench)
    getattr(bench.room.control, stop)("enough", "operator")
    bench.room.monitor.look()
    assert statuses(bench) == [IntentStatus.OPEN]
    assert orders(bench) == []


def test_a_sale_is_not_sent_again_in_a_halt(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket())
    bench.broker.faults["submit"] = ["dropped"] * 5
    bench.room.desk.close("SPY", reason="x")
    bench.room.control.halt("stop", "operator")
    bench.room.desk.resolve_open_intents()
    assert statuses(bench)[-1] is IntentStatus.OPEN
    assert len(orders(bench)) == 1


def test_an_intent_left_open_by_a_crash_is_resolved_at_the_next_start(bench: Bench) -> None:
    unanswered(bench)
    bench.hands.at("10:00:10")
    again = opened(bench.restart())
    assert statuses(again) == [IntentStatus.ACCEPTED]
    assert len(orders(again)) == 1


def test_a_sale_that_is_held_up_is_sent_again_beside_it_and_sells_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order_sender, "PATIENCE_SECONDS", 0.05)
    bench.room.desk.submit(a_ticket())
    answered = threading.Event()
    bench.broker.faults["submit"] = [lambda: held_up(answered)]
    ruling = bench.room.desk.close("SPY", reason="x")
    assert ruling.verdict.approved
    answered.set()
    assert [one.client_order_id for one in orders(bench)] == [
        "AT-2013-10-07-1-E",
        "AT-2013-10-07-2-X",
    ]
    assert bench.held() == {}


def test_an_entry_that_is_held_up_keeps_no_stop_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.room.desk.submit(a_ticket("IBM", stop="98"))
    bench.broker.inner.cancel(the_stop(bench, "IBM"))
    arrived, answered = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        held_up(answered)

    bench.broker.faults["submit"] = [hang]
    entry = threading.Thread(target=lambda: bench.room.desk.submit(a_ticket()))
    entry.start()
    assert arrived.wait(10)
    bench.room.monitor.look()
    assert the_stop(bench, "IBM").quantity == bench.held()["IBM"]
    assert "SPY" not in bench.held()
    answered.set()
    entry.join()


def test_what_is_being_sent_is_not_sent_again_by_who_asks_what_became_of_it(bench: Bench) -> None:
    arrived, answered = threading.Event(), threading.Event()

    def hang() -> None:
        arrived.set()
        held_up(answered)

    bench.broker.faults["submit"] = [hang]
    entry = threading.Thread(target=lambda: bench.room.desk.submit(a_ticket()))
    entry.start()
    assert arrived.wait(10)
    assert bench.room.desk.resolve_open_intents()
    assert len(bench.broker.sent()) == 1
    answered.set()
    entry.join()
    assert statuses(bench) == [IntentStatus.ACCEPTED]


def test_a_stop_that_is_refused_because_an_earlier_one_stands_sells_nothing(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(stop="98"))
    bench.broker.inner.cancel(the_stop(bench))
    held = bench.held()["SPY"]

    def another() -> None:
        stop = an_intent("by-hand", side=Side.SELL, quantity=f"{held}", limit=None, stop=None)
        stop = replace(stop, order_type=OrderType.STOP, stop_price=Decimal(98))
        bench.broker.inner.submit(stop)
        raise OrderRejected("insufficient qty available", code=403)

    bench.broker.faults["submit"] = [another]
    assert bench.room.desk.restore_stop("SPY", Decimal(98)).rejected
    assert bench.held() == {"SPY": held}
    assert the_stop(bench).client_order_id == "by-hand"


def held_up(answered: threading.Event) -> None:
    assert answered.wait(10)


def test_a_slow_broker_keeps_the_exits_lock_no_longer_than_a_quick_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    ten_seconds_each = itertools.count(0, 10)
    monkeypatch.setattr(order_desk, "monotonic", lambda: next(ten_seconds_each))
    bench.room.desk.submit(a_ticket())
    bench.broker.faults["cancel"] = ["dropped"]
    bench.broker.calls.clear()
    assert reasons(bench.room.desk.close("SPY", reason="x")) == [DenialReason.BROKER]
    assert len(bench.broker.sent("open_orders")) == 2
