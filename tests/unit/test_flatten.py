"""Getting flat: once, in time, whatever fails, and never after the close."""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from tests.builders import a_position, a_session, a_time
from tests.trading import Bench, FaultyBroker, Hands, a_bench
from tools.core.reports import FlattenReport
from tools.core.seams import Broker
from tools.core.trading import BrokerClock, OrderIntent, OrderType, Position, Side
from tools.execution.flatten import flatten
from tools.journal.order_ids import is_flatten

SENT = a_time("15:55")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return a_bench(tmp_path, Hands("15:50"))


def run(
    bench: Bench,
    clock: str = "15:55",
    *,
    exempt: frozenset[str] = frozenset(),
    wait: Callable[[datetime], None] | None = None,
) -> FlattenReport:
    """Flatten from `clock` on."""
    bench.hands.at(clock)
    return flatten(
        cast("Broker", bench.broker),
        session=a_session(),
        now=bench.hands.read,
        wait=wait or bench.hands.wait,
        caller="agent",
        exempt=exempt,
    )


def sold(bench: Bench) -> list[tuple[str, Decimal]]:
    """Ids and shares of the exits that were sent, by anybody."""
    found = bench.broker.inner.orders_since(a_time("00:00"))
    return [
        (order.client_order_id, order.filled_quantity)
        for order in found
        if order.side is Side.SELL and is_flatten(order.client_order_id)
    ]


def test_positions_and_resting_orders_are_gone_after_two_seconds(bench: Bench) -> None:
    bench.bracket("SPY")
    bench.bracket("IBM")
    report = run(bench)
    assert report.flat
    assert (report.closed_symbols, report.remaining_symbols) == (("IBM", "SPY"), ())
    assert (report.started_at, report.ended_at) == (a_time("15:55"), a_time("15:55:02"))
    assert (report.caller, report.errors) == ("agent", ())
    assert bench.held() == {}
    assert bench.broker.inner.open_orders() == ()


def test_its_orders_name_session_symbol_and_attempt(bench: Bench) -> None:
    bench.buy("SPY", "7")
    run(bench)
    assert sold(bench) == [("flat-2013-10-07-SPY-1", Decimal(7))]
    (intent,) = bench.broker.sent()
    assert (intent.side, intent.order_type) == (Side.SELL, OrderType.LIMIT)


def test_flat_is_only_what_two_reads_agree_on(bench: Bench) -> None:
    bench.hands.alarms[a_time("15:55:01")] = lambda: bench.buy("IBM")
    report = run(bench)
    assert report.flat
    assert report.closed_symbols == ("IBM",)


def test_an_order_that_appears_between_the_reads_is_not_overlooked(bench: Bench) -> None:
    bench.hands.alarms[a_time("15:55:01")] = lambda: rest_an_order(bench)
    report = run(bench)
    assert report.flat
    assert bench.broker.inner.open_orders() == ()


def test_a_flat_book_needs_no_order(bench: Bench) -> None:
    report = run(bench)
    assert (report.flat, report.closed_symbols) == (True, ())
    assert bench.broker.sent() == []


def test_a_second_run_sells_nothing_again(bench: Bench) -> None:
    bench.bracket("SPY")
    run(bench)
    assert run(bench, "15:56").flat
    assert len(sold(bench)) == 1


def test_two_closers_at_once_sell_once(bench: Bench) -> None:
    """The other one's whole flatten happens between our look at the book and our look-up."""
    bench.bracket("SPY")
    other = Bench(bench.hands, FaultyBroker(bench.broker.inner), bench.room, bench.home)
    bench.broker.faults["order_by_client_id"] = [lambda: run_other(other)]
    report = run(bench)
    assert report.flat
    assert len(sold(bench)) == 1


def run_other(other: Bench) -> None:
    assert run(other, "15:55").flat


def test_two_closers_with_the_same_attempt_collide_instead_of_selling_twice(bench: Bench) -> None:
    bench.bracket("SPY")
    other = Bench(bench.hands, FaultyBroker(bench.broker.inner), bench.room, bench.home)
    bench.broker.faults["submit"] = [lambda: run_other(other)]
    assert run(bench).flat
    assert len(sold(bench)) == 1


def test_the_attempt_rises_when_its_order_has_ended_and_shares_remain(bench: Bench) -> None:
    bench.buy("SPY", "10")
    half = OrderIntent(
        client_order_id="flat-2013-10-07-SPY-1",
        symbol="SPY",
        side=Side.SELL,
        quantity=Decimal(4),
        order_type=OrderType.MARKET,
    )
    bench.broker.inner.submit(half)
    assert run(bench).flat
    assert sold(bench) == [
        ("flat-2013-10-07-SPY-1", Decimal(4)),
        ("flat-2013-10-07-SPY-2", Decimal(6)),
    ]


def test_a_position_that_is_reported_a_moment_too_long_is_not_sold_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.buy("SPY", "10")
    stale, truly = bench.broker.inner.positions(), bench.broker.inner.positions

    def lagging() -> tuple[Position, ...]:
        late = a_time("15:55:02") + timedelta(seconds=0.5)
        return stale if bench.hands.read() < late else truly()

    monkeypatch.setattr(bench.broker.inner, "positions", lagging)
    assert run(bench).flat
    assert {intent.client_order_id for intent in bench.broker.sent()} == {"flat-2013-10-07-SPY-1"}


