"""What becomes of orders: every type and time in force, parts of fills, halts, bands and fees."""

from decimal import Decimal
from typing import Any

import pytest

from tests.builders import a_time
from tests.tapes import HandTape, Stage, a_stage, candles, flat
from tools.core.trading import Side
from tools.simulation.events import NoMischief, OrderEvent
from tools.simulation.orders import Replacement, SimOrder, TimeInForce
from tools.simulation.refusals import Refused

STILL = (100.0, 100.0, 100.0, 100.0)
OPG, CLS, IOC, FOK, GTC = (
    TimeInForce.OPG,
    TimeInForce.CLS,
    TimeInForce.IOC,
    TimeInForce.FOK,
    TimeInForce.GTC,
)


def holding(*bars: tuple[float, float, float, float], quantity: object = 10) -> Stage:
    """Ten shares of SPY, bought in a first still minute."""
    stage = a_stage(STILL, *bars).at("09:31")
    stage.buy(quantity)
    return stage


def refusal(stage: Stage, quantity: object = 10, side: Side = Side.BUY, **terms: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        (stage.buy if side is Side.BUY else stage.sell)(quantity, **terms)
    return caught.value


# Stops.


def test_a_stop_limit_is_a_limit_once_its_stop_was_touched() -> None:
    stage = holding((100, 100, 98, 98), (98, 98.40, 98, 98.40), (98.40, 98.60, 98, 98))
    order = stage.sell(stop_price=98.50, limit_price=98.45)
    assert stage.at("09:32").status(order) == "filled"
    assert order.average_fill_price == Decimal("98.50")


def test_a_stop_limit_that_gaps_through_its_limit_waits_for_it() -> None:
    stage = holding((97, 97, 96, 96), (96, 98, 96, 98), (98, 99, 98, 99))
    order = stage.sell(stop_price=98.50, limit_price=98.40)
    assert stage.at("09:32").status(order) == "new"
    assert order.elected
    assert stage.at("09:34").status(order) == "filled"
    assert order.average_fill_price == Decimal("98.40")


def test_a_buy_stop_never_pays_more_than_its_collar() -> None:
    stage = a_stage(STILL, (110, 110, 109, 109), (109, 109, 103, 103)).at("09:31")
    order = stage.buy(stop_price=101)
    assert stage.at("09:32").status(order) == "new"
    assert stage.at("09:33").status(order) == "filled"
    assert order.average_fill_price == Decimal("103.52")  # 101 and 2.5 %


def test_a_trailing_stop_follows_the_best_price_and_fills_at_its_distance() -> None:
    stage = holding((100, 104, 100, 104), (104, 104, 101, 101))
    order = stage.sell(trail_price=2)
    assert stage.at("09:32").status(order) == "new"
    assert order.best_price == Decimal(104)
    assert stage.at("09:33").status(order) == "filled"
    assert order.average_fill_price == Decimal(102)


def test_a_trail_in_percent_is_of_the_best_price() -> None:
    stage = holding((100, 200, 100, 200), (200, 200, 189, 189))
    order = stage.sell(trail_percent=5)
    assert stage.at("09:33").status(order) == "filled"
    assert order.average_fill_price == Decimal(190)


# Times in force.


def test_an_ioc_order_fills_now_or_is_canceled() -> None:
    stage = a_stage(STILL).at("10:00")
    now, never = stage.buy(time_in_force=IOC), stage.buy(time_in_force=IOC, limit_price=99)
    assert (stage.status(now), stage.status(never)) == ("filled", "canceled")


def test_an_ioc_order_keeps_its_part_and_a_fok_order_takes_all() -> None:
    stage = a_stage(STILL, partial_fills=1.0).at("10:00")
    ioc, fok = stage.buy(time_in_force=IOC), stage.buy(time_in_force=FOK)
    assert (stage.status(ioc), stage.status(fok)) == ("canceled", "filled")
    assert 0 < ioc.filled_quantity < 10 == fok.filled_quantity


def test_an_opg_order_fills_at_the_opening_price_or_is_canceled() -> None:
    stage = Stage(HandTape({"SPY": flat(100, 5, "09:00") + candles((101, 102, 99, 100))}))
    stage.at("09:10")
    order, far = stage.buy(time_in_force=OPG), stage.buy(time_in_force=OPG, limit_price=100)
    stage.at("09:31")
    assert (stage.status(order), stage.status(far)) == ("filled", "canceled")
    assert order.average_fill_price == Decimal(101)


def test_a_cls_order_fills_at_the_closing_price() -> None:
    bars = [STILL] * 389 + [(100, 107, 100, 106)]
    stage = a_stage(*bars).at("10:00")
    order, far = stage.buy(time_in_force=CLS), stage.buy(time_in_force=CLS, limit_price=105)
    assert stage.at("15:59").status(order) == "new"
    stage.at("16:00")
    assert (stage.status(order), stage.status(far)) == ("filled", "canceled")
    assert (order.average_fill_price, order.filled_at) == (Decimal(106), a_time("16:00"))


@pytest.mark.parametrize(
    ("at", "time_in_force", "message"),
    [
        ("09:28", OPG, "opg orders must be submitted after 7:00pm and before 9:28am"),
        ("18:59", OPG, "opg orders must be"),
        ("15:50", CLS, "cls orders must be submitted after 7:00pm and before 3:50pm"),
        ("09:10", IOC, "ioc orders are only accepted during market hours"),
        ("16:00", FOK, "fok orders are only accepted during market hours"),
    ],
)
def test_outside_of_its_window_an_order_is_refused(
    at: str, time_in_force: TimeInForce, message: str
) -> None:
    stage = Stage(HandTape({"SPY": flat(100, 5, "09:00") + flat(100)})).at(at)
    assert refusal(stage, time_in_force=time_in_force).message.startswith(message)


@pytest.mark.parametrize("at", ["09:27", "19:00"])
def test_within_its_window_an_opg_order_is_taken(at: str) -> None:
    stage = Stage(HandTape({"SPY": flat(100, 5, "09:00") + flat(100)})).at(at)
    assert stage.buy(time_in_force=OPG).status == "accepted"


def test_only_an_extended_hours_order_trades_before_the_open() -> None:
    early = candles((99, 99, 98, 98), (98, 98, 98, 98), start="09:10")
    stage = Stage(HandTape({"SPY": flat(100, 5, "09:00") + early + flat(100)})).at("09:06")
    extended = stage.buy(limit_price=99, extended_hours=True)
    assert extended.status == "pending_new"
    regular = stage.buy(limit_price=99)
    stage.at("09:11")
    assert (stage.status(extended), stage.status(regular)) == ("filled", "accepted")


def test_an_extended_day_order_ends_at_eight_in_the_evening() -> None:
    order = a_stage(STILL).at("17:00").buy(limit_price=90, extended_hours=True)
    assert order.status == "pending_new"
    assert order.expires_at == a_time("20:00")


# Shares.


def test_a_notional_order_buys_what_its_dollars_are_worth() -> None:
    stage = a_stage(STILL).at("10:00")
    order = stage.buy(notional=1000)
    assert stage.status(order) == "filled"
    assert order.filled_quantity == Decimal("9.999000099")
    assert stage.venue.balances().cash == Decimal(99_000)


def test_a_fraction_of_a_share_can_be_sold_again() -> None:
    stage = a_stage(STILL).at("10:00")
    stage.buy("0.5")
    stage.sell("0.5")
    assert stage.venue.holdings() == []


@pytest.mark.parametrize(
    ("terms", "message"),
    [
        ({"time_in_force": GTC}, "fractional orders must be DAY orders"),
        ({"stop_loss_price": 98}, "fractional orders must be simple orders"),
        ({"trail_price": 1}, "fractional orders must be market, limit, stop, or stop_limit orders"),
        ({"notional": "10.001"}, "notional value must be limited to 2 decimal places"),
        ({"notional": "0.99"}, "notional must be >= 1.00"),
        ({"notional": 10, "limit_price": 90}, "notional orders must be market orders"),
        ({"extended_hours": True}, "extended hours order must be DAY or GTC limit orders"),
    ],
)
def test_limits_of_fractions_and_hours(terms: dict[str, Any], message: str) -> None:
    assert refusal(a_stage(STILL).at("10:00"), "1.5", **terms).message == message


# Families.


def test_an_oco_holds_its_shares_once_and_one_side_ends_the_other() -> None:
    stage = holding((100, 103, 100, 103))
    target = stage.sell(limit_price=102, stop_loss_price=98, oco=True)
    assert stage.status(target) == "new"
    assert stage.venue.reserved("SPY") == 10
    (stop,) = target.legs
    stage.at("09:32")
    assert (stage.status(target), stage.status(stop)) == ("filled", "canceled")


def test_the_stop_of_an_oco_is_watched_while_it_is_held() -> None:
    stage = holding((100, 100, 97, 97))
    target = stage.sell(limit_price=102, stop_loss_price=98, oco=True)
    assert stage.status(target.legs[0]) == "held"
    stage.at("09:32")
    assert [stage.status(it) for it in target.family] == ["canceled", "filled"]


def test_the_legs_of_a_partly_filled_entry_stay_held() -> None:
    stage = a_stage(STILL, partial_fills=1.0).at("09:31")
    entry = stage.buy(100, take_profit_price=102, stop_loss_price=98)
    assert stage.status(entry) == "partially_filled"
    assert {stage.status(leg) for leg in entry.legs} == {"held"}
    assert stage.at("11:00").status(entry) == "filled"
    assert [stage.status(leg) for leg in entry.legs] == ["new", "held"]


def test_a_partly_filled_target_leaves_the_stop_the_rest() -> None:
    stage = a_stage(STILL, (100, 103, 100, 103)).at("09:31")
    target, stop = stage.buy(100, take_profit_price=102, stop_loss_price=98).legs
    stage.status(target)
    stage.venue.meddle(Parts(Decimal("0.3")))
    assert stage.at("09:32").status(target) == "partially_filled"
    assert (target.filled_quantity, stop.quantity) == (Decimal(30), Decimal(70))
    assert stage.venue.reserved("SPY") == 70 == stage.venue.holding("SPY").quantity


def test_what_an_entry_has_bought_so_far_is_kept_for_its_legs() -> None:
    stage = a_stage(STILL, partial_fills=1.0).at("09:31")
    entry = stage.buy(100, stop_loss_price=98)
    assert stage.status(entry) == "partially_filled"
    assert "available: 0" in refusal(stage, 1, Side.SELL, trail_price=1).message


def test_a_canceled_entry_keeps_what_it_has_bought() -> None:
    stage = a_stage(STILL, partial_fills=1.0).at("09:31")
    entry = stage.buy(100, stop_loss_price=98)
    assert stage.status(entry) == "partially_filled"
    stage.venue.cancel(entry.order_id)
    assert stage.status(entry.legs[0]) == "canceled"
    assert stage.venue.holding("SPY").quantity == entry.filled_quantity > 0


class Parts(NoMischief):
    """Fills a share of what remains."""

    def __init__(self, share: Decimal) -> None:
        self._share = share

    def portion(self, order: SimOrder) -> Decimal | None:
        return self._share


def test_a_replaced_part_keeps_what_it_was_and_waits_for_the_rest() -> None:
    stage = a_stage(STILL).at("10:00")
    stage.venue.meddle(Parts(Decimal("0.4")))
    old = stage.buy(10)
    assert stage.status(old) == "partially_filled"
    new = stage.venue.replace(old.order_id, Replacement(quantity=Decimal(12)))
    assert stage.status(old) == "replaced"
    assert old.filled_quantity + new.quantity == 12


# Refusals that hang on other orders.


@pytest.mark.parametrize(
    ("resting", "coming", "reason"),
    [
        ({"limit_price": 105}, {}, "opposite side limit order exists"),
        ({"limit_price": 105}, {"limit_price": 105}, "opposite side limit order exists"),
        ({"stop_price": 95}, {"limit_price": 90}, "opposite side market/stop order exists"),
    ],
)
def test_an_order_that_could_meet_our_own_is_a_wash_trade(
    resting: dict[str, Any], coming: dict[str, Any], reason: str
) -> None:
    stage = holding()
    order = stage.sell(**resting)
    refused = refusal(stage, **coming)
    assert refused.message == "potential wash trade detected. use complex orders"
    assert refused.details["existing_order_id"] == order.order_id
    if coming:
        assert refused.details["reject_reason"] == reason


@pytest.mark.parametrize(
    "coming", [{"limit_price": 104}, {"stop_loss_price": 98}, {"trail_price": 1}]
)
def test_what_cannot_meet_it_or_is_complex_is_taken(coming: dict[str, Any]) -> None:
    stage = holding()
    stage.sell(limit_price=105)
    assert stage.buy(**coming).status == "pending_new"


# What is told.


def test_listeners_hear_every_change_in_order() -> None:
    stage = a_stage(STILL, (100, 103, 100, 103)).at("09:31")
    heard: list[str] = []

    def hear(event: OrderEvent) -> None:
        heard.append(f"{event.order.role or 'simple'} {event.name}")

    stage.venue.listeners.append(hear)
    stage.buy(take_profit_price=102, stop_loss_price=98)
    stage.at("09:32").venue.orders()
    assert heard == [
        "entry pending_new",
        "entry new",
        "entry fill",
        "take_profit new",
        "take_profit fill",
        "stop_loss canceled",
    ]


def test_an_order_that_hangs_in_pending_cancel_can_still_fill() -> None:
    class Stuck(NoMischief):
        def holds_cancel(self, order: SimOrder) -> bool:
            return True

    stage = a_stage(STILL, (100, 100, 98, 98)).at("09:31")
    first, second = stage.buy(limit_price=99), stage.buy(limit_price=90)
    stage.venue.meddle(Stuck())
    stage.venue.cancel_all()
    assert stage.status(first) == stage.status(second) == "pending_cancel"
    assert stage.at("09:32").status(first) == "filled"
    stage.venue.finish_cancels()
    assert stage.status(second) == "canceled"


def test_an_exit_whose_cancel_hangs_keeps_the_other_exit_with_it() -> None:
    class Stuck(NoMischief):
        def holds_cancel(self, order: SimOrder) -> bool:
            return True

    stage = a_stage(STILL, (100, 100, 97, 97)).at("09:31")
    entry = stage.buy(take_profit_price=110, stop_loss_price=98)
    target, stop = entry.legs
    stage.venue.meddle(Stuck())
    stage.venue.cancel_all()
    stage.venue.cancel_all()
    assert (target.status, stop.status) == ("pending_cancel", "held")
    stage.at("09:32").venue.catch_up()
    assert (target.status, stop.status) == ("canceled", "filled")
