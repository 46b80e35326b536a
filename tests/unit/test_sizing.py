"""Sizes and stops."""

import math
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_bar, a_book, a_quote, a_ticket, a_time, an_instrument
from tools.core.market import Bar
from tools.core.safety import DenialReason, RiskLimits
from tools.risk.book import Claim
from tools.risk.sizing import Draft, cents, propose, size, stop_basis, wilder_atr

LIMITS = RiskLimits()
READY = 78  # bars: 77 ranges, 14 of them the seed, which then weighs (13/14)^63 < 1 %


def flat_bars(count: int, true_range: float = 1.0) -> list[Bar]:
    start = a_time("09:30")
    return [
        a_bar(start + timedelta(minutes=n), high=100 + true_range / 2, low=100 - true_range / 2)
        for n in range(count)
    ]


def a_draft(entry: str = "100.00", stop: str = "99.00", asked: str | None = None) -> Draft:
    return Draft(
        entry_price=Decimal(entry),
        stop_price=Decimal(stop),
        asked=None if asked is None else Decimal(asked),
    )


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
    basis = stop_basis(flat_bars(READY, 0.6), flat_bars(READY, 0.2))
    assert basis is not None
    assert (basis.atr_usd, basis.note) == (Decimal("0.6"), "")


def test_the_one_minute_atr_stands_in_and_says_so() -> None:
    basis = stop_basis(flat_bars(READY - 1), flat_bars(READY, 0.2))
    assert basis is not None
    assert float(basis.atr_usd) == pytest.approx(0.2 * math.sqrt(5), abs=1e-6)
    assert "1-minute" in basis.note


def test_without_either_there_is_no_basis() -> None:
    assert stop_basis(flat_bars(10), flat_bars(10)) is None


def test_the_entry_is_a_collar_above_the_ask_and_the_stop_two_atr_below_it() -> None:
    basis = stop_basis(flat_bars(READY, 0.25), [])
    proposal = propose(
        a_ticket(stop=None), an_instrument(), a_quote("99.99", "100.00"), basis, LIMITS
    )
    assert proposal.entry_price == Decimal("100.10")
    assert proposal.stop_price == Decimal("99.60")
    assert proposal.notes == ()


def test_a_named_stop_wins_and_prices_are_whole_cents() -> None:
    basis = stop_basis([], flat_bars(READY, 0.2))
    ticket = a_ticket(stop="98.767", target="103.456")
    proposal = propose(ticket, an_instrument(), a_quote("33.32", "33.33"), basis, LIMITS)
    assert proposal.entry_price == Decimal("33.36")
    assert (proposal.stop_price, proposal.target_price) == (Decimal("98.76"), Decimal("103.45"))
    assert proposal.notes == ()


def test_one_percent_of_the_sessions_equity_is_at_risk() -> None:
    cap = size(a_draft("100.00", "90.00"), a_book(start_equity="100000"), LIMITS)
    assert cap.shares == 100
    assert size(a_draft("100.00", "90.01"), a_book(), LIMITS).shares == 100
    assert size(a_draft("100.00", "89.99"), a_book(), LIMITS).shares == 99


def test_a_position_is_at_most_a_fifth_of_equity() -> None:
    cap = size(a_draft("100.00", "99.90"), a_book(), LIMITS)
    assert (cap.shares, cap.reason) == (Decimal(200), DenialReason.EXPOSURE)
    assert size(a_draft("100.01", "99.90"), a_book(), LIMITS).shares == 199


def test_buying_power_less_the_claims_is_the_last_word() -> None:
    claims = (Claim(symbol="IBM", notional_usd=Decimal(4000)),)
    book = a_book(buying_power="5000", claims=claims)
    cap = size(a_draft("100.00", "99.00"), book, LIMITS)
    assert (cap.shares, cap.reason) == (Decimal(10), DenialReason.BUYING_POWER)
    broke = a_book(buying_power="3000", claims=claims)
    assert size(a_draft("100.00", "99.00"), broke, LIMITS).shares == 0


def test_a_ticket_can_ask_for_less_and_never_for_more() -> None:
    assert size(a_draft(asked="7"), a_book(), LIMITS).shares == 7
    assert size(a_draft(asked="100000"), a_book(), LIMITS).shares == 200


def price(low: str, high: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=2)


@given(
    entry=price("1", "2000"),
    distance=price("0.01", "50"),
    equity=price("0", "1000000"),
    buying_power=price("-1000", "1000000"),
    asked=st.none() | st.integers(1, 10**6).map(Decimal),
)
def test_a_size_never_exceeds_any_limit(
    entry: Decimal, distance: Decimal, equity: Decimal, buying_power: Decimal, asked: Decimal | None
) -> None:
    draft = Draft(entry_price=entry, stop_price=entry - distance, asked=asked)
    book = a_book(start_equity=str(equity), buying_power=str(buying_power))
    shares = size(draft, book, LIMITS).shares
    assert shares >= 0
    assert shares == shares.to_integral_value()
    assert shares * distance <= equity * LIMITS.risk_per_trade_fraction
    assert shares * entry <= equity * LIMITS.max_position_fraction
    assert shares * entry <= max(buying_power, Decimal(0))
    assert asked is None or shares <= asked


@given(st.decimals("0", "10000", places=6))
def test_cents_never_round_up(amount: Decimal) -> None:
    assert 0 <= amount - cents(amount) < Decimal("0.01")


def test_limits_are_read_and_not_remembered() -> None:
    half = replace(LIMITS, risk_per_trade_fraction=Decimal("0.005"))
    assert size(a_draft("100.00", "90.00"), a_book(), half).shares == 50
