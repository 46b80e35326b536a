"""The MarketData seam: TapeData in memory, and AlpacaMarketData against the embedded exchange."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_time
from tests.contract.worlds import World, in_memory, over_http
from tools.alpaca_data_feed import AlpacaMarketData
from tools.core.market import Bar, Timeframe

MINUTE = timedelta(minutes=1)
EVENING = a_time("20:00")


@pytest.fixture(params=[in_memory, over_http], ids=["in memory", "over http"])
def world(request: pytest.FixtureRequest, market_folder: Path) -> Iterator[World]:
    """There is no market data over the standard library alone."""
    with request.param(market_folder) as made:
        yield made


def bars(
    world: World, timeframe: Timeframe, start: str, end: str = "20:00", symbol: str = "SPY"
) -> tuple[Bar, ...]:
    """The bars of a span of the Monday."""
    found = world.data.bars([symbol], timeframe, start=a_time(start), end=a_time(end))
    return found[symbol]


def test_a_quote_stands_around_the_latest_price_since_the_end_of_its_minute(world: World) -> None:
    world.at("10:10:59")
    assert world.data.quotes(["SPY"])["SPY"].bid == Decimal("99.99")
    world.at("10:11")
    quotes = world.data.quotes(["SPY", "IBM", "ZZZ", "BTC/USD"])
    assert sorted(quotes) == ["IBM", "SPY"]
    quote = quotes["SPY"]
    assert (quote.bid, quote.ask) == (Decimal("98.49"), Decimal("98.51"))
    assert quote.at == a_time("10:11")


def test_a_minute_is_shown_when_it_has_ended_and_not_before(world: World) -> None:
    world.at("09:31:59")
    assert [bar.start for bar in bars(world, Timeframe.MINUTE_1, "09:30")] == [a_time("09:30")]
    world.at("09:32")
    assert len(bars(world, Timeframe.MINUTE_1, "09:30")) == 2


def test_a_bar_is_stamped_with_its_start_and_carries_its_minute(world: World) -> None:
    world.at("10:11")
    (bar,) = bars(world, Timeframe.MINUTE_1, "10:10")
    assert bar == Bar(
        symbol="SPY", start=a_time("10:10"), open=98.5, high=98.5, low=98.5, close=98.5, volume=100
    )


def test_a_span_includes_its_start_and_excludes_its_end(world: World) -> None:
    world.at("12:00")
    found = bars(world, Timeframe.MINUTE_1, "10:00", "10:03")
    assert [bar.start for bar in found] == [a_time("10:00") + n * MINUTE for n in range(3)]


def test_nothing_of_the_future_shows(world: World) -> None:
    """The canary: from 15:00 on SPY stands at an absurd price."""
    world.at("15:00")
    for timeframe in Timeframe:
        found = world.data.bars(
            ["SPY"], timeframe, start=a_time("00:00") - timedelta(days=9), end=EVENING
        )
        assert found["SPY"]
        assert max(bar.high for bar in found["SPY"]) < 105
    assert world.data.quotes(["SPY"])["SPY"].ask < 105
    world.at("15:01")
    assert bars(world, Timeframe.MINUTE_1, "09:30")[-1].close == 999.99


def test_longer_bars_are_made_of_whole_minutes(world: World) -> None:
    world.at("10:24")
    fives = bars(world, Timeframe.MINUTE_5, "10:00")
    assert [bar.start for bar in fives] == [a_time("10:00") + n * 5 * MINUTE for n in range(4)]
    assert [(bar.open, bar.volume) for bar in fives[1:3]] == [(100, 500), (98.5, 500)]
    (quarter,) = bars(world, Timeframe.MINUTE_15, "10:00")
    assert (quarter.open, quarter.low, quarter.close, quarter.volume) == (100, 98.5, 98.5, 1500)


def test_a_day_is_its_regular_session(world: World) -> None:
    world.at("12:00")
    start = a_time("00:00") - timedelta(days=9)
    (friday,) = world.data.bars(["SPY"], Timeframe.DAY_1, start=start, end=EVENING)["SPY"]
    assert (friday.close, friday.volume) == (99, 39_000)
    assert friday.start == a_time("00:00") - timedelta(days=3)


def test_history_reaches_over_the_weekend_and_grows_with_time(world: World) -> None:
    start = a_time("15:58") - timedelta(days=3)
    for clock, minutes in (("09:30", 2 + 1), ("09:40", 2 + 11), ("09:41", 2 + 12)):
        world.at(clock)
        found = world.data.bars(["SPY", "IBM"], Timeframe.MINUTE_1, start=start, end=EVENING)
        assert [len(found[symbol]) for symbol in ("SPY", "IBM")] == [minutes, minutes]
        assert [bar.close for bar in found["IBM"]] == [49, 49, *[50] * (minutes - 2)]


def test_a_symbol_that_is_not_traded_has_no_bars(world: World) -> None:
    world.at("12:00")
    assert bars(world, Timeframe.MINUTE_1, "09:30", symbol="ZZZ") == ()


def test_movers_are_told_over_http_alone(market_folder: Path) -> None:
    with over_http(market_folder) as world:
        world.at("10:11")
        assert isinstance(world.data, AlpacaMarketData)
        up, down = world.data.movers(1)
    assert (up.symbol, up.price, down.symbol, down.price) == ("IBM", 50, "SPY", 98.5)
    assert up.change_fraction == pytest.approx(1 / 49, abs=1e-4)
    assert down.change_fraction == pytest.approx(-0.5 / 99, abs=1e-4)
