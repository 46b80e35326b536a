"""Errors, named by what we do next.

ActiveTraderError
├── ConfigError               refuse to start, exit 78; systemd does not restart
├── Unavailable               back off, skip this cycle, keep the stops in place
│   ├── MarketDataUnavailable
│   ├── BrokerUnavailable
│   └── ModelUnavailable      ask again; after several cycles, manage without it
│       ├── ModelMisconfigured    a person must mend key, model name or address: no entries
│       ├── ModelOutOfCredit      the account is empty: manage only, alert MODEL_CREDIT
│       └── BudgetExhausted       our own limit: manage only, until it is a new day
├── OutcomeUnknown            an order may exist: look it up by its id, never resend blind
├── OrderRejected             the broker said no: journal it, tell the model, go on
└── LedgerMismatch            our books disagree with the broker: REDUCING, notify

A denial is not an exception. It is the gatekeeper doing its job, and it is a value
(`tools.core.safety.Denial`).
"""


class ActiveTraderError(Exception):
    """The root: everything this program raises on purpose."""


class ConfigError(ActiveTraderError):
    """A setting is missing, unknown or contradictory. The message names it and the cure."""


class Unavailable(ActiveTraderError):
    """Something outside did not answer, or said that it cannot. The call changed nothing."""


class MarketDataUnavailable(Unavailable):
    """No bars or quotes: no entries that rest on them."""


class BrokerUnavailable(Unavailable):
    """The broker did not answer a question, or refused one before acting on it."""


class ModelUnavailable(Unavailable):
    """The language model gave no usable turn: no decision, which is not the same as a hold."""


class ModelMisconfigured(ModelUnavailable):
    """The key is wrong or the model does not exist (401, 403, 404): asking again is no use."""


class ModelOutOfCredit(ModelUnavailable):
    """The provider's account is empty (402)."""


class BudgetExhausted(ModelUnavailable):
    """The next call could exceed a limit of ours: it was not made.

    `whole_day` when the day's limit is spent, else only the cycle's.
    """

    def __init__(self, message: str, *, whole_day: bool) -> None:
        super().__init__(message)
        self.whole_day = whole_day


class OutcomeUnknown(ActiveTraderError):
    """A submit or cancel was sent and its answer was lost. The order may exist."""


class OrderRejected(ActiveTraderError):
    """The broker refused the order for good. `code` is the HTTP status it answered with."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


class LedgerMismatch(ActiveTraderError):
    """Our books and the broker's disagree about a position or an order."""
