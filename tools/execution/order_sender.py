"""Sends committed intents, at most one order each, and finds out what became of them.

An unknown outcome is a third result, beside yes and no. It is answered by the broker under the
intent's own id: never by a new id, and never concluded from one "not found".
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

from tools.core.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from tools.core.safety import DenialReason, RiskVerdict
from tools.core.trading import Order, OrderIntent
from tools.execution.premises import Premises
from tools.execution.rulings import Ruling, approved, overruled, refused
from tools.journal.order_ids import Leg
from tools.journal.state_store import IntentRecord, IntentStatus, StateUnavailable

logger = logging.getLogger(__name__)

FRESH = timedelta(seconds=20)
"""How long the same id may be sent again: its price is still about right."""

PATIENCE_SECONDS = 1.0
"""Real seconds that a sending is waited for when shares may lie without a stop meanwhile."""

SENDINGS = 4
"""How often an exit or a stop is sent, each time under the same id, before it counts as unknown."""

IN_FLIGHT = timedelta(seconds=60)
"""How long a request may take to arrive. Not found after that means it never will be."""

FEW = 10
"""So many old intents are asked for one by one; of more, all orders are listed once."""

CLOCKS_APART = timedelta(minutes=10)
"""The listing goes back that much further, should the broker's clock be behind ours."""

type Outcome = tuple[IntentStatus, str]
"""What became of an intent: its status, and the broker's order id or words."""


