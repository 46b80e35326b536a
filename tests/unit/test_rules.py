"""An unkind market: halts, bands, slippage, fees, and the same parts from the same seed."""

from decimal import Decimal

from tests.tapes import HandTape, Stage, a_stage, flat
from tools.simulation.rules import Rules

STILL = (100.0, 100.0, 100.0, 100.0)


def test_a_halted_symbol_fills_nothing_until_it_resumes() -> None:
    stage = a_stage(STILL, (100, 100, 95, 95), (95, 96, 95, 96)).at("09:31")
    stage.venue.halts.halt("SPY", stage.now)
    order = stage.buy()
    assert stage.at("09:32").status(order) == "new"
    stage.venue.halts.resume("SPY", stage.now)
    assert stage.at("09:33").status(order) == "filled"
    assert order.average_fill_price == Decimal(95)


def test_a_minute_that_breaks_its_band_pauses_the_next_five() -> None:
    calm = [STILL] * 60
    stage = a_stage(*calm, (100, 100, 90, 90), (90, 90, 90, 90), bands=True).at("10:31")
    order = stage.buy()
    assert stage.at("10:36").status(order) == "new"
    assert stage.at("10:37").status(order) == "filled"


def test_no_fill_lies_beyond_the_band() -> None:
    stage = a_stage(*[STILL] * 60, (100, 108, 100, 100), bands=True).at("10:29")
    stage.buy()
    order = stage.sell(limit_price=107)
    assert stage.at("10:31").status(order) == "new"


def test_slippage_is_paid_by_what_has_no_limit() -> None:
    stage = a_stage(STILL, slippage_bps=Decimal(10)).at("10:00")
    market, limit = stage.buy(), stage.buy(limit_price=101)
    stage.status(market)
    assert market.average_fill_price == Decimal("100.12")
    assert limit.average_fill_price == Decimal("100.01")


def test_fees_are_taken_at_the_close() -> None:
    stage = a_stage(STILL, cash=1_000_000, fees=True).at("10:00")
    stage.buy(10_000)
    stage.sell(10_000)
    money = stage.venue.balances()
    # SEC 20.60 a million of 999,900; TAF 1.95; CAT 0.06
    assert money.accrued_fees == Decimal("20.60") + Decimal("1.95") + Decimal("0.06")
    assert stage.at("16:00").venue.balances().cash == money.cash - money.accrued_fees
    assert [it.kind for it in stage.venue.charges()] == ["CAT", "SEC", "TAF"]


def test_the_same_seed_fills_the_same_parts() -> None:
    def fills() -> list[tuple[Decimal, Decimal]]:
        stage = Stage(HandTape({"SPY": flat(100)}), rules=Rules(partial_fills=0.5)).at("10:00")
        stage.buy(100)
        executions = stage.at("15:00").venue.executions()
        return [(it.quantity, it.leaves_quantity) for it in executions]

    assert len(fills()) > 1
    assert fills() == fills()
