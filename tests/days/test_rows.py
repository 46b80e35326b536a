"""Rows of the fault matrix as days of their own, by hand instead of by chance (docs/faults.md).

Each day begins at 15:15 with four purchases; what happens to it stands in its test.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_time
from tests.days.layers import Layers
from tests.days.oracle import Verdict, judge
from tests.days.plan import SYMBOLS, TRADE, TRADER, UNIT, Fault, Kind, Plan
from tests.days.world import Day
from tests.tapes import MONDAY, hours
from tools.core.trading import OrderType, Side
from tools.execution.certificates import certificates_path, read_standing
from tools.journal import history
from tools.journal.order_ids import Leg, leg_of

SEED = 5
KEPT = "AIG", "KO", "SPY"
"""With this seed; the stop of IBM is hit at once."""

BUYING = [(a_time("15:16") + n * timedelta(minutes=2), one) for n, one in enumerate(SYMBOLS)]


@dataclass(frozen=True)
class Lived:
    """A day that is over, and what the exchange and the certificates say of it."""

    day: Day
    verdict: Verdict

    @property
    def certificate(self) -> Any:
        return read_standing(certificates_path(self.day.home)).last[MONDAY]

    @property
    def caller(self) -> str:
        """Who closed the session first."""
        return str(_lines(self.day)[0]["caller"])

    def entries(self) -> list[tuple[str, datetime]]:
        orders = self.day.broker.venue.orders()
        ours = (one for one in orders if leg_of(one.client_order_id) is Leg.ENTRY)
        return [(one.symbol, one.submitted_at) for one in ours if one.side is Side.BUY]

    def assert_flat(self, by: str) -> None:
        """In time, with no fault of ours, and something had been bought."""
        assert self.entries()
        assert (self.verdict.held, self.verdict.failed) == ((), False), self.verdict
        last = max(one.at for one in self.day.broker.venue.executions())
        assert last <= a_time(by), last

    def assert_held(self, *symbols: str) -> None:
        """To nobody's fault, and certified with the reason."""
        assert self.verdict.held == symbols
        assert not self.verdict.failed, self.verdict
        assert not self.certificate["flat"]
        assert self.certificate["why_not"]


type Live = Callable[..., Lived]


@pytest.fixture
def live(tmp_path: Path) -> Live:
    def lived(*faults: Fault, proposals: list[tuple[datetime, str]] | None = None) -> Lived:
        session = hours().session_on(MONDAY)
        assert session is not None
        plan = Plan(
            seed=SEED,
            begins=a_time("15:15"),
            faults=faults,
            proposals=tuple(BUYING if proposals is None else proposals),
        )
        day = Day(plan, session, tmp_path, Layers())
        day.live()
        day.wake_next_morning()
        return Lived(day, judge(day))

    return lived


def a_fault(kind: Kind, since: str, until: str = "23:59", who: str = "", **more: Any) -> Fault:
    return Fault(kind=kind, since=a_time(since), until=a_time(until), who=who, **more)


def _lines(day: Day) -> list[Any]:
    return history.read(certificates_path(day.home))


def test_row_1_a_dead_trader_leaves_its_stops_and_the_monitor_closes(live: Live) -> None:
    lived = live(a_fault(Kind.KILL, "15:30", who=TRADER))
    lived.assert_flat(by="15:56:30")
    assert lived.caller == "monitor"


def test_row_4_a_trade_server_killed_after_a_fill_comes_back_to_its_stop(live: Live) -> None:
    lived = live(a_fault(Kind.KILL, "15:16:01", "15:16:04", TRADE))
    lived.assert_flat(by="15:56")
    stops = [
        one
        for one in lived.day.broker.venue.orders()
        if one.request.order_type is OrderType.STOP and one.symbol == SYMBOLS[0]
    ]
    assert {one.submitted_at for one in stops} == {a_time("15:16")}


def test_row_6_trader_and_trade_server_killed_a_second_before_the_flatten(live: Live) -> None:
    lived = live(
        a_fault(Kind.KILL, "15:54:59", who=TRADER), a_fault(Kind.KILL, "15:54:59", who=TRADE)
    )
    lived.assert_flat(by="15:57:10")
    assert lived.caller == "timer"


def test_row_8_a_trade_server_that_hangs_is_done_without(live: Live) -> None:
    lived = live(a_fault(Kind.STOP, "15:54", "15:59", TRADE))
    lived.assert_flat(by="15:57:10")
    assert lived.caller == "timer"


