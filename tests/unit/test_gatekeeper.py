"""The ruling as a whole."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_book, a_position, a_quote, a_tape, a_ticket, an_instrument, moves
from tools.core.safety import DenialReason, Gate, RiskLimits, RiskVerdict, TradingState
from tools.core.trading import OrderTicket
from tools.risk.book import Book, Claim
from tools.risk.caps import CAPS
from tools.risk.gatekeeper import judge
from tools.risk.limits import RULES
from tools.risk.sizing import propose

LIMITS = RiskLimits()


def ruling(ticket: OrderTicket, book: Book | None = None) -> RiskVerdict:
    proposal = propose(ticket, an_instrument(ticket.symbol), a_quote(), a_tape(), LIMITS)
    return judge(proposal, book or a_book(), LIMITS)


def test_an_approved_ticket_is_priced_sized_and_states_its_risk() -> None:
    verdict = ruling(a_ticket(stop="99.10", target="105"))
    assert verdict.approved
    assert verdict.entry_price == Decimal("100.10")
    assert verdict.quantity == 199  # 20 % of 100,000 at 100.10
    assert verdict.risk_usd == Decimal("199.00")
    assert verdict.target_price == Decimal("105.00")
    assert verdict.denials == ()


def test_all_reasons_are_reported_and_not_the_first() -> None:
    book = a_book(state=TradingState.HALTED, equity="90000", positions=(a_position("SPY"),))
    verdict = ruling(a_ticket(confidence=0.1, stop="101", quantity="0.5"), book)
    assert not verdict.approved
    assert verdict.quantity == 0
    assert verdict.risk_usd is None
    assert [denial.reason for denial in verdict.denials] == [
        DenialReason.STATE,
        DenialReason.CONFIDENCE,
        DenialReason.QUANTITY,
        DenialReason.STOP,
        DenialReason.DUPLICATE,
        DenialReason.DAILY_LOSS,
    ]


def test_a_cut_is_noted_with_the_limit_that_cut() -> None:
    verdict = ruling(a_ticket(quantity="500"))
    assert verdict.quantity == 199
    assert verdict.notes == (
        "500 shares asked, cut to 199: at most 20% of equity in one position"
        " (risk.max_position_fraction)",
    )


def test_a_size_of_its_own_is_no_cut() -> None:
    assert ruling(a_ticket(quantity=None)).notes == ()
    assert ruling(a_ticket(quantity="199")).notes == ()


def test_when_not_one_share_fits_the_binding_limit_is_named() -> None:
    verdict = ruling(a_ticket(), a_book(buying_power="50"))
    assert [denial.reason for denial in verdict.denials] == [DenialReason.BUYING_POWER]
    verdict = ruling(a_ticket(), a_book(start_equity="499", equity="499"))
    assert [denial.reason for denial in verdict.denials] == [DenialReason.EXPOSURE]
    assert verdict.denials[0].message == (
        "not one share fits: at most 20% of equity in one position (risk.max_position_fraction)"
    )


def test_earlier_tickets_of_the_cycle_count() -> None:
    book = a_book().with_entry(Claim(symbol="SPY", notional_usd=Decimal(1001)))
    assert book.entries_today == 1
    assert book.free_buying_power_usd == Decimal("100000") - Decimal("1001")
    assert [denial.reason for denial in ruling(a_ticket("SPY"), book).denials] == [
        DenialReason.DUPLICATE
    ]


def test_every_rule_and_every_cap_leaves_its_finding() -> None:
    verdict = ruling(a_ticket(quantity="500", confidence=0.1))
    found = dict(verdict.findings)
    assert len(found) == len(verdict.findings) == len(RULES) + len(CAPS) + 1
    assert found["confidence_rule"].gate is Gate.DENIAL
    assert (found["confidence_rule"].measured, found["confidence_rule"].limit) == (0.1, 0.6)
    assert found["position_cap"].gate is Gate.CLAMP
    assert found["risk_cap"].gate is Gate.PASS
    assert found["var_rule"].gate is Gate.UNKNOWN


def test_a_denial_by_value_at_risk_takes_the_whole_order() -> None:
    crash = tuple(-0.4 if n % 2 else 0.0 for n in range(20))
    proposal = propose(
        *(a_ticket(), an_instrument(), a_quote(), a_tape(), LIMITS), moves=moves(SPY=crash)
    )
    verdict = judge(proposal, a_book(), LIMITS)
    assert [denial.reason for denial in verdict.denials] == [DenialReason.VAR]
    assert verdict.quantity == 0
    assert verdict.denials[0].message.endswith("(risk.max_var_fraction)")


@given(
    confidence=st.floats(allow_nan=True, allow_infinity=True),
    quantity=st.none() | st.integers(-10, 10**9).map(str),
    stop=st.none() | st.decimals("-10", "200", places=3).map(str),
    target=st.none() | st.decimals("-10", "200", places=3).map(str),
    equity=st.decimals("0", "200000", places=2).map(str),
    buying_power=st.decimals("0", "400000", places=2).map(str),
)
def test_whatever_is_asked_an_approved_order_keeps_every_limit(
    confidence: float,
    quantity: str | None,
    stop: str | None,
    target: str | None,
    equity: str,
    buying_power: str,
) -> None:
    ticket = a_ticket(confidence=confidence, quantity=quantity, stop=stop, target=target)
    book = a_book(equity=equity, start_equity="100000", buying_power=buying_power)
    verdict = ruling(ticket, book)
    if not verdict.approved:
        assert verdict.denials
        assert verdict.quantity == 0
        return
    assert verdict.entry_price is not None
    assert verdict.stop_price is not None
    assert verdict.risk_usd is not None
    assert 0.60 <= confidence <= 1
    assert verdict.quantity >= 1
    assert ticket.quantity is None or verdict.quantity <= ticket.quantity
    assert 0 < verdict.stop_price < Decimal("99.99")
    assert Decimal("95.095") <= verdict.stop_price <= Decimal("99.7997")
    assert verdict.target_price is None or verdict.target_price > verdict.entry_price
    assert verdict.risk_usd <= Decimal("1000")
    assert verdict.quantity * verdict.entry_price <= min(Decimal(20_000), Decimal(buying_power))
    assert Decimal(equity) > 98_000