class OrderSender:
    """The only code that sends for the desk: commit, send, journal the outcome, say how it went."""

    def __init__(self, premises: Premises) -> None:
        self._premises, self._broker, self._store = premises, premises.broker, premises.store
        self._couriers = ThreadPoolExecutor(max_workers=8, thread_name_prefix="courier")

    def send(
        self,
        draft: OrderIntent,
        leg: Leg,
        verdict: RiskVerdict,
        may_resend: Callable[[], bool] = lambda: True,
    ) -> Ruling:
        """Commit `draft` and send it; when the answer is lost, again if it `may_resend` by then.

        Raises StateUnavailable when it could not be committed.
        """
        if leg is Leg.ENTRY and (words := self._premises.budget.refusal()):
            return overruled(verdict, DenialReason.RATE, words)
        session_on, now = self._session_on(), self._premises.now()
        intent = self._store.record_intent(draft, session_on=session_on, leg=leg, now=now)
        client_id = intent.client_order_id
        try:
            order = self._submit(intent, leg, may_resend)
        except OrderRejected as error:
            words = f"the broker rejected it: {error}"
            ruling = overruled(verdict, DenialReason.BROKER, words, client_id)
            return replace(ruling, rejected=True)
        except BrokerUnavailable as error:
            return overruled(verdict, DenialReason.BROKER, f"not sent: {error}", client_id)
        except OutcomeUnknown as error:
            words = f"the broker's answer was lost ({error}); the desk keeps asking"
            return overruled(verdict, DenialReason.UNKNOWN_OUTCOME, words, client_id)
        logger.info("%s: %s %s %s", client_id, intent.side, intent.quantity, intent.symbol)
        return Ruling(verdict=verdict, client_order_id=client_id, order=self.latest(order))

    def move(self, stop: Order, stop_price: Decimal) -> Ruling:
        """Replace a resting stop by one at `stop_price`."""
        client_id = self._store.next_client_order_id(self._session_on(), Leg.STOP)
        try:
            moved = self._broker.replace_stop(
                stop, stop_price=stop_price, client_order_id=client_id
            )
        except OrderRejected as error:
            return refused(stop.symbol, DenialReason.BROKER, str(error))
        except OutcomeUnknown as error:
            words = f"the broker's answer was lost ({error}): look at the position's stop"
            return refused(stop.symbol, DenialReason.UNKNOWN_OUTCOME, words)
        logger.info("%s: the stop of %s is moved to %s", client_id, stop.symbol, stop_price)
        return approved(stop.symbol, moved.quantity, order=moved, stop_price=stop_price)

    def latest(self, order: Order) -> Order:
        """The order as it stands a moment after it was accepted."""
        with suppress(BrokerUnavailable):
            return self._broker.order_by_client_id(order.client_order_id) or order
        return order

    def resolve(self, record: IntentRecord, may_resend: Callable[[], bool]) -> None:
        """Ask what became of an open intent; while it is fresh and it `may_resend`, send it again.

        Raises BrokerUnavailable when the broker cannot be asked.
        """
        intent, age = record.intent, self._premises.now() - record.created_at
        order = self._find(intent)
        wanted = age < FRESH and may_resend()
        if order is None and wanted:
            order = self._resend(intent)
        if order is not None:
            self.adopt(record, order, wanted=wanted)
        elif age > IN_FLIGHT:
            logger.warning("intent %s never reached the broker", intent.client_order_id)
            self._settle(intent, IntentStatus.LOST, "not found after 60 s")

    def resolve_all(
        self, records: Sequence[IntentRecord], may_resend: Callable[[Leg], bool]
    ) -> bool:
        """Resolve each; False when the broker could not be asked about all of them."""
        asked = True
        try:
            records = self._resolve_old(records)
        except BrokerUnavailable as error:
            logger.warning("%d intents without an outcome: %s", len(records), error)
            return False
        for record in records:
            try:
                self.resolve(record, partial(may_resend, record.leg))
            except BrokerUnavailable as error:
                logger.warning("%s: %s", record.intent.client_order_id, error)
                asked = False
        return asked

    def _resolve_old(self, records: Sequence[IntentRecord]) -> Sequence[IntentRecord]:
        """Settle those that are beyond any flight by one listing; give back the others.

        A few are not worth it, and come back too. Raises BrokerUnavailable.
        """
        old = [one for one in records if self._premises.now() - one.created_at > IN_FLIGHT]
        if len(old) <= FEW:
            return records
        since = min(one.created_at for one in old) - CLOCKS_APART
        listed = {one.client_order_id: one for one in self._broker.orders_since(since)}
        outcomes = dict[str, Outcome]()
        try:
            for record in old:
                client_id = record.intent.client_order_id
                outcomes[client_id] = self._outcome(record, listed.get(client_id))
        finally:
            self._settle_all(outcomes)
        return [one for one in records if one.intent.client_order_id not in outcomes]

    def _outcome(self, record: IntentRecord, order: Order | None) -> Outcome:
        """What to note of an old intent that became `order`, or nothing."""
        if order is None:
            logger.warning("intent %s never reached the broker", record.intent.client_order_id)
            return IntentStatus.LOST, "not listed after 60 s"
        self._end_entry(record, order)
        return IntentStatus.ACCEPTED, order.order_id

    def adopt(self, record: IntentRecord, order: Order, *, wanted: bool) -> None:
        """`order` is what became of the intent; an entry that is not wanted any more is cancelled.

        What it has bought by then is held, and guarded like any other position.
        """
        if not wanted:
            self._end_entry(record, order)
        self._settle(record.intent, IntentStatus.ACCEPTED, order.order_id)

    def _end_entry(self, record: IntentRecord, order: Order) -> None:
        if record.leg is Leg.ENTRY and order.open:
            with suppress(OrderRejected, OutcomeUnknown):
                self._broker.cancel(order)

    def _submit(self, intent: OrderIntent, leg: Leg, may_resend: Callable[[], bool]) -> Order:
        """Send a committed intent. After OutcomeUnknown it stays open, for `resolve`."""
        try:
            if leg is Leg.ENTRY:
                order = self._broker.submit(intent)
            else:
                order = self._press(intent, SENDINGS)
        except OrderRejected as error:
            self._settle(intent, IntentStatus.REJECTED, str(error))
            raise
        except BrokerUnavailable as error:
            self._settle(intent, IntentStatus.UNSENT, str(error))
            raise
        except OutcomeUnknown:
            found = None
            with suppress(BrokerUnavailable):
                found = self._find(intent)
                if found is None and may_resend():  # a kill or a flatten may have begun meanwhile
                    found = self._resend(intent)
            if found is None:
                raise
            order = found
        self._settle(intent, IntentStatus.ACCEPTED, order.order_id)
        return order

    def _find(self, intent: OrderIntent) -> Order | None:
        """The broker's order under that id; None is no answer. Raises BrokerUnavailable."""
        return self._broker.order_by_client_id(intent.client_order_id)

    def _resend(self, intent: OrderIntent) -> Order | None:
        """A refusal of the second sending says nothing about the first: only being found counts."""
        with suppress(OrderRejected, OutcomeUnknown):
            return self._press(intent, 1)
        return None

    def _press(self, intent: OrderIntent, times: int) -> Order:
        """Send `intent`, and again under the same id while no answer comes, so many `times`.

        A request that is held up somewhere is not waited for: the broker takes whichever comes
        first, and turns the others down. So is a refusal only believed of a single sending.
        """
        waiting: set[Future[Order]] = set()
        for number in range(times):
            waiting.add(self._couriers.submit(self._broker.submit, intent))
            done, waiting = wait(waiting, PATIENCE_SECONDS, FIRST_COMPLETED)
            for one in done:
                with suppress(OutcomeUnknown):
                    if number == 0 or one.exception() is None:
                        return one.result()
        raise OutcomeUnknown(f"no answer to {times} sendings within {PATIENCE_SECONDS:g} s each")

    def _session_on(self) -> date:
        return self._premises.hours.current_or_next(self._premises.now()).on

    def _settle(self, intent: OrderIntent, status: IntentStatus, detail: str) -> None:
        self._settle_all({intent.client_order_id: (status, detail)})

    def _settle_all(self, outcomes: Mapping[str, Outcome]) -> None:
        """Journal outcomes. If that fails the rows stay open, and are resolved like any other."""
        try:
            self._store.settle_intents(outcomes)
        except StateUnavailable:
            logger.exception("not journalled: %s", outcomes)
