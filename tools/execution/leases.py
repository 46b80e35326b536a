"""Who may send orders: of all traders that ever took the lease of this account, the latest."""

from tools.execution.premises import Premises
from tools.journal.records import Lease


class Leases:
    """Raises BrokerUnavailable while nobody can say whose account this is."""

    def __init__(self, premises: Premises) -> None:
        self._broker, self._store, self._now = premises.broker, premises.store, premises.now
        self._account = ""

    def take(self, holder: str) -> Lease:
        """Give `holder` the next epoch, which makes every earlier one stale."""
        return self._store.take_lease(self._number(), holder, self._now())

    def refusal(self, epoch: int) -> str:
        """Why an order that carries `epoch` is not obeyed; "" when it is.

        An account that nobody has taken the lease of obeys everybody.
        """
        latest = self._store.lease(self._number())
        if latest is None or epoch >= latest.epoch:
            return ""
        return (
            f"epoch {epoch} is stale: {latest.holder} has held epoch {latest.epoch}"
            f" since {latest.since:%Y-%m-%d %H:%M:%S} UTC"
        )

    def _number(self) -> str:
        self._account = self._account or self._broker.account().account_number
        return self._account
