"""Each share that the desk bought lies under a live stop, or is sold; what was lacking is told."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_position, a_ticket, an_order
from tests.trading import TODAY, Bench, a_bench, a_tape, opened, orders, the_stop
from tools.core.trading import OrderClass, OrderStatus, OrderType, Side
from tools.execution.protection import uncovered
from tools.journal import history
from tools.simulation.orders import SimOrder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


class Halves:
    """A venue's mischief: of each first fill only a half comes."""

    def rejects(self, _: SimOrder) -> bool:
        return False

    def holds_cancel(self, _: SimOrder) -> bool:
        return False

    def portion(self, order: SimOrder) -> Decimal | None:
        return None if order.filled_quantity or order.side is Side.SELL else Decimal("0.5")


def half_filled(bench: Bench) -> None:
    """An entry of ten shares of which five are filled."""
    bench.broker.inner.venue.meddle(Halves())  # type: ignore[attr-defined]
    bench.room.desk.submit(a_ticket(quantity="10", stop="98"))
    bench.room.monitor.look()
    assert bench.held() == {"SPY": Decimal(5)}


def events(bench: Bench) -> list[str]:
    return [line["kind"] for line in history.read(history.safety_path(bench.home, TODAY))]


@pytest.mark.parametrize(("stopped", "gap"), [("9", "1"), ("10", None), ("11", None)])
def test_a_stop_covers_as_many_shares_as_it_would_sell(stopped: str, gap: str | None) -> None:
    stop = an_order(side=Side.SELL, order_type=OrderType.STOP, quantity=stopped, stop="98")
    found = uncovered([a_position(quantity="10")], [stop])
    assert found == ({} if gap is None else {"SPY": Decimal(gap)})


def test_a_stop_that_waits_for_its_entry_covers_nothing() -> None:
    leg = an_order(side=Side.SELL, order_type=OrderType.STOP, status=OrderStatus.HELD, stop="98")
    entry = an_order(order_class=OrderClass.OTO, filled="5", legs=(leg,))
    assert uncovered([a_position(quantity="5")], [entry]) == {"SPY": Decimal(5)}


def test_an_order_that_sells_at_a_target_is_no_stop() -> None:
    target = an_order(side=Side.SELL)
    assert uncovered([a_position()], [target]) == {"SPY": Decimal(10)}


def test_a_half_filled_entry_is_given_five_seconds_and_no_stop_beside_it(bench: Bench) -> None:
    half_filled(bench)
    assert bench.room.monitor.next_wake() == bench.hands.read().replace(second=5)
    bench.hands.at("10:00:04")
    bench.room.monitor.look()
    assert [order.status for order in orders(bench)] == [OrderStatus.PARTIALLY_FILLED]


def test_then_its_rest_is_cancelled_and_what_was_filled_gets_its_stop(bench: Bench) -> None:
    half_filled(bench)
    bench.hands.at("10:00:05")
    bench.room.monitor.look()
    assert orders(bench)[0].status is OrderStatus.CANCELED
    stop = the_stop(bench)
    assert (stop.quantity, stop.stop_price) == (Decimal(5), Decimal(98))
    assert events(bench) == ["half_done", "unprotected"]


def test_a_lost_stop_comes_back_where_it_was_last(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(stop="98"))
    bench.room.desk.tighten_stop("SPY", Decimal(99))
    bench.broker.inner.cancel(the_stop(bench))
    bench.room.monitor.look()
    assert the_stop(bench).stop_price == 99
    assert events(bench) == ["unprotected"]


def test_a_target_that_lost_its_stop_makes_room_for_one(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(quantity="10", stop="98", target="110"))
    stop = the_stop(bench)
    bench.broker.inner.cancel(stop)
    bench.room.monitor.look()
    assert [one.order_type for one in bench.room.books.resting("SPY")] == [OrderType.STOP]


def test_a_stop_that_is_refused_ends_the_position(tmp_path: Path) -> None:
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:05", 97))))
    bench.room.desk.submit(a_ticket(quantity="10", stop="98"))
    bench.broker.inner.cancel(the_stop(bench))
    bench.hands.at("10:06")
    bench.room.monitor.look()
    assert bench.held() == {}


def test_a_stop_that_could_not_be_sent_is_tried_again_a_second_later(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(quantity="10", stop="98"))
    bench.broker.inner.cancel(the_stop(bench))
    bench.broker.faults["submit"] = ["away"]
    bench.room.monitor.look()
    assert bench.held() == {"SPY": Decimal(10)}
    assert bench.room.monitor.next_wake() == bench.hands.read().replace(second=1)
    bench.hands.at("10:00:01")
    bench.room.monitor.turn(bench.hands.wait)
    assert the_stop(bench).quantity == 10


def test_what_somebody_else_bought_is_left_as_it_is(bench: Bench) -> None:
    bench.buy("IBM")
    bench.room.monitor.look()
    assert bench.room.books.resting("IBM") == []
    assert events(bench) == ["external_order"]


def test_the_stop_comes_back_before_anybody_waits_for_the_answer_about_a_sale(
    bench: Bench,
) -> None:
    bench.room.desk.submit(a_ticket(quantity="10", stop="98"))
    bench.broker.faults["submit"] = ["dropped"] * 5
    bench.room.desk.close("SPY", reason="enough")
    bench.broker.calls.clear()
    bench.room.monitor.look()
    assert bench.broker.sent()[0].stop_price == 98
    assert the_stop(bench).quantity == 10
