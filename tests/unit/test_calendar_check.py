"""The broker's calendar against ours: the earlier close wins, and no answer changes nothing."""

import asyncio
import contextlib
import json
import logging
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from tests.stub_server import Reply, StubServer
from tools import wiring
from tools.core.alerts import AlertKind
from tools.core.session import Timetable
from tools.schedule.calendar_check import take_earlier_closes
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.settings import load

pytestmark = pytest.mark.anyio

FIRST, LAST = date(2026, 11, 23), date(2026, 11, 27)
TABLE = """date,open,close
2026-11-20,2026-11-20T14:30:00Z,2026-11-20T21:00:00Z
2026-11-23,2026-11-23T14:30:00Z,2026-11-23T21:00:00Z
2026-11-24,2026-11-24T14:30:00Z,2026-11-24T21:00:00Z
2026-11-25,2026-11-25T14:30:00Z,2026-11-25T21:00:00Z
2026-11-27,2026-11-27T14:30:00Z,2026-11-27T18:00:00Z
2026-11-30,2026-11-30T14:30:00Z,2026-11-30T21:00:00Z
"""
AGREED = {date(2026, 11, day): time(16) for day in (23, 24, 25)} | {LAST: time(13)}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "session_table.csv"
    path.parent.mkdir()
    path.write_text(TABLE, encoding="utf-8")
    return path


def close_on(table: Path, day: date) -> datetime | None:
    session = MarketHours.load(table, Timetable()).session_on(day)
    return session.close_at if session else None


@pytest.mark.parametrize(
    "told",
    [AGREED, {}, AGREED | {LAST: time(16)}, AGREED | {date(2026, 11, 26): time(16)}],
    ids=["agreed", "nothing told", "a later close", "a day that we do not have"],
)
def test_what_is_no_earlier_close_changes_nothing(
    table: Path, told: dict[date, time], tmp_path: Path
) -> None:
    assert take_earlier_closes(table, tmp_path / "own.csv", told, FIRST, LAST) == ()
    assert not (tmp_path / "own.csv").exists()


def test_an_earlier_close_of_the_brokers_is_ours(table: Path) -> None:
    told = AGREED | {date(2026, 11, 24): time(13, 30)}
    (words,) = take_earlier_closes(table, table, told, FIRST, LAST)
    assert words == "2026-11-24: the close is 13:30, says the broker, not 16:00"
    assert close_on(table, date(2026, 11, 24)) == at_new_york(date(2026, 11, 24), 13, 30)
    assert close_on(table, date(2026, 11, 25)) == at_new_york(date(2026, 11, 25), 16, 0)
    assert take_earlier_closes(table, table, told, FIRST, LAST) == ()


def test_a_day_on_which_the_broker_does_not_open_is_no_session(table: Path) -> None:
    told = {day: close for day, close in AGREED.items() if day != FIRST}
    assert take_earlier_closes(table, table, told, FIRST, LAST) == (
        "2026-11-23: no session, says the broker",
    )
    assert close_on(table, FIRST) is None
    assert close_on(table, date(2026, 11, 30)) is not None


async def test_a_service_takes_it_over_while_it_runs(
    table: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [
        {"date": str(day), "open": "09:30", "close": f"{close:%H:%M}"}
        for day, close in (AGREED | {FIRST: time(12)}).items()
    ]
    now = datetime(2026, 11, 22, 12, tzinfo=UTC)
    with StubServer(Reply(body=json.dumps(rows).encode())) as server:
        environment = {"ACTIVE_TRADER_HOME": str(tmp_path), "ALPACA_TRADING_URL": server.url}
        settings = load(environment)
        hours, broker = wiring.make_hours(settings), wiring.make_broker(settings)
        with caplog.at_level(logging.WARNING), contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                keeping = asyncio.create_task(
                    wiring.keep_hours(settings, hours, lambda: now, broker)
                )
                while hours.current_or_next(now).close_at != at_new_york(FIRST, 12, 0):
                    await asyncio.sleep(0.01)
        keeping.cancel()

    assert hours.current_or_next(now).close_at == at_new_york(FIRST, 12, 0)
    assert getattr(caplog.records[0], "alert", None) is AlertKind.CALENDAR
