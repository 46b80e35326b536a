"""Whose shares: what our own orders bought; and what becomes of ours in the morning."""

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_position, a_ticket, a_time, an_order
from tests.tapes import HandTape
from tests.trading import TODAY, Bench, Hands, a_bench, a_tape, buy, state, turn
from tools.core.safety import FlattenScope, HoldingRules, OvernightRule, TradingState
from tools.core.trading import Side
from tools.execution.certificate_chain import read_chain
from tools.execution.certificates import certificates_path
from tools.execution.ownership import OwnBroker, bought_by_us, split
from tools.journal import history

OWN = HoldingRules(flatten_scope=FlattenScope.OWN)
DAY = timedelta(days=1)


def two_days() -> HandTape:
    """Friday, Monday, and a Tuesday like that Monday."""
    tape, minutes = a_tape(), {}
    for symbol in tape.symbols:
        friday, monday = (tape.day(symbol, on) for on in (date(2013, 10, 4), TODAY))
        assert friday
        assert monday
        tuesday = [bar._replace(start=bar.start + 86_400) for bar in monday.candles]
        minutes[symbol] = [*friday.candles, *monday.candles, *tuesday]
    return HandTape(minutes)


def ten() -> Decimal:
    return Decimal(10)


def next_day(bench: Bench, holding: HoldingRules, clock: str = "09:26") -> Bench:
    """The next morning, after a restart."""
    bench.hands.now = a_time(clock) + DAY
    bench.room.premises.store.close()
    again = a_bench(bench.home, bench.hands, bench.broker, tape=two_days(), holding=holding)
    again.room.monitor.turn(again.hands.wait)
    return again


def events(bench: Bench, day: str = "2013-10-07") -> list[tuple[str, str]]:
    path = history.safety_path(bench.home, TODAY.fromisoformat(day))
    return [(line["kind"], line["symbol"]) for line in history.read(path)]


def test_ours_is_what_our_orders_bought_less_what_they_sold_legs_included() -> None:
    stop = an_order("leg", side=Side.SELL, quantity="4", price="99")
    orders = [
        an_order("AT-2013-10-07-1-E", price="100", legs=(stop,)),
        an_order("flat-2013-10-07-SPY-1", side=Side.SELL, quantity="1", price="99"),
        an_order("by-hand", price="100"),
    ]
    assert bought_by_us(orders) == {"SPY": Decimal(5)}


@pytest.mark.parametrize(
    ("held", "ours", "own", "foreign"),
    [("10", "4", "4", "6"), ("3", "4", "3", "0"), ("10", "-2", "0", "10"), ("-5", "4", "0", "-5")],
)
def test_never_more_than_is_held_is_ours(held: str, ours: str, own: str, foreign: str) -> None:
    mine, theirs = split([a_position("SPY", held)], {"SPY": Decimal(ours)})
    assert sum((one.quantity for one in mine), Decimal(0)) == Decimal(own)
    assert sum((one.quantity for one in theirs), Decimal(0)) == Decimal(foreign)


