"""What is found in the morning: whose it is, and what becomes of it."""

import logging
from collections.abc import Iterable
from datetime import date, datetime

from tools.core.alerts import AlertKind, alert
from tools.core.safety import FlattenScope, OvernightRule
from tools.core.seams import Broker
from tools.core.session import Session
from tools.core.trading import Position
from tools.execution.audit import Auditor
from tools.execution.books import Books
from tools.execution.day_files import DayFiles
from tools.execution.order_desk import OrderDesk
from tools.execution.ownership import LOOKBACK, bought_by_us, split
from tools.execution.premises import Premises

logger = logging.getLogger(__name__)


class Overnight:
    """Announces what a session began with, once a start and session; sells our own at the open.

    Raises Unavailable; then the next turn tries again.
    """

    def __init__(
        self,
        premises: Premises,
        books: Books,
        desk: OrderDesk,
        auditor: Auditor,
        files: DayFiles,
        everything: Broker,
    ) -> None:
        """`everything` is the broker with the foreign shares in sight, where there are any."""
        self._premises, self._books, self._desk = premises, books, desk
        self._auditor, self._files, self._everything = auditor, files, everything
        self._announced: date | None = None
        self._left: set[str] = set()
        """Symbols that are still to be sold at the open."""

    def turn(self) -> bool:
        """Do what the morning asks for; nothing once the flatten has the day. True after a sale."""
        session = self._books.begun_session()
        now = self._premises.now()
        if session is None or now >= session.flatten_at:
            return False
        if self._announced != session.on:
            if self._premises.store.session(session.on) is None:
                return False
            self._announce(session)
            self._announced = session.on
        return bool(self._left) and session.open_at <= now and self._sell(session)

    def next_due(self) -> datetime | None:
        """The open, while something is to be sold at it."""
        session = self._books.begun_session()
        if not self._left or session is None or self._premises.now() >= session.open_at:
            return None
        return session.open_at

    def _announce(self, session: Session) -> None:
        rules, exempt = self._premises.holding, self._premises.limits.flatten_exempt_symbols
        orders = self._everything.orders_since(session.wake_at - LOOKBACK)
        _, foreign = split(self._everything.positions(), bought_by_us(orders))
        if foreign:
            stays = rules.flatten_scope is not FlattenScope.ALL
            fate = "left alone" if stays else "closed by the session's flatten, unless exempt"
            words = f"not opened by this agent: {_named(foreign)}; {fate}"
            logger.warning("%s", words)
            self._note(session, "foreign_positions", foreign, words)
        opening = self._premises.store.session(session.on)
        earlier = bought_by_us(one for one in orders if one.submitted_at < session.wake_at)
        own, _ = split(opening.opening if opening else (), earlier)
        own = tuple(one for one in own if one.symbol not in exempt)
        gone = {one.symbol for one in self._auditor.trades if not one.entry_client_order_id}
        found = tuple(one for one in own if one.symbol not in gone)
        if found:
            sells = rules.overnight is OvernightRule.CLOSE_AT_OPEN
            fate = "sold at the open" if sells else "kept until the session's flatten"
            words = f"found overnight: {_named(found)}; {fate}"
            logger.warning("%s", words, extra=alert(AlertKind.OVERNIGHT))
            self._note(session, "overnight", found, words)
            self._left = {one.symbol for one in found} if sells else set()

    def _sell(self, session: Session) -> bool:
        before = set(self._left)
        for symbol in sorted(self._left):
            decision = f"overnight-{session.on}-{symbol}"
            ruling = self._desk.close(symbol, reason="found overnight", decision_id=decision)
            held = self._books.position(symbol)
            if ruling.verdict.approved or held is None:
                self._left.discard(symbol)
        return self._left != before

    def _note(self, session: Session, kind: str, positions: Iterable[Position], words: str) -> None:
        names = ",".join(one.symbol for one in positions)
        self._files.append_event(session.on, self._premises.now(), kind, names, words)


def _named(positions: Iterable[Position]) -> str:
    return ", ".join(f"{one.quantity} {one.symbol}" for one in positions)
