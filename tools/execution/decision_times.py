"""When a decision was made, and at what price: at the first look that the desk took for it."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

from tools.core.market import Quote
from tools.core.trading import OrderTicket
from tools.risk.book import Glance

REMEMBERED = 1_000


class DecisionTimes:
    """The glances of the latest decisions, by decision id; a decision keeps its first one.

    What is forgotten, by a restart or for its age, counts as decided now.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._glances: OrderedDict[str, Glance] = OrderedDict()
        self._lock = threading.Lock()

    def first_glance(self, ticket: OrderTicket, quote: Quote | None) -> Glance | None:
        """The glance at which `ticket` was decided; None without an id or a quote."""
        if not ticket.decision_id or quote is None:
            return None
        with self._lock:
            glance = Glance(at=self._now(), price=quote.mid)
            first = self._glances.setdefault(ticket.decision_id, glance)
            while len(self._glances) > REMEMBERED:
                self._glances.popitem(last=False)
            return first
