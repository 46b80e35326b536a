"""When an order fills and at what price: the rules of one minute and of one quote."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tapes import candles
from tools.core.trading import OrderType, Side
from tools.simulation.matching import Hit, Terms, fill_at_quote, fill_on_walk, walk_of
from tools.simulation.tape import Tick

RISING = walk_of(candles((100.00, 101.00, 99.00, 100.50))[0])
FALLING = walk_of(candles((100.00, 101.00, 99.00, 99.50))[0])
QUOTE = Tick(0, 9_999, 10_001)


def limit(side: Side, price: str) -> Terms:
    return Terms(side, OrderType.LIMIT, limit_price=Decimal(price))


def stop(side: Side, price: str) -> Terms:
    return Terms(side, OrderType.STOP, stop_price=Decimal(price))


def price_of(hit: Hit | None) -> str | None:
    return str(hit.price) if hit else None


def test_a_rising_minute_visits_its_low_before_its_high() -> None:
    assert [str(price) for price in RISING] == ["100.00", "99.00", "101.00", "100.50"]


def test_a_falling_minute_visits_its_high_before_its_low() -> None:
    assert [str(price) for price in FALLING] == ["100.00", "101.00", "99.00", "99.50"]


@pytest.mark.parametrize(
    ("terms", "price"),
    [
        pytest.param(limit(Side.BUY, "99.50"), "99.50", id="a limit fills at its own price"),
        pytest.param(limit(Side.BUY, "99.00"), None, id="a touch does not fill a buy limit"),
        pytest.param(limit(Side.SELL, "101.00"), None, id="a touch does not fill a sell limit"),
        pytest.param(limit(Side.SELL, "100.99"), "100.99", id="a cent through fills"),
        pytest.param(limit(Side.BUY, "100.50"), "100.00", id="a gap below fills at the open"),
        pytest.param(limit(Side.SELL, "99.50"), "100.00", id="a gap above fills at the open"),
        pytest.param(stop(Side.SELL, "99.00"), "99.00", id="a touch sets a sell stop off"),
        pytest.param(stop(Side.BUY, "101.00"), "101.00", id="a touch sets a buy stop off"),
        pytest.param(stop(Side.SELL, "98.99"), None, id="a stop that is not reached waits"),
        pytest.param(stop(Side.SELL, "100.40"), "100.00", id="a gap through a stop costs"),
        pytest.param(stop(Side.BUY, "99.80"), "100.00", id="a gap through a buy stop costs"),
        pytest.param(Terms(Side.BUY, OrderType.MARKET), "100.00", id="a market order at the open"),
    ],
)
def test_fills_of_one_minute(terms: Terms, price: str | None) -> None:
    assert price_of(fill_on_walk(terms, RISING)) == price


def test_after_a_fill_only_the_rest_of_the_walk_is_left() -> None:
    hit = fill_on_walk(limit(Side.BUY, "99.50"), RISING)
    assert hit
    assert [str(price) for price in hit.rest] == ["99.50", "99.00", "101.00", "100.50"]


def test_a_target_that_was_passed_before_the_entry_is_not_filled() -> None:
    entry = fill_on_walk(limit(Side.BUY, "99.60"), FALLING)
    assert entry
    assert fill_on_walk(limit(Side.SELL, "100.80"), entry.rest) is None


@pytest.mark.parametrize(
    ("terms", "price"),
    [
        (Terms(Side.BUY, OrderType.MARKET), "100.01"),
        (Terms(Side.SELL, OrderType.MARKET), "99.99"),
        (limit(Side.BUY, "100.05"), "100.01"),
        (limit(Side.BUY, "100.00"), None),
        (limit(Side.SELL, "99.99"), "99.99"),
        (limit(Side.SELL, "100.00"), None),
        (stop(Side.SELL, "99.00"), None),
    ],
)
def test_what_arrives_fills_at_the_far_side_or_waits(terms: Terms, price: str | None) -> None:
    found = fill_at_quote(terms, QUOTE)
    assert (None if found is None else str(found)) == price


CENTS = st.integers(min_value=9_000, max_value=11_000)


@given(
    bar=st.tuples(CENTS, CENTS, CENTS, CENTS),
    side=st.sampled_from(Side),
    kind=st.sampled_from([OrderType.MARKET, OrderType.LIMIT, OrderType.STOP]),
    cents=CENTS,
)
def test_no_fill_lies_outside_of_its_minute(
    bar: tuple[int, int, int, int], side: Side, kind: OrderType, cents: int
) -> None:
    opened, close = bar[0] / 100, bar[3] / 100
    low, high = min(bar) / 100, max(bar) / 100
    walk = walk_of(candles((opened, high, low, close))[0])
    price = str(cents / 100)
    terms = {
        OrderType.MARKET: Terms(side, OrderType.MARKET),
        OrderType.LIMIT: limit(side, price),
        OrderType.STOP: stop(side, price),
    }[kind]
    if hit := fill_on_walk(terms, walk):
        assert min(walk) <= hit.price <= max(walk)
        if kind is OrderType.LIMIT and side is Side.BUY:
            assert hit.price <= Decimal(price)
        if kind is OrderType.LIMIT and side is Side.SELL:
            assert hit.price >= Decimal(price)
