"""What an operator is to hear of at once.

A log record that carries a kind is an alert: `logger.critical("NOT FLAT: %s", names,
extra=alert(AlertKind.NOT_FLAT))`. Who raises one needs to know nothing of how it is delivered;
`tools.notifications` listens to the log.
"""

from collections.abc import Mapping
from enum import StrEnum


class AlertKind(StrEnum):
    """One name per thing that can be wrong; at most one alert of a kind in five minutes."""

    NOT_FLAT = "not_flat"
    FLATTEN_OVERDUE = "flatten_overdue"
    CERTIFICATE = "certificate"
    OVERNIGHT = "overnight"
    KILL_SWITCH = "kill_switch"
    CIRCUIT_BREAKER = "circuit_breaker"
    UNPROTECTED = "unprotected"
    BOOKS_DISAGREE = "books_disagree"
    CLOCK_SKEW = "clock_skew"
    CALENDAR = "calendar"
    STATE_FILE = "state_file"
    BROKER_DOWN = "broker_down"
    SERVER_DOWN = "server_down"
    SERVICE_FAILED = "service_failed"
    MODEL_DOWN = "model_down"
    MODEL_CREDIT = "model_credit"
    MODEL_CHANGED = "model_changed"
    BUDGET = "budget"
    BAD_PROMPT = "bad_prompt"


def alert(kind: AlertKind) -> Mapping[str, AlertKind]:
    """The `extra` of a log call that makes its record an alert."""
    return {"alert": kind}
