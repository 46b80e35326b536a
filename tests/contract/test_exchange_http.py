"""Unmodified alpaca-py clients against the embedded exchange, as Alpaca documents its answers."""

from collections.abc import Iterator
from typing import Any

import pytest
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import AssetClass, OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetCalendarRequest,
    GetOrderByIdRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    ReplaceOrderRequest,
    StopLossRequest,
    TakeProfitRequest,
)

from tests.contract.exchange import HEADERS, Exchange, serving
from tests.tapes import HandTape, Stage, candles, flat

STILL = (100.0, 100.0, 100.0, 100.0)
ALL_NESTED = GetOrdersRequest(status=QueryOrderStatus.ALL, nested=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Exchange]:
    with serving() as exchange:
        yield exchange


@pytest.fixture
def stage() -> Stage:
    """SPY stands still until 10:10, then falls to 97; IBM stands at 50."""
    spy = candles(*[STILL] * 40, (100, 100, 97, 97), *[(97.0, 97.0, 97.0, 97.0)] * 349)
    before = flat(100, 5, "09:00")
    return Stage(HandTape({"SPY": before + spy, "IBM": flat(50)})).at("10:00")


@pytest.fixture
def exchange(server: Exchange, stage: Stage) -> Exchange:
    return server.open(stage)


def market(symbol: str = "SPY", qty: float = 10, **more: Any) -> MarketOrderRequest:
    return MarketOrderRequest(
        symbol=symbol, qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, **more
    )


def limit(price: float, symbol: str = "SPY", **more: Any) -> LimitOrderRequest:
    return LimitOrderRequest(
        symbol=symbol,
        qty=10,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.DAY,
        limit_price=price,
        **more,
    )


def bracket(**more: Any) -> MarketOrderRequest:
    return market(
        order_class="bracket",
        take_profit=TakeProfitRequest(limit_price=103),
        stop_loss=StopLossRequest(stop_price=98),
        **more,
    )


def submitted(exchange: Exchange, request: Any) -> Order:
    order = exchange.trading.submit_order(request)
    assert isinstance(order, Order)
    return order


def again(exchange: Exchange, order: Order) -> Order:
    found = exchange.trading.get_order_by_id(order.id, GetOrderByIdRequest(nested=True))
    assert isinstance(found, Order)
    return found


def leg_states(order: Order) -> list[OrderStatus]:
    return [leg.status for leg in order.legs or ()]


def refused(caught: pytest.ExceptionInfo[APIError]) -> tuple[int, int, str]:
    return caught.value.status_code, caught.value.code, caught.value.message


def test_a_fresh_account_has_its_cash_and_four_times_that_to_buy_with(exchange: Exchange) -> None:
    account = exchange.ask("/v2/account").json()
    assert account["cash"] == account["equity"] == account["last_equity"] == "100000"
    assert account["buying_power"] == "400000"
    assert account["status"] == "ACTIVE"
    assert "pattern_day_trader" not in account
    assert exchange.trading.get_account().multiplier == "4"  # type: ignore[union-attr]


def test_clock_and_calendar_tell_new_york_time(exchange: Exchange) -> None:
    clock = exchange.ask("/v2/clock").json()
    assert clock == {
        "timestamp": "2013-10-07T10:00:00-04:00",
        "is_open": True,
        "next_open": "2013-10-08T09:30:00-04:00",
        "next_close": "2013-10-07T16:00:00-04:00",
    }
    days = exchange.trading.get_calendar(GetCalendarRequest(start="2013-10-05", end="2013-10-08"))
    assert [str(day.date) for day in days] == ["2013-10-07", "2013-10-08"]  # type: ignore[union-attr]
    (day,) = exchange.ask("/v2/calendar?start=2013-10-07&end=2013-10-07").json()
    assert (day["open"], day["close"], day["settlement_date"]) == ("09:30", "16:00", "2013-10-08")


def test_assets_are_found_by_symbol_and_by_id(exchange: Exchange) -> None:
    asset = exchange.trading.get_asset("SPY")
    assert asset.asset_class is AssetClass.US_EQUITY  # type: ignore[union-attr]
    assert exchange.trading.get_asset(str(asset.id)) == asset  # type: ignore[union-attr]
    assert len(exchange.trading.get_all_assets()) == 2
    with pytest.raises(APIError) as caught:
        exchange.trading.get_asset("ZZZZ")
    assert refused(caught) == (404, 40410000, "asset not found for ZZZZ")


