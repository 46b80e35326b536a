"""`acknowledge`: an operator has looked at a session that did not end flat.

By the trade server; when none answers, straight into the certificates' file, which it reads when it
starts, and whenever the file has changed.
"""

import sys
from datetime import date

from console.trade_desk import NobodyAnswers, TradeDesk
from tools.core.errors import ActiveTraderError
from tools.execution.certificates import acknowledge, certificates_path, read_standing
from tools.schedule.clocks import SystemClock
from tools.settings import Settings, load

ACTOR = "operator"


def run(session_on: date, reason: str) -> int:
    """0 when it is written. Raises ActiveTraderError when it cannot be."""
    settings = load()
    try:
        body = {"session": str(session_on), "reason": reason}
        answer = TradeDesk(settings).post("/acknowledge", body)
    except NobodyAnswers as error:
        print(error, file=sys.stderr)
        _write(settings, session_on, reason)
    else:
        print(f"{session_on} is acknowledged; trading is {answer['trading_state']}")
    return 0


def _write(settings: Settings, session_on: date, reason: str) -> None:
    path = certificates_path(settings.agent_folder)
    try:
        acknowledge(path, session_on, by=ACTOR, reason=reason, now=SystemClock().now())
        standing = read_standing(path)
    except OSError as error:
        raise ActiveTraderError(f"{path} cannot be written: {error.strerror}") from None
    print(f"{session_on} is acknowledged in {path}")
    for other in standing.unsettled(date.max):
        print(f"{other} is not acknowledged yet")
