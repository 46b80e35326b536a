"""What moves together, and what a bad day would cost."""

import math
from datetime import timedelta

import pytest

from tests.builders import a_bar, a_time
from tools.core.market import Bar
from tools.risk.portfolio import common_returns, correlation, historical_var_usd


def daily(*closes: float, first: int = 0) -> list[Bar]:
    start = a_time("00:00")
    return [a_bar(start + timedelta(days=first + n), close=c) for n, c in enumerate(closes)]


def test_a_series_moves_with_itself_and_against_its_mirror() -> None:
    wave = (0.01, -0.02, 0.03, 0.0)
    assert correlation(wave, wave) == pytest.approx(1)
    assert correlation(wave, tuple(-one for one in wave)) == pytest.approx(-1)
    assert correlation(wave, tuple(2 * one + 5 for one in wave)) == pytest.approx(1)


def test_correlation_is_pearsons() -> None:
    assert correlation((1.0, 2.0, 3.0), (1.0, 3.0, 2.0)) == pytest.approx(0.5)
    assert correlation((3.0, 5.0, 4.0, 1.0), (9.0, 8.0, 7.0, 2.0)) == pytest.approx(
        12.5 / math.sqrt(8.75 * 29)
    )


def test_what_stands_still_moves_with_nothing() -> None:
    assert correlation((0.0, 0.0, 0.0), (1.0, 2.0, 3.0)) == 0


def test_returns_are_of_the_days_that_all_have() -> None:
    long, short = daily(*range(1, 31)), daily(*[100.0] * 22, first=8)
    returns = common_returns({"A": long, "B": short, "NEW": daily(1, 2, 3)})
    assert set(returns) == {"A", "B"}
    assert len(returns["A"]) == len(returns["B"]) == 21
    assert returns["A"][0] == pytest.approx(10 / 9 - 1)


@pytest.mark.parametrize(("days", "known"), [(20, False), (21, True)])
def test_twenty_returns_take_twenty_one_days(days: int, known: bool) -> None:
    assert bool(common_returns({"A": daily(*[1.0] * days)})) is known


@pytest.mark.parametrize(("first", "known"), [(4, True), (5, False)])
def test_too_few_common_days_say_nothing(first: int, known: bool) -> None:
    bars = {"A": daily(*[1.0] * 25), "B": daily(*[1.0] * 25, first=first)}
    assert bool(common_returns(bars)) is known


def test_value_at_risk_is_the_loss_of_a_bad_day() -> None:
    days = {"A": tuple(-n / 100 for n in range(100))}
    assert historical_var_usd({"A": 1000.0}, days, 0.95) == pytest.approx(940)
    assert historical_var_usd({"A": 1000.0}, days, 0.90) == pytest.approx(890)
    assert historical_var_usd({}, days, 0.95) is None
    assert historical_var_usd({"B": 1.0}, days, 0.95) is None
    assert historical_var_usd({"A": 1000.0}, {"A": (0.1,) * 20}, 0.95) == 0


def test_what_one_gains_while_another_loses_is_no_risk() -> None:
    days = {"A": (-0.1, 0.1) * 10, "B": (0.1, -0.1) * 10}
    assert historical_var_usd({"A": 100.0, "B": 60.0}, days, 0.95) == pytest.approx(4)
