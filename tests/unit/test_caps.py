"""How many shares: each cap at its limit and one step to each side."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import (
    a_book,
    a_position,
    a_quote,
    a_tape,
    a_ticket,
    an_entry,
    an_instrument,
    moves,
)
from tools.core.safety import DenialReason, Gate, RiskLimits
from tools.risk.book import Book, Claim, Tape
from tools.risk.caps import (
    Draft,
    gross_cap,
    kelly_cap,
    open_risk_cap,
    position_cap,
    risk_cap,
    size,
    value_cap,
    var_finding,
)
from tools.risk.portfolio import NO_MOVES
from tools.risk.sizing import propose

LIMITS = RiskLimits()


def a_draft(
    entry: str = "100.00",
    stop: str = "99.00",
    asked: str | None = None,
    *,
    target: str | None = None,
    confidence: float = 0.8,
    tape: Tape | None = None,
    returns: dict[str, tuple[float, ...]] | None = None,
) -> Draft:
    ticket = a_ticket(quantity=asked, target=target, confidence=confidence)
    proposal = propose(
        *(ticket, an_instrument(), a_quote(), tape or a_tape(), LIMITS),
        moves=moves(**returns) if returns else NO_MOVES,
    )
    return Draft(proposal=proposal, entry_price=Decimal(entry), stop_price=Decimal(stop))


def shares(draft: Draft, book: Book | None = None, limits: RiskLimits = LIMITS) -> Decimal:
    return size(draft, book or a_book(), limits).shares


def bound(draft: Draft, book: Book | None = None, limits: RiskLimits = LIMITS) -> DenialReason:
    return size(draft, book or a_book(), limits).bound.reason


def test_one_percent_of_the_sessions_equity_is_at_risk() -> None:
    assert shares(a_draft("100.00", "90.00")) == 100
    assert shares(a_draft("100.00", "90.01")) == 100
    assert shares(a_draft("100.00", "89.99")) == 99
    assert risk_cap(a_draft("100.00", "90.00"), a_book(), LIMITS).shares == 100


def test_a_position_is_at_most_a_fifth_of_equity() -> None:
    draft = a_draft("100.00", "99.90")
    assert (int(shares(draft)), bound(draft)) == (200, DenialReason.EXPOSURE)
    assert shares(a_draft("100.01", "99.90")) == 199
    assert shares(a_draft("99.99", "99.90")) == 200


def test_what_is_held_and_claimed_of_a_symbol_counts_into_its_position() -> None:
    claim = Claim(symbol="SPY", notional_usd=Decimal(5000))
    book = a_book(positions=(a_position("SPY", "100"), a_position("IBM", "100")), claims=(claim,))
    assert position_cap(a_draft(), book, LIMITS).shares == 50


@pytest.mark.parametrize(
    ("held", "now", "expected"),
    [
        ("900", "14:59:59", 100),
        ("1000", "14:59:59", 0),
        ("1001", "14:59:59", -1),
        ("450", "15:00:00", 50),
        ("500", "15:00:01", 0),
    ],
)
def test_everything_is_at_most_the_equity_and_half_of_it_in_the_last_hour(
    held: str, now: str, expected: int
) -> None:
    book = a_book(positions=(a_position("IBM", held),), now=now)
    cap = gross_cap(a_draft(), book, LIMITS)
    assert (int(cap.shares), cap.reason) == (expected, DenialReason.GROSS)
    assert cap.key == ("max_gross_fraction" if now < "15" else "max_late_gross_fraction")


def test_without_a_session_no_hour_is_the_last() -> None:
    book = replace(a_book(now="15:30"), session=None)
    assert gross_cap(a_draft(), book, LIMITS).shares == 1000


@pytest.mark.parametrize(("risk", "expected"), [("2400", 100), ("2500", 0), ("2501", -1)])
def test_the_stops_together_cost_at_most_two_and_a_half_percent(risk: str, expected: int) -> None:
    claim = Claim(symbol="IBM", notional_usd=Decimal(1), risk_usd=Decimal(risk))
    cap = open_risk_cap(a_draft(), a_book(claims=(claim,)), LIMITS)
    assert (int(cap.shares), cap.reason) == (expected, DenialReason.OPEN_RISK)


def test_an_order_is_a_small_part_of_a_days_and_a_minutes_volume() -> None:
    day = a_draft(tape=a_tape(daily_volume="50000", minute_volume="10000"))
    assert (int(shares(day)), bound(day)) == (50, DenialReason.VOLUME)
    minute = a_draft(tape=a_tape(minute_volume="509"))
    assert (int(shares(minute)), bound(minute)) == (50, DenialReason.VOLUME)
    assert shares(a_draft(tape=a_tape(minute_volume="510"))) == 51
    assert shares(a_draft(tape=Tape())) == 200


@pytest.mark.parametrize(("orders", "expected"), [(4, 200), (5, 50), (6, 50)])
def test_an_order_is_at_most_five_times_the_median_once_there_are_five(
    orders: int, expected: int
) -> None:
    book = a_book(entries=tuple(an_entry(notional="1000") for _ in range(orders)))
    assert shares(a_draft(), book) == expected


def test_the_median_is_that_of_the_last_twenty() -> None:
    old = [an_entry(notional="1")] * 21
    book = a_book(entries=(*old, *[an_entry(notional="1000")] * 20))
    cap = value_cap(a_draft(), book, LIMITS)
    assert (int(cap.shares), cap.reason) == (50, DenialReason.VALUE)
    edge = a_book(entries=(*[an_entry(notional="1")] * 11, *[an_entry(notional="3")] * 10))
    assert value_cap(a_draft(), edge, LIMITS).words.endswith("of 2.00 USD")


def test_buying_power_and_cash_less_the_claims_keep_a_reserve() -> None:
    claims = (Claim(symbol="IBM", notional_usd=Decimal(4000)),)
    book = a_book(buying_power="5020", claims=claims)
    assert (int(shares(a_draft(), book)), bound(a_draft(), book)) == (10, DenialReason.BUYING_POWER)
    assert shares(a_draft(), a_book(buying_power="5019", claims=claims)) == 9
    assert shares(a_draft(), a_book(cash="5020", claims=claims)) == 10
    assert shares(a_draft(), a_book(buying_power="3000", claims=claims)) == 0


def test_a_ticket_can_ask_for_less_and_never_for_more() -> None:
    assert shares(a_draft(asked="7")) == 7
    assert shares(a_draft(asked="100000")) == 200


@pytest.mark.parametrize(
    ("confidence", "target", "expected"),
    [
        (0.6, None, 100),  # edge 0.2, half of it of 100,000, at 100 a share
        (0.6, "300", 200),  # payoff 2: edge 0.4
        (0.5, None, 0),
        (0.4, None, -100),
        (0.9, "100", 0),
        (0.9, "99", 0),
    ],
)
def test_kelly_is_an_option(confidence: float, target: str | None, expected: int) -> None:
    draft = a_draft("100.00", "0.00", confidence=confidence, target=target)
    chosen = replace(LIMITS, use_kelly_sizing=True)
    cap = kelly_cap(draft, a_book(), chosen)
    assert (int(cap.shares), cap.reason) == (expected, DenialReason.KELLY)
    assert kelly_cap(draft, a_book(), LIMITS).shares == Decimal("Infinity")


def test_kelly_stays_under_the_fixed_risk() -> None:
    chosen = replace(LIMITS, use_kelly_sizing=True)
    assert shares(a_draft("100.00", "90.00", confidence=1.0), limits=chosen) == 100
    assert bound(a_draft("100.00", "90.00", confidence=0.5), limits=chosen) is DenialReason.KELLY


BAD_DAYS = (-0.05,) * 2 + (0.0,) * 38


@pytest.mark.parametrize(
    ("returns", "expected"),
    [
        ((-0.06, -0.06, -0.05, *[0.0] * 37), Gate.PASS),
        ((-0.06, -0.06, -0.0501, *[0.0] * 37), Gate.DENIAL),
        ((-0.06, -0.06, -0.0499, *[0.0] * 37), Gate.PASS),
        ((0.1,) * 40, Gate.PASS),
    ],
)
def test_a_bad_day_costs_at_most_five_percent(returns: tuple[float, ...], expected: Gate) -> None:
    draft = a_draft(returns={"SPY": returns})
    finding = var_finding(draft, Decimal(1000), a_book(), LIMITS)
    assert finding.gate is expected
    assert finding.measured is not None
    assert finding.measured >= 0  # type: ignore[operator]


def test_a_holding_without_known_days_leaves_the_value_at_risk_unknown() -> None:
    book = a_book(positions=(a_position("IBM"),))
    draft = a_draft(returns={"SPY": BAD_DAYS})
    assert var_finding(draft, Decimal(1), book, LIMITS).gate is Gate.UNKNOWN
    hedged = a_draft(returns={"SPY": BAD_DAYS, "IBM": tuple(-one for one in BAD_DAYS)})
    assert var_finding(hedged, Decimal(10), book, LIMITS).measured == 0


def price(low: str, high: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(low, high, places=2)


@given(
    entry=price("1", "2000"),
    distance=price("0.01", "50"),
    equity=price("0", "1000000"),
    buying_power=price("-1000", "1000000"),
    asked=st.none() | st.integers(1, 10**6).map(str),
)
def test_a_size_never_exceeds_any_limit(
    entry: Decimal, distance: Decimal, equity: Decimal, buying_power: Decimal, asked: str | None
) -> None:
    draft = replace(a_draft(asked=asked), entry_price=entry, stop_price=entry - distance)
    book = a_book(start_equity=str(equity), buying_power=str(buying_power))
    count = shares(draft, book)
    assert count >= 0
    assert count == count.to_integral_value()
    assert count * distance <= equity * LIMITS.risk_per_trade_fraction
    assert count * entry <= equity * LIMITS.max_position_fraction
    assert count * entry <= max(buying_power, Decimal(0))
    assert count <= 1000
    assert asked is None or count <= Decimal(asked)


def test_limits_are_read_and_not_remembered() -> None:
    half = replace(LIMITS, risk_per_trade_fraction=Decimal("0.005"))
    assert shares(a_draft("100.00", "90.00"), limits=half) == 50
