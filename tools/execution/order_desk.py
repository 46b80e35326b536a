"""The one door: whatever is bought or sold in a session, but for the flatten, passes here.

One lock around look, rule, journal and send, so that two callers cannot both pass a limit that only
one of them fits into; and another one for what shrinks or protects a position, which never waits
for the answer about an entry. State and time are read last, right before the ruling: a halt that
comes while a slow broker is asked still counts.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from decimal import Decimal
from time import monotonic
from types import MappingProxyType

from tools.core.errors import OrderRejected, OutcomeUnknown
from tools.core.safety import DenialReason, RiskVerdict, TradingState
from tools.core.trading import Order, OrderIntent, OrderTicket
from tools.execution.appraisal import Appraisal
from tools.execution.books import Books
from tools.execution.breaker_watch import BreakerWatch
from tools.execution.drafts import entry_of, exit_of, stop_of
from tools.execution.gate_ledger import GateLedger
from tools.execution.order_sender import OrderSender
from tools.execution.premises import Premises
from tools.execution.pricing import Pricing
from tools.execution.protection import is_stop, uncovered
from tools.execution.rulings import Ruling, approved, refused
from tools.execution.trading_control import TradingControl
from tools.journal.order_ids import Leg, leg_of
from tools.journal.state_store import IntentRecord
from tools.risk.limits_market import CENT
from tools.risk.sizing import cents

logger = logging.getLogger(__name__)

CLEARING_POLLS, CLEARING_PAUSE_SECONDS = 25, 0.2
CLEARING_SECONDS = 5.0  # however slow the broker is: a flatten may be waiting for the lock
EMPTY: Mapping[str, Decimal] = MappingProxyType({})
IN_HAND_SECONDS = 15.0  # a call to the broker ends within 13 s


class OrderDesk:
    """See the module. Raises BrokerUnavailable and StateUnavailable: then nothing was sent."""

    def __init__(
        self,
        premises: Premises,
        control: TradingControl,
        books: Books,
        watch: BreakerWatch,
        ledger: GateLedger,
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """`pause` lets real seconds pass: a real broker's cancellations take their time."""
        self._broker, self._store = premises.broker, premises.store
        self._control, self._books = control, books
        self._watch, self._ledger = watch, ledger
        self._pricing, self._sender = Pricing(premises), OrderSender(premises)
        self._appraisal = Appraisal(premises, books, self._pricing)
        self._pause = pause or threading.Event().wait
        self._entries, self._exits = threading.Lock(), threading.Lock()

    def preview(self, ticket: OrderTicket, earlier: Mapping[str, Decimal] = EMPTY) -> RiskVerdict:
        """The ruling on `ticket` as if `earlier`, shares by symbol, had been bought already."""
        self._books.freshen()
        verdict, book = self._appraisal.rule(ticket, earlier)
        self._ledger.record(ticket, Ruling(verdict=verdict), book, sent=False)
        return verdict

    def submit(self, ticket: OrderTicket) -> Ruling:
        """Rule on a ticket to buy and, if approved, send it: a marketable limit with its exits."""
        self._books.freshen()
        with self._entries:
            verdict, book = self._appraisal.rule(ticket, EMPTY)
            if not verdict.approved:
                words = "; ".join(denial.message for denial in verdict.denials)
                logger.info("%s refused: %s", ticket.symbol, words)
                self._watch.heed(verdict)
                return self._ledger.record(ticket, Ruling(verdict=verdict), book, sent=True)
            draft = entry_of(ticket, verdict)
            ruling = self._sender.send(
                draft, Leg.ENTRY, verdict, lambda: self._may_resend(Leg.ENTRY)
            )
            self._watch.heed(verdict, ruling)
            return self._ledger.record(ticket, ruling, book, sent=True)

    def close(
        self, symbol: str, *, reason: str, decision_id: str = "", prompt_hash: str = ""
    ) -> Ruling:
        """Sell what is held of `symbol` at the market, once its resting orders are gone."""
        with self._exits:
            if denial := self._exit_denial(symbol):
                return denial
            if not self._clear(symbol):
                words = f"the resting orders of {symbol} are not cancelled yet: try again"
                return refused(symbol, DenialReason.BROKER, words)
            position = self._books.position(symbol)
            if position is None:
                return approved(symbol, note="its stop or target has closed it meanwhile")
            logger.info("closing %s: %s", symbol, reason)
            return self._sell(exit_of(position, decision_id, prompt_hash))

    def restore_stop(self, symbol: str, stop_price: Decimal) -> Ruling:
        """Put the shares of `symbol` that no stop covers under one; if it is refused, sell all."""
        with self._exits:
            if self._control.flattening or not self._books.open():
                return approved(symbol, note="there is nothing to protect")
            gap = self._gap(symbol)
            if gap and not all(is_stop(one) for one in self._books.resting(symbol)):
                self._clear(symbol)  # a target without a stop holds the shares
                gap = self._gap(symbol)
            position = self._books.position(symbol)
            if position is None or not gap:
                return approved(symbol, note="there is nothing to protect")
            draft = stop_of(position, gap, stop_price)
            ruling = self._sender.send(draft, Leg.STOP, approved(symbol, gap).verdict)
            if not (ruling.rejected and self._gap(symbol)):
                return ruling
            self._clear(symbol)
            return self._sell(exit_of(position))

    def adopt(self, record: IntentRecord, order: Order) -> None:
        """An intent that was given up has become `order` after all."""
        with self._exits:
            self._sender.adopt(record, order, wanted=False)

    def tighten_stop(self, symbol: str, stop_price: Decimal) -> Ruling:
        """Raise the resting stop of a long position; it is never lowered and never absent."""
        with self._exits:
            if denial := self._exit_denial(symbol):
                return denial
            new, quote = cents(stop_price), self._pricing.quotes([symbol]).get(symbol)
            stops = [one for one in self._books.resting(symbol) if is_stop(one)]
            if not stops:
                return refused(symbol, DenialReason.STOP, f"no stop of {symbol} rests")
            (stop, *_) = stops
            if stop.stop_price is None or new <= stop.stop_price:
                words = f"a stop is only ever raised, and it rests at {stop.stop_price}"
                return refused(symbol, DenialReason.STOP, words)
            if quote is None or new > quote.bid - CENT:
                words = f"stop {new} must be at least 0.01 below the bid {quote and quote.bid}"
                return refused(symbol, DenialReason.STOP, words)
            return self._sender.move(stop, new)

    def cancel(self, client_order_id: str) -> Ruling:
        """Cancel an entry that is not filled. Exits are not cancelled: they protect a position."""
        with self._exits:
            order = self._broker.order_by_client_id(client_order_id)
            if order is None or not order.open or leg_of(client_order_id) is not Leg.ENTRY:
                words = f"{client_order_id!r} is no open entry; nothing else can be cancelled"
                return refused(order.symbol if order else "", DenialReason.BROKER, words)
            try:
                self._broker.cancel(order)
            except (OrderRejected, OutcomeUnknown) as error:
                return refused(order.symbol, DenialReason.BROKER, str(error))
            return approved(order.symbol, order=self._sender.latest(order))

    @contextmanager
    def standing_aside(self) -> Iterator[None]:
        """Inside, the flatten alone sends orders; one that is being sent is waited for."""
        self._control.flattening = True
        try:
            for lock in (self._exits, self._entries):
                if lock.acquire(timeout=IN_HAND_SECONDS):
                    lock.release()
            yield
        finally:
            self._control.flattening = False

    def resolve_open_intents(self) -> bool:
        """Find out what became of every intent without an outcome; False if not all were asked.

        What somebody is sending right now is in his hands: it is not waited for.
        """
        asked = True
        for lock in (self._exits, self._entries):
            if lock.acquire(blocking=False):
                try:
                    mine = [
                        one
                        for one in self._store.open_intents()
                        if (one.leg is Leg.ENTRY) == (lock is self._entries)
                    ]
                    asked &= self._sender.resolve_all(mine, self._may_resend)
                finally:
                    lock.release()
        return asked

    def _sell(self, draft: OrderIntent) -> Ruling:
        verdict = approved(draft.symbol, draft.quantity).verdict
        ruling = self._sender.send(draft, Leg.EXIT, verdict)
        if not ruling.verdict.approved:
            logger.error("close %s error: %s", draft.symbol, ruling.verdict.denials[0].message)
        return ruling

    def _exit_denial(self, symbol: str) -> Ruling | None:
        """Why an exit may not be sent or moved now."""
        state = self._control.current()
        if state.trading_state is TradingState.HALTED or self._control.flattening:
            words = f"only the flatten acts now: {state.reason}"
            return refused(symbol, DenialReason.STATE, words)
        if not self._books.open():
            # A day order sent now would wait for the next session's open.
            return refused(symbol, DenialReason.SESSION, "the market is closed")
        if self._books.position(symbol) is None:
            return refused(symbol, DenialReason.POSITIONS, f"no {symbol} is held")
        if any(claim.symbol == symbol for claim in self._books.unanswered(Leg.EXIT)):
            words = f"an earlier sale of {symbol} has no answer yet"
            return refused(symbol, DenialReason.UNKNOWN_OUTCOME, words)
        return None

    def _clear(self, symbol: str) -> bool:
        """Cancel the orders that hold the shares of `symbol`; False when some are still there."""
        for order in self._books.resting(symbol):
            # Ended meanwhile, by a fill or with its sibling? What counts is what is read back.
            with suppress(OrderRejected, OutcomeUnknown):
                self._broker.cancel(order)
        until = monotonic() + CLEARING_SECONDS
        for _ in range(CLEARING_POLLS):
            if not self._books.resting(symbol):
                return True
            if monotonic() >= until:
                break
            self._pause(CLEARING_PAUSE_SECONDS)
        return False

    def _gap(self, symbol: str) -> Decimal:
        """Shares of `symbol` under no live stop."""
        held, standing = self._books.position(symbol), self._broker.open_orders()
        return uncovered([held], standing).get(symbol, Decimal(0)) if held else Decimal(0)

    def _may_resend(self, leg: Leg) -> bool:
        if leg is Leg.ENTRY:
            # It was approved before; that the books are to be compared again does not undo it.
            return replace(self._books.read(), reconciled=True).entries_open
        halted = self._control.current().trading_state is TradingState.HALTED
        return not halted and not self._control.flattening and self._books.open()
