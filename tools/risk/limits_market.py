"""The rules about prices: quote, liquidity, collar, freshness of the decision, stop and target."""

from decimal import Decimal

from tools.core.safety import DenialReason, Finding, RiskLimits
from tools.risk.book import Book, Proposal
from tools.risk.findings import at_least, at_most, denied, passed, unknown

CENT = Decimal("0.01")
LEAST_COLLAR_FRACTION = Decimal("0.0025")
COLLAR_ATR_MULTIPLE = 3
NO_QUOTE = "there is no quote"
NO_PRICE = "there is no price"


def quote_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """There is a quote, and it is two-sided."""
    reason, quote = DenialReason.QUOTE, proposal.quote
    if quote is None:
        return denied(reason, f"there is no quote for {proposal.ticket.symbol}")
    if quote.bid <= 0 or quote.ask < quote.bid:
        return denied(reason, f"bid {quote.bid} and ask {quote.ask} make no market")
    return passed(reason, quote.mid)


def quote_age_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """The quote is fresh. A halted stock's is not."""
    reason, limit = DenialReason.QUOTE, float(limits.max_quote_age_seconds)
    if proposal.quote is None:
        return unknown(reason, NO_QUOTE)
    age = proposal.quote.age(book.now).total_seconds()
    return at_most(reason, age, limit, "max_quote_age_seconds", "the quote's age")


def spread_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """The quote is not too wide."""
    reason, limit = DenialReason.QUOTE, limits.max_spread_fraction
    if proposal.quote is None or not proposal.quote.mid:
        return unknown(reason, NO_QUOTE)
    return at_most(
        reason, proposal.quote.spread_fraction, limit, "max_spread_fraction", "the spread"
    )


def sources_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """Two sources agree on the price, where there are two."""
    reason, limit = DenialReason.QUOTE, limits.max_source_gap_fraction
    if proposal.quote is None or not proposal.quote.mid:
        return unknown(reason, NO_QUOTE)
    if proposal.second_price is None:
        return unknown(reason, "one source of quotes: not compared with a second one")
    gap = abs(proposal.second_price - proposal.quote.mid) / proposal.quote.mid
    return at_most(reason, gap, limit, "max_source_gap_fraction", "two sources of quotes differ by")


def price_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """No penny stocks."""
    if proposal.quote is None:
        return unknown(DenialReason.SYMBOL, NO_QUOTE)
    mid = proposal.quote.mid
    return at_least(
        DenialReason.SYMBOL, mid, limits.min_price_usd, "min_price_usd", "the price of a share"
    )


def liquidity_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """So much of it is traded in a day that we are not noticed."""
    reason, volume = DenialReason.SYMBOL, proposal.tape.daily_volume
    if proposal.quote is None:
        return unknown(reason, NO_QUOTE)
    if volume is None:
        return denied(reason, f"no volume of {proposal.ticket.symbol} is known")
    value, limit = volume * proposal.quote.mid, limits.min_daily_value_usd
    return at_least(reason, value, limit, "min_daily_value_usd", "traded in a day")


def collar_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """The limit price is near the mid: within three 1-minute ATR, 0.25 % at least, 1 % at most."""
    reason, quote, entry = DenialReason.COLLAR, proposal.quote, proposal.entry_price
    if quote is None or entry is None or not quote.mid:
        return unknown(reason, NO_QUOTE)
    room, atr = LEAST_COLLAR_FRACTION, proposal.tape.minute_atr_usd
    if atr is not None:
        room = max(room, COLLAR_ATR_MULTIPLE * atr / quote.mid)
    limit = min(limits.max_collar_fraction, room)
    away = abs(entry - quote.mid) / quote.mid
    return at_most(reason, away, limit, "max_collar_fraction", "the limit price is off the mid by")


def decision_age_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """The decision is fresh; its age counts from its ticket."""
    decided_at = proposal.decided.at if proposal.decided else book.now
    age, limit = (book.now - decided_at).total_seconds(), float(limits.max_decision_age_seconds)
    words = "the decision's age"
    return at_most(DenialReason.STALE, age, limit, "max_decision_age_seconds", words)


def decision_drift_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """The price has not moved far since the ticket, in 5-minute ATR."""
    reason, quote, atr = DenialReason.STALE, proposal.quote, proposal.tape.atr_usd
    if proposal.decided is None:
        return passed(reason, Decimal(0), limits.max_decision_drift_atr)
    if quote is None or not atr:
        return unknown(reason, "no quote or no ATR is ready")
    drift, limit = abs(quote.mid - proposal.decided.price) / atr, limits.max_decision_drift_atr
    words = "since the ticket the price has moved, in ATR"
    return at_most(reason, drift, limit, "max_decision_drift_atr", words)


def stop_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """A stop, at least a cent below bid and entry."""
    reason = DenialReason.STOP
    entry, stop, quote = proposal.entry_price, proposal.stop_price, proposal.quote
    if stop is None and entry is not None:
        return denied(reason, "no ATR is ready for the default stop: name a stop_price")
    if stop is None or entry is None or quote is None:
        return unknown(reason, NO_PRICE)
    if stop <= 0 or stop > min(entry, quote.bid) - CENT:
        words = f"stop {stop} must be above 0 and at least 0.01 below the bid {quote.bid}"
        return denied(reason, words, stop)
    return passed(reason, stop)


def nearest_stop_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """A stop that noise alone does not reach."""
    limit, words = limits.min_stop_distance_fraction, "the stop's distance from the entry"
    if (distance := _stop_distance(proposal)) is None:
        return unknown(DenialReason.STOP, NO_PRICE)
    return at_least(DenialReason.STOP, distance, limit, "min_stop_distance_fraction", words)


def farthest_stop_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """A stop that is one."""
    limit, words = limits.max_stop_distance_fraction, "the stop's distance from the entry"
    if (distance := _stop_distance(proposal)) is None:
        return unknown(DenialReason.STOP, NO_PRICE)
    return at_most(DenialReason.STOP, distance, limit, "max_stop_distance_fraction", words)


def target_rule(proposal: Proposal, book: Book, limits: RiskLimits) -> Finding:
    """A target, if there is one, at least a cent above the entry."""
    reason, entry, target = DenialReason.TARGET, proposal.entry_price, proposal.target_price
    if entry is not None and target is not None and target < entry + CENT:
        words = f"target {target} must be at least 0.01 above the entry {entry}"
        return denied(reason, words, target)
    return passed(reason, target)


def _stop_distance(proposal: Proposal) -> Decimal | None:
    """From the entry down to the stop, over the entry; None unless the stop is below it."""
    entry, stop = proposal.entry_price, proposal.stop_price
    if stop is None or entry is None or stop >= entry:
        return None
    return (entry - stop) / entry
