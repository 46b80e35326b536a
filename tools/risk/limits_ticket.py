"""The rules about when, what and how surely: state, account, session, symbol, side, confidence."""

from datetime import timedelta

from tools.core.market import Market, market_of
from tools.core.safety import DenialReason, Finding, RiskLimits, TradingState
from tools.core.trading import Side
from tools.risk.book import Book, Proposal
from tools.risk.findings import at_least, at_most, denied, passed, unknown
from tools.schedule.market_hours import new_york

UNCOMPARED = timedelta(seconds=30)
"""How long ago the books may last have agreed with the broker's."""


def state_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Only the ACTIVE state, with reconciled books, lets an entry through."""
    if book.trading_state is not TradingState.ACTIVE:
        words = f"trading is {book.trading_state}: {book.state_reason}"
        return denied(DenialReason.STATE, words, book.trading_state.value)
    if not book.reconciled:
        words = "the books have not been compared with the broker's yet"
        return denied(DenialReason.STATE, words, "unreconciled")
    return passed(DenialReason.STATE, book.trading_state.value)


def reconcile_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """The books agreed with the broker's half a minute ago at most."""
    if book.reconciled_at is None:
        return unknown(DenialReason.RECONCILE, "the books have not been compared yet")
    age, reason = book.now - book.reconciled_at, DenialReason.RECONCILE
    if age > UNCOMPARED:
        words = f"the books last agreed with the broker's {age.total_seconds():.0f} s ago"
        return denied(reason, f"{words}: at most {UNCOMPARED.total_seconds():.0f} s")
    return passed(reason, age.total_seconds(), UNCOMPARED.total_seconds())


def account_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """The broker must let the account trade."""
    if book.account.trading_blocked:
        return denied(DenialReason.BROKER, "the broker has blocked trading on this account")
    return passed(DenialReason.BROKER)


def session_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Inside the entry window of the session table, and open by the broker's clock."""
    if book.session is None:
        return denied(DenialReason.SESSION, "the session table has ended: no entries")
    start, end = book.session.entries_start_at, book.entries_end_at
    if not (start <= book.now and book.latest < end):
        window = f"{new_york(start):%Y-%m-%d %H:%M} to {new_york(end):%H:%M} New York time"
        return denied(DenialReason.SESSION, f"entries are allowed from {window}")
    if not book.market_open:
        words = "the broker's clock says that the market is closed"
        return denied(DenialReason.SESSION, words)
    return passed(DenialReason.SESSION)


def symbol_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """An active, tradable US equity, on the list if there is a list, and not on the other one."""
    symbol, instrument = proposal.ticket.symbol, proposal.instrument
    if (market := market_of(symbol)) is not Market.US_EQUITY:
        return denied(DenialReason.SYMBOL, f"{symbol!r} is not a US equity symbol ({market})")
    if limits.allowed_symbols is not None and symbol not in limits.allowed_symbols:
        words = f"{symbol} is not among the {len(limits.allowed_symbols)} allowed symbols"
        return denied(DenialReason.SYMBOL, f"{words} (allowed_symbols)")
    if symbol in limits.banned_symbols:
        return denied(DenialReason.SYMBOL, f"{symbol} is banned (banned_symbols)")
    if instrument is None:
        return denied(DenialReason.SYMBOL, f"the broker does not know {symbol}")
    if instrument.market is not Market.US_EQUITY:
        return denied(DenialReason.SYMBOL, f"{symbol} is no US equity at the broker")
    if not (instrument.active and instrument.tradable):
        words = f"{symbol} is not active and tradable at the broker"
        return denied(DenialReason.SYMBOL, words)
    return passed(DenialReason.SYMBOL)


def side_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Long only: a ticket buys; positions end by close_position, stop or target."""
    if proposal.ticket.side is not Side.BUY:
        words = "long only: use close_position to sell what is held"
        return denied(DenialReason.SIDE, words, proposal.ticket.side.value)
    return passed(DenialReason.SIDE, proposal.ticket.side.value)


def confidence_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Confidence from the minimum on, inclusive."""
    reason, confidence = DenialReason.CONFIDENCE, proposal.ticket.confidence
    return at_least(reason, confidence, limits.min_confidence, "min_confidence", "confidence")


def certainty_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Nobody is surer than sure."""
    return at_most(DenialReason.CONFIDENCE, proposal.ticket.confidence, 1.0, "", "confidence")


def quantity_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Whole shares, at least one, if the ticket names a quantity."""
    quantity = proposal.ticket.quantity
    if quantity is not None and (quantity < 1 or quantity % 1):
        words = f"quantity {quantity} is not a whole number from 1"
        return denied(DenialReason.QUANTITY, words, quantity)
    return passed(DenialReason.QUANTITY, quantity)
