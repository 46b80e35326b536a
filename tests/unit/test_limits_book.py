"""Each rule at its limit and one step to each side: how much, how often, what moves together."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.builders import a_book, a_position, a_ticket, an_entry, an_order, moves
from tests.unit.test_limits import LIMITS, NO, UNKNOWN, YES, a_proposal, found, gate
from tools.core.safety import DenialReason, Gate
from tools.core.trading import OrderType, Side
from tools.risk import limits_book as rules
from tools.risk.book import Book, Claim, Entry, Proposal

WAVE = tuple(0.01 if n % 2 else -0.01 for n in range(20))
OTHER = tuple(0.01 if n % 4 < 2 else -0.01 for n in range(20))


def held(count: int) -> Book:
    return a_book(positions=tuple(a_position(f"A{letter}") for letter in "ABCDEF"[:count]))


@pytest.mark.parametrize(("count", "expected"), [(3, YES), (4, YES), (5, NO)])
def test_at_most_five_positions(count: int, expected: Gate) -> None:
    assert gate(rules.positions_rule, book=held(count)) is expected


def test_open_entries_and_claims_count_as_positions_and_closed_ones_do_not() -> None:
    book = a_book(
        positions=(a_position("IBM"), a_position("OLD", quantity="0")),
        open_orders=(an_order(symbol="BAC"), an_order(symbol="AIG", price="50")),
        claims=(Claim(symbol="AAPL", notional_usd=Decimal(1)),),
    )
    assert book.occupied == {"IBM", "BAC", "AAPL"}
    assert gate(rules.positions_rule, book=book, limits=replace(LIMITS, max_positions=3)) is NO


@pytest.mark.parametrize(
    "book",
    [
        a_book(positions=(a_position("SPY"),)),
        a_book(open_orders=(an_order(symbol="SPY"),)),
        a_book(claims=(Claim(symbol="SPY", notional_usd=Decimal(1)),)),
    ],
)
def test_no_second_entry_into_the_same_symbol(book: Book) -> None:
    assert found(rules.duplicate_rule, book=book).reason is DenialReason.DUPLICATE
    assert gate(rules.duplicate_rule, book=book) is NO
    assert gate(rules.same_again_rule, book=book) is UNKNOWN


def test_a_resting_sell_alone_does_not_occupy_a_symbol() -> None:
    book = a_book(open_orders=(an_order(symbol="SPY", side=Side.SELL),))
    assert gate(rules.duplicate_rule, book=book) is YES


@pytest.mark.parametrize(
    ("at", "expected"), [("09:58:59", YES), ("09:59:00", YES), ("09:59:01", NO), ("10:00", NO)]
)
def test_a_minute_lies_between_two_entries_into_one_symbol(at: str, expected: Gate) -> None:
    book = a_book(entries=(an_entry("SPY", at="09:31"), an_entry("SPY", at=at), an_entry("IBM")))
    assert gate(rules.same_again_rule, book=book) is expected
    assert gate(rules.same_again_rule, book=a_book(entries=(an_entry("IBM", at=at),))) is YES


@pytest.mark.parametrize(("count", "expected"), [(0, YES), (2, YES), (3, NO)])
def test_three_entries_into_one_symbol_a_day(count: int, expected: Gate) -> None:
    book = a_book(entries=(*[an_entry("SPY")] * count, *[an_entry("IBM")] * 5))
    assert gate(rules.repeat_symbol_rule, book=book) is expected


@pytest.mark.parametrize(("count", "expected"), [(0, YES), (2, YES), (3, NO)])
def test_three_entries_from_one_cycle(count: int, expected: Gate) -> None:
    this = [an_entry(f"A{n}", cycle="D-2013-10-07-1") for n in range(count)]
    another = [an_entry("IBM", cycle="D-2013-10-07-11")] * 5
    assert gate(rules.repeat_cycle_rule, book=a_book(entries=(*this, *another))) is expected


def test_a_ticket_without_a_decision_belongs_to_no_cycle() -> None:
    nameless = a_proposal(a_ticket(decision_id=""))
    assert gate(rules.repeat_cycle_rule, proposal=nameless) is UNKNOWN


@pytest.mark.parametrize(("count", "expected"), [(38, YES), (39, YES), (40, NO)])
def test_forty_different_symbols_a_day(count: int, expected: Gate) -> None:
    entries = tuple(an_entry(f"A{n}") for n in range(count)) * 2
    assert gate(rules.names_rule, book=a_book(entries=entries)) is expected
    again = a_book(entries=(*entries[:39], an_entry("SPY")))
    assert gate(rules.names_rule, book=again) is YES


@pytest.mark.parametrize(
    ("at", "count", "expected"),
    [
        ("09:59:01", 2, YES),
        ("09:59:01", 3, YES),
        ("09:59:01", 4, NO),
        ("09:59:00", 4, YES),
    ],
)
def test_four_entries_a_minute(at: str, count: int, expected: Gate) -> None:
    book = a_book(entries=tuple([an_entry(at=at)] * count))
    assert gate(rules.minute_rule, book=book) is expected


@pytest.mark.parametrize(
    ("at", "count", "expected"),
    [
        ("09:55:01", 8, YES),
        ("09:55:01", 9, YES),
        ("09:55:01", 10, NO),
        ("09:55:00", 10, YES),
    ],
)
def test_ten_entries_in_five_minutes(at: str, count: int, expected: Gate) -> None:
    book = a_book(entries=tuple([an_entry(at=at)] * count))
    assert gate(rules.five_minutes_rule, book=book) is expected


@pytest.mark.parametrize(("count", "expected"), [(48, YES), (49, YES), (50, NO)])
def test_fifty_entries_a_day(count: int, expected: Gate) -> None:
    entries: tuple[Entry, ...] = tuple([an_entry()] * count)
    assert gate(rules.entries_rule, book=a_book(entries=entries)) is expected


def moving(**returns: tuple[float, ...]) -> Proposal:
    return replace(a_proposal(), moves=moves(**returns))


@pytest.mark.parametrize(("together", "expected"), [(1, YES), (2, YES), (3, NO)])
def test_at_most_three_positions_move_together(together: int, expected: Gate) -> None:
    names = ("AA", "AB", "AC", "AD")
    returns = {name: WAVE if n < together else OTHER for n, name in enumerate(names)}
    proposal = moving(SPY=WAVE, **returns)
    assert gate(rules.correlation_rule, proposal=proposal, book=held(4)) is expected


def test_what_moves_exactly_as_much_together_as_allowed_is_not_counted() -> None:
    proposal = moving(SPY=WAVE, AA=WAVE, AB=WAVE, AC=WAVE)
    at_the_limit = replace(LIMITS, max_correlation=1.0)
    assert gate(rules.correlation_rule, proposal=proposal, book=held(3)) is NO
    assert gate(rules.correlation_rule, proposal=proposal, book=held(3), limits=at_the_limit) is YES


def test_without_enough_days_nothing_is_said_about_correlation() -> None:
    short = moving(SPY=WAVE[:19], AA=WAVE[:19])
    assert gate(rules.correlation_rule, proposal=short, book=held(1)) is UNKNOWN
    stranger = moving(SPY=WAVE)
    assert gate(rules.correlation_rule, proposal=stranger, book=held(5)) is YES


@pytest.mark.parametrize(
    ("equity", "expected"),
    [("98000.01", YES), ("98000", NO), ("97999.99", NO), ("105000", YES)],
)
def test_two_percent_lost_since_the_start_of_the_session_is_the_end_of_entries(
    equity: str, expected: Gate
) -> None:
    assert gate(rules.daily_loss_rule, book=a_book(equity=equity)) is expected


def test_a_session_without_equity_has_lost_nothing() -> None:
    assert a_book(start_equity="0").loss_fraction == 0
    assert a_book(start_equity="1", equity="0.5").loss_fraction == Decimal("0.5")


def test_exposure_is_what_is_held_and_being_bought_and_its_risk_ends_at_the_stops() -> None:
    stop = an_order("s", symbol="IBM", side=Side.SELL, order_type=OrderType.STOP, stop="95")
    leg = an_order("l", symbol="BAC", side=Side.SELL, order_type=OrderType.STOP, stop="9")
    buying = replace(
        an_order("b", symbol="BAC", quantity="10", filled="4", legs=(leg,)), limit_price=Decimal(10)
    )
    book = a_book(
        positions=(a_position("IBM"), a_position("AIG"), a_position("C", quantity="-10")),
        open_orders=(stop, buying),
        claims=(Claim(symbol="F", notional_usd=Decimal(70), risk_usd=Decimal(7)),),
    )
    values = {name: (int(one.value_usd), int(one.risk_usd)) for name, one in book.exposures.items()}
    assert values == {
        "IBM": (1000, 50),
        "AIG": (1000, 50),  # no stop: as if it were 5 % away
        "C": (1000, 1000),
        "BAC": (60, 6),
        "F": (70, 7),
    }
    assert (int(book.total.value_usd), int(book.total.risk_usd)) == (3130, 1113)


def test_a_stop_above_the_price_risks_nothing_and_claims_add_up() -> None:
    stop = an_order("s", symbol="IBM", side=Side.SELL, order_type=OrderType.STOP, stop="101")
    claim = Claim(symbol="IBM", notional_usd=Decimal(10), risk_usd=Decimal(1))
    book = a_book(positions=(a_position("IBM"),), open_orders=(stop,), claims=(claim, claim))
    assert book.exposures["IBM"].risk_usd == 2
    assert book.exposures["IBM"].value_usd == 1020
