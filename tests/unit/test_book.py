"""One account on the exchange: fills, brackets, what is refused, and what time does to orders."""

from decimal import Decimal

import pytest

from tests.builders import a_time
from tests.tapes import HandTape, Stage, a_stage, candles, flat
from tools.core.trading import Side
from tools.simulation.orders import Replacement, TimeInForce
from tools.simulation.refusals import Refused

STILL = (100.00, 100.00, 100.00, 100.00)


def test_a_market_order_is_pending_then_filled_at_the_ask() -> None:
    stage = a_stage(STILL).at("10:00")
    order = stage.buy(10)
    assert order.status == "pending_new"
    assert stage.status(order) == "filled"
    assert order.average_fill_price == Decimal("100.01")
    assert order.filled_at == a_time("10:00")
    assert stage.venue.balances().cash == Decimal("98999.90")


def test_equity_is_cash_plus_shares_at_the_last_trade() -> None:
    stage = a_stage(STILL, (100, 102.5, 100, 102.5)).at("09:31")
    stage.buy(10)
    money = stage.at("09:32").venue.balances()
    assert money.equity == money.cash + 10 * Decimal("102.5") == Decimal("100024.90")


def test_before_the_open_an_order_is_accepted_and_fills_at_the_opening_price() -> None:
    day = flat(100, 5, "09:00") + candles((101.25, 102, 101, 101))
    stage = Stage(HandTape({"SPY": day})).at("09:10")
    order = stage.buy(10)
    assert order.status == "accepted"
    assert stage.at("09:30").status(order) == "new"
    assert stage.at("09:31").status(order) == "filled"
    assert order.average_fill_price == Decimal("101.25")
    assert order.filled_at == a_time("09:31")


def test_at_the_open_yesterdays_quote_fills_nothing() -> None:
    stage = Stage(HandTape({"SPY": flat(90, 5, "09:00") + flat(100)})).at("09:30")
    order = stage.buy(10)
    assert stage.status(order) == "new"
    assert stage.at("09:31").status(order) == "filled"
    assert order.average_fill_price == Decimal("100.00")


def test_a_limit_waits_until_the_price_goes_through_it() -> None:
    stage = a_stage(STILL, (100, 100, 99, 99), (99, 99, 98.99, 99)).at("09:31")
    order = stage.buy(10, limit_price=99)
    assert stage.status(order) == "new"
    assert stage.at("09:32").status(order) == "new"
    assert stage.at("09:33").status(order) == "filled"
    assert order.average_fill_price == Decimal("99")


def test_no_order_fills_in_a_minute_that_began_before_it() -> None:
    stage = a_stage(STILL, (100, 100, 95, 100), STILL).at("09:31:30")
    order = stage.buy(10, limit_price=99)
    assert stage.at("09:33").status(order) == "new"


def test_legs_are_held_until_the_entry_is_filled() -> None:
    stage = a_stage(STILL).at("10:00")
    order = stage.buy(10, limit_price=99, take_profit_price=102, stop_loss_price=98)
    assert [stage.status(leg) for leg in order.legs] == ["held", "held"]
    assert stage.venue.reserved("SPY") == 0


def test_after_the_entry_the_target_is_new_and_the_stop_is_watched() -> None:
    stage = a_stage(STILL).at("10:00")
    order = stage.buy(10, take_profit_price=102, stop_loss_price=98)
    assert [stage.status(leg) for leg in order.legs] == ["new", "held"]
    assert stage.venue.reserved("SPY") == 10


@pytest.mark.parametrize(
    ("bar", "states", "price"),
    [
        pytest.param((100, 103, 100, 103), ["filled", "canceled"], "102", id="target"),
        pytest.param((100, 100, 97, 97), ["canceled", "filled"], "98", id="stop"),
        pytest.param((100, 103, 97, 103), ["canceled", "filled"], "98", id="both: the stop"),
        pytest.param((97, 103, 96, 103), ["canceled", "filled"], "97", id="gap below the stop"),
        pytest.param((104, 104, 103, 103), ["filled", "canceled"], "104", id="gap above"),
    ],
)
def test_one_leg_fills_and_the_other_is_canceled(
    bar: tuple[float, float, float, float], states: list[str], price: str
) -> None:
    stage = a_stage(STILL, bar).at("09:31")
    order = stage.buy(10, take_profit_price=102, stop_loss_price=98)
    stage.at("09:32")
    assert [stage.status(leg) for leg in order.legs] == states
    assert Decimal(price) in {leg.average_fill_price for leg in order.legs}
    assert stage.venue.holdings() == []


def test_a_lone_stop_rests_as_new_and_can_be_moved_up() -> None:
    stage = a_stage(STILL, STILL, (100, 100, 98.50, 99)).at("09:31")
    (old,) = stage.buy(10, stop_loss_price=98).legs
    assert stage.status(old) == "new"
    new = stage.venue.replace(old.order_id, Replacement(stop_price=Decimal("99.50")))
    assert (stage.status(old), stage.status(new)) == ("replaced", "new")
    assert (new.replaces, old.replaced_by) == (old.order_id, new.order_id)
    assert stage.at("09:33").status(new) == "filled"
    assert new.average_fill_price == Decimal("99.50")


