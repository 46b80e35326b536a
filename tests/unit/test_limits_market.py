"""Each rule at its limit and one step to each side: quote, prices, freshness, stop and target."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import a_book, a_quote, a_tape, a_ticket, a_time, an_instrument
from tests.unit.test_limits import LIMITS, NO, UNKNOWN, YES, a_proposal, found, gate
from tools.core.market import Quote
from tools.core.safety import Gate
from tools.risk import limits_market as rules
from tools.risk.book import Glance, Proposal
from tools.risk.sizing import propose


def blind(*, stop: str | None = "99.00", target: str | None = None) -> Proposal:
    """Without a quote."""
    ticket = a_ticket(stop=stop, target=target)
    return propose(ticket, an_instrument(), None, a_tape(), LIMITS)


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        (a_quote("99.99", "100.00"), YES),
        (a_quote("100.00", "100.00"), YES),
        (a_quote("100.01", "100.00"), NO),
        (a_quote("0", "100.00"), NO),
        (a_quote("-0.01", "100.00"), NO),
        (a_quote("0.01", "100.00"), YES),
    ],
)
def test_a_quote_is_two_sided(quote: Quote, expected: Gate) -> None:
    assert gate(rules.quote_rule, proposal=a_proposal(quote=quote)) is expected


@pytest.mark.parametrize(
    ("at", "expected"), [("09:59:46", YES), ("09:59:45", YES), ("09:59:44", NO)]
)
def test_a_quote_is_at_most_fifteen_seconds_old(at: str, expected: Gate) -> None:
    assert gate(rules.quote_age_rule, proposal=a_proposal(quote=a_quote(at=at))) is expected


@pytest.mark.parametrize(
    ("bid", "ask", "expected"),
    [
        ("99.76", "100.24", YES),
        ("99.75", "100.25", YES),
        ("99.74", "100.26", NO),
        ("0.997", "1.001", YES),
        ("0", "0", UNKNOWN),
    ],
)
def test_a_spread_is_at_most_half_a_percent(bid: str, ask: str, expected: Gate) -> None:
    assert gate(rules.spread_rule, proposal=a_proposal(quote=a_quote(bid, ask))) is expected


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("101.00", YES),
        ("99.00", YES),
        ("101.01", NO),
        ("98.99", NO),
        ("100.99", YES),
        (None, UNKNOWN),
    ],
)
def test_two_sources_agree_within_one_percent(second: str | None, expected: Gate) -> None:
    price = None if second is None else Decimal(second)
    proposal = replace(a_proposal(quote=a_quote("100", "100")), second_price=price)
    assert gate(rules.sources_rule, proposal=proposal) is expected
    if second is None:
        assert "one source" in found(rules.sources_rule, proposal=proposal).message


def test_two_sources_of_nothing_are_not_compared() -> None:
    proposal = replace(a_proposal(quote=a_quote("0", "0")), second_price=Decimal(1))
    assert gate(rules.sources_rule, proposal=proposal) is UNKNOWN
    assert gate(rules.collar_rule, proposal=proposal) is UNKNOWN


def test_two_sources_may_differ_by_cents_of_a_cheap_share() -> None:
    proposal = replace(a_proposal(quote=a_quote("0.5", "0.5")), second_price=Decimal("0.504"))
    assert gate(rules.sources_rule, proposal=proposal) is YES


@pytest.mark.parametrize(("price", "expected"), [("5.01", YES), ("5.00", YES), ("4.99", NO)])
def test_no_share_under_five_dollars(price: str, expected: Gate) -> None:
    proposal = a_proposal(quote=a_quote(price, price))
    assert gate(rules.price_rule, proposal=proposal) is expected


@pytest.mark.parametrize(
    ("volume", "expected"),
    [("200001", YES), ("200000", YES), ("199999", NO), (None, NO)],
)
def test_twenty_million_dollars_are_traded_in_a_day(volume: str | None, expected: Gate) -> None:
    thin = a_proposal(quote=a_quote("100", "100"), tape=a_tape(daily_volume=volume))
    assert gate(rules.liquidity_rule, proposal=thin) is expected


@pytest.mark.parametrize(
    ("entry", "atr", "expected"),
    [
        ("100.25", None, YES),
        ("100.26", None, NO),
        ("99.75", None, YES),
        ("99.74", None, NO),
        ("100.25", "0.08", YES),
        ("100.26", "0.08", NO),
        ("100.30", "0.10", YES),
        ("100.31", "0.10", NO),
        ("101.00", "0.50", YES),
        ("101.01", "0.50", NO),
    ],
)
def test_the_limit_price_is_near_the_mid(entry: str, atr: str | None, expected: Gate) -> None:
    proposal = a_proposal(quote=a_quote("100", "100"), tape=a_tape(minute_atr=atr))
    priced = replace(proposal, entry_price=Decimal(entry))
    assert gate(rules.collar_rule, proposal=priced) is expected


def test_the_collar_of_a_cheap_share_is_as_wide() -> None:
    proposal = a_proposal(quote=a_quote("0.5", "0.5"), tape=a_tape(minute_atr="0.0006"))
    assert gate(rules.collar_rule, proposal=replace(proposal, entry_price=Decimal("0.5018"))) is YES


@pytest.mark.parametrize(
    ("at", "expected"),
    [("09:59:01", YES), ("09:59:00", YES), ("09:58:59", NO), (None, YES)],
)
def test_a_decision_is_at_most_a_minute_old(at: str | None, expected: Gate) -> None:
    glance = None if at is None else Glance(at=a_time(at), price=Decimal(100))
    assert gate(rules.decision_age_rule, proposal=a_proposal(decided=glance)) is expected


@pytest.mark.parametrize(
    ("price", "atr", "expected"),
    [
        ("100.125", "0.25", YES),
        ("99.875", "0.25", YES),
        ("100.13", "0.25", NO),
        ("99.87", "0.25", NO),
        ("100.12", "0.25", YES),
        ("100.12", None, UNKNOWN),
        ("100.12", "0", UNKNOWN),
    ],
)
def test_the_price_has_moved_at_most_half_an_atr_since_the_ticket(
    price: str, atr: str | None, expected: Gate
) -> None:
    glance = Glance(at=a_time("10:00"), price=Decimal(price))
    proposal = a_proposal(quote=a_quote("100", "100"), tape=a_tape(atr=atr), decided=glance)
    assert gate(rules.decision_drift_rule, proposal=proposal) is expected


def test_a_ticket_that_is_decided_now_has_not_drifted() -> None:
    assert found(rules.decision_drift_rule).measured == 0
    glance = Glance(at=a_time("10:00"), price=Decimal(100))
    assert gate(rules.decision_drift_rule, proposal=replace(blind(), decided=glance)) is UNKNOWN


def test_without_a_quote_the_quote_rule_speaks_and_the_price_rules_do_not_know() -> None:
    assert gate(rules.quote_rule, proposal=blind()) is NO
    for rule in (
        rules.quote_age_rule,
        rules.spread_rule,
        rules.sources_rule,
        rules.price_rule,
        rules.liquidity_rule,
        rules.collar_rule,
        rules.stop_rule,
        rules.nearest_stop_rule,
        rules.farthest_stop_rule,
    ):
        assert gate(rule, proposal=blind()) is UNKNOWN
        assert gate(rule, proposal=blind(stop=None)) is UNKNOWN
    assert gate(rules.target_rule, proposal=blind(target="1")) is YES


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (None, NO),
        ("99.97", YES),
        ("99.98", YES),
        ("99.99", NO),
        ("101.00", NO),
        ("0.01", YES),
        ("0", NO),
        ("-1", NO),
    ],
)
def test_a_stop_is_at_least_a_cent_below_the_bid(stop: str | None, expected: Gate) -> None:
    no_atr = a_proposal(a_ticket(stop=stop), tape=a_tape(atr=None))
    assert gate(rules.stop_rule, proposal=no_atr) is expected


def test_a_stop_is_below_an_entry_that_is_below_the_bid() -> None:
    cheap = replace(a_proposal(a_ticket(stop="99.95")), entry_price=Decimal("99.95"))
    assert gate(rules.stop_rule, proposal=cheap) is NO
    assert gate(rules.stop_rule, proposal=replace(cheap, entry_price=Decimal("99.96"))) is YES


@pytest.mark.parametrize(
    ("stop", "near", "far"),
    [
        ("99.71", NO, YES),
        ("99.70", YES, YES),
        ("99.69", YES, YES),
        ("95.01", YES, YES),
        ("95.00", YES, YES),
        ("94.99", YES, NO),
        ("100.00", UNKNOWN, UNKNOWN),
        (None, UNKNOWN, UNKNOWN),
    ],
)
def test_a_stop_is_between_a_third_of_and_five_percent_away(
    stop: str | None, near: Gate, far: Gate
) -> None:
    ticket = a_ticket(stop=stop)
    proposal = replace(a_proposal(ticket, tape=a_tape(atr=None)), entry_price=Decimal(100))
    assert gate(rules.nearest_stop_rule, proposal=proposal) is near
    assert gate(rules.farthest_stop_rule, proposal=proposal) is far


def test_a_stop_distance_is_a_share_of_the_entry() -> None:
    proposal = replace(a_proposal(a_ticket(stop="9.70")), entry_price=Decimal(10))
    assert found(rules.nearest_stop_rule, proposal=proposal).measured == Decimal("0.03")


@pytest.mark.parametrize(
    ("target", "expected"),
    [(None, YES), ("100.12", YES), ("100.11", YES), ("100.10", NO), ("99", NO)],
)
def test_a_target_is_above_the_entry(target: str | None, expected: Gate) -> None:
    proposal = a_proposal(a_ticket(target=target))
    assert gate(rules.target_rule, proposal=proposal) is expected


def test_a_denial_tells_the_model_its_numbers_and_the_operator_the_key() -> None:
    old = a_quote(at="09:50")
    denial = found(rules.quote_age_rule, proposal=a_proposal(quote=old))
    assert denial.message == ("the quote's age: 600 s, at most 15 s (risk.max_quote_age_seconds)")
    assert old.age(a_book().now) == timedelta(minutes=10)
