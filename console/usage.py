"""Arguments that cannot be right."""

from datetime import date

from tools.core.errors import ActiveTraderError


class UsageError(ActiveTraderError):
    """An argument is wrong: one line that names it, exit status 2."""


def parse_date(text: str, option: str) -> date:
    """`text` as YYYY-MM-DD. Raises UsageError naming `option`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text}: not a date; write YYYY-MM-DD") from None