def test_a_moved_stop_of_a_bracket_still_cancels_the_target() -> None:
    stage = a_stage(STILL, (100, 100, 99, 99)).at("09:31")
    entry = stage.buy(10, take_profit_price=102, stop_loss_price=98)
    target, stop = entry.legs
    stage.status(entry)
    new = stage.venue.replace(stop.order_id, Replacement(stop_price=Decimal("99.50")))
    assert new.status == "held"
    assert entry.legs == [target, new]
    assert stage.at("09:32").status(target) == "canceled"
    assert stage.status(new) == "filled"


def test_canceling_one_leg_cancels_the_other_and_frees_the_shares() -> None:
    stage = a_stage(STILL).at("10:00")
    target, stop = stage.buy(10, take_profit_price=102, stop_loss_price=98).legs
    stage.venue.cancel(target.order_id)
    assert stage.status(stop) == "canceled"
    assert stage.venue.reserved("SPY") == 0


def test_day_orders_expire_at_the_close_and_gtc_orders_stay() -> None:
    stage = a_stage(STILL).at("10:00")
    day = stage.buy(10, limit_price=90, stop_loss_price=80)
    gtc = stage.buy(10, limit_price=90, time_in_force=TimeInForce.GTC)
    stage.at("16:00")
    assert [stage.status(order) for order in (day, *day.legs, gtc)] == [
        "expired",
        "expired",
        "new",
    ]
    assert day.expired_at == a_time("16:00")


def test_an_order_after_the_close_is_of_the_next_session() -> None:
    order = a_stage(STILL).at("17:00").buy(10)
    assert order.status == "accepted"
    assert order.expires_at.isoformat() == "2013-10-08T20:00:00+00:00"


def test_the_close_sets_the_last_equity() -> None:
    stage = a_stage(STILL).at("10:00")
    stage.buy(100)
    assert stage.venue.balances().last_equity == 100_000
    assert stage.at("16:00").venue.balances().last_equity == Decimal("99999")


def refusal(stage: Stage, quantity: int = 10, side: Side = Side.BUY, **terms: object) -> Refused:
    with pytest.raises(Refused) as caught:
        (stage.buy if side is Side.BUY else stage.sell)(quantity, **terms)
    return caught.value


@pytest.mark.parametrize(
    ("terms", "status", "message"),
    [
        ({"quantity": 0}, 422, "qty must be > 0"),
        ({"symbol": "ZZZ"}, 422, 'asset "ZZZ" not found'),
        ({"limit_price": "99.001"}, 422, "sub-penny increment"),
        ({"quantity": 10_000}, 403, "insufficient buying power"),
        ({"stop_price": 99}, 422, "stop price must be greater than current price"),
        ({"stop_loss_price": 100}, 422, "stop_loss.stop_price must be <= base_price - 0.01"),
        ({"limit_price": 99, "take_profit_price": 99}, 422, "must be >= base_price + 0.01"),
        ({"limit_price": 110, "stop_loss_price": 105}, 422, "must be <= base_price - 0.01"),
        ({"side": Side.SELL}, 403, "account is not allowed to short"),
        ({"client_order_id": "x" * 129}, 422, "no more than 128 characters"),
    ],
)
def test_refusals_name_their_reason(terms: dict[str, object], status: int, message: str) -> None:
    refused = refusal(a_stage(STILL).at("10:00"), **terms)  # type: ignore[arg-type]
    assert (refused.status, message in refused.message) == (status, True)


def test_a_client_order_id_is_never_free_again() -> None:
    stage = a_stage(STILL).at("10:00")
    stage.buy(1, client_order_id="mine")
    assert "unique" in refusal(stage.at("10:05"), client_order_id="mine").message


def test_shares_promised_to_legs_cannot_be_sold() -> None:
    stage = a_stage(STILL).at("10:00")
    entry = stage.buy(10, take_profit_price=102, stop_loss_price=98)
    refused = refusal(stage, 1, Side.SELL)
    assert refused.message == ("insufficient qty available for order (requested: 1, available: 0)")
    assert refused.details["related_orders"] == [leg.order_id for leg in entry.legs]


def test_open_buys_reduce_the_buying_power() -> None:
    stage = a_stage(STILL).at("10:00")
    stage.buy(100, limit_price=90)
    assert stage.venue.balances().buying_power == 400_000 - 9_000


def test_a_filled_order_cannot_be_canceled() -> None:
    stage = a_stage(STILL).at("10:00")
    order = stage.buy(10)
    with pytest.raises(Refused, match='order is already in "filled" state'):
        stage.venue.cancel(order.order_id)


def test_a_queued_order_cannot_be_replaced() -> None:
    stage = Stage(HandTape({"SPY": flat(100, 10, "09:00")})).at("09:10")
    order = stage.buy(10, limit_price=90)
    with pytest.raises(Refused, match="order is not open"):
        stage.venue.replace(order.order_id, Replacement(limit_price=Decimal(91)))


def test_the_result_does_not_depend_on_how_often_somebody_asks() -> None:
    bars = [(100 + i % 7 * 0.3, 103, 97, 100 + i % 5 * 0.4) for i in range(60)]
    once, often = a_stage(*bars), a_stage(*bars)
    for stage in (once, often):
        stage.at("09:31").buy(10, limit_price=98, take_profit_price=102, stop_loss_price=97.5)
    for i in range(32, 60):
        often.at(f"09:{i}").venue.balances()
    fills = [
        [(fill.price, fill.at) for fill in stage.at("10:00").venue.executions()]
        for stage in (once, often)
    ]
    assert len(fills[0]) == 2
    assert fills[0] == fills[1]
