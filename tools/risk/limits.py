"""One pure function per rule: `(proposal, book, limits) -> Denial | None`.

A rule judges what it can see: without a quote the quote's rule speaks and the price rules are
silent. The names in `RULES` are all the rules there are.
"""

from collections.abc import Callable
from datetime import timedelta

from tools.core.market import Market, market_of
from tools.core.safety import Denial, DenialReason, RiskLimits, TradingState
from tools.core.trading import Side
from tools.risk.book import Book, Proposal
from tools.risk.sizing import CENT
from tools.schedule.market_hours import new_york

type Rule = Callable[[Proposal, Book, RiskLimits], Denial | None]


def state_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """Only the ACTIVE state, with reconciled books, lets an entry through."""
    if book.trading_state is not TradingState.ACTIVE:
        return _no(DenialReason.STATE, f"trading is {book.trading_state}: {book.state_reason}")
    if not book.reconciled:
        return _no(DenialReason.STATE, "the books have not been compared with the broker's yet")
    return None


def account_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """The broker must let the account trade."""
    if book.account.trading_blocked:
        return _no(DenialReason.BROKER, "the broker has blocked trading on this account")
    return None


def session_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """Inside the entry window of the session table, and open by the broker's clock."""
    if book.session is None:
        return _no(DenialReason.SESSION, "the session table has ended: no entries")
    start, end = book.session.entries_start_at, book.session.entries_end_at
    if not start <= book.now < end:
        window = f"{new_york(start):%Y-%m-%d %H:%M} to {new_york(end):%H:%M} New York time"
        return _no(DenialReason.SESSION, f"entries are allowed from {window}")
    if not book.market_open:
        return _no(DenialReason.SESSION, "the broker's clock says that the market is closed")
    return None


def symbol_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """An active, tradable US equity, on the list if there is a list."""
    symbol, instrument = proposal.ticket.symbol, proposal.instrument
    if (market := market_of(symbol)) is not Market.US_EQUITY:
        return _no(DenialReason.SYMBOL, f"{symbol!r} is not a US equity symbol ({market})")
    if limits.allowed_symbols is not None and symbol not in limits.allowed_symbols:
        count = len(limits.allowed_symbols)
        return _no(DenialReason.SYMBOL, f"{symbol} is not among the {count} allowed symbols")
    if instrument is None:
        return _no(DenialReason.SYMBOL, f"the broker does not know {symbol}")
    if instrument.market is not Market.US_EQUITY:
        return _no(DenialReason.SYMBOL, f"{symbol} is no US equity at the broker")
    if not (instrument.active and instrument.tradable):
        return _no(DenialReason.SYMBOL, f"{symbol} is not active and tradable at the broker")
    return None


def side_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """Long only: a ticket buys; positions end by close_position, stop or target."""
    if proposal.ticket.side is not Side.BUY:
        return _no(DenialReason.SIDE, "long only: use close_position to sell what is held")
    return None


def confidence_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """Confidence from the minimum, inclusive, to 1."""
    confidence = proposal.ticket.confidence
    if not limits.min_confidence <= confidence <= 1:
        words = f"confidence {confidence:.2f} is not within {limits.min_confidence:.2f} to 1"
        return _no(DenialReason.CONFIDENCE, words)
    return None


def quantity_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """Whole shares, at least one, if the ticket names a quantity."""
    quantity = proposal.ticket.quantity
    if quantity is not None and (quantity < 1 or quantity % 1):
        return _no(DenialReason.QUANTITY, f"quantity {quantity} is not a whole number from 1")
    return None


def quote_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """A quote that is fresh, two-sided and not too wide."""
    quote = proposal.quote
    if quote is None:
        return _no(DenialReason.QUOTE, f"there is no quote for {proposal.ticket.symbol}")
    if quote.bid <= 0 or quote.ask < quote.bid:
        return _no(DenialReason.QUOTE, f"bid {quote.bid} and ask {quote.ask} make no market")
    if (age := quote.age(book.now)) > timedelta(seconds=limits.max_quote_age_seconds):
        limit = limits.max_quote_age_seconds
        return _no(
            DenialReason.QUOTE, f"the quote is {age.total_seconds():.0f} s old, over {limit} s"
        )
    if quote.spread_fraction > limits.max_spread_fraction:
        spread = f"{quote.spread_fraction:.2%}, over {limits.max_spread_fraction:.2%}"
        return _no(DenialReason.QUOTE, f"the spread is {spread}")
    return None


def stop_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """A stop, at least a cent below bid and entry, and not further away than allowed."""
    entry, stop, quote = proposal.entry_price, proposal.stop_price, proposal.quote
    if stop is None and entry is not None:
        return _no(DenialReason.STOP, "no ATR is ready for the default stop: name a stop_price")
    if stop is None or entry is None or quote is None:
        return None
    if stop <= 0 or stop > min(entry, quote.bid) - CENT:
        words = f"stop {stop} must be above 0 and at least 0.01 below the bid {quote.bid}"
        return _no(DenialReason.STOP, words)
    if (distance := (entry - stop) / entry) > limits.max_stop_distance_fraction:
        limit = limits.max_stop_distance_fraction
        words = f"stop {stop} is {distance:.2%} below the entry {entry}, over {limit:.2%}"
        return _no(DenialReason.STOP, words)
    return None


def target_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """A target, if there is one, at least a cent above the entry."""
    entry, target = proposal.entry_price, proposal.target_price
    if entry is not None and target is not None and target < entry + CENT:
        words = f"target {target} must be at least 0.01 above the entry {entry}"
        return _no(DenialReason.TARGET, words)
    return None


def positions_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """At most so many symbols held or being bought, this one included."""
    if (count := len(book.occupied)) >= limits.max_positions:
        words = f"{count} positions are held or being opened, the limit is {limits.max_positions}"
        return _no(DenialReason.POSITIONS, words)
    return None


def duplicate_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """No second entry into a symbol that is held or being bought."""
    if proposal.ticket.symbol in book.occupied:
        words = f"{proposal.ticket.symbol} is already held or being bought"
        return _no(DenialReason.DUPLICATE, words)
    return None


def entries_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """At most so many entries a session, this one included."""
    if book.entries_today >= limits.max_entries_per_day:
        words = f"{book.entries_today} entries today, the limit is {limits.max_entries_per_day}"
        return _no(DenialReason.ENTRIES, words)
    return None


def daily_loss_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Denial | None:
    """No entry once the session has lost its limit."""
    if book.loss_fraction >= limits.daily_loss_fraction:
        words = (
            f"{book.loss_fraction:.2%} lost today, the limit is {limits.daily_loss_fraction:.2%}"
        )
        return _no(DenialReason.DAILY_LOSS, words)
    return None


RULES: tuple[Rule, ...] = (
    state_rule,
    account_rule,
    session_rule,
    symbol_rule,
    side_rule,
    confidence_rule,
    quantity_rule,
    quote_rule,
    stop_rule,
    target_rule,
    positions_rule,
    duplicate_rule,
    entries_rule,
    daily_loss_rule,
)


def _no(reason: DenialReason, message: str) -> Denial:
    return Denial(reason=reason, message=message)
