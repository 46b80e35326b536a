"""Getting flat on a bad day: what hangs, what is refused, who else sells, and no short ever."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from tests.builders import a_session, a_time, an_intent
from tests.trading import Bench, FaultyBroker, Hands, a_bench, a_tape
from tools.core.errors import BrokerUnavailable
from tools.core.reports import FlattenReport
from tools.core.seams import Broker
from tools.core.trading import OrderIntent, OrderStatus, OrderType, Side
from tools.execution import flatten as module
from tools.execution.flatten import flatten
from tools.journal.order_ids import is_flatten
from tools.simulation.events import NoMischief
from tools.simulation.orders import SimOrder
from tools.simulation.sim_broker import SimBroker
from tools.simulation.venue import Venue

FIRST_ID = "flat-2013-10-07-SPY-1"


class Mischief(NoMischief):
    """Cancels of one symbol's orders hang; the flatten's orders fill by that share."""

    def __init__(self, stuck: str = "", share: str = "") -> None:
        self.stuck, self.share = stuck, Decimal(share) if share else None

    def holds_cancel(self, order: SimOrder) -> bool:
        return order.symbol == self.stuck

    def portion(self, order: SimOrder) -> Decimal | None:
        return self.share if is_flatten(order.client_order_id) else None


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return a_bench(tmp_path, Hands("15:50"))


def run(bench: Bench, clock: str = "15:55") -> FlattenReport:
    bench.hands.at(clock)
    return flatten(
        cast("Broker", bench.broker),
        session=a_session(),
        now=bench.hands.read,
        wait=bench.hands.wait,
        caller="agent",
    )


def venue(bench: Bench) -> Venue:
    return cast("SimBroker", bench.broker.inner).venue


def sent(bench: Bench) -> list[tuple[str, OrderType]]:
    return [(one.client_order_id, one.order_type) for one in bench.broker.sent()]


def test_a_limit_one_percent_through_the_price_goes_first(bench: Bench) -> None:
    bench.buy("SPY")
    run(bench)
    (intent,) = bench.broker.sent()
    assert (intent.order_type, intent.limit_price) == (OrderType.LIMIT, Decimal("99.00"))


def test_a_broker_that_answers_all_but_the_time_is_sold_to_by_the_session_table(
    bench: Bench,
) -> None:
    bench.bracket("SPY")
    bench.broker.faults["clock"] = ["away"] * 1000
    report = run(bench)
    assert report.flat
    assert report.ended_at <= a_time("15:55:35")


def test_close_to_the_close_there_is_no_time_for_a_limit(bench: Bench) -> None:
    bench.buy("SPY")
    assert run(bench, "15:59:46").flat
    assert sent(bench) == [(FIRST_ID, OrderType.MARKET)]


def test_a_limit_that_does_not_fill_gives_way_to_the_market(bench: Bench) -> None:
    bench.buy("SPY")
    venue(bench).meddle(Mischief(share="0"))
    bench.hands.alarms[a_time("15:55:09")] = lambda: venue(bench).meddle(NoMischief())
    assert run(bench).flat
    kinds = list(dict.fromkeys(sent(bench)))
    assert kinds[0] == (FIRST_ID, OrderType.LIMIT)
    assert kinds[-1] == ("flat-2013-10-07-SPY-2", OrderType.MARKET)


def test_a_part_that_fills_is_followed_by_the_rest(bench: Bench) -> None:
    bench.buy("SPY")
    venue(bench).meddle(Mischief(share="0.5"))
    report = run(bench)
    sold = [o for o in bench.broker.inner.orders_since(a_time("15:55")) if o.filled_quantity]
    assert report.flat
    assert sum(order.filled_quantity for order in sold) == 10


def test_a_stuck_cancel_holds_up_its_own_symbol_alone(bench: Bench) -> None:
    bench.broker.inner.submit(an_intent("AT-1", symbol="SPY", limit="101", stop="90"))
    bench.bracket("IBM")
    venue(bench).meddle(Mischief(stuck="SPY"))
    cancelled = bench.hands.alarms
    cancelled[a_time("15:56")] = lambda: venue(bench).finish_cancels()
    report = run(bench)
    assert report.flat
    ibm, spy = (
        next(
            order
            for order in bench.broker.inner.orders_since(a_time("15:55"))
            if order.symbol == symbol and is_flatten(order.client_order_id)
        )
        for symbol in ("IBM", "SPY")
    )
    assert ibm.filled_at == a_time("15:55")
    assert spy.submitted_at >= a_time("15:55:05")


def test_a_stop_that_will_not_be_cancelled_is_moved_under_the_price(bench: Bench) -> None:
    bench.bracket("SPY")
    bench.broker.faults["cancel_all"] = ["dropped"]
    bench.broker.faults["cancel"] = ["rejected"] * 1000
    report = run(bench)
    (moved, *_) = bench.broker.sent("replace_stop")
    assert (moved.order_type, moved.symbol) == (OrderType.STOP, "SPY")
    family = {
        leg.client_order_id: leg
        for entry in bench.broker.inner.orders_since(a_time("15:00"))
        for leg in entry.legs
    }
    assert family[FIRST_ID].stop_price == Decimal("99.99")
    assert family[FIRST_ID].status is OrderStatus.FILLED
    assert report.flat
    assert bench.broker.sent() == []


def test_a_moved_stop_does_not_flee_from_a_price_that_falls(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, Hands("15:50"), tape=a_tape(("15:55", 99.9), wiggle=0))
    bench.bracket("SPY")
    bench.broker.faults["cancel_all"] = ["dropped"]
    bench.broker.faults["cancel"] = ["rejected"] * 1000
    assert run(bench).flat
    assert len(bench.broker.sent("replace_stop")) == 1


def test_an_overdue_flatten_is_an_alert(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    bench.buy("SPY")
    bench.broker.faults["submit"] = ["rejected"] * 40
    assert run(bench).flat
    alerts = [record for record in caplog.records if hasattr(record, "alert")]
    assert [record.getMessage() for record in alerts] == ["not flat yet: SPY"]


def test_the_two_reads_that_agree_are_in_the_report(bench: Bench) -> None:
    bench.buy("SPY")
    first, second = run(bench).reads
    assert first.flat
    assert second.flat
    assert second.at - first.at >= timedelta(seconds=2)


def test_an_empty_list_once_is_not_flat(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.buy("SPY")
    inner, empty = bench.broker.inner, [()]
    truly = inner.positions
    monkeypatch.setattr(inner, "positions", lambda: empty.pop() if empty else truly())
    assert run(bench).flat
    assert bench.held() == {}


def test_outside_the_session_what_protects_is_left_and_what_could_buy_is_not(bench: Bench) -> None:
    bench.bracket("SPY")
    bench.hands.at("16:30")
    tomorrow = OrderIntent(
        client_order_id="tomorrow",
        symbol="IBM",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.MARKET,
    )
    bench.broker.inner.submit(tomorrow)
    report = run(bench, "16:30")
    assert (report.flat, report.remaining_symbols) == (False, ("SPY",))
    assert bench.broker.sent() == []
    assert "tomorrow" in [order.client_order_id for order in bench.broker.sent("cancel")]


class Slow(FaultyBroker):
    """Calls in threads, as over HTTP; a sale of `stuck` hangs until `go`."""

    def __init__(self, inner: Broker, stuck: str = "") -> None:
        super().__init__(inner)
        self.stuck, self.go = stuck, threading.Event()
        self.lock, self.pool = threading.RLock(), ThreadPoolExecutor(16)

    def __getattr__(self, name: str) -> Any:
        call = super().__getattr__(name)

        def locked(*arguments: Any, **named: Any) -> Any:
            if name == "submit" and arguments[0].symbol == self.stuck and not self.go.wait(10):
                raise BrokerUnavailable("it hung")
            with self.lock:
                return call(*arguments, **named)

        return locked

    def begin[T](self, call: Callable[[], T]) -> Future[T]:
        return self.pool.submit(call)


def test_an_exit_that_hangs_delays_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWERS_SECONDS", 0.2)
    bench.buy("AIG")
    bench.buy("SPY")
    slow = Slow(bench.broker.inner, stuck="AIG")
    bench.hands.alarms[a_time("15:55:05")] = slow.go.set
    bench.broker = slow
    assert run(bench).flat
    filled = {o.symbol: o.submitted_at for o in slow.inner.orders_since(a_time("15:55"))}
    assert filled["SPY"] == a_time("15:55")
    assert filled["AIG"] >= a_time("15:55:05")
    slow.pool.shutdown()


def test_two_closers_in_threads_never_sell_twice(bench: Bench) -> None:
    for symbol in ("AIG", "IBM", "SPY"):
        bench.bracket(symbol)
    one, other = Slow(bench.broker.inner), Slow(bench.broker.inner)
    other.lock = one.lock
    bench.hands.at("15:55")
    reports: list[FlattenReport] = []

    def close(broker: Slow) -> None:
        report = flatten(
            cast("Broker", broker),
            session=a_session(),
            now=bench.hands.read,
            wait=bench.hands.wait,
            caller="agent",
        )
        reports.append(report)

    closers = [threading.Thread(target=close, args=(broker,)) for broker in (one, other)]
    for closer in closers:
        closer.start()
    for closer in closers:
        closer.join(30)
    assert [report.flat for report in reports] == [True, True]
    assert bench.held() == {}
    exits = [o for o in one.inner.orders_since(a_time("15:55")) if is_flatten(o.client_order_id)]
    assert sum(order.filled_quantity for order in exits) == 30
    for broker in (one, other):
        broker.pool.shutdown()
