"""The synthetic market: seeded, consistent, and shaped like a day of trading."""

import itertools
import statistics
from datetime import date

import pytest

from tools.core.session import Timetable
from tools.schedule import session_table
from tools.schedule.market_hours import MarketHours
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.tape import Candle, merged

FRIDAY, HALF_DAY = date(2026, 11, 20), date(2026, 11, 27)
DAYS = [date(2026, 11, day) for day in (16, 17, 18, 19, 20)]


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> MarketHours:
    path = tmp_path_factory.mktemp("table") / "session_table.csv"
    path.write_text(session_table.table_text("2027-12-31"), encoding="utf-8")
    return MarketHours.load(path, Timetable())


def regular(tape: SyntheticTape, symbol: str, on: date) -> list[Candle]:
    day, whole = tape.day(symbol, on), tape.daily(symbol, on)
    assert day
    assert whole
    return [candle for candle in day.candles if candle.start >= whole.start]


def test_a_day_depends_on_seed_symbol_and_date_alone(hours: MarketHours) -> None:
    one, other = SyntheticTape(["AAPL", "MSFT"], hours), SyntheticTape(["MSFT"], hours)
    one.day("AAPL", FRIDAY)
    one.day("MSFT", HALF_DAY)
    first, second = one.day("MSFT", FRIDAY), other.day("MSFT", FRIDAY)
    assert first
    assert second
    assert first.candles == second.candles
    assert SyntheticTape(["MSFT"], hours, seed=2).daily("MSFT", FRIDAY) != one.daily("MSFT", FRIDAY)
    assert one.daily("AAPL", FRIDAY) != one.daily("MSFT", FRIDAY)


@pytest.mark.parametrize("on", [*DAYS, HALF_DAY])
@pytest.mark.parametrize("symbol", ["AAPL", "SPY", "NVDA"])
def test_the_minutes_add_up_to_the_day(hours: MarketHours, symbol: str, on: date) -> None:
    tape = SyntheticTape(["AAPL", "SPY", "NVDA"], hours)
    minutes, whole = regular(tape, symbol, on), tape.daily(symbol, on)
    assert whole
    assert merged(minutes, whole.start)[:6] == whole[:6]
    for candle in minutes:
        assert 0 < candle.low <= min(candle.open, candle.close)
        assert max(candle.open, candle.close) <= candle.high


def test_a_half_day_has_half_the_minutes_and_a_holiday_none(hours: MarketHours) -> None:
    tape = SyntheticTape(["SPY"], hours)
    assert len(regular(tape, "SPY", FRIDAY)) == 390
    assert len(regular(tape, "SPY", HALF_DAY)) == 210
    assert tape.day("SPY", date(2026, 11, 26)) is None
    assert tape.day("SPY", date(2026, 11, 21)) is None


def test_open_and_close_are_busier_and_wilder_than_noon(hours: MarketHours) -> None:
    tape = SyntheticTape(["AAPL", "MSFT"], hours)
    days = [regular(tape, symbol, on) for symbol in tape.symbols for on in DAYS]

    def mean(begin: int, end: int, measure: str) -> float:
        return statistics.mean(
            candle.volume if measure == "volume" else (candle.high - candle.low) / candle.close
            for day in days
            for candle in day[begin:end]
        )

    for measure in ("volume", "range"):
        noon = mean(180, 210, measure)
        assert mean(0, 30, measure) > 1.3 * noon
        assert mean(360, 390, measure) > 1.2 * noon


def test_sessions_gap_away_from_the_evening_before(hours: MarketHours) -> None:
    tape = SyntheticTape(["AAPL"], hours)
    days = [tape.daily("AAPL", on) for on in DAYS]
    gaps = [
        abs(after.open / before.close - 1)
        for before, after in itertools.pairwise(days)
        if before and after
    ]
    assert len(gaps) == 4
    assert max(gaps) > 0.001


def test_there_is_a_quote_at_the_open(hours: MarketHours) -> None:
    tape = SyntheticTape(["AAPL"], hours)
    day, whole = tape.day("AAPL", FRIDAY), tape.daily("AAPL", FRIDAY)
    assert day
    assert whole
    (tick,) = [tick for tick in day.ticks if tick.at == whole.start]
    assert tick.bid < whole.open < tick.ask


def test_prices_stay_near_where_they_began_for_years(hours: MarketHours) -> None:
    tape = SyntheticTape(["AAPL"], hours)
    closes = [
        day.close
        for year in range(2011, 2027)
        if (day := tape.daily("AAPL", date(year, 6, 15))) is not None
    ]
    assert max(closes) < 4 * min(closes)
