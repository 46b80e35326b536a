"""What moves together, and what a bad day would cost."""

import math
from datetime import timedelta

import pytest

from tests.builders import a_bar, a_time, moves
from tools.core.market import Bar
from tools.risk.portfolio import NO_MOVES, common_moves


def daily(*closes: float, first: int = 0) -> list[Bar]:
    start = a_time("00:00")
    return [a_bar(start + timedelta(days=first + n), close=c) for n, c in enumerate(closes)]


def correlation(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    table = moves(A=one, B=other).correlations
    assert table[0][1] == table[1][0]
    return table[0][1]


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


def test_who_moves_with_a_symbol_is_counted_where_it_is_known() -> None:
    wave = (0.01, -0.02, 0.03, 0.0)
    table = moves(A=wave, B=wave, C=tuple(-one for one in wave))
    assert table.correlated("A", ["B", "C", "X"], 0.99) == 1
    assert table.correlated("A", ["B", "C", "X"], 1.0) == 0
    assert table.correlated("C", ["A", "B"], 0.0) == 0


def test_returns_are_of_the_days_that_all_have() -> None:
    long, short = daily(*range(1, 31)), daily(*[100.0] * 22, first=8)
    found = common_moves({"A": long, "B": short, "NEW": daily(1, 2, 3)})
    assert found.symbols == ("A", "B")
    assert found.days == 21
    assert found.returns[0][0] == pytest.approx(10 / 9 - 1)
    assert found.returns[-1][0] == pytest.approx(30 / 29 - 1)


@pytest.mark.parametrize(("days", "known"), [(20, False), (21, True), (22, True)])
def test_twenty_returns_take_twenty_one_days(days: int, known: bool) -> None:
    assert common_moves({"A": daily(*[1.0] * days)}).knows("A") is known


def test_a_symbol_with_too_few_days_does_not_hide_the_others() -> None:
    found = common_moves({"A": daily(*[1.0] * 30), "NEW": daily(*[1.0] * 20, first=10)})
    assert found.symbols == ("A",)
    assert common_moves({}) is NO_MOVES


@pytest.mark.parametrize(("first", "known"), [(4, True), (5, False)])
def test_too_few_common_days_say_nothing(first: int, known: bool) -> None:
    bars = {"A": daily(*[1.0] * 25), "B": daily(*[1.0] * 25, first=first)}
    assert common_moves(bars).knows("A") is known


@pytest.mark.parametrize(("days", "known"), [(19, False), (20, True)])
def test_nothing_is_known_of_a_symbol_with_fewer_than_twenty_returns(
    days: int, known: bool
) -> None:
    assert moves(A=(0.1,) * days).knows("A") is known
    assert not moves(A=(0.1,) * days).knows("B")


def test_value_at_risk_is_the_loss_of_a_bad_day() -> None:
    days = moves(A=tuple(-n / 100 for n in range(100)))
    assert days.value_at_risk_usd({"A": 1000.0}, 0.95) == pytest.approx(940)
    assert days.value_at_risk_usd({"A": 1000.0}, 0.90) == pytest.approx(890)
    assert days.value_at_risk_usd({}, 0.95) is None
    assert days.value_at_risk_usd({"B": 1.0}, 0.95) is None
    assert moves(A=(0.1,) * 20).value_at_risk_usd({"A": 1000.0}, 0.95) == 0


def test_of_twenty_days_one_may_be_worse_and_of_nineteen_more_none() -> None:
    for count, expected in ((20, 180), (39, 370), (40, 370)):
        days = moves(A=tuple(-n / 100 for n in range(count)))
        assert days.value_at_risk_usd({"A": 1000.0}, 0.95) == pytest.approx(expected)


def test_what_one_gains_while_another_loses_is_no_risk() -> None:
    days = moves(A=(-0.1, 0.1) * 10, B=(0.1, -0.1) * 10, C=(-0.5, -0.5) * 10)
    assert days.value_at_risk_usd({"A": 100.0, "B": 60.0}, 0.95) == pytest.approx(4)
