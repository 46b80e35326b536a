"""What the desk rules on: a ticket with its prices, and the book as it stands or would stand."""

from collections.abc import Mapping
from decimal import Decimal

from tools.core.safety import RiskVerdict
from tools.core.trading import OrderTicket
from tools.execution.books import Books
from tools.execution.decision_times import DecisionTimes
from tools.execution.premises import Premises
from tools.execution.pricing import Pricing
from tools.risk.book import FARTHEST_STOP, Book, Claim
from tools.risk.gatekeeper import judge


class Appraisal:
    """Looks, then rules. Raises BrokerUnavailable and StateUnavailable."""

    def __init__(self, premises: Premises, books: Books, pricing: Pricing) -> None:
        self._limits, self._books, self._pricing = premises.limits, books, pricing
        self._decisions = DecisionTimes(premises.now)

    def rule(self, ticket: OrderTicket, earlier: Mapping[str, Decimal]) -> tuple[RiskVerdict, Book]:
        """The verdict, and the book it rests on, as if `earlier`, shares by symbol, were bought.

        The book is read last, so that the state and the time in it are those of the ruling.
        """
        quotes = self._pricing.quotes([ticket.symbol, *earlier])
        quote = quotes.get(ticket.symbol)
        decided = self._decisions.first_glance(ticket, quote)
        proposal = self._pricing.proposal(ticket, quote, beside=earlier, decided=decided)
        book = self._books.read()
        for symbol, quantity in earlier.items():
            value = quantity * (quotes[symbol].ask if symbol in quotes else Decimal(0))
            claim = Claim(symbol=symbol, notional_usd=value, risk_usd=value * FARTHEST_STOP)
            book = book.with_entry(claim, ticket.decision_id)
        return judge(proposal, book, self._limits), book
