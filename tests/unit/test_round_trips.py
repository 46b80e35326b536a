"""Fills become round trips, from flat to flat."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_position, a_time, an_order
from tools.core.trading import ExitReason, Order, OrderClass, OrderStatus, OrderType, Side, Trade
from tools.execution.round_trips import carried_into, round_trips

ENTRY, EXIT = "AT-2013-10-07-1-E", "AT-2013-10-07-2-X"
NOW = a_time("09:25")


def trips(*orders: Order) -> list[Trade]:
    return round_trips(orders, (), opened_at=NOW, decisions={ENTRY: "D-1"})


def a_buy(price: str = "100", client_id: str = ENTRY, at: str = "10:00", **other: object) -> Order:
    return an_order(client_id, price=price, submitted=at, **other)  # type: ignore[arg-type]


def a_sale(price: str = "101", client_id: str = EXIT, at: str = "10:30", **other: object) -> Order:
    kind = {"order_type": OrderType.MARKET, **other}
    return an_order(client_id, side=Side.SELL, price=price, submitted=at, **kind)  # type: ignore[arg-type]


def a_leg(kind: OrderType, price: str | None, at: str = "10:00") -> Order:
    return an_order(
        f"leg-{kind}",
        side=Side.SELL,
        order_type=kind,
        price=price,
        filled_at=at,
        status=OrderStatus.CANCELED,
    )


def test_an_entry_and_its_exit_make_one_trade() -> None:
    (trade,) = trips(a_buy("100.10"), a_sale("101.35"))
    assert trade == Trade(
        symbol="SPY",
        side=Side.BUY,
        quantity=Decimal(10),
        entry_price=Decimal("100.1"),
        exit_price=Decimal("101.35"),
        pnl_usd=Decimal("12.50"),
        opened_at=a_time("10:00"),
        closed_at=a_time("10:30"),
        exit_reason=ExitReason.DECISION,
        entry_client_order_id=ENTRY,
        exit_client_order_id=EXIT,
        decision_id="D-1",
    )
    assert trade.winning


def test_an_open_position_is_no_trade_yet() -> None:
    assert trips(a_buy()) == []
    assert trips(a_buy(), a_sale(quantity="9")) == []


def test_the_leg_that_ended_it_is_the_reason() -> None:
    for kind, reason in ((OrderType.STOP, ExitReason.STOP), (OrderType.LIMIT, ExitReason.TARGET)):
        legs = (
            a_leg(OrderType.LIMIT, "105" if kind is OrderType.LIMIT else None, "11:00"),
            a_leg(OrderType.STOP, "98" if kind is OrderType.STOP else None, "11:00"),
        )
        (trade,) = trips(a_buy(order_class=OrderClass.BRACKET, legs=legs))
        assert (trade.exit_reason, trade.closed_at) == (reason, a_time("11:00"))


def test_a_leg_that_fills_in_the_entrys_own_minute_comes_after_it() -> None:
    entry = a_buy(filled_at="10:01", legs=(a_leg(OrderType.STOP, "98", "10:01"),))
    (trade,) = trips(entry)
    assert trade.side is Side.BUY
    assert trade.pnl_usd == Decimal("-20.00")


def test_other_exits_are_told_apart_by_their_ids() -> None:
    reasons = {
        "flat-2013-10-07-SPY-1": ExitReason.FLATTEN,
        "AT-2013-10-07-3-X": ExitReason.DECISION,
        "b7f0": ExitReason.EXTERNAL,
    }
    for client_id, reason in reasons.items():
        assert trips(a_buy(), a_sale(client_id=client_id))[0].exit_reason is reason
    moved = a_sale("99", "AT-2013-10-07-4-S", order_type=OrderType.STOP)
    assert trips(a_buy(), moved)[0].exit_reason is ExitReason.STOP


def test_partial_exits_are_averaged_into_one_trade() -> None:
    (trade,) = trips(
        a_buy("100", quantity="30"),
        a_sale("101", quantity="10", at="10:10"),
        a_sale("104", "flat-2013-10-07-SPY-1", at="10:20", quantity="20"),
    )
    assert trade.quantity == 30
    assert trade.exit_price == Decimal(103)
    assert trade.pnl_usd == Decimal("90.00")
    assert trade.exit_reason is ExitReason.FLATTEN


def test_what_a_canceled_order_executed_counts() -> None:
    partial = an_order(
        ENTRY,
        status=OrderStatus.CANCELED,
        quantity="10",
        filled="4",
        price="100",
        filled_at="10:00",
    )
    (trade,) = trips(partial, a_sale("99", quantity="4"))
    assert (trade.quantity, trade.pnl_usd) == (Decimal(4), Decimal("-4.00"))


def test_a_symbol_can_be_traded_again_at_the_instant_of_its_exit() -> None:
    first, second = trips(
        a_buy(),
        a_sale(at="10:30"),
        a_buy("101", "AT-2013-10-07-3-E", at="10:30"),
        a_sale("100", "AT-2013-10-07-4-X", at="10:40"),
    )
    assert first.pnl_usd == Decimal("10.00")
    assert (second.pnl_usd, second.decision_id) == (Decimal("-10.00"), "")


def test_symbols_do_not_mix() -> None:
    trades = trips(a_buy(), a_buy(symbol="IBM"), a_sale(symbol="IBM", at="10:10"), a_sale())
    assert [trade.symbol for trade in trades] == ["IBM", "SPY"]


def test_a_carried_position_is_closed_against_its_average_cost() -> None:
    carried = (a_position("SPY", "10", "95"),)
    (trade,) = round_trips([a_sale("101")], carried, opened_at=NOW, decisions={})
    assert (trade.pnl_usd, trade.entry_client_order_id) == (Decimal("60.00"), "")
    assert trade.opened_at == NOW


def test_a_sale_beyond_what_was_held_opens_a_short() -> None:
    trades = trips(
        a_buy(quantity="10"),
        a_sale("101", quantity="15"),
        a_buy("100", "b1", at="10:40", quantity="5"),
    )
    assert [(trade.side, trade.quantity, trade.pnl_usd) for trade in trades] == [
        (Side.BUY, Decimal(10), Decimal("10.00")),
        (Side.SELL, Decimal(5), Decimal("5.00")),
    ]


def test_what_was_carried_in_is_what_the_days_orders_do_not_explain() -> None:
    now_held = (a_position("SPY", "25", "100"), a_position("IBM", "10", "180"))
    bought = a_buy(quantity="10", symbol="IBM")
    carried = carried_into(now_held, [bought])
    assert carried == (a_position("SPY", "25", "100"),)
    sold = a_sale("101", quantity="7", symbol="AIG")
    (gone,) = carried_into((), [sold])
    assert gone == a_position("AIG", "7", "101")


quantities = st.integers(1, 50)
prices = st.decimals("1", "500", places=2)


@given(st.lists(st.tuples(st.booleans(), quantities, prices), max_size=20))
def test_profit_of_all_trades_is_the_change_of_cash_when_flat(
    steps: list[tuple[bool, int, Decimal]],
) -> None:
    orders, held, cash = [], 0, Decimal(0)
    for number, (buys, quantity, price) in enumerate(steps):
        side = Side.BUY if buys or not held else Side.SELL
        shares = quantity if side is Side.BUY else min(quantity, held)
        held += shares if side is Side.BUY else -shares
        cash += -shares * price if side is Side.BUY else shares * price
        orders.append(an_order(f"o{number}", side=side, quantity=str(shares), price=str(price)))
    if held:
        orders.append(an_order("last", side=Side.SELL, quantity=str(held), price="7"))
        cash += held * 7
    trades = trips(*orders)
    assert sum((trade.pnl_usd for trade in trades), Decimal(0)) == cash
    assert all(trade.side is Side.BUY for trade in trades)
