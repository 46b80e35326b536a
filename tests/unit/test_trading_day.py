"""The trading day, on a clock that jumps: what happens when, from whatever moment it starts."""

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, date
from pathlib import Path

import pytest

from agent.base_agent.base_agent import BaseAgent
from agent.cycle import Cycle
from agent.diary import Diary
from agent.health import Health
from agent.pace import minutes_to_next_cycle
from agent.server_routes import Incident
from agent.trading_day import TradingDay
from tests.doubles import (
    EndOfTest,
    FakeRoutes,
    FakeTools,
    JumpClock,
    ScriptedModel,
    a_position,
    says,
    some_options,
)
from tools.core.errors import Unavailable
from tools.core.session import Timetable
from tools.journal import history
from tools.schedule.market_hours import MarketHours, at_new_york

# Wednesday; Thanksgiving and its half Friday; Monday.
SESSIONS = [("2026-11-25", 16), ("2026-11-27", 13), ("2026-11-30", 16)]


def some_hours() -> MarketHours:
    rows = [
        (day, at_new_york(day, 9, 30).astimezone(UTC), at_new_york(day, close, 0).astimezone(UTC))
        for day, close in ((date.fromisoformat(text), close) for text, close in SESSIONS)
    ]
    return MarketHours(rows, Timetable())


class World:
    """A trading day with doubles at every seam, and what it said and did."""

    def __init__(self, home: Path, start: str, end: str) -> None:
        """`start` and `end` are New York wall times in November 2026, `25T09:00`."""
        self.clock = JumpClock(f"2026-11-{start}-05:00", ends_at=f"2026-11-{end}-05:00")
        self.tools, self.routes, self.health = FakeTools(), FakeRoutes(), Health()
        self.routes.clock = self.clock
        self.model = ScriptedModel(lambda _: says("HOLD SPY: waiting"))
        self.home, self.options = home, some_options(home)
        self.hours = some_hours()

    def day(self) -> TradingDay:
        async def load_hours() -> MarketHours:
            return self.hours

        agent = BaseAgent(self.model, max_steps=30, call_deadline_seconds=60)
        cycle = Cycle(
            clock=self.clock,
            tools=self.tools,
            agent=agent,
            watchlist=self.options.watchlist,
            deadline_seconds=240,
            simulated_time=False,
        )
        return TradingDay(
            options=self.options,
            clock=self.clock,
            load_hours=load_hours,
            tools=self.tools,
            routes=self.routes,
            cycle=cycle,
            diary=Diary(self.options, history),
            health=self.health,
        )

    async def live(self) -> None:
        with pytest.raises(EndOfTest):
            await self.day().run()

    def cycles(self, day: str = "25") -> list[str]:
        """The New York times at which cycles of a day began."""
        folder = self.options.agent_folder / "log" / f"2026-11-{day}"
        return [record["at"][11:16] for record in history.read(folder / "decisions.jsonl")]

    def status(self) -> dict[str, object]:
        text = (self.home / "data" / "runtime_env.json").read_text(encoding="utf-8")
        found: dict[str, object] = json.loads(text)
        return found


type Worlds = Callable[[str, str], World]


