"""Long bars, adjustments, historical quotes and trades, feeds, news: what a tape can answer."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from alpaca.data.enums import Adjustment, CorporateActionsType, DataFeed
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import (
    CorporateActionsRequest,
    StockBarsRequest,
    StockLatestTradeRequest,
    StockQuotesRequest,
    StockTradesRequest,
)
from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

from embedded.exchange.news_routes import read_news
from tests.contract.exchange import Exchange, serving
from tests.tapes import HandTape, Stage, flat
from tools.core.errors import ConfigError
from tools.simulation.corporate import CorporateAction, SplitTape, read_actions

DAY = 86_400
OPEN = datetime(2013, 10, 7, 13, 30, tzinfo=UTC)
SPLIT = CorporateAction(ex_date=date(2013, 10, 7), symbol="SPY", new=4, old=1)
DIVIDEND = CorporateAction(ex_date=date(2013, 10, 4), symbol="SPY", cash=Decimal("4"))
TO_COME = CorporateAction(ex_date=date(2013, 10, 9), symbol="SPY", new=10, old=1)


@pytest.fixture(scope="module")
def server() -> Iterator[Exchange]:
    with serving() as exchange:
        yield exchange


def a_week() -> HandTape:
    """SPY stands at 400 on Thursday and Friday, and from Monday on, after a split, at 100."""
    minutes = flat(100)
    for days in (3, 4):
        minutes += [c._replace(start=c.start - days * DAY) for c in flat(400)]
    minutes += [c._replace(start=c.start + DAY) for c in flat(100)]
    return HandTape({"SPY": sorted(minutes), "IBM": flat(50)})


@pytest.fixture
def stage() -> Stage:
    return Stage(a_week(), actions=(DIVIDEND, SPLIT, TO_COME)).at("10:00")


@pytest.fixture
def exchange(server: Exchange, stage: Stage) -> Exchange:
    return server.open(stage)


def bars(exchange: Exchange, query: str) -> list[dict[str, Any]]:
    found = exchange.ask(f"/v2/stocks/bars?symbols=SPY&start=2013-09-01&{query}").json()
    return found["bars"].get("SPY", [])  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("adjustment", "closes"),
    [("raw", [400, 400]), ("split", [100, 100]), ("dividend", [396, 400]), ("all", [99, 100])],
)
def test_an_adjustment_is_made_for_what_has_gone_ex(
    exchange: Exchange, adjustment: str, closes: list[float]
) -> None:
    days = bars(exchange, f"timeframe=1Day&adjustment={adjustment}")
    assert [day["c"] for day in days] == closes
    assert [day["v"] for day in days] == [390_000 * (4 if closes[1] == 100 else 1)] * 2


@pytest.mark.parametrize("timeframe", ["1Week", "1W"])
def test_a_week_is_known_when_it_has_ended(
    exchange: Exchange, stage: Stage, timeframe: str
) -> None:
    [week] = bars(exchange, f"timeframe={timeframe}&adjustment=split")
    assert (week["t"], week["v"]) == ("2013-09-30T04:00:00Z", 2 * 4 * 390_000)
    stage.now = datetime(2013, 10, 15, tzinfo=UTC)
    assert len(bars(exchange, f"timeframe={timeframe}")) == 2


@pytest.mark.parametrize("months", [1, 2, 3, 4, 6, 12])
def test_months_that_go_on_are_not_shown(exchange: Exchange, months: int) -> None:
    assert bars(exchange, f"timeframe={months}Month") == []


@pytest.mark.parametrize("timeframe", ["60Min", "24Hour", "2Week", "5Month", "0Min", "Day"])
def test_other_timeframes_are_invalid(exchange: Exchange, timeframe: str) -> None:
    answer = exchange.ask(f"/v2/stocks/SPY/bars?timeframe={timeframe}")
    assert (answer.status_code, answer.json()) == (
        400,
        {"message": f"invalid timeframe: {timeframe}"},
    )


def test_alpaca_py_asks_for_any_timeframe(exchange: Exchange) -> None:
    for amount, unit in ((7, TimeFrameUnit.Minute), (2, TimeFrameUnit.Hour)):
        asked = StockBarsRequest(
            symbol_or_symbols="SPY",
            timeframe=TimeFrame(amount, unit),
            start=datetime(2013, 10, 4, tzinfo=UTC),
            adjustment=Adjustment.SPLIT,
        )
        assert {bar.close for bar in exchange.data.get_stock_bars(asked)["SPY"]} == {100}


def test_historical_quotes_and_trades_end_now(exchange: Exchange) -> None:
    quotes = exchange.data.get_stock_quotes(
        StockQuotesRequest(symbol_or_symbols=["SPY", "ZZZ"], start=OPEN)
    )
    trades = exchange.data.get_stock_trades(
        StockTradesRequest(symbol_or_symbols="SPY", start=OPEN, limit=5)
    )
    assert [len(quotes["SPY"]), len(trades["SPY"])] == [30, 5]
    assert quotes["SPY"][-1].timestamp == datetime(2013, 10, 7, 14, 0, tzinfo=UTC)
    assert trades["SPY"][0].timestamp == datetime(2013, 10, 7, 13, 31, tzinfo=UTC)


@pytest.mark.parametrize("kind", ["quotes", "trades"])
def test_pages_of_quotes_and_trades_join_to_the_whole(exchange: Exchange, kind: str) -> None:
    path = f"/v2/stocks/{kind}?symbols=IBM,SPY&start=2013-10-07&sort=desc"
    whole, token, joined = exchange.ask(path).json()[kind], "", {"IBM": [], "SPY": []}  # type: ignore[var-annotated]
    while token is not None:
        page = exchange.ask(f"{path}&limit=11&page_token={token}").json()
        for symbol, rows in page[kind].items():
            joined[symbol] += rows
        token = page["next_page_token"]
    assert joined == whole
    assert len(whole["SPY"]) == 30


def test_auctions_are_those_of_whole_days(exchange: Exchange) -> None:
    answer = exchange.ask("/v2/stocks/auctions?symbols=SPY&start=2013-10-01").json()
    days = answer["auctions"]["SPY"]
    assert [day["d"] for day in days] == ["2013-10-03", "2013-10-04"]
    assert (days[0]["o"][0]["t"], days[0]["c"][0]["p"]) == ("2013-10-03T13:30:00Z", 400)


@pytest.mark.parametrize("path", ["bars?timeframe=1Min", "quotes?", "trades?"])
def test_recent_sip_data_has_to_be_paid_for(exchange: Exchange, path: str) -> None:
    asked = f"/v2/stocks/{path}&symbols=SPY&feed=sip"
    refusal = exchange.ask(f"{asked}&start=2013-10-07&end=2013-10-07T13:46:00Z")
    assert refusal.status_code == 403
    assert refusal.json()["message"] == "subscription does not permit querying recent SIP data"
    assert exchange.ask(f"{asked}&end=2013-10-07T13:45:00Z").status_code == 200
    answer = exchange.ask(f"{asked}&start=2013-10-07").json()
    rows = answer[path.partition("?")[0]]["SPY"]
    assert rows[-1]["t"] == "2013-10-07T13:45:00Z"


def test_latest_of_a_delayed_feed_is_a_quarter_hour_old(exchange: Exchange) -> None:
    asked = StockLatestTradeRequest(symbol_or_symbols="SPY", feed=DataFeed.DELAYED_SIP)
    trade = exchange.data.get_stock_latest_trade(asked)["SPY"]
    assert trade.timestamp == datetime(2013, 10, 7, 13, 45, tzinfo=UTC)
    for feed in ("sip", "otc", "boats"):
        path = f"/v2/stocks/quotes/latest?symbols=SPY&feed={feed}"
        assert exchange.ask(path).status_code == 403


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "symbols is required"),
        ("symbols=spy", "invalid symbol: spy"),
        ("symbols=SPY,BTC/USD", "invalid symbol: BTC/USD"),
        ("symbols=SPY&feed=cta", "invalid feed: cta"),
        ("symbols=SPY&currency=EUR", "invalid currency: EUR"),
    ],
)
def test_a_question_that_makes_no_sense(exchange: Exchange, query: str, message: str) -> None:
    for path in ("snapshots", "quotes"):
        answer = exchange.ask(f"/v2/stocks/{path}?{query}")
        assert (answer.status_code, answer.json()) == (400, {"message": message})


def test_corporate_actions_are_told_when_they_go_ex(exchange: Exchange) -> None:
    client = CorporateActionsClient("any", "thing", url_override=exchange.url)
    asked = CorporateActionsRequest(start=date(2013, 10, 1), end=date(2013, 10, 31))
    found = client.get_corporate_actions(asked).data  # type: ignore[union-attr]
    assert sorted(found) == ["cash_dividends", "forward_splits"]
    assert (found["forward_splits"][0].new_rate, found["cash_dividends"][0].rate) == (4, 4)  # type: ignore[union-attr]
    asked.types = [CorporateActionsType.REVERSE_SPLIT]
    assert client.get_corporate_actions(asked).data == {}  # type: ignore[union-attr]


def test_announcements_are_the_same_actions(exchange: Exchange) -> None:
    path = "/v2/corporate_actions/announcements"
    [split] = exchange.ask(f"{path}?ca_types=split&since=2013-09-01&until=2013-10-31").json()
    assert (split["initiating_symbol"], split["new_rate"]) == ("SPY", "4")
    assert exchange.ask(f"{path}/{split['id']}").json() == split
    assert exchange.ask(f"{path}/nothing").status_code == 404
    assert (
        exchange.ask(f"{path}?ca_types=split&since=2013-01-01&until=2013-10-31").status_code == 400
    )


def test_there_is_no_news_unless_it_is_given(exchange: Exchange, tmp_path: Path) -> None:
    assert exchange.ask("/v1beta1/news").json() == {"news": [], "next_page_token": None}
    path = tmp_path / "news.json"
    path.write_text('[{"headline": "x"}]', encoding="utf-8")
    with pytest.raises(ConfigError, match="an article without author"):
        read_news(path)


def test_news_of_tomorrow_is_not_told_today(server: Exchange, stage: Stage, tmp_path: Path) -> None:
    def article(number: int, at: str) -> dict[str, Any]:
        texts = dict.fromkeys(("author", "content", "headline", "source", "summary", "url"), "x")
        return texts | {
            "id": number, "created_at": at, "updated_at": at, "images": [], "symbols": ["SPY"]
        }  # fmt: skip

    path = tmp_path / "news.json"
    times = "2013-10-07T13:00:00Z", "2013-10-07T14:00:01Z", "2013-10-07T12:00:00Z"
    articles = [article(number, at) for number, at in enumerate(times)]
    path.write_text(json.dumps(articles), encoding="utf-8")
    server.open(stage, news=read_news(path))
    assert [it["id"] for it in server.ask("/v1beta1/news").json()["news"]] == [0, 2]
    page = server.ask("/v1beta1/news?limit=1&sort=asc&symbols=SPY").json()
    assert ([it["id"] for it in page["news"]], page["next_page_token"]) == ([2], "1")


def test_other_markets_are_empty(exchange: Exchange) -> None:
    path = "/v1beta3/crypto/us/latest/bars?symbols=BTC/USD"
    assert exchange.ask(path).json() == {"bars": {}}
    assert exchange.ask("/v1beta1/logos/SPY").status_code == 404


def test_a_synthetic_market_splits_between_sessions() -> None:
    tape = SplitTape(a_week(), [SPLIT, TO_COME])
    before, after = (tape.daily("SPY", date(2013, 10, day)) for day in (4, 7))
    assert before
    assert after
    assert (before.close, after.close) == (400 * 4 * 10 * 100, 100 * 10 * 100)
    assert before.volume == 390_000 // 40
    day = tape.day("SPY", date(2013, 10, 4))
    assert day
    assert day.candles[-1].close == before.close
    assert day.ticks[-1].bid <= before.close <= day.ticks[-1].ask


@pytest.mark.parametrize(
    "line", ["2013-10-07,SPY,split,4", "2013-10-07,SPY,dividend,-1", "7 Oct,SPY,split,4:1", "x"]
)
def test_a_torn_line_of_corporate_actions_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "actions.csv"
    path.write_text(f"ex_date,symbol,action,rate\n{line}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 2: cannot read"):
        read_actions(path)


def test_corporate_actions_are_read_by_date(tmp_path: Path) -> None:
    path = tmp_path / "actions.csv"
    lines = "ex_date,symbol,action,rate", "2013-10-07,SPY,split,4:1", "2013-10-04,SPY,dividend,4"
    path.write_text("\n".join(lines), encoding="utf-8")
    assert read_actions(path) == (DIVIDEND, SPLIT)
