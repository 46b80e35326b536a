"""Random sessions: whatever is ordered, canceled and replaced on any path, the book is right."""

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import a_time
from tests.tapes import Stage, a_stage
from tools.core.trading import OrderClass, OrderStatus, Side
from tools.simulation.account import Execution
from tools.simulation.orders import EDGES, Replacement, SimOrder
from tools.simulation.refusals import Refused
from tools.simulation.tape import Candle, dollars

MINUTES = 40
CASH = Decimal(3_000)  # about thirty shares without margin: refusals happen

STEPS = st.lists(
    st.tuples(*[st.integers(min_value=-60, max_value=60)] * 4),
    min_size=MINUTES,
    max_size=MINUTES,
)
OFFSETS = st.integers(min_value=-80, max_value=80).map(dollars)
DISTANCES = st.one_of(st.none(), st.integers(min_value=1, max_value=150).map(dollars))
QUANTITIES = st.integers(min_value=1, max_value=40)
KINDS = st.sampled_from(["market", "limit", "stop"])
NUMBERS = st.integers(min_value=0, max_value=50)
COMMANDS = st.one_of(
    st.tuples(st.just("buy"), QUANTITIES, KINDS, OFFSETS, DISTANCES, DISTANCES),
    st.tuples(st.just("buy"), QUANTITIES, KINDS, OFFSETS, DISTANCES, DISTANCES),
    st.tuples(st.just("sell"), QUANTITIES, KINDS, OFFSETS),
    st.tuples(st.just("cancel"), NUMBERS),
    st.tuples(st.just("replace"), NUMBERS, OFFSETS),
    st.tuples(st.sampled_from(["close", "cancel all"])),
)
SECONDS = st.integers(min_value=0, max_value=150)
SCRIPTS = st.lists(st.tuples(SECONDS, COMMANDS), min_size=5, max_size=25)


def bars(steps: list[tuple[int, ...]]) -> Iterator[tuple[float, float, float, float]]:
    """A walk with gaps: each minute opens away from the last close."""
    price = 10_000
    for gap, up, down, move in steps:
        opened, close = price + gap, price + gap + move
        high, low = max(opened, close) + abs(up), min(opened, close) - abs(down)
        yield opened / 100, high / 100, low / 100, close / 100
        price = close


def obey(stage: Stage, command: tuple[object, ...]) -> None:
    """Prices are told as distances from the last trade, so that most commands make sense."""
    orders, last = stage.venue.orders(), stage.venue.price("SPY")
    match command:
        case ("buy", int(quantity), str(kind), Decimal() as offset, target, stop):
            base = last if kind == "market" else last + offset
            terms = {f"{kind}_price": base} if kind != "market" else {}
            terms |= {"take_profit_price": base + target} if isinstance(target, Decimal) else {}
            terms |= {"stop_loss_price": base - stop} if isinstance(stop, Decimal) else {}
            stage.buy(quantity, **terms)
        case ("sell", int(quantity), str(kind), Decimal() as offset):
            terms = {f"{kind}_price": last + offset} if kind != "market" else {}
            stage.sell(quantity, **terms)
        case ("cancel", int(n)) if orders:
            stage.venue.cancel(orders[n % len(orders)].order_id)
        case ("replace", int(n), Decimal() as offset) if orders:
            order = orders[n % len(orders)]
            limit = last + offset if order.request.limit_price else None
            stop = last + offset if order.request.stop_price else None
            changes = Replacement(limit_price=limit, stop_price=stop)
            stage.venue.replace(order.order_id, changes)
        case ("close",):
            stage.venue.close_position("SPY")
        case ("cancel all",):
            stage.venue.cancel_all()


def check_money(stage: Stage) -> None:
    spent = held = Decimal(0)
    for fill in stage.venue.executions():
        sign = 1 if fill.order.side is Side.BUY else -1
        spent, held = spent + sign * fill.quantity * fill.price, held + sign * fill.quantity
        assert held == fill.position_quantity >= 0
    money = stage.venue.balances()
    assert money.cash == CASH - spent
    assert money.equity == money.cash + held * (stage.venue.price("SPY") if held else 0)
    assert money.equity == round(money.equity, 2)
    assert held - stage.venue.reserved("SPY") >= 0


def check_fill(stage: Stage, fill: Execution, day: dict[int, Candle]) -> None:
    """At once at the far side of the quote, or inside of a minute that began after the order."""
    assert fill.at >= fill.order.submitted_at
    tick = stage.market.quote("SPY", fill.at)
    far = tick and dollars(tick.ask if fill.order.side is Side.BUY else tick.bid)
    if fill.price == far and fill.at == fill.order.submitted_at:
        return
    candle = day[int(fill.at.timestamp()) - 60]
    assert dollars(candle.low) <= fill.price <= dollars(candle.high)
    assert fill.at - timedelta(minutes=1) >= fill.order.submitted_at


def check_states(before: dict[str, OrderStatus], orders: list[SimOrder]) -> None:
    for order in orders:
        reachable = {before.get(order.order_id, order.status)}
        while more := {to for status in reachable for to in EDGES.get(status, ())} - reachable:
            reachable |= more
        assert order.status in reachable
        if order.order_class is OrderClass.BRACKET:
            filled = [leg for leg in order.legs if leg.status is OrderStatus.FILLED]
            assert len(filled) <= 1
            assert not filled or order.status is OrderStatus.FILLED


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, script=SCRIPTS)
def test_the_book_is_right_after_every_event(
    steps: list[tuple[int, ...]], script: list[tuple[int, tuple[object, ...]]]
) -> None:
    stage = a_stage(*bars(steps), cash=int(CASH)).at("09:31")
    day = {c.start: c for c in stage.tape._days["SPY", a_time().date()].candles}
    before: dict[str, OrderStatus] = {}
    for seconds, command in [*script, (24_000, ("nothing",))]:
        with contextlib.suppress(Refused):
            obey(stage, command)
        before = {order.order_id: order.status for order in stage.venue.orders()} | before
        stage.now += timedelta(seconds=seconds)
        check_money(stage)
        check_states(before, stage.venue.orders())
        before = {order.order_id: order.status for order in stage.venue.orders()}
    for fill in stage.venue.executions():
        check_fill(stage, fill, day)
