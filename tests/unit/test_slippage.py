"""What a fill cost beyond the price at which it was decided: told, and too much of it is a trip."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket, a_time, an_order
from tests.trading import TODAY, a_bench, a_tape, buy, opened, turn
from tools.core.safety import RiskLimits, TradingState
from tools.core.trading import Order, OrderStatus, OrderType, Side
from tools.execution.round_trips import executions, round_trips
from tools.journal import history
from tools.safety.breakers import SLIPPAGE_FILLS, Breaker, BreakerState, Filled, after

ENTRY, EXIT = "AT-2013-10-07-1-E", "AT-2013-10-07-2-X"
NOW = a_time("10:00")
FRESH = BreakerState(session_on=TODAY)


def fraction(order: Order, decided: str = "") -> Decimal | None:
    prices = {order.client_order_id: Decimal(decided)} if decided else {}
    (one,) = executions([order], prices)
    return one.slippage_fraction


@pytest.mark.parametrize(
    ("price", "expected"), [("100.20", "0.002"), ("100", "0"), ("99.90", "-0.001")]
)
def test_a_purchase_slips_when_it_is_dearer_than_decided(price: str, expected: str) -> None:
    assert fraction(an_order(ENTRY, price=price), decided="100") == Decimal(expected)


def test_a_sale_slips_when_it_is_cheaper_than_decided() -> None:
    sale = an_order(EXIT, side=Side.SELL, order_type=OrderType.MARKET, price="99.50")
    assert fraction(sale, decided="100") == Decimal("0.005")


def test_a_stop_is_held_against_its_own_price() -> None:
    stop = an_order("leg", side=Side.SELL, order_type=OrderType.STOP, stop="98", price="97.02")
    assert fraction(stop) == Decimal("0.01")


def test_what_nobody_decided_has_none() -> None:
    flatten = an_order("flat-1", side=Side.SELL, order_type=OrderType.MARKET, price="97")
    assert fraction(flatten) is None


def test_a_round_trip_adds_up_the_dollars_of_both_ends() -> None:
    orders = [
        an_order(ENTRY, price="100.10"),
        an_order(EXIT, side=Side.SELL, price="101.00", submitted="10:30"),
    ]
    decided = {ENTRY: Decimal(100), EXIT: Decimal("101.20")}
    (trade,) = round_trips(orders, (), opened_at=NOW, decisions={}, decided=decided)
    assert trade.slippage_usd == Decimal("3.00")


def test_without_a_decided_price_a_round_trip_says_nothing() -> None:
    orders = [an_order(ENTRY, price="100.10"), an_order(EXIT, side=Side.SELL, price="101")]
    (trade,) = round_trips(orders, (), opened_at=NOW, decisions={})
    assert trade.slippage_usd is None


def fills(count: int, slippage: str) -> list[Filled]:
    return [
        Filled(at=NOW, client_order_id=f"{n}", slippage_fraction=Decimal(slippage))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ("count", "slippage", "expected"),
    [
        (SLIPPAGE_FILLS - 1, "0.01", []),
        (SLIPPAGE_FILLS, "0.003", []),
        (SLIPPAGE_FILLS, "0.003001", [Breaker.SLIPPAGE]),
    ],
)
def test_a_mean_beyond_the_limit_is_a_trip(
    count: int, slippage: str, expected: list[Breaker]
) -> None:
    state = after(FRESH, fills(count, slippage), RiskLimits())
    assert [trip.breaker for trip in state.open_trips(NOW)] == expected
    assert (state.slippages == ()) == bool(expected)


def test_the_mean_is_that_of_the_last_fills() -> None:
    good = replace(FRESH, slippages=(Decimal(0),) * SLIPPAGE_FILLS)
    state = after(good, fills(SLIPPAGE_FILLS, "0.0031"), RiskLimits())
    assert [trip.breaker for trip in state.trips] == [Breaker.SLIPPAGE]


def test_a_slippage_trip_ends_after_the_pause() -> None:
    state = after(FRESH, fills(SLIPPAGE_FILLS, "0.1"), RiskLimits())
    assert state.open_trips(NOW + timedelta(minutes=29)) != ()
    assert state.open_trips(NOW + timedelta(minutes=30)) == ()


def test_a_fill_that_is_told_twice_counts_once() -> None:
    told = fills(SLIPPAGE_FILLS - 1, "0.1")
    assert after(FRESH, told + told, RiskLimits()).trips == ()


def test_the_decisions_quote_is_kept_with_the_intent_and_each_fill_is_told(tmp_path: Path) -> None:
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:05", 97))))
    buy(bench)
    bench.room.desk.submit(a_ticket("IBM", stop="98", decision_id="D-2"))
    bench.room.desk.close("IBM", reason="enough")
    turn(bench, "10:06")
    first, *_ = bench.room.premises.store.intents_on(TODAY)
    assert first.intent.decision_price == Decimal(100)
    lines = history.read(history.fills_path(bench.home, TODAY))
    assert [(one["symbol"], one["side"], one["decided_price"]) for one in lines] == [
        ("SPY", "buy", 100),
        ("IBM", "buy", 100),
        ("IBM", "sell", 100),
        ("SPY", "sell", 98),
    ]
    trade = next(line for line in bench.lines() if line["symbol"] == "SPY")
    assert trade["slippage_usd"] == pytest.approx(
        sum(one["slippage_usd"] for one in lines if one["symbol"] == "SPY"), abs=0.01
    )


def test_many_bad_fills_close_entries(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    limits = RiskLimits(max_slippage_fraction=Decimal("0.00001"), max_consecutive_losses=99)
    bench = opened(a_bench(tmp_path, limits=limits))
    for n in range(SLIPPAGE_FILLS // 2):
        bench.hands.at(f"10:{10 + 3 * n}")
        name = ("SPY", "IBM", "AIG")[n % 3]
        buy(bench, name, decision=f"D-{n}-1")
        bench.room.desk.close(name, reason="enough")
        bench.room.monitor.look()
    assert bench.room.control.current().trading_state is TradingState.REDUCING
    (warning,) = [one for one in caplog.records if "circuit breaker slippage" in one.getMessage()]
    assert warning.levelname == "WARNING"
    assert vars(warning)["alert"] == "circuit_breaker"


def test_an_order_that_may_still_fill_is_not_counted_yet() -> None:
    half = an_order(ENTRY, filled="5", price="101", status=OrderStatus.PARTIALLY_FILLED)
    (one,) = executions([half], {ENTRY: Decimal(100)})
    assert not one.done
