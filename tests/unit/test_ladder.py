"""The ladder: which fact asks for which rung, and that a fact which is over is forgotten."""

import logging
from datetime import timedelta

import pytest

from agent.ladder import FULL, Facts, Ladder, Rung, judge
from tests.builders import a_time
from tools.core.alerts import AlertKind
from tools.core.errors import BudgetExhausted, ModelOutOfCredit, ModelUnavailable
from tools.core.safety import TradingState
from tools.core.session import Phase

NOON = a_time("12:00")


def facts(**known: object) -> Facts:
    return Facts(phase=Phase.TRADE, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "rung"),
    [
        ({}, Rung.FULL),
        ({"trade_server": "refused"}, Rung.MANAGE_ONLY),
        ({"data_server": "refused"}, Rung.MANAGE_ONLY),
        ({"model_failures": 2, "model": "no answer"}, Rung.FULL),
        ({"model_failures": 3, "model": "no answer"}, Rung.MANAGE_ONLY),
        ({"model_failures": 1, "model_barred": True}, Rung.MANAGE_ONLY),
        ({"trading_state": TradingState.HALTED}, Rung.MANAGE_ONLY),
        ({"trading_state": TradingState.REDUCING}, Rung.NO_NEW_ENTRIES),
        ({"reconciled": False}, Rung.NO_NEW_ENTRIES),
        ({"skew": timedelta(seconds=-2.5)}, Rung.NO_NEW_ENTRIES),
        ({"skew": timedelta(seconds=2)}, Rung.FULL),
        ({"stale_data": "old"}, Rung.NO_NEW_ENTRIES),
        ({"failed_cycles": 2}, Rung.FULL),
        ({"failed_cycles": 3}, Rung.NO_NEW_ENTRIES),
    ],
)
def test_each_fact_asks_for_its_rung(known: dict[str, object], rung: Rung) -> None:
    assert judge(facts(**known)).rung is rung


@pytest.mark.parametrize(
    ("phase", "rung"),
    [
        (Phase.FLATTEN, Rung.FLATTEN),
        (Phase.SLEEP, Rung.SLEEP),
        (Phase.CLOSED, Rung.SLEEP),
        (Phase.PREPARE, Rung.FULL),
    ],
)
def test_the_phase_comes_before_any_trouble(phase: Phase, rung: Rung) -> None:
    assert judge(Facts(phase=phase)).rung is rung
    if rung >= Rung.FLATTEN:
        assert judge(Facts(phase=phase, trade_server="refused")).rung is rung


def test_the_strictest_fact_wins_and_every_reason_for_its_rung_is_told() -> None:
    step = judge(facts(stale_data="old", trade_server="refused", data_server="gone"))
    assert str(step) == "MANAGE_ONLY: refused; gone"


def test_each_step_is_one_line_and_recovery_needs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ladder = Ladder()
    ladder.learn(phase=Phase.TRADE, stale_data="old quotes")
    ladder.learn(stale_data="old quotes")
    ladder.learn(stale_data="")
    assert [one.getMessage() for one in caplog.records] == [
        "ladder: down from FULL to NO_NEW_ENTRIES: old quotes",
        "ladder: up from NO_NEW_ENTRIES to FULL",
    ]
    assert ladder.step == FULL


def test_a_model_that_fails_is_tried_again_ever_more_rarely_until_it_answers() -> None:
    ladder, tries = Ladder(), []
    ladder.learn(phase=Phase.TRADE)
    for minute in range(0, 150, 5):
        now = NOON + timedelta(minutes=minute)
        if ladder.asks_model(now):
            tries.append(minute)
            ladder.heard("no answer", [ModelUnavailable("no answer")], now)
    assert tries == [0, 5, 10, 15, 25, 45, 75, 105, 135]
    assert ladder.heard(None, [], NOON) == FULL


@pytest.mark.parametrize(
    ("fault", "rung"),
    [
        (ModelOutOfCredit("402"), Rung.MANAGE_ONLY),
        (BudgetExhausted("the day's", whole_day=True), Rung.MANAGE_ONLY),
        (BudgetExhausted("the cycle's", whole_day=False), Rung.FULL),
    ],
)
def test_an_empty_purse_needs_no_second_failure(fault: Exception, rung: Rung) -> None:
    ladder = Ladder()
    ladder.learn(phase=Phase.TRADE)
    assert ladder.heard(str(fault), [fault], NOON).rung is rung


def test_other_trouble_does_not_ask_a_model_for_trial() -> None:
    ladder = Ladder()
    ladder.learn(phase=Phase.TRADE, trading_state=TradingState.HALTED, state_reason="kill")
    assert not ladder.asks_model(NOON)


def test_a_server_and_a_model_that_go_away_raise_one_alert_each(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ladder = Ladder()
    ladder.learn(phase=Phase.TRADE)
    for _ in range(4):
        ladder.learn(trade_server="alpaca-trade: connection refused")
        ladder.heard("no answer", [], NOON)
    kinds = [getattr(one, "alert", None) for one in caplog.records]
    assert [kind for kind in kinds if kind] == [AlertKind.SERVER_DOWN, AlertKind.MODEL_DOWN]
