"""A split between two sessions: more shares at a smaller price, and nobody is richer."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from tests.tapes import HandTape, Stage, flat
from tools.simulation.corporate import CorporateAction, scaled
from tools.simulation.orders import TimeInForce
from tools.simulation.tape import minute

DAY = 86_400
SPLIT = CorporateAction(ex_date=date(2013, 10, 8), symbol="SPY", new=4, old=1)
REVERSE = CorporateAction(ex_date=date(2013, 10, 8), symbol="SPY", new=1, old=4)


def a_stage(split: CorporateAction, after: float) -> Stage:
    """SPY stands at 100 on Monday, and on Tuesday at what its split makes of that."""
    tuesday = [c._replace(start=c.start + DAY) for c in flat(after)]
    stage = Stage(HandTape({"SPY": flat(100) + tuesday}), actions=(split,)).at("10:00")
    stage.buy(100)
    return stage


@pytest.mark.parametrize(
    ("split", "after", "shares"), [(SPLIT, 25.0, 400), (REVERSE, 400.0, 25)], ids=["4:1", "1:4"]
)
@pytest.mark.parametrize("hour", [1, 10, 13, 15])
def test_a_split_changes_shares_and_price_but_not_the_equity(
    split: CorporateAction, after: float, shares: int, hour: int
) -> None:
    stage = a_stage(split, after)
    stage.at("17:00")
    before = stage.venue.balances().equity
    stage.now = datetime(2013, 10, 8, 4 + hour, tzinfo=UTC)
    [holding] = stage.venue.holdings()
    assert holding.quantity == shares
    assert holding.quantity * holding.average_cost == Decimal("10001.00")
    assert stage.venue.balances().equity == before
    assert stage.venue.previous_close("SPY") == Decimal(str(after))


def test_what_rests_is_canceled_by_a_split() -> None:
    stage = a_stage(SPLIT, 25.0)
    resting = stage.sell(100, limit_price=200, time_in_force=TimeInForce.GTC)
    stage.now = datetime(2013, 10, 8, 14, tzinfo=UTC)
    assert stage.status(resting) == "canceled"
    assert resting.canceled_at == datetime(2013, 10, 8, 4, tzinfo=UTC)
    stage.sell(400)
    assert stage.venue.holdings() == []


def test_a_scaled_candle_is_worth_the_same() -> None:
    candle = minute(0, (10_000, 10_100, 9_900, 10_000), 1_000)
    quarter = scaled(candle, 0.25, 4)
    assert (quarter.low, quarter.close, quarter.high) == (2_475, 2_500, 2_525)
    assert (quarter.volume, quarter.turnover) == (4_000, candle.turnover)