class TestOwnScope:
    """`flatten_scope: own`."""

    def test_a_flatten_sells_ours_and_leaves_foreign_shares_of_the_same_symbol(
        self, tmp_path: Path
    ) -> None:
        bench = a_bench(tmp_path, holding=OWN)
        bench.buy("SPY")
        bench.buy("IBM")
        turn(bench)
        buy(bench)
        assert bench.held()["SPY"] > ten()
        turn(bench, "15:56")
        assert bench.held() == {"SPY": ten(), "IBM": ten()}
        (line,) = read_chain(certificates_path(bench.home)).records
        assert line["flat"]
        assert line["left_alone"] == {"IBM": "10", "SPY": "10"}

    def test_foreign_orders_are_not_cancelled(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, holding=OWN)
        bench.bracket("IBM")
        bench.hands.at("10:05")
        standing = bench.broker.inner.open_orders()
        assert standing
        turn(bench)
        buy(bench)
        turn(bench, "15:56")
        assert bench.broker.inner.open_orders() == standing
        assert bench.held() == {"IBM": ten()}

    def test_the_legs_of_a_filled_entry_are_ours(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, holding=OWN)
        turn(bench)
        buy(bench)
        bench.bracket("IBM")
        own = OwnBroker(bench.broker.inner, bench.hands.read)
        assert {one.symbol for one in own.open_orders()} == {"SPY"}
        own.cancel_all()
        assert {one.symbol for one in bench.broker.inner.open_orders()} == {"IBM"}

    def test_foreign_positions_are_listed_at_the_first_start(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        bench = a_bench(tmp_path, holding=OWN)
        bench.buy("IBM")
        turn(bench)
        assert "not opened by this agent: 10 IBM; left alone" in caplog.messages
        assert events(bench) == [("foreign_positions", "IBM")]


class TestLiveUnset:
    """Live without a choice."""

    def test_no_entries_until_the_scope_is_chosen(self, tmp_path: Path) -> None:
        unset = HoldingRules(flatten_scope=None)
        bench = a_bench(tmp_path, holding=unset)
        bench.buy("IBM")
        turn(bench)
        assert state(bench) is TradingState.REDUCING
        (denial, *_) = bench.room.desk.submit(a_ticket()).verdict.denials
        assert "flatten_scope" in denial.message
        turn(bench, "15:56")
        assert bench.held() == {"IBM": ten()}
        assert state(next_day(bench, OWN)) is TradingState.ACTIVE


class TestOvernight:
    """Our own shares in the morning."""

    def held_overnight(self, tmp_path: Path) -> Bench:
        """A day whose end nobody saw: shares bought, no stop, nobody at the close."""
        bench = a_bench(tmp_path, Hands("15:00"), tape=two_days())
        turn(bench)
        buy(bench)
        return bench

    def test_they_are_announced_and_sold_at_the_open(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        again = next_day(self.held_overnight(tmp_path), HoldingRules())
        assert [kind for kind, _ in events(again, "2013-10-08")] == ["overnight"]
        assert "overnight" in [getattr(record, "alert", "") for record in caplog.records]
        again.room.notary.acknowledge(TODAY, by="operator", reason="seen")
        assert again.held()
        assert again.room.monitor.next_wake() <= a_time("09:30") + DAY
        again.hands.now = a_time("09:30") + DAY
        again.room.monitor.turn(again.hands.wait)
        assert again.held() == {}
        assert state(again) is TradingState.ACTIVE

    def test_kept_ones_end_with_the_sessions_flatten(self, tmp_path: Path) -> None:
        keep = HoldingRules(overnight=OvernightRule.KEEP)
        again = next_day(self.held_overnight(tmp_path), keep)
        again.hands.now = a_time("09:31") + DAY
        again.room.monitor.turn(again.hands.wait)
        assert again.held()
        again.hands.now = a_time("15:56") + DAY
        again.room.monitor.turn(again.hands.wait)
        assert again.held() == {}

    def test_foreign_ones_wait_for_the_flatten(self, tmp_path: Path) -> None:
        bench = a_bench(tmp_path, Hands("15:00"), tape=two_days())
        turn(bench)
        bench.buy("IBM")
        again = next_day(bench, HoldingRules())
        again.hands.now = a_time("09:31") + DAY
        again.room.monitor.turn(again.hands.wait)
        assert again.held() == {"IBM": ten()}

    def test_what_was_sold_and_bought_again_is_not_sold_by_a_restart(self, tmp_path: Path) -> None:
        again = next_day(self.held_overnight(tmp_path), HoldingRules())
        again.room.notary.acknowledge(TODAY, by="operator", reason="seen")
        again.hands.now = a_time("09:30") + DAY
        again.room.monitor.turn(again.hands.wait)
        again.hands.now = a_time("09:40") + DAY
        buy(again)
        held = again.held()
        assert held
        third = next_day(again, HoldingRules(), "09:45")
        third.hands.now = a_time("09:46") + DAY
        third.room.monitor.turn(third.hands.wait)
        assert third.held() == held
