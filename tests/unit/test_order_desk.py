"""The one door: at most one order per intent, inside the limits, protected."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket, an_intent
from tests.trading import Bench, Hands, a_bench, a_tape, opened, orders, reasons, statuses, the_stop
from tools.core.safety import DenialReason, RiskLimits, TradingState
from tools.core.trading import OrderClass, OrderStatus, OrderType, Side
from tools.execution.breaker_watch import BreakerWatch
from tools.execution.gate_ledger import GateLedger
from tools.execution.order_desk import OrderDesk
from tools.execution.rulings import Ruling
from tools.journal.state_store import IntentStatus


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path))


def test_an_entry_is_a_marketable_limit_that_carries_its_stop(bench: Bench) -> None:
    ruling = bench.room.desk.submit(a_ticket(stop="99.00"))
    assert ruling.verdict.approved
    assert ruling.client_order_id == "AT-2013-10-07-1-E"
    (order,) = orders(bench)
    assert (order.order_class, order.limit_price) == (OrderClass.OTO, Decimal("100.11"))
    assert ruling.order == order
    assert order.status is OrderStatus.FILLED
    assert the_stop(bench).stop_price == 99
    assert the_stop(bench).quantity == bench.held()["SPY"] == ruling.verdict.quantity


def test_with_a_target_it_is_a_bracket(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(target="103.00"))
    (order,) = orders(bench)
    assert order.order_class is OrderClass.BRACKET
    assert [leg.order_type for leg in order.legs] == [OrderType.LIMIT, OrderType.STOP]


def test_the_default_stop_is_two_atr_below_the_entry(tmp_path: Path) -> None:
    near = RiskLimits(min_stop_distance_fraction=Decimal("0.001"))
    bench = opened(a_bench(tmp_path, limits=near))
    verdict = bench.room.desk.preview(a_ticket(stop=None))
    assert verdict.approved
    assert verdict.stop_price == Decimal("99.91")  # ranges of 0.10 every minute, entry 100.11
    assert verdict.notes == ()


def test_on_a_first_day_the_one_minute_atr_stands_in_and_the_verdict_says_so(
    tmp_path: Path,
) -> None:
    bench = opened(a_bench(tmp_path, Hands("11:00"), tape=a_tape(history=False)))
    verdict = bench.room.desk.preview(a_ticket(stop=None))
    assert verdict.stop_price == Decimal("99.66")  # 100.11 - 2 x 0.10 x sqrt(5), rounded down
    assert any("1-minute ATR" in note for note in verdict.notes)


def test_before_that_a_ticket_must_name_its_stop(tmp_path: Path) -> None:
    thin = RiskLimits(min_daily_value_usd=Decimal(0))
    bench = opened(a_bench(tmp_path, Hands("10:30"), tape=a_tape(history=False), limits=thin))
    verdict = bench.room.desk.preview(a_ticket(stop=None))
    assert [denial.reason for denial in verdict.denials] == [DenialReason.STOP]
    assert bench.room.desk.preview(a_ticket(stop="99")).approved


def test_a_denied_ticket_leaves_no_trace_at_the_broker(bench: Bench) -> None:
    ruling = bench.room.desk.submit(a_ticket(confidence=0.1))
    assert reasons(ruling) == [DenialReason.CONFIDENCE]
    assert (ruling.client_order_id, ruling.order) == ("", None)
    assert bench.broker.sent() == []
    assert statuses(bench) == []


def test_the_intent_is_on_the_disk_before_the_order_is_sent(bench: Bench) -> None:
    seen: list[IntentStatus] = []
    bench.broker.faults["submit"] = [lambda: seen.extend(statuses(bench))]
    bench.room.desk.submit(a_ticket())
    assert seen == [IntentStatus.OPEN]
    assert statuses(bench) == [IntentStatus.ACCEPTED]


def test_a_halt_while_the_broker_is_being_asked_still_counts(bench: Bench) -> None:
    bench.broker.faults["clock"] = [lambda: bench.room.control.halt("stop", "operator")]
    ruling = bench.room.desk.submit(a_ticket())
    assert reasons(ruling) == [DenialReason.STATE]
    assert bench.broker.sent() == []


def test_of_two_callers_who_fit_singly_only_one_gets_through(tmp_path: Path) -> None:
    bench = opened(a_bench(tmp_path, limits=RiskLimits(max_positions=1)))
    both = threading.Barrier(2)

    def ask(symbol: str) -> Ruling:
        both.wait()
        return bench.room.desk.submit(a_ticket(symbol))

    with ThreadPoolExecutor(2) as pool:
        rulings = list(pool.map(ask, ["SPY", "IBM"]))
    assert sorted(ruling.verdict.approved for ruling in rulings) == [False, True]
    assert len(orders(bench)) == 1


def test_entries_wait_until_the_books_were_compared(tmp_path: Path) -> None:
    bench = a_bench(tmp_path)
    assert reasons(bench.room.desk.submit(a_ticket())) == [DenialReason.STATE]
    bench.room.monitor.look()
    assert bench.room.desk.submit(a_ticket()).verdict.approved


def test_earlier_tickets_of_the_cycle_count_in_a_preview(tmp_path: Path) -> None:
    many = RiskLimits(max_entries_per_cycle=9, max_entries_per_minute=9)
    bench = opened(a_bench(tmp_path, limits=many))
    four = {"IBM": Decimal(100), "AIG": Decimal(100), "BAC": Decimal(1), "AAPL": Decimal(1)}
    assert bench.room.desk.preview(a_ticket(), four).approved
    five = bench.room.desk.preview(a_ticket(), {**four, "MSFT": Decimal(1)})
    assert DenialReason.POSITIONS in [denial.reason for denial in five.denials]
    same = bench.room.desk.preview(a_ticket(), {"SPY": Decimal(1)})
    assert {denial.reason for denial in same.denials} == {DenialReason.DUPLICATE}


def test_a_symbol_that_is_none_is_denied_and_spoils_no_other_quote(bench: Bench) -> None:
    for symbol in ("BTC/USD", "../../v2", "SPУ"):
        verdict = bench.room.desk.preview(a_ticket(symbol))
        assert DenialReason.SYMBOL in [denial.reason for denial in verdict.denials]


def test_a_close_cancels_the_exits_and_sells_all(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(target="103"))
    ruling = bench.room.desk.close("SPY", reason="enough", decision_id="D-2")
    assert ruling.verdict.approved
    assert ruling.client_order_id == "AT-2013-10-07-2-X"
    assert ruling.order is not None
    assert ruling.order.status is OrderStatus.FILLED
    assert bench.held() == {}
    assert bench.room.books.resting("SPY") == []


def test_what_is_not_held_cannot_be_closed(bench: Bench) -> None:
    assert reasons(bench.room.desk.close("SPY", reason="x")) == [DenialReason.POSITIONS]


def test_shares_are_not_sold_while_their_exits_are_still_open(bench: Bench) -> None:
    pauses: list[float] = []
    room = bench.room
    watch = BreakerWatch(room.premises, room.control)
    desk = OrderDesk(
        *(room.premises, room.control, room.books, watch, GateLedger(bench.home)), pauses.append
    )
    desk.submit(a_ticket())
    bench.broker.faults["cancel"] = ["dropped"]
    ruling = desk.close("SPY", reason="x")
    assert reasons(ruling) == [DenialReason.BROKER]
    assert sum(pauses) == pytest.approx(5.0)
    assert len(bench.broker.sent()) == 1
    assert bench.held()


def test_a_stop_that_fills_during_the_close_is_not_sold_again(tmp_path: Path) -> None:
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:05", 95))))
    bench.room.desk.submit(a_ticket(stop="98"))
    bench.hands.at("10:05")
    bench.broker.faults["cancel"] = [lambda: bench.hands.at("10:07")]
    ruling = bench.room.desk.close("SPY", reason="x")
    assert ruling.verdict.approved
    assert "meanwhile" in ruling.verdict.notes[0]
    assert len(bench.broker.sent()) == 1
    assert bench.held() == {}


def test_after_the_close_nothing_is_sent_that_would_wait_for_the_next_open(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket())
    bench.hands.at("16:00")
    assert reasons(bench.room.desk.close("SPY", reason="x")) == [DenialReason.SESSION]
    assert bench.held()


def test_halted_lets_no_exit_through_but_the_flatten(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket())
    bench.room.control.halt("stop", "agent")
    assert reasons(bench.room.desk.close("SPY", reason="x")) == [DenialReason.STATE]
    raised = bench.room.desk.tighten_stop("SPY", Decimal("99.50"))
    assert reasons(raised) == [DenialReason.STATE]


def test_reducing_lets_exits_through(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket())
    bench.room.control.reduce("loss", "monitor")
    assert bench.room.desk.close("SPY", reason="x").verdict.approved


def test_a_refused_sale_is_an_error_in_the_log_by_its_symbol(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.room.desk.submit(a_ticket())
    bench.broker.faults["submit"] = ["rejected"]
    assert reasons(bench.room.desk.close("SPY", reason="x")) == [DenialReason.BROKER]
    (error,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert error.getMessage().startswith("close SPY error: ")


def test_a_sale_without_an_answer_gets_the_stop_back_and_no_second_one(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(stop="98"))
    bench.broker.faults["submit"] = ["dropped"] * 5
    unknown = [DenialReason.UNKNOWN_OUTCOME]
    assert reasons(bench.room.desk.close("SPY", reason="x")) == unknown
    assert reasons(bench.room.desk.close("SPY", reason="x")) == unknown
    bench.hands.at("10:00:05")
    bench.room.monitor.look()
    sales = [order for order in orders(bench) if order.side is Side.SELL]
    assert [order.client_order_id for order in sales] == ["AT-2013-10-07-3-S"]
    bench.hands.at("10:01:01")
    bench.room.monitor.look()
    assert bench.room.desk.close("SPY", reason="x").verdict.approved
    assert bench.held() == {}


def test_a_stop_can_be_raised_and_is_never_absent(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(stop="98"))
    ruling = bench.room.desk.tighten_stop("SPY", Decimal("99.507"))
    assert ruling.verdict.approved
    assert ruling.verdict.stop_price == Decimal("99.50")
    assert the_stop(bench).stop_price == Decimal("99.50")
    assert the_stop(bench).client_order_id == ruling.client_order_id == "AT-2013-10-07-2-S"
    assert bench.broker.sent("cancel") == []


def test_of_a_bracket_the_stop_is_raised_as_far_as_a_cent_below_the_bid(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(stop="98", target="103"))
    assert bench.room.desk.tighten_stop("SPY", Decimal("99.98")).verdict.approved
    assert the_stop(bench).stop_price == Decimal("99.98")
    assert len(bench.room.books.resting("SPY")) == 2


@pytest.mark.parametrize("stop", ["97.99", "98.00", "99.99", "150"])
def test_a_stop_is_never_lowered_and_stays_below_the_bid(bench: Bench, stop: str) -> None:
    bench.room.desk.submit(a_ticket(stop="98"))
    assert reasons(bench.room.desk.tighten_stop("SPY", Decimal(stop))) == [DenialReason.STOP]
    assert the_stop(bench).stop_price == 98


def test_a_position_without_a_stop_of_ours_has_none_to_raise(bench: Bench) -> None:
    bench.buy("IBM")
    assert reasons(bench.room.desk.tighten_stop("IBM", Decimal(99))) == [DenialReason.STOP]


def test_a_raise_that_the_broker_refuses_or_loses_is_told(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket(stop="98"))
    for fault, reason in (
        ("rejected", DenialReason.BROKER),
        ("dropped", DenialReason.UNKNOWN_OUTCOME),
    ):
        bench.broker.faults["replace_stop"] = [fault]
        assert reasons(bench.room.desk.tighten_stop("SPY", Decimal(99))) == [reason]


def an_unfilled_entry(tmp_path: Path) -> Bench:
    """The market runs away from the limit between the ruling and the order."""
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:00", 102))))
    bench.broker.faults["submit"] = [lambda: bench.hands.at("10:01")]
    ruling = bench.room.desk.submit(a_ticket())
    assert ruling.order is not None
    assert ruling.order.status is OrderStatus.NEW
    return bench


def test_an_unfilled_entry_can_be_cancelled(tmp_path: Path) -> None:
    bench = an_unfilled_entry(tmp_path)
    ruling = bench.room.desk.cancel("AT-2013-10-07-1-E")
    assert ruling.verdict.approved
    assert ruling.order is not None
    assert ruling.order.status is OrderStatus.CANCELED


def test_an_entry_that_stands_too_long_is_cancelled(tmp_path: Path) -> None:
    bench = an_unfilled_entry(tmp_path)
    bench.hands.at("10:01:59")
    bench.room.monitor.look()
    assert orders(bench)[0].open
    bench.hands.at("10:02")
    bench.room.monitor.look()
    assert orders(bench)[0].status is OrderStatus.CANCELED


def test_what_protects_a_position_cannot_be_cancelled(bench: Bench) -> None:
    bench.room.desk.submit(a_ticket())
    for client_id in ("AT-2013-10-07-1-E", the_stop(bench).client_order_id, "nobody's"):
        assert reasons(bench.room.desk.cancel(client_id)) == [DenialReason.BROKER]
    bench.room.desk.tighten_stop("SPY", Decimal("99.50"))
    assert not bench.room.desk.cancel("AT-2013-10-07-2-S").verdict.approved
    assert the_stop(bench).open


def test_a_position_that_lost_its_stop_gets_it_back(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.room.desk.submit(a_ticket(stop="98"))
    bench.broker.inner.cancel(the_stop(bench))
    bench.room.monitor.look()
    assert the_stop(bench).stop_price == 98
    assert the_stop(bench).quantity == bench.held()["SPY"]
    words = f"{bench.held()['SPY']} SPY are held without a stop: restoring it at 98.00"
    assert words in caplog.messages
    bench.room.monitor.look()
    assert len(bench.room.books.resting("SPY")) == 1


def test_a_stop_that_the_market_has_passed_becomes_a_sale(tmp_path: Path) -> None:
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:05", 97))))
    bench.room.desk.submit(a_ticket(stop="98"))
    bench.broker.inner.cancel(the_stop(bench))
    bench.hands.at("10:06")
    bench.room.monitor.look()
    assert bench.held() == {}


def test_a_position_of_somebody_else_is_left_alone(bench: Bench) -> None:
    bench.buy("IBM")
    bench.room.monitor.look()
    assert bench.broker.sent() == []
    assert bench.held() == {"IBM": Decimal(10)}


def test_the_state_changes_only_as_it_may(bench: Bench) -> None:
    control = bench.room.control
    assert control.reduce("loss", "monitor")
    assert not control.reduce("again", "monitor")
    control.halt("stop", "agent")
    assert not control.reduce("loss", "monitor")
    assert control.current().trading_state is TradingState.HALTED
    control.begin_session()
    assert control.current().trading_state is TradingState.HALTED
    control.reset("checked", "operator")
    assert control.current().trading_state is TradingState.ACTIVE
    control.reduce("loss", "monitor")
    control.begin_session()
    assert control.current().trading_state is TradingState.ACTIVE


def test_an_order_of_another_kind_than_ours_is_no_entry(bench: Bench) -> None:
    bench.broker.inner.submit(an_intent("AT-forged", limit="50", stop=None))
    assert reasons(bench.room.desk.cancel("AT-forged")) == [DenialReason.BROKER]