def test_a_bracket_fills_holds_and_is_ended_by_its_stop(exchange: Exchange, stage: Stage) -> None:
    order = submitted(exchange, bracket())
    assert order.status is OrderStatus.PENDING_NEW
    assert leg_states(order) == [OrderStatus.HELD, OrderStatus.HELD]
    filled = again(exchange, order)
    assert (filled.status, filled.filled_avg_price) == (OrderStatus.FILLED, "100.01")
    assert leg_states(filled) == [OrderStatus.NEW, OrderStatus.HELD]
    stage.at("10:11")
    assert leg_states(again(exchange, order)) == [OrderStatus.CANCELED, OrderStatus.FILLED]
    assert exchange.trading.get_all_positions() == []
    assert exchange.ask("/v2/account").json()["cash"] == "99979.9"


def test_an_order_echoes_what_was_asked_as_decimal_strings(exchange: Exchange) -> None:
    body = {"symbol": "SPY", "qty": 1.0, "side": "buy", "type": "limit", "time_in_force": "gtc"}
    order = exchange.ask("/v2/orders", "POST", json=body | {"limit_price": "99.50"}).json()
    assert (order["qty"], order["limit_price"], order["filled_qty"]) == ("1", "99.5", "0")
    assert (order["order_class"], order["type"], order["time_in_force"]) == ("", "limit", "gtc")
    assert order["submitted_at"] == order["created_at"] == "2013-10-07T14:00:00Z"
    assert order["legs"] is order["stop_price"] is order["filled_at"] is None
    assert order["position_intent"] == "buy_to_open"


def test_a_position_knows_its_value_and_what_is_free_of_it(exchange: Exchange) -> None:
    submitted(exchange, bracket())
    position = exchange.ask("/v2/positions/SPY").json()
    assert (position["qty"], position["qty_available"], position["side"]) == ("10", "0", "long")
    assert (position["market_value"], position["cost_basis"]) == ("1000", "1000.1")
    assert (position["unrealized_pl"], position["unrealized_plpc"]) == ("-0.1", "-0.0001")
    assert exchange.trading.get_open_position("SPY").symbol == "SPY"  # type: ignore[union-attr]


def test_before_the_open_orders_are_accepted_and_filled_at_the_open(
    exchange: Exchange, stage: Stage
) -> None:
    stage.at("09:10")
    order = submitted(exchange, market())
    assert order.status is OrderStatus.ACCEPTED
    stage.at("09:31")
    assert again(exchange, order).status is OrderStatus.FILLED


def test_after_the_entry_only_a_list_of_everything_tells_of_a_held_stop(
    exchange: Exchange,
) -> None:
    order = submitted(exchange, bracket())
    nested = GetOrdersRequest(status=QueryOrderStatus.OPEN, nested=True)
    assert exchange.trading.get_orders(nested) == []
    (target,) = exchange.trading.get_orders()
    assert target.type == "limit"  # type: ignore[union-attr]
    (entry,) = exchange.trading.get_orders(ALL_NESTED)
    assert entry.id == order.id  # type: ignore[union-attr]
    assert leg_states(entry) == [OrderStatus.NEW, OrderStatus.HELD]  # type: ignore[arg-type]


def test_lists_are_filtered_ordered_and_cut(exchange: Exchange, stage: Stage) -> None:
    for minute, price in (("10:01", 90), ("10:02", 91), ("10:03", 92)):
        stage.at(minute)
        submitted(exchange, limit(price))
    submitted(exchange, limit(40, "IBM"))

    def prices(query: str) -> list[str]:
        return [order["limit_price"] for order in exchange.ask(f"/v2/orders?{query}").json()]

    assert prices("") == ["40", "92", "91", "90"]
    assert prices("direction=asc&limit=2") == ["90", "91"]
    assert prices("symbols=SPY&after=2013-10-07T14:01:00Z") == ["92", "91"]
    assert prices("until=2013-10-07T14:02:00%2B00:00") == ["90"]
    assert prices("status=closed") == []


def test_cancel_one_and_all(exchange: Exchange) -> None:
    first, second = submitted(exchange, limit(90)), submitted(exchange, limit(91))
    assert exchange.ask(f"/v2/orders/{first.id}", "DELETE").status_code == 204
    answer = exchange.ask("/v2/orders", "DELETE")
    assert (answer.status_code, answer.json()) == (207, [{"id": str(second.id), "status": 200}])
    assert again(exchange, second).status is OrderStatus.CANCELED


def test_a_replaced_stop_takes_the_old_ones_place(exchange: Exchange) -> None:
    order = submitted(exchange, bracket())
    stop = (again(exchange, order).legs or [])[1]
    new = exchange.trading.replace_order_by_id(stop.id, ReplaceOrderRequest(stop_price=99))
    assert (new.replaces, new.stop_price) == (stop.id, "99")  # type: ignore[union-attr]
    assert [leg.stop_price for leg in again(exchange, order).legs or ()] == [None, "99"]
    assert again(exchange, stop).replaced_by == new.id  # type: ignore[union-attr]


