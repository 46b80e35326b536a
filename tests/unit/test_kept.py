"""The market that a data server was told of, kept to be traded again."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_bar
from tests.tapes import MONDAY, hours
from tools.core.market import Bar, Mover, Quote, Timeframe
from tools.schedule.market_hours import at_new_york
from tools.simulation.kept import KeptMarket, make_tape
from tools.simulation.recorded import RecordedTape

OPEN = at_new_york(MONDAY, 9, 30)
FRIDAY = date(2013, 10, 4)


class Market:
    """Answers what it is given."""

    def __init__(self) -> None:
        self.found: tuple[Bar, ...] = ()
        self.quoted: dict[str, Quote] = {}

    def quotes(self, symbols: Sequence[str]) -> Mapping[str, Quote]:
        return self.quoted

    def bars(
        self, symbols: Sequence[str], timeframe: Timeframe, *, start: datetime, end: datetime
    ) -> Mapping[str, tuple[Bar, ...]]:
        return {"SPY": tuple(bar for bar in self.found if start <= bar.start < end)}

    def movers(self, top: int) -> tuple[Mover, ...]:
        return ()


def a_day(market: Market, folder: Path, upto: int) -> KeptMarket:
    """Everything of SPY's Monday up to minute `upto` was asked for."""
    kept = KeptMarket(market, folder, lambda: OPEN + timedelta(minutes=upto))
    ask(kept, upto)
    return kept


def ask(kept: KeptMarket, upto: int) -> None:
    end = OPEN + timedelta(minutes=upto)
    kept.bars(["SPY"], Timeframe.MINUTE_1, start=OPEN, end=end)


def minutes(count: int) -> tuple[Bar, ...]:
    return tuple(a_bar(OPEN + timedelta(minutes=n), close=100 + n) for n in range(count))


def tape_of(kept: Path, into: Path) -> RecordedTape:
    make_tape(kept, into, last_day=MONDAY)
    return RecordedTape(into, hours(), last_day=MONDAY)


def test_bars_are_added_as_they_close_each_once_also_by_another_process(tmp_path: Path) -> None:
    market, kept = Market(), tmp_path / "kept"
    market.found = minutes(10)
    server = a_day(market, kept, 3)
    ask(server, 5)
    a_day(market, kept, 8)
    lines = (kept / str(MONDAY) / "SPY.bars.csv").read_text().splitlines()
    assert len(lines) == 1 + 8
    day = tape_of(kept, tmp_path / "tape").day("SPY", MONDAY)
    assert day is not None
    assert [candle.close for candle in day.candles] == [10_000 + 100 * n for n in range(8)]


def test_a_quote_counts_from_the_end_of_the_minute_it_was_seen_in(tmp_path: Path) -> None:
    market, kept = Market(), tmp_path / "kept"
    market.found = minutes(10)
    server = a_day(market, kept, 5)
    market.quoted = {
        "SPY": Quote(
            symbol="SPY",
            at=OPEN,
            bid=Decimal("103.50"),
            ask=Decimal("104.75"),
            bid_size=200,
            ask_size=300,
        )
    }
    server.quotes(["SPY"])
    day = tape_of(kept, tmp_path / "tape").day("SPY", MONDAY)
    assert day is not None
    *before, last = day.ticks
    assert (last.bid, last.ask, last.bid_size, last.ask_size) == (10_350, 10_475, 200, 300)
    assert last.at == int((OPEN + timedelta(minutes=5)).timestamp())
    assert [tick.ask - tick.bid for tick in before] == [2, 2, 2, 2]


def test_quarters_stand_in_for_days_without_minutes_and_for_no_others(tmp_path: Path) -> None:
    market, kept = Market(), tmp_path / "kept"
    market.found = (a_bar(at_new_york(FRIDAY, 9, 45), close=90), *minutes(2))
    server = a_day(market, kept, 2)
    market.found += (a_bar(OPEN + timedelta(minutes=15), close=95),)
    server.bars(
        ["SPY"],
        Timeframe.MINUTE_15,
        start=at_new_york(FRIDAY, 9, 30),
        end=OPEN + timedelta(hours=1),
    )
    tape = tape_of(kept, tmp_path / "tape")
    friday, monday = tape.day("SPY", FRIDAY), tape.day("SPY", MONDAY)
    assert friday is not None
    assert monday is not None
    assert [candle.close for candle in friday.candles] == [9_000]
    assert len(monday.candles) == 2
    make_tape(kept, tmp_path / "friday's", last_day=FRIDAY)
    assert [day.name for day in (tmp_path / "friday's").iterdir()] == [str(FRIDAY)]


def test_a_torn_row_is_cut_off_and_the_next_is_whole(tmp_path: Path) -> None:
    market, kept = Market(), tmp_path / "kept"
    market.found = minutes(10)
    a_day(market, kept, 4)
    path = kept / str(MONDAY) / "SPY.bars.csv"
    path.write_bytes(path.read_bytes()[:-7])
    a_day(market, kept, 6)
    day = tape_of(kept, tmp_path / "tape").day("SPY", MONDAY)
    assert day is not None
    assert len(day.candles) == 6


def test_a_disk_that_fails_costs_no_answer(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    market = Market()
    market.found = minutes(3)
    (tmp_path / "kept").write_text("no folder")
    kept = KeptMarket(market, tmp_path / "kept", lambda: OPEN)
    found = kept.bars(["SPY"], Timeframe.MINUTE_1, start=OPEN, end=OPEN + timedelta(hours=1))
    assert len(found["SPY"]) == 3
    assert "the market is not kept" in caplog.text
