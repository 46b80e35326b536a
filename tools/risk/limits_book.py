"""The rules about how much and how often: positions, repeats, rates, correlation, daily loss."""

from bisect import bisect_right
from datetime import timedelta
from operator import attrgetter

from tools.core.safety import DenialReason, Finding, RiskLimits
from tools.risk.book import Book, Proposal, cycle_of
from tools.risk.findings import at_least, at_most, denied, passed, unknown
from tools.risk.portfolio import LEAST_RETURNS

_at = attrgetter("at")
MINUTE, FIVE_MINUTES = timedelta(minutes=1), timedelta(minutes=5)


def positions_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many symbols held or being bought, this one included."""
    count = len(book.occupied) + 1
    words = "positions held or being opened, this one included"
    return at_most(DenialReason.POSITIONS, count, limits.max_positions, "max_positions", words)


def duplicate_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """No second entry into a symbol that is held or being bought."""
    symbol = proposal.ticket.symbol
    if symbol in book.occupied:
        return denied(DenialReason.DUPLICATE, f"{symbol} is already held or being bought")
    return passed(DenialReason.DUPLICATE)


def same_again_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Some time between two entries into one symbol that is not occupied any more."""
    reason, limit = DenialReason.DUPLICATE, float(limits.repeat_seconds)
    if proposal.ticket.symbol in book.occupied:
        return unknown(reason, "the symbol is occupied: that denies")
    last = max(
        (one.at for one in book.entries if one.symbol == proposal.ticket.symbol), default=None
    )
    if last is None:
        return passed(reason, None, limit)
    passed_by = (book.now - last).total_seconds()
    words = f"since the last entry into {proposal.ticket.symbol}"
    return at_least(reason, passed_by, limit, "repeat_seconds", words)


def repeat_symbol_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many entries into one symbol in a session."""
    count = 1 + [one.symbol for one in book.entries].count(proposal.ticket.symbol)
    limit, words = limits.max_entries_per_symbol, f"entries into {proposal.ticket.symbol} today"
    return at_most(DenialReason.REPEAT, count, limit, "max_entries_per_symbol", words)


def repeat_cycle_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many entries that come from one cycle of the model."""
    cycle = cycle_of(proposal.ticket.decision_id)
    count = 1 + [one.cycle for one in book.entries].count(cycle)
    if not cycle:
        return unknown(DenialReason.REPEAT, "the ticket names no cycle: the rates rule alone")
    limit, words = limits.max_entries_per_cycle, "entries in one cycle"
    return at_most(DenialReason.REPEAT, count, limit, "max_entries_per_cycle", words)


def names_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many different symbols in a session."""
    count = len({proposal.ticket.symbol, *[one.symbol for one in book.entries]})
    limit, words = limits.max_symbols_per_day, "different symbols today"
    return at_most(DenialReason.SYMBOL, count, limit, "max_symbols_per_day", words)


def minute_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many entries within a minute."""
    count, limit = _recent(book, MINUTE), limits.max_entries_per_minute
    words = "entries within a minute"
    return at_most(DenialReason.RATE, count, limit, "max_entries_per_minute", words)


def five_minutes_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many entries within five minutes."""
    count, limit = _recent(book, FIVE_MINUTES), limits.max_entries_per_five_minutes
    words = "entries within five minutes"
    return at_most(DenialReason.RATE, count, limit, "max_entries_per_five_minutes", words)


def entries_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many entries a session, this one included."""
    count, limit = book.entries_today + 1, limits.max_entries_per_day
    words = "entries today, this one included"
    return at_most(DenialReason.ENTRIES, count, limit, "max_entries_per_day", words)


def correlation_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """At most so many positions that move together, this one included."""
    reason, symbol = DenialReason.CORRELATION, proposal.ticket.symbol
    moves = proposal.moves
    if not moves.knows(symbol):
        return unknown(reason, f"fewer than {LEAST_RETURNS} daily returns are known")
    count = 1 + moves.correlated(symbol, book.occupied, limits.max_correlation)
    words = f"positions correlated above {limits.max_correlation} with {symbol}, itself included"
    limit = limits.max_correlated_positions
    return at_most(reason, count, limit, "max_correlated_positions", words)


def daily_loss_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """No entry once the session has lost its limit."""
    reason, lost, limit = DenialReason.DAILY_LOSS, book.loss_fraction, limits.daily_loss_fraction
    if lost < limit:
        return Finding(passed(reason).gate, reason, lost, limit, "daily_loss_fraction")
    words = f"{lost:.2%} lost today, the limit is {limit:.2%} (risk.daily_loss_fraction)"
    return denied(reason, words, lost)


def _recent(book: Book, span: timedelta) -> int:
    """Entries younger than `span`, and this one."""
    older = bisect_right(book.entries, book.now - span, key=_at)
    return 1 + len(book.entries) - older
