"""Market data of the embedded exchange through unmodified alpaca-py clients; and no look ahead."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from alpaca.data.enums import MostActivesBy
from alpaca.data.requests import (
    MarketMoversRequest,
    MostActivesRequest,
    StockBarsRequest,
    StockLatestQuoteRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from tests.builders import a_time
from tests.contract.exchange import Exchange, serving
from tests.tapes import HandTape, Stage, candles, flat

OPEN = datetime(2013, 10, 7, 13, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[Exchange]:
    with serving() as exchange:
        yield exchange


@pytest.fixture
def stage() -> Stage:
    """SPY rises a cent a minute, IBM falls; both stood at 100 and 50 the Friday before."""
    friday = 3 * 86_400
    before = [c._replace(start=c.start - friday) for c in flat(100)]
    ibm_before = [c._replace(start=c.start - friday) for c in flat(50)]
    rising = candles(
        *[(100 + i / 100, 100 + i / 100, 100 + i / 100, 100 + i / 100) for i in range(390)]
    )
    falling = candles(*[(50 - i / 100,) * 4 for i in range(390)])
    return Stage(HandTape({"SPY": before + rising, "IBM": ibm_before + falling})).at("10:00")


@pytest.fixture
def exchange(server: Exchange, stage: Stage) -> Exchange:
    return server.open(stage)


def test_bars_come_by_symbol_and_time_up_to_the_last_ended_minute(exchange: Exchange) -> None:
    asked = StockBarsRequest(
        symbol_or_symbols=["SPY", "IBM", "ZZZ"], timeframe=TimeFrame.Minute, start=OPEN
    )
    bars = exchange.data.get_stock_bars(asked).data  # type: ignore[union-attr]
    assert sorted(bars) == ["IBM", "SPY"]
    assert [len(found) for found in bars.values()] == [30, 30]
    assert (bars["SPY"][0].timestamp, bars["SPY"][-1].close) == (OPEN, 100.29)


@pytest.mark.parametrize(
    ("timeframe", "count"),
    [
        (TimeFrame.Minute, 420),
        (TimeFrame(5, TimeFrameUnit.Minute), 84),
        (TimeFrame(15, TimeFrameUnit.Minute), 28),
        (TimeFrame.Hour, 8),
        (TimeFrame.Day, 1),
    ],
    ids=str,
)
def test_no_bar_is_shown_before_its_end(
    exchange: Exchange, timeframe: TimeFrame, count: int
) -> None:
    friday = datetime(2013, 10, 4, tzinfo=UTC)
    asked = StockBarsRequest(symbol_or_symbols="SPY", timeframe=timeframe, start=friday)
    assert len(exchange.data.get_stock_bars(asked)["SPY"]) == count


def test_both_ends_are_inclusive(exchange: Exchange) -> None:
    query = "symbols=SPY&timeframe=1Min&start=2013-10-07T13:40:00Z&end=2013-10-07T13:42:00Z"
    bars = exchange.ask(f"/v2/stocks/bars?{query}").json()["bars"]["SPY"]
    assert [bar["t"][11:16] for bar in bars] == ["13:40", "13:41", "13:42"]
    assert set(bars[0]) == {"t", "o", "h", "l", "c", "v", "n", "vw"}


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_pages_join_to_the_whole(exchange: Exchange, sort: str) -> None:
    query = f"/v2/stocks/bars?symbols=SPY,IBM&timeframe=1Min&start=2013-10-07&sort={sort}"
    whole = exchange.ask(query).json()
    assert whole["next_page_token"] is None
    joined: dict[str, list[Any]] = {}
    token, pages = "", 0
    while token is not None:
        page = exchange.ask(f"{query}&limit=7&page_token={token}").json()
        assert sum(map(len, page["bars"].values())) <= 7
        for symbol, bars in page["bars"].items():
            joined.setdefault(symbol, []).extend(bars)
        token, pages = page["next_page_token"], pages + 1
    assert joined == whole["bars"]
    assert pages == 9


def test_one_symbols_bars_are_a_list(exchange: Exchange) -> None:
    answer = exchange.ask("/v2/stocks/SPY/bars?timeframe=5Min&start=2013-10-07").json()
    assert (answer["symbol"], len(answer["bars"]), answer["next_page_token"]) == ("SPY", 6, None)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("timeframe=2Day", "invalid timeframe: 2Day"),
        ("timeframe=1Min&limit=10001", "invalid limit: larger than the allowed maximum of 10000"),
        ("timeframe=1Min&start=2013-10-08&end=2013-10-07", "end should not be before start"),
        ("timeframe=1Min&start=yesterday", "invalid start: yesterday"),
        ("timeframe=1Min&page_token=!", "invalid page_token: !"),
    ],
)
def test_a_bad_question_gets_a_message(exchange: Exchange, query: str, message: str) -> None:
    answer = exchange.ask(f"/v2/stocks/bars?symbols=SPY&{query}")
    assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_the_latest_of_each_kind(exchange: Exchange) -> None:
    asked = StockLatestQuoteRequest(symbol_or_symbols=["SPY", "ZZZ"])
    quotes = exchange.data.get_stock_latest_quote(asked)
    assert list(quotes) == ["SPY"]
    quote = quotes["SPY"]
    assert (quote.bid_price, quote.ask_price) == (100.28, 100.30)
    assert quote.timestamp == a_time("10:00")
    trade = exchange.ask("/v2/stocks/SPY/trades/latest").json()
    assert (trade["symbol"], trade["trade"]["p"]) == ("SPY", 100.29)
    bar = exchange.ask("/v2/stocks/bars/latest?symbols=SPY").json()["bars"]["SPY"]
    assert bar["t"] == "2013-10-07T13:59:00Z"


def test_a_snapshot_holds_today_so_far_and_the_day_before(exchange: Exchange) -> None:
    asked = StockSnapshotRequest(symbol_or_symbols="SPY")
    snapshot = exchange.data.get_stock_snapshot(asked)["SPY"]
    assert snapshot.daily_bar.close == 100.29  # type: ignore[union-attr]
    assert snapshot.daily_bar.volume == 30_000  # type: ignore[union-attr]
    assert snapshot.previous_daily_bar.close == 100  # type: ignore[union-attr]


def test_the_screener_ranks_by_volume_and_by_change(exchange: Exchange) -> None:
    movers = exchange.screener.get_market_movers(MarketMoversRequest(top=5))
    assert [one.symbol for one in movers.gainers] == ["SPY"]  # type: ignore[union-attr]
    assert [(one.symbol, one.percent_change) for one in movers.losers] == [("IBM", -0.58)]  # type: ignore[union-attr]
    actives = exchange.screener.get_most_actives(MostActivesRequest(top=1, by=MostActivesBy.VOLUME))
    assert len(actives.most_actives) == 1  # type: ignore[union-attr]


QUESTIONS = (
    "/v2/account",
    "/v2/positions",
    "/v2/orders?status=all&nested=true",
    "/v2/account/activities",
    "/v2/clock",
    *(
        f"/v2/stocks/bars?symbols=SPY,IBM&start=2013-10-04&end=2013-10-09&timeframe={timeframe}"
        for timeframe in ("1Min", "7Min", "15Min", "1Hour", "1Day")
    ),
    "/v2/stocks/bars?symbols=SPY&start=2013-10-07&end=2013-10-09&timeframe=5Min&sort=desc&limit=3",
    "/v2/stocks/bars/latest?symbols=SPY,IBM",
    "/v2/stocks/quotes/latest?symbols=SPY,IBM",
    "/v2/stocks/trades/latest?symbols=SPY,IBM",
    "/v2/stocks/snapshots?symbols=SPY,IBM",
    "/v1beta1/screener/stocks/most-actives",
    "/v1beta1/screener/stocks/movers",
)


def a_market(*, canary: bool) -> Stage:
    """SPY moves about; the canary cries from 11:00 on."""
    minutes = candles(*[(100 + i % 5 / 10, 101, 99, 100 + i % 7 / 10) for i in range(390)])
    if canary:
        cry = {"open": 1, "high": 99_999, "low": 1, "close": 99_999, "volume": 10**9}
        eleven = int(a_time("11:00").timestamp())
        minutes = [c._replace(**cry) if c.start >= eleven else c for c in minutes]
    return Stage(HandTape({"SPY": minutes, "IBM": flat(50)}))


def answers(server: Exchange, stage: Stage, *clocks: str) -> list[bytes]:
    """All that can be asked at these times, while more and more orders rest."""
    server.open(stage)
    found = []
    legs = {"take_profit": {"limit_price": 990}, "stop_loss": {"stop_price": 1.5}}
    entry = {"symbol": "SPY", "qty": 5, "side": "buy", "time_in_force": "gtc"}
    orders = (
        entry | {"type": "market", "order_class": "bracket"} | legs,
        entry | {"type": "limit", "limit_price": 2},
        entry | {"type": "stop", "stop_price": 980},
    )
    for clock in clocks:
        stage.at(clock)
        found += [server.ask("/v2/orders", "POST", json=order).content for order in orders]
        found += [server.ask(question).content for question in QUESTIONS]
    return found


def test_absurd_prices_in_the_future_change_no_answer_before_them(server: Exchange) -> None:
    until = "09:00", "09:30", "09:31", "10:17:30", "10:59:59", "11:00", "11:00:59"
    told, expected = (answers(server, a_market(canary=cries), *until) for cries in (True, False))
    assert told == expected


def test_after_its_minute_the_canary_is_heard_everywhere(server: Exchange) -> None:
    times = "10:59", "11:01"
    told, quiet = (answers(server, a_market(canary=cries), *times) for cries in (True, False))
    half = len(told) // 2
    assert told[:half] == quiet[:half]
    differ = [one != other for one, other in zip(told[half:], quiet[half:], strict=True)]
    assert sum(differ) > len(QUESTIONS) / 2
