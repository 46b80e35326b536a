"""The Broker seam: SimBroker in memory, and AlpacaBroker against the embedded exchange."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import a_time, an_intent
from tests.contract.worlds import World
from tools.core.errors import OrderRejected
from tools.core.seams import Broker
from tools.core.trading import (
    Order,
    OrderClass,
    OrderIntent,
    OrderStatus,
    OrderType,
    Position,
    Side,
)


@pytest.fixture(autouse=True)
def morning(world: World) -> None:
    world.at("10:00")


def a_market(client_order_id: str, quantity: str = "10", side: Side = Side.BUY) -> OrderIntent:
    return an_intent(client_order_id, side=side, quantity=quantity, limit=None, stop=None)


def found(broker: Broker, client_order_id: str) -> Order:
    order = broker.order_by_client_id(client_order_id)
    assert order is not None
    return order


def holding(broker: Broker, symbol: str = "SPY") -> Position | None:
    return next((one for one in broker.positions() if one.symbol == symbol), None)


def shown(orders: tuple[Order, ...]) -> list[tuple[str, str]]:
    return [(one.order_type.value, one.status.value) for one in orders]


def test_a_market_order_fills_at_once_at_the_far_side(world: World) -> None:
    broker = world.broker
    sent = broker.submit(a_market("buy"))
    assert not sent.status.terminal
    filled = found(broker, "buy")
    assert (filled.status, filled.filled_quantity) == (OrderStatus.FILLED, Decimal(10))
    assert filled.average_fill_price == Decimal("100.01")
    assert filled.filled_at == filled.submitted_at == a_time("10:00")
    assert holding(broker) == Position(
        symbol="SPY",
        quantity=Decimal(10),
        average_entry_price=Decimal("100.01"),
        current_price=Decimal(100),
    )
    account = broker.account()
    assert (account.cash, account.equity) == (Decimal("98999.90"), Decimal("99999.90"))
    assert account.day_pnl_usd == Decimal("-0.10")


def test_a_bracket_fills_and_its_legs_stand_by_themselves(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", stop="99.00", target="103.00"))
    entry = found(broker, "entry")
    assert (entry.status, entry.order_class) == (OrderStatus.FILLED, OrderClass.BRACKET)
    assert shown(entry.legs) == [("limit", "new"), ("stop", "held")]
    assert [leg.limit_price or leg.stop_price for leg in entry.legs] == [103, 99]
    assert broker.open_orders() == entry.legs


def test_a_stop_that_is_touched_sells_and_ends_its_target(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", stop="99.00", target="103.00"))
    world.at("10:11")
    entry = found(broker, "entry")
    assert shown(entry.legs) == [("limit", "canceled"), ("stop", "filled")]
    assert (entry.legs[1].average_fill_price or 0) <= 99
    assert entry.legs[1].filled_at == a_time("10:11")
    assert (broker.positions(), broker.open_orders()) == ((), ())


def test_a_target_that_is_reached_sells_and_ends_its_stop(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", stop="98.00", target="103.00"))
    world.at("10:31")
    assert shown(found(broker, "entry").legs) == [("limit", "filled"), ("stop", "canceled")]
    assert broker.positions() == ()
    assert broker.account().cash > 100_000


def test_an_entry_with_a_stop_alone_leaves_it_resting(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", stop="99.00"))
    assert found(broker, "entry").order_class is OrderClass.OTO
    (stop,) = broker.open_orders()
    assert (stop.status, stop.stop_price) == (OrderStatus.NEW, Decimal("99.00"))


def test_an_entry_that_waits_holds_its_legs_inside(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", limit="99.00", stop="97.00", target="103.00"))
    (entry,) = broker.open_orders()
    assert (entry.client_order_id, entry.status) == ("entry", OrderStatus.NEW)
    assert shown(entry.legs) == [("limit", "held"), ("stop", "held")]
    world.at("10:12")
    assert found(broker, "entry").status is OrderStatus.FILLED
    assert shown(broker.open_orders()) == [("limit", "new"), ("stop", "held")]


def test_to_cancel_an_entry_ends_its_legs(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", limit="99.00", stop="97.00", target="103.00"))
    broker.cancel(found(broker, "entry"))
    entry = found(broker, "entry")
    assert {one.status for one in (entry, *entry.legs)} == {OrderStatus.CANCELED}
    assert broker.open_orders() == ()


def test_to_cancel_everything_leaves_the_position_alone(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("held", stop="99.00", target="103.00"))
    broker.submit(an_intent("waiting", symbol="IBM", limit="49.00", stop="48.00"))
    assert len(broker.open_orders()) == 3
    broker.cancel_all()
    assert broker.open_orders() == ()
    assert holding(broker)


def test_what_has_ended_cannot_be_cancelled(world: World) -> None:
    world.broker.submit(a_market("buy"))
    with pytest.raises(OrderRejected, match="filled") as raised:
        world.broker.cancel(found(world.broker, "buy"))
    assert raised.value.code == 422


def test_the_same_id_twice_is_one_order(world: World) -> None:
    broker = world.broker
    first = broker.submit(a_market("buy"))
    again = broker.submit(a_market("buy", quantity="99"))
    assert again.order_id == first.order_id
    assert len(broker.orders_since(a_time("09:30"))) == 1
    position = holding(broker)
    assert position
    assert position.quantity == 10


def test_shares_that_a_stop_holds_are_not_sold_a_second_time(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", stop="99.00", target="103.00"))
    with pytest.raises(OrderRejected, match="insufficient qty available") as raised:
        broker.submit(a_market("sell", side=Side.SELL))
    assert raised.value.code == 403
    broker.cancel_all()
    broker.submit(a_market("sell", side=Side.SELL))
    assert broker.positions() == ()


@pytest.mark.parametrize(
    ("intent", "code"),
    [
        (a_market("x", quantity="100000"), 403),
        (a_market("x", side=Side.SELL), 403),
        (an_intent("x", symbol="ZZZ"), 422),
        (an_intent("x", limit="100.10", stop="100.50"), 422),
        (an_intent("x", limit="100.123"), 422),
    ],
    ids=["no money", "short", "unknown symbol", "stop above", "sub-penny"],
)
def test_a_refusal_has_a_reason_and_leaves_nothing(
    world: World, intent: OrderIntent, code: int
) -> None:
    with pytest.raises(OrderRejected) as raised:
        world.broker.submit(intent)
    assert raised.value.code == code
    assert world.broker.order_by_client_id("x") is None
    assert world.broker.orders_since(a_time("09:30")) == ()


@pytest.mark.parametrize("target", [None, "103.00"], ids=["resting", "held"])
def test_a_stop_is_moved_in_one_step(world: World, target: str | None) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", stop="97.00", target=target))
    world.at("10:05")
    stop = found(broker, "entry").legs[-1]
    moved = broker.replace_stop(stop, stop_price=Decimal("99.00"), client_order_id="moved")
    assert (moved.client_order_id, moved.stop_price) == ("moved", Decimal("99.00"))
    resting = [one for one in broker.open_orders() if one.order_type is OrderType.STOP]
    assert [one.client_order_id for one in resting] == ["moved"]
    assert found(broker, stop.client_order_id).status is OrderStatus.REPLACED
    world.at("10:11")
    assert found(broker, "moved").status is OrderStatus.FILLED
    assert (broker.positions(), broker.open_orders()) == ((), ())


def test_a_position_averages_what_is_bought_and_not_what_is_sold(world: World) -> None:
    broker = world.broker
    broker.submit(a_market("one", quantity="10"))
    world.at("10:15")
    broker.submit(a_market("two", quantity="30"))
    average = (10 * Decimal("100.01") + 30 * Decimal("98.51")) / 40
    world.at("10:25")
    broker.submit(a_market("three", quantity="15", side=Side.SELL))
    position = holding(broker)
    assert position
    assert (position.quantity, position.average_entry_price) == (Decimal(25), average)
    assert position.current_price == 101
    account = broker.account()
    spent = 10 * Decimal("100.01") + 30 * Decimal("98.51") - 15 * Decimal("100.99")
    assert account.cash == 100_000 - spent
    assert account.equity == account.cash + position.market_value_usd


def test_positions_come_by_symbol(world: World) -> None:
    world.broker.submit(a_market("spy"))
    world.broker.submit(replace(a_market("ibm"), symbol="IBM"))
    assert [position.symbol for position in world.broker.positions()] == ["IBM", "SPY"]


def test_orders_since_an_instant_include_it_and_nest_their_legs(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("first", stop="97.00", target="105.00"))
    world.at("10:05")
    broker.submit(an_intent("second", symbol="IBM", limit="49.00", stop="48.00"))
    orders = broker.orders_since(a_time("10:00"))
    assert [order.client_order_id for order in orders] == ["first", "second"]
    assert [len(order.legs) for order in orders] == [2, 1]
    assert broker.orders_since(a_time("10:05")) == orders[1:]
    assert broker.orders_since(a_time("10:05") + timedelta(seconds=1)) == ()


def test_what_was_never_sent_is_not_found(world: World) -> None:
    assert world.broker.order_by_client_id("never") is None
    assert world.broker.instrument("ZZZ") is None
    assert world.broker.instrument("BTC/USD") is None


def test_an_instrument_can_be_traded(world: World) -> None:
    instrument = world.broker.instrument("SPY")
    assert instrument
    assert (instrument.symbol, instrument.market) == ("SPY", "us_equity")
    assert instrument.active
    assert instrument.tradable


def test_the_brokers_clock_tells_the_session(world: World) -> None:
    clock = world.broker.clock()
    assert clock.market_open
    assert clock.at == a_time("10:00")
    assert clock.next_close == a_time("16:00")
    assert clock.next_open == a_time("09:30") + timedelta(days=1)
    world.at("16:00")
    assert not world.broker.clock().market_open


def test_an_order_of_the_day_ends_with_it(world: World) -> None:
    broker = world.broker
    broker.submit(an_intent("entry", limit="90.00", stop="89.00"))
    world.at("16:01")
    assert found(broker, "entry").status is OrderStatus.EXPIRED
    assert broker.open_orders() == ()