@pytest.mark.parametrize("fault", ["lost", "dropped", "rejected", "away"])
def test_an_order_that_got_no_answer_is_sent_again_under_the_same_id(
    bench: Bench, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    bench.buy("SPY")
    bench.broker.faults["submit"] = [fault]
    report = run(bench)
    assert report.flat
    assert sold(bench) == [("flat-2013-10-07-SPY-1", Decimal(10))]
    (error,) = report.errors
    assert error.startswith("close SPY error: ")
    assert [r.getMessage() for r in caplog.records if r.levelname == "ERROR"] == [error]


def test_a_symbol_that_cannot_be_sold_holds_up_no_other(bench: Bench) -> None:
    bench.buy("AIG")
    bench.buy("SPY")
    bench.broker.faults["submit"] = ["rejected"] * 1000
    bench.broker.faults["submit"][1] = ""
    report = run(bench)
    assert not report.flat
    assert (report.closed_symbols, report.remaining_symbols) == (("SPY",), ("AIG",))
    assert bench.held() == {"AIG": Decimal(10)}


def test_exits_that_will_not_be_cancelled_hold_up_only_their_own_symbol(bench: Bench) -> None:
    bench.buy("AIG")
    bench.bracket("SPY")
    bench.broker.faults["cancel_all"] = ["dropped"] * 3
    report = run(bench)
    assert report.flat
    aig, spy = sold(bench)
    assert (aig[0], spy[0]) == ("flat-2013-10-07-AIG-1", "flat-2013-10-07-SPY-1")
    filled = {order.symbol: order.filled_at for order in bench.broker.inner.orders_since(SENT)}
    assert filled == {"AIG": SENT, "SPY": report.ended_at - timedelta(seconds=2)}


@pytest.mark.parametrize("method", ["positions", "open_orders", "cancel_all", "clock"])
def test_a_broker_that_is_away_is_outlasted(bench: Bench, method: str) -> None:
    bench.bracket("SPY")
    bench.broker.faults[method] = ["away"] * 60
    report = run(bench)
    assert report.flat
    assert bench.held() == {}
    assert any("connection refused" in error for error in report.errors)
    assert len(report.errors) == 1


def test_nothing_is_submitted_from_the_close_on(bench: Bench) -> None:
    bench.buy("SPY")
    report = run(bench, "16:00")
    assert (report.flat, report.remaining_symbols) == (False, ("SPY",))
    assert bench.broker.sent() == []
    assert report.ended_at == a_time("16:00")


def test_it_ends_with_the_session(bench: Bench) -> None:
    bench.buy("SPY")
    bench.broker.faults["submit"] = ["away"] * 100
    report = run(bench, "15:59:50")
    assert not report.flat
    assert a_time("16:00") <= report.ended_at <= a_time("16:00:05")
    asked_at = len(bench.broker.sent())
    assert 0 < asked_at < 100


def test_an_order_that_became_due_in_the_last_second_is_not_sent(bench: Bench) -> None:
    bench.buy("SPY")
    bench.broker.faults["order_by_client_id"] = [lambda: bench.hands.at("16:00")]
    report = run(bench, "15:59:59")
    assert not report.flat
    assert bench.broker.sent() == []


def test_before_the_open_nothing_is_submitted_either(tmp_path: Path) -> None:
    bench = a_bench(tmp_path, Hands("09:29:59"))
    bench.buy("SPY")
    report = run(bench, "09:29:59")
    assert bench.broker.sent() == []
    assert bench.broker.inner.open_orders() == ()
    bench.hands.at("09:30")
    bench.buy("IBM")
    report = run(bench, "09:30")
    assert (report.flat, report.closed_symbols) == (True, ("IBM",))


def test_the_brokers_clock_closes_the_session_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.buy("SPY")
    now = bench.hands.read()
    closed = BrokerClock(at=now, market_open=False, next_open=now, next_close=now)
    monkeypatch.setattr(bench.broker.inner, "clock", lambda: closed)
    report = run(bench, "15:59:50")
    assert not report.flat
    assert bench.broker.sent() == []
    assert report.errors == ("flatten error: the broker's clock says that the market is closed",)


def test_exempt_holdings_and_their_orders_are_left_alone(bench: Bench) -> None:
    bench.bracket("SPY")
    bench.bracket("IBM")
    report = run(bench, exempt=frozenset(("IBM",)))
    assert report.flat
    assert report.closed_symbols == ("SPY",)
    assert bench.held() == {"IBM": Decimal(10)}
    assert {order.symbol for order in bench.broker.inner.open_orders()} == {"IBM"}


def rest_an_order(bench: Bench) -> None:
    """A purchase far below the market, which will not fill."""
    intent = OrderIntent(
        client_order_id="waiting",
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(1),
        order_type=OrderType.LIMIT,
        limit_price=Decimal(50),
    )
    bench.broker.inner.submit(intent)


def test_an_order_of_no_position_is_cancelled_too(bench: Bench) -> None:
    rest_an_order(bench)
    assert run(bench).flat
    assert bench.broker.inner.open_orders() == ()


def test_a_short_is_bought_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[Position] = [a_position("SPY", "-5")]
    sent: list[OrderIntent] = []

    def submit(intent: OrderIntent) -> None:
        sent.append(intent)
        held.clear()

    monkeypatch.setattr(bench.broker.inner, "positions", lambda: tuple(held))
    monkeypatch.setattr(bench.broker.inner, "submit", submit)
    assert run(bench).flat
    assert [(intent.side, intent.quantity) for intent in sent] == [(Side.BUY, Decimal(5))]


def test_waiting_may_end_early(bench: Bench) -> None:
    """A roused sleeper returns at once; that must not spin for ever or spoil the outcome."""
    bench.bracket("SPY")
    naps = iter([timedelta(0)] * 3)

    def wait(until: datetime) -> None:
        bench.hands.wait(bench.hands.read() + next(naps, until - bench.hands.read()))

    assert run(bench, wait=wait).flat
