"""Each rule at its limit and one step to each side: state, session, symbol, ticket."""

from dataclasses import replace

import pytest

from tests.builders import a_book, a_quote, a_tape, a_ticket, a_time, an_instrument
from tools.core.market import Instrument, Market, Quote
from tools.core.safety import DenialReason, Finding, Gate, RiskLimits, TradingState
from tools.core.trading import BrokerClock, OrderTicket, Side
from tools.risk import limits as rules
from tools.risk import limits_ticket as ticket_rules
from tools.risk.book import Book, Glance, Proposal, Tape
from tools.risk.sizing import propose

LIMITS = RiskLimits()
NO, YES, UNKNOWN = Gate.DENIAL, Gate.PASS, Gate.UNKNOWN


def a_proposal(
    ticket: OrderTicket | None = None,
    *,
    instrument: Instrument | None = None,
    quote: Quote | None = None,
    tape: Tape | None = None,
    decided: Glance | None = None,
) -> Proposal:
    ticket = ticket or a_ticket()
    return propose(
        ticket,
        instrument or an_instrument(ticket.symbol),
        quote or a_quote(),
        tape or a_tape(),
        LIMITS,
        decided=decided,
    )


def found(
    rule: rules.Rule,
    *,
    proposal: Proposal | None = None,
    book: Book | None = None,
    limits: RiskLimits = LIMITS,
) -> Finding:
    return rule(proposal or a_proposal(), book or a_book(), limits)


def gate(
    rule: rules.Rule,
    *,
    proposal: Proposal | None = None,
    book: Book | None = None,
    limits: RiskLimits = LIMITS,
) -> Gate:
    return found(rule, proposal=proposal, book=book, limits=limits).gate


def test_a_plain_proposal_passes_every_rule() -> None:
    gates = {rule.__name__: rule(a_proposal(), a_book(), LIMITS).gate for rule in rules.RULES}
    unjudged = {"sources_rule", "correlation_rule"}
    assert {name for name, one in gates.items() if one is UNKNOWN} == unjudged
    assert NO not in gates.values()
    assert len(gates) == 33


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_only_the_active_state_lets_an_entry_through(state: TradingState) -> None:
    denial = found(ticket_rules.state_rule, book=a_book(state=state))
    assert (denial.gate, denial.reason) == (NO, DenialReason.STATE)
    assert gate(ticket_rules.state_rule) is YES


def test_entries_wait_until_the_books_are_reconciled() -> None:
    assert gate(ticket_rules.state_rule, book=a_book(reconciled=False)) is NO


def test_a_blocked_account_denies() -> None:
    assert gate(ticket_rules.account_rule, book=a_book(trading_blocked=True)) is NO
    assert gate(ticket_rules.account_rule) is YES


@pytest.mark.parametrize(
    ("now", "expected"),
    [("09:29:59", NO), ("09:30:00", YES), ("15:44:59", YES), ("15:45:00", NO), ("16:30:00", NO)],
)
def test_entries_are_allowed_from_the_start_up_to_but_not_at_the_end(
    now: str, expected: Gate
) -> None:
    assert gate(ticket_rules.session_rule, book=a_book(now=now)) is expected


def test_the_stricter_of_session_table_and_broker_clock_decides() -> None:
    assert gate(ticket_rules.session_rule, book=a_book(market_open=False)) is NO


def test_an_ended_session_table_closes_entries() -> None:
    assert gate(ticket_rules.session_rule, book=replace(a_book(), session=None)) is NO


@pytest.mark.parametrize("symbol", ["BTC/USD", "EUR/USD", "spy", "SPУ", "../SPY", "", "SPY1"])
def test_what_is_no_us_equity_by_its_shape_is_denied(symbol: str) -> None:
    proposal = a_proposal(a_ticket(symbol), instrument=an_instrument("SPY"))
    assert gate(ticket_rules.symbol_rule, proposal=proposal) is NO


@pytest.mark.parametrize(
    ("instrument", "expected"),
    [
        (an_instrument(), YES),
        (an_instrument(active=False), NO),
        (an_instrument(tradable=False), NO),
        (an_instrument(market=Market.CRYPTO), NO),
    ],
)
def test_the_broker_must_call_it_an_active_tradable_us_equity(
    instrument: Instrument, expected: Gate
) -> None:
    assert gate(ticket_rules.symbol_rule, proposal=a_proposal(instrument=instrument)) is expected