@pytest.fixture
def world(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Worlds:
    caplog.set_level(logging.INFO)
    return lambda start, end: World(tmp_path, start, end)


pytestmark = pytest.mark.anyio


async def test_a_day_sleeps_prepares_trades_flattens_and_sleeps_again(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    here = world("24T21:45:34", "26T08:00")
    await here.live()
    banners = [
        "STARTING",
        "Loaded 20 MCP tools",
        "INTELLIGENT SLEEP MODE",
        "PREPARING FOR MARKET OPEN",
        "TRADING CYCLE #1 ",
        "END OF DAY POSITION CLOSE - 3:55 PM ET",
        "Status: FLAT (no positions)",
        "Next market opens: Friday, November 27 at 09:30 AM ET",
    ]
    places = [caplog.text.index(words) for words in banners]
    assert places == sorted(places)
    assert here.cycles()[:3] == ["09:30", "09:40", "09:50"]
    assert here.cycles()[-1] <= "15:53"
    assert here.clock.actors == [("trader", 50)]
    assert here.status()["phase"] == "SLEEP"


async def test_a_sleep_is_announced_once_and_counted_down_each_full_hour(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    await world("24T21:45:34", "25T09:24:59").live()
    assert caplog.text.count("Sleeping until 09:25:00 AM ET (wake up 5 min before market)") == 1
    left = re.findall(r"Sleep mode active - Wake up in: (\d+h \d+m)", caplog.text)
    assert left[:3] == ["11h 39m", "11h 25m", "10h 25m"]
    assert left[-1] == "0h 25m"
    assert len(left) == 13


async def test_a_half_day_is_flattened_five_minutes_before_its_own_close(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    here = world("27T12:30", "27T14:00")
    await here.live()
    assert [f"{at:%H:%M}" for at in here.routes.started_at] == ["17:55"]
    assert "END OF DAY POSITION CLOSE - 12:55 PM ET" in caplog.text
    assert "Next trading session: Monday, November 30 at 9:30 AM ET" in caplog.text


async def test_holidays_and_weekends_are_slept_through(world: Worlds) -> None:
    here = world("25T16:30", "30T09:31")
    await here.live()
    assert here.cycles("26") == []
    assert here.cycles("27")[0] == "09:30"
    assert here.cycles("30") == ["09:30"]


@pytest.mark.parametrize(
    ("start", "first"),
    [("25T11:02:30", "11:03"), ("25T09:27:00", "09:30"), ("25T11:02:00", "11:02")],
)
async def test_a_start_within_the_session_trades_from_the_next_whole_minute(
    world: Worlds, start: str, first: str
) -> None:
    here = world(start, "25T11:05")
    await here.live()
    assert here.cycles()[0] == first


async def test_a_start_at_1557_flattens_at_once_without_a_cycle(world: Worlds) -> None:
    here = world("25T15:57", "25T20:00")
    await here.live()
    assert here.cycles() == []
    assert [f"{at:%H:%M}" for at in here.routes.started_at] == ["20:57"]


async def test_a_start_at_1557_does_not_wait_for_a_data_server_that_is_away(world: Worlds) -> None:
    here = world("25T15:57", "25T20:00")
    here.tools.connections = [Unavailable("alpaca-data: connection refused")]
    await here.live()
    assert len(here.routes.started_at) == 1


async def test_a_start_after_the_close_sleeps_and_closes_nothing(world: Worlds) -> None:
    here = world("25T16:00", "26T12:00")
    await here.live()
    assert here.routes.started_at == []


async def test_a_server_that_is_away_at_the_start_is_named_with_its_command(
    world: Worlds, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.trading_day.RECONNECT_SECONDS", 0)
    monkeypatch.setattr("agent.trading_day.FIRST_COMPLAINT_SECONDS", 0)
    here = world("25T08:00", "25T08:30")
    why = Unavailable("alpaca-trade: connection refused; start it with: python -m x")
    here.tools.connections = [why, why, why, 20]
    await here.live()
    assert caplog.text.count("start it with: python -m x") == 1
    assert here.health.healthy


async def test_a_flatten_goes_on_asking_until_the_close_and_then_says_not_flat(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    here = world("25T15:50", "25T18:00")
    here.tools.answers["get_positions"] = {"positions": [a_position("TSLA")]}
    here.routes.away = True
    await here.live()
    errors = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert errors.pop(0) == "server down: alpaca-trade: connection refused"
    assert errors[:-1] == ["close TSLA error: alpaca-trade: connection refused"] * 5
    assert "Status: NOT FLAT (TSLA)" in errors[-1]
    assert "All positions closed successfully" not in caplog.text


async def test_positions_that_the_broker_still_reports_are_not_called_closed(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    here = world("25T15:57", "25T18:00")
    here.routes.flat, here.routes.remaining = False, ("NVDA",)
    await here.live()
    assert "Status: NOT FLAT (NVDA)" in caplog.text
    assert len(here.routes.started_at) > 1


async def test_the_summary_counts_the_days_round_trips(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    here = world("25T15:57", "25T18:00")
    trips = [{"symbol": "SPY", "pnl": 100.1}, {"symbol": "QQQ", "pnl": -20.05}, {"pnl": 0}]
    here.tools.answers["get_orders"] = {"open_orders": [], "round_trips": trips}
    await here.live()
    assert "Total trades: 3" in caplog.text
    assert "Winning trades: 1 (33.3%)" in caplog.text
    assert "Daily P&L: +$80.05" in caplog.text
    assert "Final cash: $100,000.00" in caplog.text


async def test_cycle_numbers_go_on_across_days_and_restarts(world: Worlds) -> None:
    await (first := world("25T15:40", "25T15:55")).live()
    count = first.health.cycle_count
    here = world("27T09:29", "27T09:31")
    await here.live()
    assert here.health.cycle_count == count + 1


async def test_what_a_server_warned_of_is_repeated_in_the_traders_log(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    here = world("25T09:29", "25T09:31")
    here.routes.incidents = [
        Incident("alpaca-data", 1, "WARNING: rate limit: try later"),
        Incident("alpaca-trade", 1, "ERROR: close SPY error: rejected"),
    ]
    await here.live()
    levels = {one.getMessage(): one.levelname for one in caplog.records}
    assert levels["alpaca-data: WARNING: rate limit: try later"] == "WARNING"
    assert levels["alpaca-trade: ERROR: close SPY error: rejected"] == "ERROR"


async def test_past_the_end_of_the_session_table_nothing_is_traded(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    here = world("30T17:00", "30T23:30")
    await here.live()
    assert "python -m tools.schedule.session_table" in caplog.text
    assert not here.health.healthy
    assert here.cycles("30") == []


async def test_a_cycle_that_fails_makes_the_trader_unwell_until_the_next_one(world: Worlds) -> None:
    here = world("25T09:29", "25T09:31")
    here.tools.answers["get_trading_signals"] = Unavailable("alpaca-data: connection refused")
    await here.live()
    assert here.health.last_error == "alpaca-data: connection refused"


async def test_every_block_ends_with_a_line_that_names_the_phase(
    world: Worlds, caplog: pytest.LogCaptureFixture
) -> None:
    await world("25T08:00", "26T08:00").live()
    blocks = [one.getMessage() for one in caplog.records if one.name == "active_trader"]
    assert len(blocks) > 80
    for block in blocks:
        assert re.search("SLEEP|TRADING|MARKET", block.splitlines()[-1])


@pytest.mark.parametrize(
    ("ratios", "holding", "minutes"),
    [
        ([], False, 10),
        ([0.2, 0.6], False, 10),
        ([0.8], False, 10),
        ([1.05], False, 8),
        ([1.3], False, 5),
        ([9.0], False, 5),
        ([0.1], True, 5),
    ],
)
async def test_cycles_follow_the_bustle_of_the_market(
    ratios: list[float], holding: bool, minutes: int
) -> None:
    assert minutes_to_next_cycle(ratios, holding=holding) == minutes
