"""The ten data tools through MCP, over a synthetic market: typed, small, blind to the future."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult
from pydantic import SecretStr

from agent_tools._catalog import CATALOG, Server
from agent_tools._mcp_server import Role, ToolServer
from agent_tools.tool_alpaca_data import MOST_BARS, MOST_SYMBOLS, DataTools
from tests.contract.worlds import MONDAY
from tools import technical_indicators
from tools.core.errors import MarketDataUnavailable
from tools.core.market import Mover
from tools.core.session import Timetable
from tools.hosting import Incidents
from tools.schedule.market_hours import MarketHours, at_new_york
from tools.settings import ROOT
from tools.simulation.sim_broker import SimBroker, TapeData
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.tape import Candle, Day, Tape

pytestmark = pytest.mark.anyio

HOURS = MarketHours.load(ROOT / "data" / "session_table.csv", Timetable())
SYMBOLS = [f"SYM{letter}" for letter in "ABCDEFGHIJKLMNOPQRST"]
FEW = SYMBOLS[:2]
LARGEST_ANSWER = 8_192
CALLS: dict[str, dict[str, Any]] = {
    "get_market_clock": {},
    "get_asset": {"symbol": "SYMA"},
    "get_quotes": {"symbols": SYMBOLS},
    "get_bars": {"symbol": "SYMA", "timeframe": "1Min", "limit": MOST_BARS},
    "get_snapshots": {"symbols": SYMBOLS},
    "get_indicators": {"symbol": "SYMA", "timeframe": "1Min"},
    "get_multi_timeframe_analysis": {"symbol": "SYMA"},
    "get_trading_signals": {"symbols": SYMBOLS},
    "get_levels": {"symbol": "SYMA"},
    "get_movers": {"top": 20},
}


class Moving(TapeData):
    """A TapeData that also knows movers."""

    down = False

    def bars(self, *args: Any, **options: Any) -> Any:
        if self.down:
            raise MarketDataUnavailable("connection refused")
        return super().bars(*args, **options)

    def movers(self, top: int) -> tuple[Mover, ...]:
        fall = Mover(symbol="SYMB", price=1 / 3, change_fraction=-1 / 3)
        return (fall,) * 2 * top


class Planted:
    """A tape whose prices become absurd at an instant."""

    def __init__(self, tape: Tape, since: datetime) -> None:
        self._tape, self._since = tape, since.timestamp()
        self.symbols, self.first_day = tape.symbols, tape.first_day

    def day(self, symbol: str, on: date) -> Day | None:
        day = self._tape.day(symbol, on)
        if day is None:
            return None
        return Day(
            [self._candle(candle) for candle in day.candles],
            [t._replace(bid=1, ask=10**8) if t.at > self._since else t for t in day.ticks],
        )

    def daily(self, symbol: str, on: date) -> Candle | None:
        daily = self._tape.daily(symbol, on)
        return self._candle(daily) if daily else None

    def _candle(self, candle: Candle) -> Candle:
        if candle.start < self._since:
            return candle
        return candle._replace(open=10**8, high=10**8, low=1, close=1, volume=10**9)


class World:
    """The data server in memory, at a time that a test moves on."""

    def __init__(self, tape: Tape, now: datetime) -> None:
        self.now = now
        clock: Callable[[], datetime] = lambda: self.now  # noqa: E731
        self.market = Moving(tape, HOURS, clock)
        self.incidents = Incidents()
        tools = DataTools(self.market, SimBroker(tape, HOURS, clock), HOURS, clock)
        self.server = ToolServer(
            Server.DATA,
            caller=Role.DATA,
            tokens={Role.DATA: SecretStr("key")},
            incidents=self.incidents,
            reads=tools.all(),
        )

    async def call(self, name: str, **arguments: Any) -> CallToolResult:
        async with Client(self.server.mcp) as client:
            await client.list_tools()
            return await client.call_tool(name, arguments)

    async def answer(self, name: str, **arguments: Any) -> Any:
        result = await self.call(name, **arguments)
        assert not result.is_error, result.content
        return result.structured_content


@pytest.fixture(scope="module")
def tape() -> SyntheticTape:
    return SyntheticTape(SYMBOLS, HOURS, seed=1)


@pytest.fixture
def world(tape: SyntheticTape) -> World:
    return World(tape, on_monday(11, 0))


def on_monday(hour: int, minute: int) -> datetime:
    return at_new_york(MONDAY, hour, minute)


def refusal(result: CallToolResult) -> str:
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]


def test_every_data_tool_is_exercised_here() -> None:
    assert [*CALLS] == [entry.name for entry in CATALOG if entry.server is Server.DATA]


async def test_answers_are_typed_json_of_bounded_size_all_day(tape: SyntheticTape) -> None:
    world = World(tape, on_monday(9, 25))
    for clock in ((9, 25), (9, 31), (11, 0), (15, 59), (17, 0)):
        world.now = on_monday(*clock)
        for name, arguments in CALLS.items():
            text = json.dumps(await world.answer(name, **arguments), separators=(",", ":"))
            assert "NaN" not in text
            assert len(text) <= LARGEST_ANSWER, f"{name} at {clock}: {len(text)} bytes"


@pytest.mark.parametrize("clock", [(9, 31), (11, 3), (15, 59)])
async def test_absurd_prices_planted_in_the_future_change_no_answer(
    tape: SyntheticTape, clock: tuple[int, int]
) -> None:
    now = on_monday(*clock)
    plain, planted = World(tape, now), World(Planted(tape, now), now)
    few: dict[str, Any] = {"symbols": FEW}
    for name, arguments in CALLS.items():
        shorter = arguments | few if "symbols" in arguments else arguments
        assert await planted.answer(name, **shorter) == await plain.answer(name, **shorter), name


async def test_a_planted_price_is_seen_once_its_minute_has_ended(tape: SyntheticTape) -> None:
    now = on_monday(11, 0)
    world = World(Planted(tape, now), now)
    before = await world.answer("get_levels", symbol="SYMA")
    world.now = on_monday(11, 1)
    after = await world.answer("get_levels", symbol="SYMA")
    assert before["price"] > after["price"] == 0.01


async def test_the_clock_knows_the_session_and_the_next_ones(world: World) -> None:
    clock = await world.answer("get_market_clock")
    assert clock["is_open"] is True
    assert clock["session"] == {
        "date": "2013-10-07",
        "opens_at": "2013-10-07T13:30:00Z",
        "closes_at": "2013-10-07T20:00:00Z",
    }
    assert (clock["entries_end_at"], clock["flatten_at"]) == (
        "2013-10-07T19:45:00Z",
        "2013-10-07T19:55:00Z",
    )
    assert [day["date"][-2:] for day in clock["calendar"]] == ["08", "09", "10", "11", "14"]


async def test_a_symbol_is_known_or_told_by_its_shape(world: World) -> None:
    assert (await world.answer("get_asset", symbol="SYMA"))["tradable"] is True
    assert (await world.answer("get_asset", symbol="NONE"))["known"] is False
    crypto = await world.answer("get_asset", symbol="BTC/USD")
    assert (crypto["known"], crypto["market"]) == (False, "crypto")


async def test_quotes_carry_mid_spread_and_age(world: World) -> None:
    quotes = (await world.answer("get_quotes", symbols=["SYMA", "NONE"]))["quotes"]
    (quote,) = quotes
    assert quote["mid"] == pytest.approx((quote["bid"] + quote["ask"]) / 2)
    assert quote["spread_fraction"] == pytest.approx(
        (quote["ask"] - quote["bid"]) / quote["mid"], abs=1e-5
    )
    assert (quote["at"], quote["age_seconds"]) == ("2013-10-07T15:00:00Z", 0)


async def test_bars_are_the_latest_closed_ones(world: World) -> None:
    bars = (await world.answer("get_bars", symbol="SYMA", limit=3))["bars"]
    assert [bar["start"][11:16] for bar in bars] == ["14:45", "14:50", "14:55"]
    days = (await world.answer("get_bars", symbol="SYMA", timeframe="1Day", limit=2))["bars"]
    assert [bar["start"][:10] for bar in days] == ["2013-10-03", "2013-10-04"]


async def test_bars_of_several_symbols_come_as_lines_and_of_one_as_ever(world: World) -> None:
    one = await world.answer("get_bars", symbol="SYMA", limit=3)
    both = await world.answer("get_bars", symbol="SYMA,SYMB", limit=3)
    assert one.keys() == {"symbol", "timeframe", "bars", "quality"}
    table = both["lines"]
    for start, line, bar in zip(table["start"], table["SYMA"], one["bars"], strict=True):
        prices = [bar[name] for name in ("open", "high", "low", "close", "volume")]
        assert datetime.fromisoformat(start) == datetime.fromisoformat(bar["start"])
        assert [float(number) for number in line.split()] == pytest.approx(prices, abs=1e-4)
    assert table.keys() == {"start", "SYMA", "SYMB"}
    assert (both["bars"], both["symbol"]) == ([], "SYMA,SYMB")


async def test_twenty_bars_of_ten_symbols_fit_into_what_a_model_is_shown(world: World) -> None:
    answer = await world.answer("get_bars", symbol=",".join(SYMBOLS[:10]), limit=20)
    assert [len(lines) for lines in answer["lines"].values()] == [20] * 11


async def test_a_snapshot_measures_the_change_since_the_prior_close(world: World) -> None:
    (snapshot,) = (await world.answer("get_snapshots", symbols=["SYMA"]))["snapshots"]
    days = (await world.answer("get_bars", symbol="SYMA", timeframe="1Day", limit=1))["bars"]
    assert snapshot["prior_close"] == days[0]["close"]
    assert snapshot["change_fraction"] == pytest.approx(
        snapshot["price"] / days[0]["close"] - 1, abs=1e-5
    )
    assert snapshot["session_low"] <= snapshot["vwap"] <= snapshot["session_high"]


async def test_a_signal_and_its_analysis_say_the_same(world: World) -> None:
    (signal,) = (await world.answer("get_trading_signals", symbols=["SYMA"]))["signals"]
    analysis = await world.answer("get_multi_timeframe_analysis", symbol="SYMA")
    assert signal["coverage"] == analysis["coverage"] == 1
    assert signal["strength"] == analysis["strength"] != 0
    assert signal["atr"] == analysis["timeframes"][1]["atr"]
    assert [frame["timeframe"] for frame in analysis["timeframes"]] == ["1Min", "5Min", "15Min"]


async def test_levels_lie_on_their_side_of_the_price(world: World) -> None:
    levels = await world.answer("get_levels", symbol="SYMA")
    assert sorted(levels["support"], reverse=True) == levels["support"]
    assert sorted(levels["resistance"]) == levels["resistance"]
    assert max(levels["support"]) < levels["price"] < min(levels["resistance"])


async def test_before_the_open_there_is_a_prior_close_and_no_session(tape: SyntheticTape) -> None:
    levels = await World(tape, on_monday(9, 25)).answer("get_levels", symbol="SYMA")
    assert levels["session_high"] is None
    assert levels["price"] == levels["prior_close"]


async def test_movers_are_rounded(world: World) -> None:
    movers = (await world.answer("get_movers", top=1))["movers"]
    assert movers[0] == {"symbol": "SYMB", "price": 0.3333, "change_fraction": -0.33333}


async def test_an_indicator_added_to_its_file_is_offered_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spread(bars: Any) -> Any:
        return bars["high"] - bars["low"]

    monkeypatch.setattr(technical_indicators, "spread", spread, raising=False)
    answer = await world.answer("get_indicators", symbol="SYMA", names=["spread"])
    bars = (await world.answer("get_bars", symbol="SYMA", limit=1))["bars"]
    (line,) = answer["indicators"]
    assert answer["at"] == bars[0]["start"]
    assert line["value"] == pytest.approx(bars[0]["high"] - bars[0]["low"], abs=1e-4)
    everything = await world.answer("get_indicators", symbol="SYMA")
    assert everything["indicators"][-1]["name"] == "spread"


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("get_quotes", {"symbols": ["BTC/USD"]}, "crypto"),
        ("get_quotes", {"symbols": []}, "at least 1"),
        ("get_quotes", {"symbols": ["SYMA"] * (MOST_SYMBOLS + 1)}, "at most 20"),
        ("get_bars", {"symbol": "SYMA", "limit": MOST_BARS + 1}, "60"),
        ("get_bars", {"symbol": "SYMA", "timeframe": "2Min"}, "1Min"),
        ("get_bars", {"symbol": ",".join(SYMBOLS[:10]), "limit": MOST_BARS}, "ask for less"),
        ("get_bars", {"symbol": ",".join(SYMBOLS[:11])}, "up to 10"),
        ("get_bars", {"symbol": "SYMA,SYMA"}, "each once"),
        ("get_bars", {"symbol": "SYMA,BTC/USD"}, "crypto"),
        ("get_indicators", {"symbol": "SYMA", "names": ["magic"]}, "there are ema_20, ema_50"),
        ("get_levels", {"symbol": "syma"}, "unknown"),
        ("get_levels", {"symbol": "SYMA", "period": 3}, "period"),
    ],
)
async def test_what_cannot_be_answered_is_refused_with_words(
    world: World, name: str, arguments: dict[str, Any], words: str
) -> None:
    assert words in refusal(await world.call(name, **arguments))


async def test_a_feed_that_is_down_is_said_in_words(world: World) -> None:
    world.market.down = True
    assert "connection refused" in refusal(await world.call("get_levels", symbol="SYMA"))