def test_a_symbol_unknown_to_the_broker_is_denied() -> None:
    assert gate(ticket_rules.symbol_rule, proposal=replace(a_proposal(), instrument=None)) is NO


@pytest.mark.parametrize(("allowed", "expected"), [({"SPY", "IBM"}, YES), ({"IBM"}, NO)])
def test_a_list_of_allowed_symbols_narrows(allowed: set[str], expected: Gate) -> None:
    listed = replace(LIMITS, allowed_symbols=frozenset(allowed))
    assert gate(ticket_rules.symbol_rule, limits=listed) is expected


@pytest.mark.parametrize(("banned", "expected"), [({"IBM"}, YES), ({"IBM", "SPY"}, NO)])
def test_a_banned_symbol_is_denied(banned: set[str], expected: Gate) -> None:
    listed = replace(LIMITS, banned_symbols=frozenset(banned))
    assert gate(ticket_rules.symbol_rule, limits=listed) is expected


def test_a_ticket_to_sell_is_denied() -> None:
    assert gate(ticket_rules.side_rule, proposal=a_proposal(a_ticket(side=Side.SELL))) is NO
    assert gate(ticket_rules.side_rule) is YES


@pytest.mark.parametrize(
    ("confidence", "expected"), [(0.59, NO), (0.60, YES), (0.61, YES), (float("nan"), NO)]
)
def test_confidence_is_at_least_the_minimum(confidence: float, expected: Gate) -> None:
    proposal = a_proposal(a_ticket(confidence=confidence))
    assert gate(ticket_rules.confidence_rule, proposal=proposal) is expected


@pytest.mark.parametrize(
    ("confidence", "expected"), [(0.99, YES), (1.0, YES), (1.01, NO), (float("nan"), NO)]
)
def test_nobody_is_surer_than_sure(confidence: float, expected: Gate) -> None:
    proposal = a_proposal(a_ticket(confidence=confidence))
    assert gate(ticket_rules.certainty_rule, proposal=proposal) is expected


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [(None, YES), ("1", YES), ("2", YES), ("0", NO), ("-1", NO), ("1.5", NO), ("0.5", NO)],
)
def test_a_quantity_is_a_whole_number_from_one(quantity: str | None, expected: Gate) -> None:
    proposal = a_proposal(a_ticket(quantity=quantity))
    assert gate(ticket_rules.quantity_rule, proposal=proposal) is expected


@pytest.mark.parametrize(
    ("compared", "expected"), [("09:59:31", YES), ("09:59:30", YES), ("09:59:29", NO)]
)
def test_the_books_agreed_half_a_minute_ago_at_most(compared: str, expected: Gate) -> None:
    assert gate(ticket_rules.reconcile_rule, book=a_book(compared=compared)) is expected


def test_books_that_never_agreed_are_the_states_business() -> None:
    book = a_book(reconciled=False)
    assert gate(ticket_rules.reconcile_rule, book=book) is UNKNOWN
    assert gate(ticket_rules.state_rule, book=book) is NO


def a_clock(at: str, closes: str = "16:00") -> BrokerClock:
    close = a_time(closes)
    return BrokerClock(at=a_time(at), market_open=True, next_open=close, next_close=close)


@pytest.mark.parametrize(
    ("now", "said", "closes", "expected"),
    [
        ("15:44:59", "15:44:59", "16:00", YES),
        ("15:44:59", "15:45:00", "16:00", NO),
        ("15:45:00", "15:44:59", "16:00", NO),
        ("12:44:59", "12:44:59", "13:00", YES),
        ("12:45:00", "12:45:00", "13:00", NO),
        ("15:45:00", "15:45:00", "17:00", NO),
    ],
)
def test_entries_end_by_the_stricter_of_session_table_and_broker_clock(
    now: str, said: str, closes: str, expected: Gate
) -> None:
    book = a_book(now=now, broker_clock=a_clock(said, closes))
    assert gate(ticket_rules.session_rule, book=book) is expected
    assert book.entries_open is (expected is YES)


def test_the_next_sessions_close_says_nothing_while_the_market_is_closed() -> None:
    book = a_book(market_open=False, broker_clock=a_clock("10:00", "09:00"))
    assert book.entries_end_at == book.session.entries_end_at  # type: ignore[union-attr]
