"""The desk that this project does not have: a new id for each try, the journal after the answer."""

import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from tools.core.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from tools.core.safety import DenialReason, RiskVerdict
from tools.core.trading import OrderIntent
from tools.execution.order_sender import OrderSender
from tools.execution.rulings import Ruling, overruled
from tools.journal.order_ids import Leg
from tools.journal.state_store import IntentStatus

TRIES = 3


class NaiveSender(OrderSender):
    """Retries like alpaca-py does, but for the id."""

    def send(
        self,
        draft: OrderIntent,
        leg: Leg,
        verdict: RiskVerdict,
        may_resend: Callable[[], bool] = lambda: True,
    ) -> Ruling:
        """Try until somebody answers, then write it down."""
        for _ in range(TRIES):
            with suppress(OutcomeUnknown, BrokerUnavailable):
                try:
                    order = self._broker.submit(replace(draft, client_order_id=str(uuid.uuid4())))
                except OrderRejected as error:
                    return overruled(verdict, DenialReason.BROKER, str(error))
                now = self._premises.now()
                intent = self._store.record_intent(
                    draft, session_on=self._session_on(), leg=leg, now=now
                )
                self._settle(intent, IntentStatus.ACCEPTED, order.order_id)
                return Ruling(verdict=verdict, client_order_id=order.client_order_id, order=order)
        return overruled(verdict, DenialReason.UNKNOWN_OUTCOME, "nobody answers")
