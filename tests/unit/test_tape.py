"""Recorded tapes, and what can be known of a tape at an instant."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.builders import a_time
from tests.tapes import MONDAY, HandTape, candles, flat, hours
from tools.core.errors import ConfigError
from tools.schedule.market_hours import at_new_york
from tools.simulation.market import Market
from tools.simulation.recorded import RecordedTape
from tools.simulation.tape import DAY, MINUTE, Tick, half_spread

BARS = "timestamp,open,high,low,close,volume"
QUOTES = (
    "timestamp,bid_open,bid_high,bid_low,bid_close,bid_size,"
    "ask_open,ask_high,ask_low,ask_close,ask_size"
)
ROW = "2013-10-07T13:30:00Z,100,101,99,100.5,1000"
NEXT = "2013-10-07T13:31:00Z,100.5,101,100,101,500"


def recorded(folder: Path, *bars: str, quotes: tuple[str, ...] = ()) -> RecordedTape:
    day = folder / "2013-10-07"
    day.mkdir(exist_ok=True)
    (day / "SPY.bars.csv").write_text("\n".join([BARS, *bars, ""]), encoding="utf-8")
    if quotes:
        (day / "SPY.quotes.csv").write_text("\n".join([QUOTES, *quotes, ""]), encoding="utf-8")
    return RecordedTape(folder, hours(), last_day=MONDAY)


def test_a_bar_is_known_when_its_minute_has_ended(tmp_path: Path) -> None:
    market = Market(recorded(tmp_path, ROW, NEXT), hours())
    assert market.last_price("SPY", a_time("09:30:59")) is None
    assert market.last_price("SPY", a_time("09:31")) == 10_050
    assert market.last_price("SPY", a_time("09:31:59")) == 10_050
    assert market.last_price("SPY", a_time("09:32")) == 10_100


def test_a_quote_row_counts_from_the_end_of_its_minute(tmp_path: Path) -> None:
    quote = "2013-10-07T13:30:00Z,1,1,1,100.40,300,1,1,1,100.60,200"
    market = Market(recorded(tmp_path, ROW, quotes=(quote,)), hours())
    assert market.quote("SPY", a_time("09:30:59")) is None
    at = int(a_time("09:31").timestamp())
    assert market.quote("SPY", a_time("09:31")) == Tick(at, 10_040, 10_060, 300, 200)


def test_a_missing_row_means_that_nothing_changed(tmp_path: Path) -> None:
    market = Market(recorded(tmp_path, ROW), hours())
    first = market.quote("SPY", a_time("09:31"))
    assert market.quote("SPY", a_time("15:00")) == first


@pytest.mark.parametrize(("cents", "half"), [(100, 1), (20_000, 1), (20_001, 2), (60_000, 3)])
def test_without_quotes_half_a_spread_is_half_a_basis_point_rounded_up(
    cents: int, half: int
) -> None:
    assert half_spread(cents) == half


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2013-10-07T13:31:00Z,100,1", "not enough values"),
        ("2013-10-07T13:31:00Z,100,101,99,abc,5", "abc"),
        ("2013-10-07T13:31:00Z,100,101,99,nan,5", "not a price"),
        ("2013-10-07T13:31:00Z,100,99,101,100,5", "outside"),
        ("2013-10-07T13:31:00Z,100,101,99,100,-5", "not a number of shares"),
        ("2013-10-07T13:31:30Z,100,101,99,100,5", "whole minutes"),
        ("2013-10-07T13:31:00,100,101,99,100,5", "zone"),
        ("2013-10-07T13:30:00Z,100,101,99,100,5", "out of order"),
        ("2013-10-08T13:31:00Z,100,101,99,100,5", "not of that day"),
        ("\x00\x01garbage", "Invalid isoformat"),
    ],
)
def test_a_torn_line_is_named_with_file_and_line(tmp_path: Path, row: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recorded(tmp_path, ROW, row)
    message = str(caught.value)
    assert "SPY.bars.csv line 3" in message
    assert reason in message
    assert "\n" not in message


def test_a_wrong_header_is_named(tmp_path: Path) -> None:
    (tmp_path / "2013-10-07").mkdir()
    (tmp_path / "2013-10-07" / "SPY.bars.csv").write_text("t,o\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1: expected the header timestamp"):
        RecordedTape(tmp_path, hours(), last_day=MONDAY)


def test_days_after_the_last_one_are_not_even_read(tmp_path: Path) -> None:
    later = tmp_path / "2013-10-08"
    later.mkdir()
    (later / "SPY.bars.csv").write_text("torn", encoding="utf-8")
    assert recorded(tmp_path, ROW).day("SPY", date(2013, 10, 8)) is None


def test_a_five_minute_bar_is_known_when_its_last_minute_has_ended() -> None:
    rising = candles(*[(100 + i, 100.5 + i, 99.5 + i, 100.25 + i) for i in range(10)])
    market = Market(HandTape({"SPY": rising}), hours())
    asked = {"start": a_time("09:30"), "end": a_time("16:00")}
    assert (
        market.candles(
            "SPY", 5 * MINUTE, at=a_time("09:34:59"), start=asked["start"], end=asked["end"]
        )
        == []
    )
    (bar,) = market.candles(
        "SPY", 5 * MINUTE, at=a_time("09:39"), start=asked["start"], end=asked["end"]
    )
    assert bar[:6] == (int(a_time("09:30").timestamp()), 10_000, 10_450, 9_950, 10_425, 5_000)


def test_bars_start_within_both_ends() -> None:
    market = Market(HandTape({"SPY": flat(100)}), hours())
    found = market.candles(
        "SPY", MINUTE, start=a_time("09:40"), end=a_time("09:50"), at=a_time("12:00")
    )
    assert [found[0].start, found[-1].start] == [
        int(a_time(clock).timestamp()) for clock in ("09:40", "09:50")
    ]


def test_a_daily_bar_is_the_regular_session_and_known_at_its_close() -> None:
    early, late = candles((1, 1, 1, 1), start="08:00"), candles((9, 9, 9, 9), start="16:00")
    market = Market(HandTape({"SPY": early + flat(100) + late}), hours())
    asked = {"start": a_time("00:00"), "end": a_time("23:00")}
    assert (
        market.candles("SPY", DAY, at=a_time("15:59:59"), start=asked["start"], end=asked["end"])
        == []
    )
    (bar,) = market.candles("SPY", DAY, at=a_time("16:00"), start=asked["start"], end=asked["end"])
    assert bar.start == int(at_new_york(MONDAY, 0, 0).timestamp())
    assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (10_000,) * 4 + (390_000,)


def test_the_running_day_is_made_of_the_minutes_that_have_ended() -> None:
    market = Market(HandTape({"SPY": candles((1, 2, 1, 2), (2, 9, 2, 9))}), hours())
    assert next(market.days("SPY", a_time("09:30:30")), None) is None
    assert next(market.days("SPY", a_time("09:31"))).high == 200
    assert next(market.days("SPY", a_time("09:32"))).high == 900


def test_a_frame_that_was_cached_late_shows_nothing_early() -> None:
    market = Market(HandTape({"SPY": flat(100)}), hours())
    asked = {"start": a_time("09:30"), "end": a_time("16:00")}
    assert (
        len(
            market.candles(
                "SPY", 5 * MINUTE, at=a_time("16:00"), start=asked["start"], end=asked["end"]
            )
        )
        == 78
    )
    assert (
        len(
            market.candles(
                "SPY", 5 * MINUTE, at=a_time("10:00"), start=asked["start"], end=asked["end"]
            )
        )
        == 6
    )


def test_recorded_days_read_whole(market_data: Path) -> None:
    tape = RecordedTape(market_data, hours(), last_day=date(2013, 10, 9), symbols=("SPY", "IBM"))
    assert tape.symbols == ("IBM", "SPY")
    day = tape.day("SPY", MONDAY)
    assert day
    regular = [c for c in day.candles if a_time("09:30") <= _at(c.start) < a_time("16:00")]
    assert len(regular) == 390


def test_row_t_of_the_quotes_matches_bar_t(market_data: Path) -> None:
    """Measured: a close lies 1.5 basis points from its own row's mid, 3.8 from a neighbour's."""
    tape = RecordedTape(market_data, hours(), last_day=MONDAY, symbols=("IBM",))
    day = tape.day("IBM", MONDAY)
    assert day
    mids = {tick.at: (tick.bid + tick.ask) / 2 for tick in day.ticks}

    def distance(shift: timedelta) -> float:
        pairs = [
            (candle.close, mids[at])
            for candle in day.candles
            if (at := candle.start + MINUTE + int(shift.total_seconds())) in mids
        ]
        return sum(abs(close - mid) / close for close, mid in pairs) / len(pairs)

    own = distance(timedelta(0))
    assert own < distance(timedelta(minutes=1)) / 2
    assert own < distance(timedelta(minutes=-1)) / 2


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
