"""The flatten unit's part of a day: what its timer starts each minute.

The program around it chooses the session and corrects its clock by the broker's; so does this.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

from tests.days.line import Line
from tests.tapes import hours
from tools.core.errors import BrokerUnavailable
from tools.core.seams import Broker
from tools.core.session import Session
from tools.execution.flatten_program import AROUND, SKEW
from tools.execution.last_resort import LastResort

type Now = Callable[[], datetime]


def run_unit(line: Line, home: Path, now: Now, wait: Callable[[datetime], None]) -> None:
    """One start by the timer. `now` and `wait` are the machine's own clock."""
    session = _around(now())
    if not session.flatten_at + AROUND <= now() < session.close_at + AROUND:
        return
    offset = _offset(line, now)
    resort = LastResort(
        account=cast("Broker", line),
        agent_folder=home,
        now=lambda: now() + offset,
        wait=lambda until: wait(until - offset),
    )
    resort.at_minute(_around(now() + offset))


def _around(at: datetime) -> Session:
    """The session that ended within the last two minutes, else the one that is on."""
    ended = hours().last_ended(at)
    return ended if ended and at < ended.close_at + AROUND else hours().current_or_next(at)


def _offset(line: Line, now: Now) -> timedelta:
    try:
        offset: timedelta = line.clock().at - now()
    except BrokerUnavailable:
        return timedelta(0)
    return offset if abs(offset) > SKEW else timedelta(0)
