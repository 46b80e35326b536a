"""Stops, and what is usually traded."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_bar, a_quote, a_tape, a_ticket, a_time, an_instrument
from tools.core.market import Bar
from tools.core.safety import RiskLimits
from tools.risk.book import Tape
from tools.risk.sizing import cents, propose, read_tape, wilder_atr

LIMITS = RiskLimits()
READY = 78  # bars: 77 ranges, 14 of them the seed, which then weighs (13/14)^63 < 1 %


def flat_bars(count: int, true_range: float = 1.0) -> list[Bar]:
    start = a_time("09:30")
    return [
        a_bar(start + timedelta(minutes=n), high=100 + true_range / 2, low=100 - true_range / 2)
        for n in range(count)
    ]


def test_the_average_of_equal_ranges_is_that_range() -> None:
    assert wilder_atr(flat_bars(READY, 0.5)) == pytest.approx(0.5)


def test_an_average_is_ready_when_its_seed_weighs_under_one_percent() -> None:
    assert wilder_atr(flat_bars(READY - 1)) is None
    assert wilder_atr(flat_bars(READY)) is not None
    assert wilder_atr([]) is None


def test_a_gap_counts_into_the_true_range() -> None:
    bars = flat_bars(READY, 1.0)
    gap = a_bar(bars[-1].start + timedelta(minutes=1), close=110, high=110, low=109)
    assert wilder_atr([*bars, gap]) == pytest.approx((13 * 1.0 + 10.0) / 14)
    drop = a_bar(bars[-1].start + timedelta(minutes=1), close=90, high=91, low=90)
    assert wilder_atr([*bars, drop]) == pytest.approx((13 * 1.0 + 10.0) / 14)


def test_the_five_minute_atr_is_preferred() -> None:
    tape = read_tape([], flat_bars(READY, 0.6), flat_bars(READY, 0.2), [])
    assert (tape.atr_usd, tape.minute_atr_usd, tape.atr_note) == (
        Decimal("0.6"),
        Decimal("0.2"),
        "",
    )


def test_the_one_minute_atr_stands_in_and_says_so() -> None:
    tape = read_tape([], flat_bars(READY - 1), flat_bars(READY, 0.2), [])
    assert tape.atr_usd is not None
    assert float(tape.atr_usd) == pytest.approx(0.2 * math.sqrt(5), abs=1e-6)
    assert "1-minute" in tape.atr_note


def test_without_bars_nothing_is_known() -> None:
    assert read_tape(flat_bars(0), flat_bars(10), flat_bars(10), []) == Tape()


def days(*volumes: int) -> list[Bar]:
    return [replace(bar, volume=v) for bar, v in zip(flat_bars(len(volumes)), volumes, strict=True)]


def test_the_usual_volume_is_that_of_the_last_twenty_days_and_five_minutes() -> None:
    tape = read_tape(days(999, *[100] * 20), [], [], days(9, 1, 2, 3, 4, 5))
    assert (tape.daily_volume, tape.minute_volume) == (Decimal(100), Decimal(3))


def test_on_a_first_day_this_session_stands_in_and_before_any_minute_the_day() -> None:
    assert read_tape([], [], [], days(10, 20)).daily_volume == 30
    assert read_tape(days(3900), [], [], []).minute_volume == 10


def test_the_entry_is_a_collar_above_the_ask_and_the_stop_two_atr_below_it() -> None:
    proposal = propose(
        a_ticket(stop=None), an_instrument(), a_quote("99.99", "100.00"), a_tape(), LIMITS
    )
    assert proposal.entry_price == Decimal("100.10")
    assert proposal.stop_price == Decimal("99.60")
    assert proposal.notes == ()


def test_a_default_stop_is_never_nearer_than_the_rules_allow() -> None:
    quiet = a_tape(atr="0.10")
    proposal = propose(
        a_ticket(stop=None), an_instrument(), a_quote("99.89", "99.91"), quiet, LIMITS
    )
    assert (proposal.entry_price, proposal.stop_price) == (Decimal(100), Decimal("99.70"))
    assert proposal.notes == ("default stop 0.30% away: the ATR is small",)
    at_it = propose(
        *(a_ticket(stop=None), an_instrument(), a_quote("99.89", "99.91")),
        *(a_tape(atr="0.15"), LIMITS),
    )
    assert (at_it.stop_price, at_it.notes) == (Decimal("99.70"), ())


def test_a_named_stop_wins_and_prices_are_whole_cents() -> None:
    ticket = a_ticket(stop="98.767", target="103.456")
    proposal = propose(ticket, an_instrument(), a_quote("33.32", "33.33"), a_tape(), LIMITS)
    assert proposal.entry_price == Decimal("33.36")
    assert (proposal.stop_price, proposal.target_price) == (Decimal("98.76"), Decimal("103.45"))
    assert proposal.notes == ()


@given(st.decimals("0", "10000", places=6))
def test_cents_never_round_up(amount: Decimal) -> None:
    assert 0 <= amount - cents(amount) < Decimal("0.01")
