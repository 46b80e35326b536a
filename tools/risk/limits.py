"""Every rule there is: one pure function each, `(proposal, book, limits) -> Finding`.

A rule judges what it can see: without a quote the quote's rule speaks and the price rules do not
know. Rules never size an order: that is what the caps do (tools/risk/caps.py).
"""

from collections.abc import Callable

from tools.core.safety import Finding, RiskLimits
from tools.risk import limits_book, limits_market, limits_ticket
from tools.risk.book import Book, Proposal

type Rule = Callable[[Proposal, Book, RiskLimits], Finding]

RULES: tuple[Rule, ...] = (
    limits_ticket.state_rule,
    limits_ticket.reconcile_rule,
    limits_ticket.account_rule,
    limits_ticket.session_rule,
    limits_ticket.symbol_rule,
    limits_ticket.side_rule,
    limits_ticket.confidence_rule,
    limits_ticket.certainty_rule,
    limits_ticket.quantity_rule,
    limits_market.quote_rule,
    limits_market.quote_age_rule,
    limits_market.spread_rule,
    limits_market.sources_rule,
    limits_market.price_rule,
    limits_market.liquidity_rule,
    limits_market.collar_rule,
    limits_market.decision_age_rule,
    limits_market.decision_drift_rule,
    limits_market.stop_rule,
    limits_market.nearest_stop_rule,
    limits_market.farthest_stop_rule,
    limits_market.target_rule,
    limits_book.positions_rule,
    limits_book.duplicate_rule,
    limits_book.same_again_rule,
    limits_book.repeat_symbol_rule,
    limits_book.repeat_cycle_rule,
    limits_book.names_rule,
    limits_book.minute_rule,
    limits_book.five_minutes_rule,
    limits_book.entries_rule,
    limits_book.correlation_rule,
    limits_book.daily_loss_rule,
)
