"""The broker's calendar against the session table: where the two differ, the earlier close wins."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path

from tools.general_tools import atomic_write
from tools.schedule.market_hours import at_new_york, new_york
from tools.schedule.session_table import HEADER

type Closes = Mapping[date, time]
"""New York dates on which the broker trades, and until when."""


def take_earlier_closes(
    table: Path, own_table: Path, told: Closes, first: date, last: date
) -> tuple[str, ...]:
    """Compare the days from `first` to `last`, inclusive; the words for each one that changed.

    `own_table` is written when there are any, and may be `table`. A session that the broker does
    not list is taken out, unless it lists none at all, which no calendar says of a fortnight. A
    later close, or a day that the table does not have, changes nothing.
    """
    if not told:
        return ()
    rows, changes = [], []
    for line in table.read_text(encoding="utf-8").splitlines()[1:]:
        day_text, open_text, close_text = line.split(",")
        day, close_at = date.fromisoformat(day_text), datetime.fromisoformat(close_text)
        if first <= day <= last:
            if day not in told:
                changes.append(f"{day}: no session, says the broker")
                continue
            broker_close = at_new_york(day, told[day].hour, told[day].minute)
            if broker_close < close_at:
                changes.append(
                    f"{day}: the close is {new_york(broker_close):%H:%M}, says the broker, "
                    f"not {new_york(close_at):%H:%M}"
                )
                line = f"{day_text},{open_text},{_utc(broker_close)}"
        rows.append(line)
    if changes:
        own_table.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(own_table, "\n".join([HEADER, *rows, ""]))
    return tuple(changes)


def _utc(instant: datetime) -> str:
    return f"{instant.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
