"""`flatten`: sell everything now, by the trade server, or without it.

The trade server does it best: its own records are kept. When it is dead, hangs, or does not get
flat, the flatten program's function does it from here; the two collide at the broker instead of
selling twice.
"""

import sys
import threading
import time
from typing import Any

from console.trade_desk import Refused, TradeDesk
from tools.core.errors import ConfigError, Unavailable
from tools.execution import flatten_program
from tools.settings import load

ANSWER_SECONDS = 0.5
LOOK_SECONDS = 0.25
MISSES = 3
"""Looks in a row without an answer: it hangs."""

PATIENCE_SECONDS = 20.0
"""For the trade server to get flat before this command sells as well."""


def run(reason: str) -> int:
    """0 when the broker says flat, 1 when it does not, 78 without keys."""
    report = _by_server(reason)
    if report and report["flat"]:
        closed = ", ".join(report["closed_symbols"]) or "nothing"
        print(f"the trade server has closed {closed}")
        print("FLAT")
        return 0
    if report:
        print(f"the trade server did not get flat: {', '.join(report['errors']) or 'no reason'}")
    print("asking the broker from here")
    return flatten_program.main(["operator"])


def _by_server(reason: str) -> dict[str, Any] | None:
    """How the trade server's flatten ended; None when it cannot be had."""
    try:
        desk = TradeDesk(load())
        before = desk.get("/flatten", seconds=ANSWER_SECONDS)["report"]
        desk.post("/flatten", {"reason": reason}, seconds=ANSWER_SECONDS)
    except (ConfigError, Unavailable, Refused, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return None
    print(f"the trade server flattens: {reason}")
    return _outcome(desk, before)


def _outcome(desk: TradeDesk, before: object) -> dict[str, Any] | None:
    """A report other than the one `before`, as long as there is hope for one."""
    deadline, misses = time.monotonic() + PATIENCE_SECONDS, 0
    while time.monotonic() < deadline and misses < MISSES:
        try:
            answer = desk.get("/flatten", seconds=ANSWER_SECONDS)
        except (Unavailable, Refused) as error:
            print(error, file=sys.stderr)
            misses += 1
            continue
        misses, report = 0, answer["report"]
        if answer["state"] != "running":
            return report if isinstance(report, dict) and report != before else None
        threading.Event().wait(LOOK_SECONDS)
    print(f"it is not done after {PATIENCE_SECONDS:.0f} s, or hangs", file=sys.stderr)
    return None
