"""Sessions: half days, holidays, daylight saving, and the end of the table."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tools.core.errors import ConfigError
from tools.core.session import Timetable
from tools.schedule import session_table
from tools.schedule.market_hours import CalendarEnded, MarketHours, at_new_york, new_york


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "session_table.csv"
    path.write_text(session_table.table_text("2027-12-31"), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def hours(table: Path) -> MarketHours:
    return MarketHours.load(table, Timetable())


@pytest.mark.parametrize(
    ("day", "wake", "entries_end", "flatten"),
    [
        (date(2026, 11, 25), (9, 25), (15, 45), (15, 55)),
        (date(2026, 11, 27), (9, 25), (12, 45), (12, 55)),
        (date(2026, 12, 24), (9, 25), (12, 45), (12, 55)),
        (date(2026, 3, 6), (9, 25), (15, 45), (15, 55)),
        (date(2026, 3, 9), (9, 25), (15, 45), (15, 55)),
        (date(2026, 11, 2), (9, 25), (15, 45), (15, 55)),
        (date(2013, 10, 7), (9, 25), (15, 45), (15, 55)),
    ],
)
def test_the_timetable_follows_the_sessions_own_close(
    hours: MarketHours,
    day: date,
    wake: tuple[int, int],
    entries_end: tuple[int, int],
    flatten: tuple[int, int],
) -> None:
    session = hours.session_on(day)
    assert session is not None
    assert session.wake_at == at_new_york(day, *wake)
    assert session.entries_end_at == at_new_york(day, *entries_end)
    assert session.flatten_at == at_new_york(day, *flatten)
    assert session.flatten_at.tzinfo is UTC


@pytest.mark.parametrize("day", [date(2026, 11, 26), date(2026, 11, 28), date(2025, 1, 9)])
def test_holidays_weekends_and_mourning_days_have_no_session(hours: MarketHours, day: date) -> None:
    assert hours.session_on(day) is None


def test_the_session_after_thanksgiving_is_the_half_day(hours: MarketHours) -> None:
    after_close = at_new_york(date(2026, 11, 25), 16, 0)
    assert hours.current_or_next(after_close).on == date(2026, 11, 27)
    assert hours.current_or_next(after_close - timedelta(seconds=1)).on == date(2026, 11, 25)


def test_friday_evening_leads_to_monday(hours: MarketHours) -> None:
    assert hours.current_or_next(at_new_york(date(2026, 11, 20), 18, 0)).on == date(2026, 11, 23)


def test_the_last_ended_session_is_todays_from_its_close_on(hours: MarketHours) -> None:
    close = at_new_york(date(2026, 11, 27), 13, 0)
    ended, before = hours.last_ended(close), hours.last_ended(close - timedelta(seconds=1))
    assert ended is not None
    assert before is not None
    assert (ended.on, before.on) == (date(2026, 11, 27), date(2026, 11, 25))


def test_sessions_before_an_instant_include_the_one_that_opened_already(
    hours: MarketHours,
) -> None:
    noon = at_new_york(date(2026, 11, 27), 12, 0)
    days = [session.on for session in hours.sessions_before(noon, 2)]
    assert days == [date(2026, 11, 25), date(2026, 11, 27)]


def test_outside_the_table_the_calendar_has_ended(hours: MarketHours) -> None:
    with pytest.raises(CalendarEnded):
        hours.session_on(hours.last_day + timedelta(days=1))
    with pytest.raises(CalendarEnded):
        hours.current_or_next(datetime(2028, 1, 3, tzinfo=UTC))


def test_a_table_that_cannot_be_read_names_the_cure(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ConfigError, match="manage_services"):
            MarketHours.load(path, Timetable())


@pytest.mark.parametrize("text", ["", session_table.HEADER + "\n"])
def test_an_empty_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "session_table.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="damaged"):
        MarketHours.load(path, Timetable())


def test_a_damaged_table_is_refused(table: Path, tmp_path: Path) -> None:
    torn = tmp_path / "session_table.csv"
    torn.write_text(table.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    with pytest.raises(ConfigError, match="damaged"):
        MarketHours.load(torn, Timetable())


def test_new_york_time_of_an_instant_knows_summer_and_winter() -> None:
    assert new_york(datetime(2013, 10, 7, 19, 55, tzinfo=UTC)).hour == 15
    assert new_york(datetime(2026, 11, 20, 20, 55, tzinfo=UTC)).hour == 15


def test_the_maker_writes_the_table_where_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "session_table.csv"
    assert session_table.main([str(path)]) == 0
    assert MarketHours.load(path, Timetable()).last_day > date(2027, 1, 1)