def test_row_10_a_broker_that_throttles(live: Live) -> None:
    live(a_fault(Kind.THROTTLE, "15:50", "15:57")).assert_flat(by="15:57:30")


def test_row_11_a_broker_that_answers_500_and_takes_half_of_the_orders(live: Live) -> None:
    live(a_fault(Kind.ERRORS, "15:54:30", "15:56")).assert_flat(by="15:57:30")


def test_row_12_orders_arrive_and_no_answer_does(live: Live) -> None:
    live(a_fault(Kind.LOST, "15:54:30", "15:56")).assert_flat(by="15:57:30")


def test_row_12_every_call_hangs_for_ten_seconds(live: Live) -> None:
    live(a_fault(Kind.HANG, "15:54:30", "15:56")).assert_flat(by="15:58")


def test_row_14_a_stuck_cancel_holds_up_its_own_symbol_alone(live: Live) -> None:
    symbol = SYMBOLS[0]
    lived = live(a_fault(Kind.STUCK_CANCEL, "15:54", "15:58", symbol=symbol))
    lived.assert_flat(by="15:58:30")
    sold = {one.order.symbol: one.at for one in lived.day.broker.venue.executions()}
    assert max(at for one, at in sold.items() if one != symbol) <= a_time("15:55:10")
    assert sold[symbol] > a_time("15:55:10")


def test_rows_15_and_16_entries_and_exits_fill_in_parts(live: Live) -> None:
    lived = live(a_fault(Kind.PARTIAL, "15:16", "15:24"), a_fault(Kind.PARTIAL, "15:54", "15:59"))
    lived.assert_flat(by="15:57")


def test_row_17_the_flattens_first_order_is_rejected(live: Live) -> None:
    live(a_fault(Kind.REJECT, "15:55", symbol=SYMBOLS[1])).assert_flat(by="15:56")


def test_row_19_a_halted_symbol_is_sold_when_it_trades_again(live: Live) -> None:
    lived = live(a_fault(Kind.HALT, "15:50", "15:58", symbol=SYMBOLS[2]))
    lived.assert_flat(by="15:59:10")


def test_row_20_a_market_that_is_halted_through_the_close_is_not_flat(live: Live) -> None:
    live(a_fault(Kind.HALT, "15:50")).assert_held(*KEPT)


def test_row_21_a_key_that_is_revoked_for_good_is_not_flat(live: Live) -> None:
    live(a_fault(Kind.AWAY, "15:50", "16:03")).assert_held(*KEPT)


def test_row_23_an_empty_list_of_positions_once_is_not_flat(live: Live) -> None:
    live(a_fault(Kind.STALE_READ, "15:55")).assert_flat(by="15:56")


@pytest.mark.parametrize("seconds", [-30, 30])
def test_row_32_a_clock_that_is_off_by_half_a_minute(live: Live, seconds: int) -> None:
    live(a_fault(Kind.SKEW, "15:30", seconds=seconds)).assert_flat(by="15:57")


@pytest.mark.parametrize("kind", [Kind.LOST_STATE, Kind.TORN_STATE])
def test_rows_39_and_40_the_state_file_is_gone_or_garbage(live: Live, kind: Kind) -> None:
    live(a_fault(kind, "15:54")).assert_flat(by="15:56:30")


def test_row_43_the_network_cut_at_1554_for_five_minutes(live: Live) -> None:
    live(a_fault(Kind.AWAY, "15:54", "15:59")).assert_flat(by="15:59:30")


def test_row_45_what_a_person_buys_is_closed_with_the_rest(live: Live) -> None:
    lived = live(a_fault(Kind.BY_HAND, "15:50", symbol=SYMBOLS[3]))
    lived.assert_flat(by="15:56")


def test_row_49_no_entry_from_a_quarter_of_an_hour_before_the_close_on(live: Live) -> None:
    late = [(a_time(clock), one) for clock, one in zip(("15:45", "15:55"), SYMBOLS, strict=False)]
    lived = live(proposals=[*BUYING[2:], *late])
    lived.assert_flat(by="15:56")
    assert sorted(symbol for symbol, _ in lived.entries()) == sorted(SYMBOLS[2:])


def test_row_50_a_host_without_power_leaves_its_stops_and_says_so_in_the_morning(
    live: Live,
) -> None:
    dead = [a_fault(Kind.KILL, "15:30", who=who) for who in (TRADER, TRADE, UNIT)]
    lived = live(*dead)
    lived.assert_held(*KEPT)
    assert lived.certificate["occasion"] == "late"
