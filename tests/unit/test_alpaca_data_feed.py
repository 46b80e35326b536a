"""AlpacaMarketData: what it asks for, and what it need not ask again."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.stub_server import HTML, Fault, Reply, StubServer
from tools.alpaca_data_feed import AlpacaMarketData
from tools.core.errors import MarketDataUnavailable
from tools.core.market import Bar, Mover, Timeframe

OPEN = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LATER = OPEN + timedelta(hours=7)


class Feed(AlpacaMarketData):
    """One whose time a test sets."""

    def __init__(self, server: StubServer, *, settling: timedelta = timedelta(0)) -> None:
        self.at = OPEN
        super().__init__(
            key="k", secret="s", url=server.url, now=lambda: self.at, settling=settling
        )

    def minutes(self, *symbols: str, start: datetime = OPEN) -> dict[str, list[int]]:
        """The minutes since the open at which the bars of `symbols` start."""
        bars = self.bars(symbols, Timeframe.MINUTE_1, start=start, end=LATER)
        return {symbol: [(bar.start - OPEN) // MINUTE for bar in bars[symbol]] for symbol in bars}


def said(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


def bars(next_page: str | None = None, **minutes: list[int]) -> Reply:
    """The answer with one bar for each minute since the open; the volume tells its number."""
    rows = {
        symbol: [
            {
                "t": (OPEN + minute * MINUTE).strftime("%Y-%m-%dT%H:%M:%SZ"),
                **{"o": 1.5, "h": 2, "l": 1, "c": 1.25, "v": minute, "n": 1, "vw": 1.1},
            }
            for minute in numbers
        ]
        for symbol, numbers in minutes.items()
    }
    return said({"bars": rows, "next_page_token": next_page})


def asked(server: StubServer) -> list[dict[str, str]]:
    """The queries so far, each parameter once."""
    queries = (parse_qs(urlsplit(request.path).query) for request in server.requests)
    return [{name: values[0] for name, values in query.items()} for query in queries]


def minutes_asked(server: StubServer) -> list[tuple[str, int, int]]:
    """Symbols and the first and last minute of each request for bars."""

    def minute(text: str) -> int:
        return (datetime.fromisoformat(text) - OPEN) // MINUTE

    return [(one["symbols"], minute(one["start"]), minute(one["end"])) for one in asked(server)]


def test_a_bar_is_read_and_asked_for_from_iex_adjusted_for_splits() -> None:
    with StubServer(bars(SPY=[0])) as server:
        feed = Feed(server)
        feed.at = OPEN + MINUTE
        (bar,) = feed.bars(["SPY"], Timeframe.MINUTE_1, start=OPEN, end=LATER)["SPY"]
    assert bar == Bar(symbol="SPY", start=OPEN, open=1.5, high=2, low=1, close=1.25, volume=0)
    (query,) = asked(server)
    assert (query["feed"], query["adjustment"], query["timeframe"]) == ("iex", "split", "1Min")


def test_a_bar_is_shown_only_when_it_has_ended() -> None:
    with StubServer(bars(SPY=[0, 1, 2, 3])) as server:
        feed = Feed(server)
        feed.at = OPEN + 2.5 * MINUTE
        assert feed.minutes("SPY") == {"SPY": [0, 1]}
        assert minutes_asked(server)[0][:2] == ("SPY", 0)
        assert asked(server)[0]["end"] == "2026-11-20T14:31:30+00:00"


def test_the_bounds_are_start_included_and_end_excluded() -> None:
    with StubServer(bars(SPY=[0, 1, 2, 3, 4])) as server:
        feed = Feed(server)
        feed.at = OPEN + 9 * MINUTE
        cut = feed.bars(["SPY"], Timeframe.MINUTE_1, start=OPEN + MINUTE, end=OPEN + 3 * MINUTE)
    assert [bar.volume for bar in cut["SPY"]] == [1, 2]


def test_a_later_cycle_asks_for_the_newest_bars_alone_and_for_all_symbols_at_once() -> None:
    first, second = list(range(60)), list(range(57, 65))
    with StubServer(bars(SPY=first, IBM=first), bars(SPY=second, IBM=second)) as server:
        feed = Feed(server)
        feed.at = OPEN + 60 * MINUTE
        feed.minutes("SPY", "IBM")
        feed.at = OPEN + 65 * MINUTE
        assert feed.minutes("SPY", "IBM") == {"SPY": list(range(65)), "IBM": list(range(65))}
    assert minutes_asked(server) == [("SPY,IBM", 0, 59), ("SPY,IBM", 57, 64)]


def test_within_a_minute_nothing_is_asked_twice() -> None:
    with StubServer(bars(SPY=[0])) as server:
        feed = Feed(server)
        for seconds in (60, 61, 119):
            feed.at = OPEN + timedelta(seconds=seconds)
            assert feed.minutes("SPY") == {"SPY": [0]}
    assert len(server.requests) == 1


def test_a_bar_that_is_late_or_corrected_is_taken_up() -> None:
    settling = timedelta(seconds=5)
    with StubServer(bars(SPY=[0]), bars(SPY=[0, 1]), bars(SPY=[0, 1, 2])) as server:
        feed = Feed(server, settling=settling)
        feed.at = OPEN + 2 * MINUTE
        assert feed.minutes("SPY") == {"SPY": [0]}
        feed.at += settling
        assert feed.minutes("SPY") == {"SPY": [0, 1]}
        feed.at += timedelta(seconds=50)
        assert feed.minutes("SPY") == {"SPY": [0, 1]}
    assert len(server.requests) == 2


def test_history_further_back_is_fetched_when_it_is_wanted() -> None:
    with StubServer(bars(SPY=[5, 6]), bars(SPY=[0, 5, 6])) as server:
        feed = Feed(server)
        feed.at = OPEN + 7 * MINUTE
        assert feed.minutes("SPY", start=OPEN + 5 * MINUTE) == {"SPY": [5, 6]}
        assert feed.minutes("SPY") == {"SPY": [0, 5, 6]}
        assert feed.minutes("SPY", start=OPEN + 6 * MINUTE) == {"SPY": [6]}
    assert len(server.requests) == 2


def test_another_day_begins_with_nothing_kept() -> None:
    with StubServer(bars(SPY=[0]), bars(SPY=[0, 1])) as server:
        feed = Feed(server)
        feed.at = OPEN + 5 * MINUTE
        feed.minutes("SPY")
        feed.at += timedelta(days=1)
        assert feed.minutes("SPY") == {"SPY": [0, 1]}
    assert [first for _, first, _ in minutes_asked(server)] == [0, 0]


def test_a_failure_leaves_what_was_known() -> None:
    with StubServer(bars(SPY=[0]), Reply(500), bars(SPY=[0, 1])) as server:
        feed = Feed(server)
        feed.at = OPEN + MINUTE
        feed.minutes("SPY")
        feed.at = OPEN + 2 * MINUTE
        with pytest.raises(MarketDataUnavailable):
            feed.minutes("SPY")
        assert feed.minutes("SPY") == {"SPY": [0, 1]}


def test_a_symbol_without_bars_has_none_and_one_that_is_no_equity_is_not_asked_for() -> None:
    with StubServer(bars()) as server:
        feed = Feed(server)
        feed.at = OPEN + MINUTE
        assert feed.minutes("SPY", "BTC/USD", "a,b") == {"SPY": [], "BTC/USD": [], "a,b": []}
        assert feed.minutes("BTC/USD") == {"BTC/USD": []}
        assert feed.quotes(["BTC/USD"]) == {}
    assert [one["symbols"] for one in asked(server)] == ["SPY"]


def test_pages_are_turned() -> None:
    with StubServer(bars("next", SPY=[0]), bars(SPY=[1])) as server:
        feed = Feed(server)
        feed.at = OPEN + 5 * MINUTE
        assert feed.minutes("SPY") == {"SPY": [0, 1]}
    assert asked(server)[1]["page_token"] == "next"


def test_a_quote_needs_both_sides_and_is_exact() -> None:
    row = {"t": "2026-11-20T14:31:00.123456789Z", "bp": 145.68, "ap": 145.7, "bs": 3, "as": 5}
    answer = {"quotes": {"SPY": row, "IBM": row | {"bp": 0}, "AIG": row | {"ap": 0}}}
    with StubServer(said(answer)) as server:
        (quote,) = Feed(server).quotes(["SPY", "IBM", "AIG"]).values()
    assert (quote.bid, quote.ask) == (Decimal("145.68"), Decimal("145.7"))
    assert (quote.bid_size, quote.ask_size) == (3, 5)
    assert quote.at == datetime(2026, 11, 20, 14, 31, 0, 123456, UTC)


def test_movers_are_gainers_then_losers_as_fractions() -> None:
    rise = {"symbol": "UP", "price": 2.5, "change": 0.5, "percent_change": 25}
    fall = {"symbol": "DOWN", "price": 3, "change": -1, "percent_change": -25}
    with StubServer(said({"gainers": [rise], "losers": [fall]})) as server:
        assert Feed(server).movers(5) == (
            Mover(symbol="UP", price=2.5, change_fraction=0.25),
            Mover(symbol="DOWN", price=3, change_fraction=-0.25),
        )
    assert server.requests[0].path == "/v1beta1/screener/stocks/movers?top=5"


ASK: list[Callable[[Feed], Any]] = [
    lambda feed: feed.quotes(["SPY"]),
    lambda feed: feed.minutes("SPY"),
    lambda feed: feed.movers(3),
]


@pytest.mark.parametrize("ask", ASK)
@pytest.mark.parametrize(
    "reply",
    [Reply(403, b'{"message": "no SIP"}'), Reply(500), Reply(200, HTML), Fault.DROP, said([1])],
)
def test_no_usable_answer_means_no_market_data(
    ask: Callable[[Feed], Any], reply: Reply | Fault
) -> None:
    with StubServer(reply) as server:
        feed = Feed(server)
        feed.at = OPEN + MINUTE
        with pytest.raises(MarketDataUnavailable):
            ask(feed)