def test_close_one_position_in_parts_and_then_all(exchange: Exchange) -> None:
    submitted(exchange, market())
    submitted(exchange, market("IBM"))
    exchange.trading.close_position("SPY", ClosePositionRequest(qty="4"))
    exchange.trading.close_position("SPY", ClosePositionRequest(percentage="50"))
    assert exchange.trading.get_open_position("SPY").qty == "3"  # type: ignore[union-attr]
    closed = exchange.trading.close_all_positions(cancel_orders=True)
    assert [(one.symbol, one.status) for one in closed] == [("IBM", 200), ("SPY", 200)]  # type: ignore[union-attr]
    assert exchange.trading.get_all_positions() == []
    assert exchange.ask("/v2/positions", "DELETE").json() == []


def test_closing_all_names_the_positions_that_are_held_by_orders(exchange: Exchange) -> None:
    submitted(exchange, bracket())
    (row,) = exchange.ask("/v2/positions", "DELETE").json()
    assert (row["symbol"], row["status"], row["body"]["code"]) == ("SPY", 403, 40310000)
    (row,) = exchange.ask("/v2/positions?cancel_orders=True", "DELETE").json()
    assert (row["status"], row["body"]["side"]) == (200, "sell")


def test_fills_are_activities(exchange: Exchange) -> None:
    order = submitted(exchange, market())
    (row,) = exchange.ask("/v2/account/activities/FILL").json()
    assert row["id"].startswith("20131007100000000::")
    assert (row["order_id"], row["price"], row["type"]) == (str(order.id), "100.01", "fill")
    assert exchange.ask("/v2/account/activities?activity_types=DIV").json() == []
    assert exchange.ask(f"/v2/account/activities?page_token={row['id']}").json() == []


@pytest.mark.parametrize(
    ("request_", "status", "code", "message"),
    [
        (market("ZZZ"), 422, 42210000, 'asset "ZZZ" not found'),
        (bracket(qty=0.5), 422, 42210000, "fractional orders must be simple orders"),
        (market(qty=9_000), 403, 40310000, "insufficient buying power"),
        (limit(99.001), 422, 42210000, "invalid limit_price 99.001. sub-penny increment"),
        (market(extended_hours=True), 422, 42210000, "extended hours"),
        (
            market(order_class="oto", stop_loss=StopLossRequest(stop_price=100.5)),
            422,
            42210000,
            "stop_loss.stop_price must be <= base_price - 0.01",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_refused_orders(
    exchange: Exchange, request_: Any, status: int, code: int, message: str
) -> None:
    with pytest.raises(APIError) as caught:
        exchange.trading.submit_order(request_)
    assert refused(caught)[:2] == (status, code)
    assert refused(caught)[2].startswith(message)


def test_a_client_order_id_is_taken_for_ever(exchange: Exchange, stage: Stage) -> None:
    order = submitted(exchange, market(client_order_id="mine"))
    assert exchange.trading.get_order_by_client_id("mine").id == order.id  # type: ignore[union-attr]
    stage.at("11:00")
    with pytest.raises(APIError) as caught:
        submitted(exchange, market(client_order_id="mine"))
    assert refused(caught) == (422, 40010001, "client_order_id must be unique")


def test_shares_held_for_orders_cannot_be_sold(exchange: Exchange) -> None:
    submitted(exchange, bracket())
    with pytest.raises(APIError) as caught:
        exchange.trading.close_position("SPY")
    message = "insufficient qty available for order (requested: 10, available: 0)"
    assert refused(caught) == (403, 40310000, message)


def test_what_does_not_exist_is_not_found(exchange: Exchange) -> None:
    for path, message in (
        ("/v2/orders/nope", "order not found for nope"),
        ("/v2/orders:by_client_order_id?client_order_id=x", "order not found for x"),
        ("/v2/positions/SPY", "position does not exist"),
        ("/v2/nonsense", "endpoint not found."),
    ):
        answer = exchange.ask(path)
        assert (answer.status_code, answer.json()["code"]) == (404, 40410000)
        assert answer.json()["message"] == message


@pytest.mark.parametrize(
    "body", ["", "[]", '{"symbol": 5, "qty": 1}', '{"symbol":"SPY","qty":"x"}']
)
def test_a_body_that_is_no_order_is_a_bad_request(exchange: Exchange, body: str) -> None:
    answer = exchange.ask("/v2/orders", "POST", data=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)


def test_without_a_key_there_is_only_health(exchange: Exchange) -> None:
    answer = exchange.ask("/v2/account", headers={})
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})
    half = {name: value for name, value in HEADERS.items() if name.endswith("ID")}
    assert exchange.ask("/v2/account", headers=half).status_code == 401
    assert exchange.ask("/health", headers={}).json() == {"status": "ok"}
