"""Makes the table of sessions that everything else reads.

`python -m tools.schedule.session_table [FILE]` asks `exchange_calendars` (XNYS) for every session
from 2010 to 400 days from now and writes one line each: `date,open,close`, the instants in UTC. It
is run at set-up and nightly; nothing else imports that library, which costs a second and 55 MB.
"""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tools.general_tools import atomic_write

FIRST_DAY = "2010-01-01"
AHEAD = timedelta(days=400)
HEADER = "date,open,close"


def table_text(last_day: str) -> str:
    """The table up to and including `last_day` (YYYY-MM-DD) as CSV text."""
    import exchange_calendars

    calendar = exchange_calendars.get_calendar("XNYS", start=FIRST_DAY, end=last_day)
    lines = [
        f"{day:%Y-%m-%d},{row.open:%Y-%m-%dT%H:%M:%SZ},{row.close:%Y-%m-%dT%H:%M:%SZ}"
        for day, row in calendar.schedule.iterrows()
    ]
    return "\n".join([HEADER, *lines, ""])


def main(arguments: list[str]) -> int:
    """Write the table to the file named, else to `data/session_table.csv` beside the program."""
    root = Path(__file__).resolve().parents[2]
    path = Path(arguments[0]) if arguments else root / "data" / "session_table.csv"
    today = datetime.now(UTC)
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, table_text(f"{today + AHEAD:%Y-%m-%d}"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
