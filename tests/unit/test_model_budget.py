"""The cost governor: no call whose worst case passes a limit, and nothing forgotten in a crash."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from agent.models.budget import Budget, BudgetLimits, Spending
from agent.models.prices import Price, dearest, is_peak, price_of
from tools.core.errors import BudgetExhausted
from tools.core.seams import ModelTurn

FRIDAY_NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
TODAY, TOMORROW = date(2026, 11, 20), date(2026, 11, 23)
DOLLAR_A_TOKEN = Price(Decimal(0), Decimal(1_000_000), Decimal(1_000_000))


def limits(cycle: int = 100, day: int = 150, tokens: int = 10_000) -> BudgetLimits:
    return BudgetLimits(
        cycle_usd=Decimal(cycle), cycle_tokens=tokens, day_usd=Decimal(day), day_tokens=tokens
    )


def a_budget(file: Path | None = None, **amounts: int) -> Budget:
    """Every token that is not cached costs a dollar."""
    budget = Budget(
        limits(**amounts), model="any", now=lambda: FRIDAY_NOON, file=file, price=DOLLAR_A_TOKEN
    )
    budget.begin_cycle(TODAY)
    return budget


def a_turn(prompt: int, output: int, cached: int = 0) -> ModelTurn:
    return ModelTurn(
        text="x",
        tool_calls=(),
        finish_reason="stop",
        message={},
        prompt_tokens=prompt,
        completion_tokens=output,
        cached_tokens=cached,
    )


def test_a_call_is_charged_at_its_worst_until_its_cost_is_known() -> None:
    budget = a_budget()
    charge = budget.reserve(request_bytes=100, most_output_tokens=20)
    assert budget.day == Spending(usd=Decimal(50), tokens=50, calls=1)
    assert charge.settle(a_turn(prompt=12, output=3, cached=10)) == 5
    assert budget.day == Spending(usd=Decimal(5), tokens=15, calls=1)
    assert budget.cycle == budget.day


def test_a_lost_answer_stays_charged_and_a_refused_call_does_not() -> None:
    budget = a_budget()
    budget.reserve(request_bytes=10, most_output_tokens=7)
    budget.reserve(request_bytes=10, most_output_tokens=7).release()
    assert budget.day == Spending(usd=Decimal(10), tokens=10, calls=1)


def test_an_answer_without_usage_costs_its_worst() -> None:
    budget = a_budget()
    assert budget.reserve(request_bytes=10, most_output_tokens=7).settle(a_turn(0, 0)) == 10
    assert budget.day.usd == 10


@pytest.mark.parametrize(("output", "refused"), [(100, False), (101, True)])
def test_a_call_that_could_pass_the_cycles_limit_is_not_made(output: int, refused: bool) -> None:
    budget = a_budget()
    if not refused:
        budget.reserve(request_bytes=0, most_output_tokens=output)
        return
    with pytest.raises(BudgetExhausted, match="cycle's model budget") as raised:
        budget.reserve(request_bytes=0, most_output_tokens=output)
    assert not raised.value.whole_day
    assert budget.day.usd == 0


def test_a_new_cycle_has_the_cycles_limit_again_and_the_day_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    budget = a_budget()
    budget.reserve(request_bytes=0, most_output_tokens=100)
    budget.begin_cycle(TODAY)
    budget.reserve(request_bytes=0, most_output_tokens=50)
    with pytest.raises(BudgetExhausted, match="day's model budget") as raised:
        budget.reserve(request_bytes=0, most_output_tokens=1)
    assert raised.value.whole_day
    assert [getattr(record, "alert", None) for record in caplog.records] == ["budget"]
    budget.begin_cycle(TOMORROW)
    budget.reserve(request_bytes=0, most_output_tokens=100)


def test_tokens_have_limits_too() -> None:
    budget = a_budget(cycle=1000, day=1000, tokens=60)
    budget.reserve(request_bytes=100, most_output_tokens=30)
    with pytest.raises(BudgetExhausted):
        budget.reserve(request_bytes=0, most_output_tokens=1)


def test_a_restart_continues_the_session_with_the_call_under_way_at_its_worst(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mind" / "budget.json"
    budget = a_budget(file)
    budget.reserve(request_bytes=0, most_output_tokens=40).settle(a_turn(prompt=4, output=1))
    budget.reserve(request_bytes=0, most_output_tokens=30)  # and a crash
    assert a_budget(file).day.usd == 35
    later = Budget(limits(), model="any", now=lambda: FRIDAY_NOON, file=file, price=DOLLAR_A_TOKEN)
    later.begin_cycle(TOMORROW)
    assert later.day.usd == 0


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"session": "x", "usd": "NaN", "tokens": 1, "calls": 1}']
)
def test_a_damaged_file_is_said_and_no_reason_not_to_trade(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "budget.json"
    file.write_text(text, encoding="utf-8")
    budget = a_budget(file)
    assert "starts anew" in caplog.text
    budget.reserve(request_bytes=0, most_output_tokens=40)
    assert json.loads(file.read_text(encoding="utf-8"))["usd"] == "40"


def test_a_thousand_runaway_cycles_cost_no_more_than_the_days_limit() -> None:
    budget = Budget(
        BudgetLimits(
            cycle_usd=Decimal("0.05"),
            cycle_tokens=60_000,
            day_usd=Decimal(1),
            day_tokens=3_000_000,
        ),
        model="deepseek-v4-pro",
        now=lambda: FRIDAY_NOON,
    )
    refusals = 0
    for _ in range(1_000):
        budget.begin_cycle(TODAY)
        for _ in range(30):
            try:
                charge = budget.reserve(request_bytes=40_000, most_output_tokens=4_096)
            except BudgetExhausted:
                refusals += 1
                break
            charge.settle(a_turn(prompt=12_000, output=4_096))
            assert budget.cycle.tokens <= 60_000
    assert budget.day.usd <= 1
    assert refusals == 1_000


def test_prices_depend_on_the_model_the_day_and_the_hour() -> None:
    noon, night = FRIDAY_NOON, datetime(2026, 11, 20, 2, tzinfo=UTC)
    flash, peak = price_of("deepseek-flash", noon), price_of("deepseek-flash", night)
    assert flash
    assert peak
    assert (flash.hit_usd, flash.miss_usd, flash.output_usd) == tuple(
        map(Decimal, ("0.003", "0.15", "0.60"))
    )
    assert peak.output_usd == 2 * flash.output_usd
    assert price_of("deepseek-v4-flash", noon) == flash
    before = price_of("deepseek-v4-flash", datetime(2026, 8, 1, tzinfo=UTC))
    assert before
    assert before.output_usd == Decimal("0.28")
    assert price_of("deepseek-flash", datetime(2013, 10, 7, 15, tzinfo=UTC)) == flash
    assert price_of("gpt-oss", noon) is None


@pytest.mark.parametrize(
    ("at", "peak"),
    [
        ("2026-11-20T00:59", False),
        ("2026-11-20T01:00", True),
        ("2026-11-20T04:00", False),
        ("2026-11-20T09:59", True),
        ("2026-11-21T02:00", False),
        ("2026-11-20T14:30", False),
    ],
)
def test_peak_hours_are_beijings_working_hours(at: str, peak: bool) -> None:
    assert is_peak(datetime.fromisoformat(at).replace(tzinfo=UTC)) is peak


def test_a_model_that_nobody_priced_is_charged_as_the_dearest_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    budget = Budget(limits(), model="gpt-oss", now=lambda: FRIDAY_NOON)
    budget.reserve(request_bytes=0, most_output_tokens=1_000)
    assert budget.day.usd == dearest().output_usd / 1_000
    assert "no price is listed for 'gpt-oss'" in caplog.text
