"""A market that is closed answers as one, and history reaches back as far as a trader looks."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.enums import OrderSide, OrderStatus, TimeInForce
from alpaca.trading.models import Clock, Order
from alpaca.trading.requests import MarketOrderRequest

from embedded.exchange.app import create_app
from tests.contract.exchange import Exchange, serving
from tools.core.session import Timetable
from tools.schedule import session_table
from tools.schedule.market_hours import MarketHours
from tools.simulation.market import Market
from tools.simulation.synthetic import SyntheticTape
from tools.simulation.venue import Venue

SATURDAY = datetime(2025, 11, 8, 16, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> MarketHours:
    path = tmp_path_factory.mktemp("hours") / "table.csv"
    path.write_text(session_table.table_text("2025-12-31"), encoding="utf-8")
    return MarketHours.load(path, Timetable())


@pytest.fixture(scope="module")
def exchange(hours: MarketHours) -> Iterator[Exchange]:
    """A synthetic market on a Saturday."""
    market = Market(SyntheticTape(["AAPL", "SPY"], hours, seed=7), hours)
    venue = Venue(market, lambda: SATURDAY, cash=Decimal(100_000))
    with serving() as found:
        found.app = create_app(venue, lambda: SATURDAY)
        yield found


def test_the_clock_is_closed_until_monday(exchange: Exchange) -> None:
    clock = exchange.trading.get_clock()
    assert isinstance(clock, Clock)
    assert not clock.is_open
    assert clock.next_open.astimezone(UTC) == datetime(2025, 11, 10, 14, 30, tzinfo=UTC)
    assert clock.next_open < clock.next_close


def test_an_order_waits_for_monday(exchange: Exchange) -> None:
    request = MarketOrderRequest(
        symbol="SPY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
    )
    order = exchange.trading.submit_order(request)
    assert isinstance(order, Order)
    assert order.status is OrderStatus.ACCEPTED
    again = exchange.trading.get_order_by_id(order.id)
    assert isinstance(again, Order)
    assert again.status is OrderStatus.ACCEPTED
    exchange.trading.cancel_order_by_id(order.id)


def test_the_latest_is_fridays(exchange: Exchange) -> None:
    close = datetime(2025, 11, 7, 21, 0, tzinfo=UTC)
    data, symbols = exchange.data, ["AAPL", "SPY"]
    quotes = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=symbols))
    trades = data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=symbols))
    bars = data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=symbols))
    snapshots = data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=symbols))
    for symbol in symbols:
        assert quotes[symbol].timestamp == trades[symbol].timestamp == close
        assert bars[symbol].timestamp == close - timedelta(minutes=1)
        assert snapshots[symbol].daily_bar.close == trades[symbol].price  # type: ignore[union-attr]


def test_nothing_has_happened_today(exchange: Exchange) -> None:
    for path in ("bars?timeframe=1Min&", "quotes?", "trades?"):
        [rows] = [exchange.ask(f"/v2/stocks/{path}symbols=SPY").json()[path.partition("?")[0]]]
        assert rows == {}


def test_history_is_400_days_of_days_and_ten_of_minutes(
    exchange: Exchange, hours: MarketHours
) -> None:
    days = StockBarsRequest(
        symbol_or_symbols="SPY", timeframe=TimeFrame.Day, start=SATURDAY - timedelta(days=400)
    )
    sessions = [it for it in hours.sessions_before(SATURDAY, 400) if it.on >= date(2024, 10, 5)]
    assert len(exchange.data.get_stock_bars(days)["SPY"]) == len(sessions) > 270
    minutes = StockBarsRequest(
        symbol_or_symbols=["AAPL", "SPY"],
        timeframe=TimeFrame.Minute,
        start=datetime(2025, 10, 27, 13, 30, tzinfo=UTC),
    )
    found = exchange.data.get_stock_bars(minutes)
    assert [len(found[symbol]) for symbol in ("AAPL", "SPY")] == [10 * 395 - 5] * 2
    closes = {bar.timestamp.date(): bar.close for bar in found["SPY"]}
    daily = {bar.timestamp.date(): bar.close for bar in exchange.data.get_stock_bars(days)["SPY"]}
    assert closes == {on: daily[on] for on in closes}
