"""Each rule at its limit and one step to each side."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.builders import (
    a_book,
    a_position,
    a_quote,
    a_ticket,
    an_instrument,
    an_order,
)
from tools.core.market import Instrument, Market, Quote
from tools.core.safety import DenialReason, RiskLimits, TradingState
from tools.core.trading import OrderTicket, Side
from tools.risk import limits as rules
from tools.risk.book import Book, Claim, Proposal
from tools.risk.sizing import propose

LIMITS = RiskLimits()


def a_proposal(
    ticket: OrderTicket | None = None,
    *,
    instrument: Instrument | None = None,
    quote: Quote | None = None,
) -> Proposal:
    ticket = ticket or a_ticket()
    return propose(
        ticket, instrument or an_instrument(ticket.symbol), quote or a_quote(), None, LIMITS
    )


def reason(
    rule: rules.Rule,
    *,
    proposal: Proposal | None = None,
    book: Book | None = None,
    limits: RiskLimits = LIMITS,
) -> DenialReason | None:
    denial = rule(proposal or a_proposal(), book or a_book(), limits)
    return denial.reason if denial else None


def test_a_plain_proposal_passes_every_rule() -> None:
    assert [rule(a_proposal(), a_book(), LIMITS) for rule in rules.RULES] == [None] * 14


@pytest.mark.parametrize("state", [TradingState.REDUCING, TradingState.HALTED])
def test_only_the_active_state_lets_an_entry_through(state: TradingState) -> None:
    assert reason(rules.state_rule, book=a_book(state=state)) is DenialReason.STATE


def test_entries_wait_until_the_books_are_reconciled() -> None:
    assert reason(rules.state_rule, book=a_book(reconciled=False)) is DenialReason.STATE


def test_a_blocked_account_denies() -> None:
    assert reason(rules.account_rule, book=a_book(trading_blocked=True)) is DenialReason.BROKER


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("09:29:59", DenialReason.SESSION),
        ("09:30:00", None),
        ("15:44:59", None),
        ("15:45:00", DenialReason.SESSION),
        ("16:30:00", DenialReason.SESSION),
    ],
)
def test_entries_are_allowed_from_the_start_up_to_but_not_at_the_end(
    now: str, expected: DenialReason | None
) -> None:
    assert reason(rules.session_rule, book=a_book(now=now)) is expected


def test_the_stricter_of_session_table_and_broker_clock_decides() -> None:
    assert reason(rules.session_rule, book=a_book(market_open=False)) is DenialReason.SESSION


def test_an_ended_session_table_closes_entries() -> None:
    ended = replace(a_book(), session=None)
    assert reason(rules.session_rule, book=ended) is DenialReason.SESSION


@pytest.mark.parametrize("symbol", ["BTC/USD", "EUR/USD", "spy", "SPУ", "../SPY", "", "SPY1"])
def test_what_is_no_us_equity_by_its_shape_is_denied(symbol: str) -> None:
    proposal = a_proposal(a_ticket(symbol), instrument=an_instrument("SPY"))
    assert reason(rules.symbol_rule, proposal=proposal) is DenialReason.SYMBOL


@pytest.mark.parametrize(
    ("instrument", "expected"),
    [
        (an_instrument(), None),
        (an_instrument(active=False), DenialReason.SYMBOL),
        (an_instrument(tradable=False), DenialReason.SYMBOL),
        (an_instrument(market=Market.CRYPTO), DenialReason.SYMBOL),
    ],
)
def test_the_broker_must_call_it_an_active_tradable_us_equity(
    instrument: Instrument, expected: DenialReason | None
) -> None:
    assert reason(rules.symbol_rule, proposal=a_proposal(instrument=instrument)) is expected


def test_a_symbol_unknown_to_the_broker_is_denied() -> None:
    unknown = replace(a_proposal(), instrument=None)
    assert reason(rules.symbol_rule, proposal=unknown) is DenialReason.SYMBOL


@pytest.mark.parametrize(
    ("allowed", "expected"), [({"SPY", "IBM"}, None), ({"IBM"}, DenialReason.SYMBOL)]
)
def test_a_list_of_allowed_symbols_narrows(
    allowed: set[str], expected: DenialReason | None
) -> None:
    listed = replace(LIMITS, allowed_symbols=frozenset(allowed))
    assert reason(rules.symbol_rule, limits=listed) is expected


def test_a_ticket_to_sell_is_denied() -> None:
    selling = a_proposal(a_ticket(side=Side.SELL))
    assert reason(rules.side_rule, proposal=selling) is DenialReason.SIDE


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        (0.59, DenialReason.CONFIDENCE),
        (0.60, None),
        (1.0, None),
        (1.01, DenialReason.CONFIDENCE),
        (float("nan"), DenialReason.CONFIDENCE),
    ],
)
def test_confidence_is_at_least_the_minimum_and_at_most_one(
    confidence: float, expected: DenialReason | None
) -> None:
    proposal = a_proposal(a_ticket(confidence=confidence))
    assert reason(rules.confidence_rule, proposal=proposal) is expected


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        (None, None),
        ("1", None),
        ("0", DenialReason.QUANTITY),
        ("-1", DenialReason.QUANTITY),
        ("1.5", DenialReason.QUANTITY),
    ],
)
def test_a_quantity_is_a_whole_number_from_one(
    quantity: str | None, expected: DenialReason | None
) -> None:
    proposal = a_proposal(a_ticket(quantity=quantity))
    assert reason(rules.quantity_rule, proposal=proposal) is expected


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        (a_quote("99.99", "100.00"), None),
        (a_quote("100.00", "100.00"), None),
        (a_quote("100.01", "100.00"), DenialReason.QUOTE),
        (a_quote("0", "100.00"), DenialReason.QUOTE),
        (a_quote("99.50", "100.50"), None),
        (a_quote("99.49", "100.51"), DenialReason.QUOTE),
        (a_quote("0.99", "0.99"), None),
        (a_quote(at="09:58"), None),
        (a_quote(at="09:57:59"), DenialReason.QUOTE),
    ],
)
def test_a_quote_is_two_sided_fresh_and_narrow(quote: Quote, expected: DenialReason | None) -> None:
    assert reason(rules.quote_rule, proposal=a_proposal(quote=quote)) is expected


def test_without_a_quote_the_quote_rule_speaks_and_the_price_rules_are_silent() -> None:
    blind = propose(a_ticket(stop=None, target="1"), an_instrument(), None, None, LIMITS)
    assert reason(rules.quote_rule, proposal=blind) is DenialReason.QUOTE
    assert reason(rules.stop_rule, proposal=blind) is None
    assert reason(rules.target_rule, proposal=blind) is None
    named = propose(a_ticket(stop="99"), an_instrument(), None, None, LIMITS)
    assert reason(rules.stop_rule, proposal=named) is None


@pytest.mark.parametrize(
    ("stop", "expected"),
    [
        (None, DenialReason.STOP),
        ("99.98", None),
        ("99.99", DenialReason.STOP),
        ("101.00", DenialReason.STOP),
        ("95.10", None),  # 4.995 % below the entry of 100.10
        ("95.09", DenialReason.STOP),  # 5.005 %
        ("0", DenialReason.STOP),
        ("-1", DenialReason.STOP),
    ],
)
def test_a_stop_is_below_the_bid_and_within_the_distance(
    stop: str | None, expected: DenialReason | None
) -> None:
    assert reason(rules.stop_rule, proposal=a_proposal(a_ticket(stop=stop))) is expected


def test_a_stop_may_be_exactly_as_far_away_as_allowed_and_cheap_shares_have_stops_too() -> None:
    at_a_hundred = a_proposal(a_ticket(stop="95.00"), quote=a_quote("99.90", "99.91"))
    assert at_a_hundred.entry_price == 100
    assert reason(rules.stop_rule, proposal=at_a_hundred) is None
    cheap = a_proposal(a_ticket(stop="0.97"), quote=a_quote("0.99", "1.00"))
    assert reason(rules.stop_rule, proposal=cheap) is None


@pytest.mark.parametrize(
    ("target", "expected"),
    [(None, None), ("100.11", None), ("100.10", DenialReason.TARGET), ("99", DenialReason.TARGET)],
)
def test_a_target_is_above_the_entry(target: str | None, expected: DenialReason | None) -> None:
    proposal = a_proposal(a_ticket(target=target))
    assert reason(rules.target_rule, proposal=proposal) is expected


@pytest.mark.parametrize(("held", "expected"), [(4, None), (5, DenialReason.POSITIONS)])
def test_at_most_five_positions(held: int, expected: DenialReason | None) -> None:
    positions = tuple(a_position(f"A{letter}") for letter in "ABCDE"[:held])
    assert reason(rules.positions_rule, book=a_book(positions=positions)) is expected


def test_open_entries_and_claims_count_as_positions_and_closed_ones_do_not() -> None:
    book = a_book(
        positions=(a_position("IBM"), a_position("OLD", quantity="0")),
        open_orders=(an_order(symbol="BAC"), an_order(symbol="AIG", price="50")),
        claims=(Claim(symbol="AAPL", notional_usd=Decimal(1)),),
    )
    assert book.occupied == {"IBM", "BAC", "AAPL"}
    three = replace(LIMITS, max_positions=3)
    assert reason(rules.positions_rule, book=book, limits=three) is DenialReason.POSITIONS


@pytest.mark.parametrize(
    "book",
    [
        a_book(positions=(a_position("SPY"),)),
        a_book(open_orders=(an_order(symbol="SPY"),)),
        a_book(claims=(Claim(symbol="SPY", notional_usd=Decimal(1)),)),
    ],
)
def test_no_second_entry_into_the_same_symbol(book: Book) -> None:
    assert reason(rules.duplicate_rule, book=book) is DenialReason.DUPLICATE


def test_a_resting_sell_alone_does_not_occupy_a_symbol() -> None:
    book = a_book(open_orders=(an_order(symbol="SPY", side=Side.SELL),))
    assert reason(rules.duplicate_rule, book=book) is None


@pytest.mark.parametrize(("entries", "expected"), [(49, None), (50, DenialReason.ENTRIES)])
def test_fifty_entries_a_day(entries: int, expected: DenialReason | None) -> None:
    assert reason(rules.entries_rule, book=a_book(entries_today=entries)) is expected


@pytest.mark.parametrize(
    ("equity", "expected"),
    [("98000.01", None), ("98000", DenialReason.DAILY_LOSS), ("105000", None)],
)
def test_two_percent_lost_since_the_start_of_the_session_is_the_end_of_entries(
    equity: str, expected: DenialReason | None
) -> None:
    assert reason(rules.daily_loss_rule, book=a_book(equity=equity)) is expected


def test_a_denial_tells_the_model_its_numbers() -> None:
    old = a_quote(at="09:50")
    denial = rules.quote_rule(a_proposal(quote=old), a_book(), LIMITS)
    assert denial is not None
    assert denial.message == "the quote is 600 s old, over 120 s"
    assert old.age(a_book().now) == timedelta(minutes=10)
