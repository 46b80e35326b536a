"""The trading API beside orders: settings, the past, calendars, watchlists, what is not traded."""

from collections.abc import Iterator
from typing import Any

import pytest
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.models import AccountConfiguration, PortfolioHistory, Watchlist
from alpaca.trading.requests import (
    CreateWatchlistRequest,
    GetPortfolioHistoryRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from tests.contract.exchange import Exchange, serving
from tests.tapes import HandTape, Stage, flat

DAY = {"time_in_force": TimeInForce.DAY}


@pytest.fixture(scope="module")
def server() -> Iterator[Exchange]:
    with serving() as exchange:
        yield exchange


@pytest.fixture
def stage() -> Stage:
    """SPY stands at 100 and falls to 90 at 12:00."""
    spy = flat(100, 150) + flat(90, 240, "12:00")
    return Stage(HandTape({"SPY": flat(100, 5, "09:00") + spy, "IBM": flat(50)})).at("10:00")


@pytest.fixture
def exchange(server: Exchange, stage: Stage) -> Exchange:
    return server.open(stage)


def buy(exchange: Exchange, **more: Any) -> Any:
    request = MarketOrderRequest(symbol="SPY", side=OrderSide.BUY, **DAY, **more)
    return exchange.trading.submit_order(request)


def test_the_settings_can_be_sent_back_whole(exchange: Exchange) -> None:
    settings = exchange.trading.get_account_configurations()
    assert isinstance(settings, AccountConfiguration)
    settings.suspend_trade = True
    changed = exchange.trading.set_account_configurations(settings)
    assert changed.suspend_trade  # type: ignore[union-attr]
    refused = exchange.ask("/v2/orders", "POST", json={"symbol": "SPY", "qty": 1, "side": "buy"})
    assert refused.status_code == 422
    assert exchange.ask("/v2/account").json()["trade_suspended_by_user"] is True


def test_a_smaller_multiplier_makes_a_smaller_buying_power(exchange: Exchange) -> None:
    path = "/v2/account/configurations"
    exchange.ask(path, "PATCH", json={"max_margin_multiplier": "1", "dtbp_check": None})
    account = exchange.ask("/v2/account").json()
    assert (account["multiplier"], account["buying_power"]) == ("1", "100000")
    refused = exchange.ask(path, "PATCH", json={"max_margin_multiplier": "3"})
    assert (refused.status_code, refused.json()["code"]) == (422, 40010001)


def test_the_equity_of_the_past_is_told_hour_by_hour(exchange: Exchange, stage: Stage) -> None:
    buy(exchange, qty=100)
    stage.at("13:00")
    request = GetPortfolioHistoryRequest(period="1D", timeframe="1H")
    past = exchange.trading.get_portfolio_history(request)
    assert isinstance(past, PortfolioHistory)
    assert past.equity == [100_000.0, 99_999.0, 99_999.0, 98_999.0]
    assert past.profit_loss == [0.0, -1.0, -1.0, -1_001.0]
    assert past.base_value == 100_000


def test_activities_are_paged_by_the_last_id(exchange: Exchange) -> None:
    for _ in range(3):
        buy(exchange, qty=1)
    first = exchange.ask("/v2/account/activities?page_size=2&direction=asc").json()
    path = f"/v2/account/activities?page_size=2&direction=asc&page_token={first[-1]['id']}"
    assert [len(first), len(exchange.ask(path).json())] == [2, 1]


def test_lists_are_paged_by_orders(exchange: Exchange) -> None:
    ids = [str(buy(exchange, qty=1).id) for _ in range(3)]
    found = exchange.ask(f"/v2/orders?status=all&after_order_id={ids[0]}&direction=asc").json()
    assert [order["id"] for order in found] == ids[1:]
    found = exchange.ask(f"/v2/orders?status=all&before_order_id={ids[1]}").json()
    assert [order["id"] for order in found] == ids[:1]
    assert exchange.ask("/v2/orders?status=all&asset_class=crypto").json() == []


def test_a_notional_order_has_no_quantity(exchange: Exchange) -> None:
    order = exchange.ask(f"/v2/orders/{buy(exchange, notional=500).id}").json()
    assert (order["qty"], order["notional"], order["status"]) == (None, "500", "filled")
    assert order["filled_qty"] == "4.999500049"


def test_an_oco_of_alpaca_py_has_its_price_in_its_target(exchange: Exchange) -> None:
    buy(exchange, qty=10)
    oco = LimitOrderRequest(
        symbol="SPY",
        qty=10,
        side=OrderSide.SELL,
        **DAY,
        order_class="oco",
        take_profit=TakeProfitRequest(limit_price=103),
        stop_loss=StopLossRequest(stop_price=98, limit_price=97),
    )
    order: Any = exchange.trading.submit_order(oco)
    assert (order.limit_price, order.order_class) == ("103", "oco")
    (leg,) = order.legs
    assert (leg.type, leg.stop_price, leg.limit_price, leg.status) == (
        *("stop_limit", "98", "97"),
        "held",
    )


def test_a_trailing_stop_shows_what_it_follows(exchange: Exchange) -> None:
    buy(exchange, qty=10)
    trailing = TrailingStopOrderRequest(
        symbol="SPY", qty=10, side=OrderSide.SELL, **DAY, trail_percent=5
    )
    order: Any = exchange.trading.submit_order(trailing)
    assert (order.hwm, order.stop_price, order.trail_percent) == ("100", "95", "5")


def test_the_second_calendar_tells_instants(exchange: Exchange) -> None:
    (clock, _) = exchange.ask("/v3/clock").json()["clocks"]
    assert (clock["phase"], clock["phase_until"]) == ("core", "2013-10-07T16:00:00-04:00")
    answer = exchange.ask("/v3/calendar/NYSE?start=2013-10-07&end=2013-10-07&timezone=UTC").json()
    (day,) = answer["calendar"]
    assert (day["pre_start"], day["core_start"]) == (
        "2013-10-07T08:00:00+00:00",
        "2013-10-07T13:30:00+00:00",
    )


def test_a_watchlist_is_made_changed_and_deleted(exchange: Exchange) -> None:
    made = exchange.trading.create_watchlist(CreateWatchlistRequest(name="mine", symbols=["SPY"]))
    assert isinstance(made, Watchlist)
    more: Any = exchange.trading.add_asset_to_watchlist_by_id(made.id, "IBM")
    assert [asset.symbol for asset in more.assets] == ["SPY", "IBM"]
    less: Any = exchange.trading.remove_asset_from_watchlist_by_id(made.id, "SPY")
    assert [asset.symbol for asset in less.assets] == ["IBM"]
    again = exchange.ask("/v2/watchlists", "POST", json={"name": "mine", "symbols": []})
    assert (again.status_code, again.json()["message"]) == (422, "watchlist name must be unique")
    assert exchange.ask("/v2/watchlists:by_name?name=mine").json()["id"] == str(made.id)
    exchange.trading.delete_watchlist_by_id(made.id)
    assert exchange.trading.get_watchlists() == []


def test_what_is_not_traded_is_empty_unknown_or_refused(exchange: Exchange) -> None:
    ask = exchange.ask
    assert ask("/v2/options/contracts").json()["option_contracts"] == []
    assert ask("/v2/options/contracts/X").json()["message"] == "option contract not found for X"
    assert ask("/v1/locates", "POST", json={}).status_code == 403
    assert ask("/v2/wallets").json()["message"] == "crypto is not simulated"


def test_a_part_of_a_position_is_closed_by_percentage(exchange: Exchange) -> None:
    buy(exchange, qty=3)
    closed = exchange.ask("/v2/positions/SPY?percentage=50", "DELETE").json()
    assert closed["qty"] == "1.5"
    both = exchange.ask("/v2/positions/SPY?percentage=50&qty=1", "DELETE")
    assert both.json()["message"] == "only one of qty or percentage is accepted"
