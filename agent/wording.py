"""Amounts, spans and New York times in the words of the log."""

from datetime import datetime, timedelta
from decimal import Decimal

from tools.schedule.market_hours import new_york


def money(amount: Decimal) -> str:
    """`$1,234.50`, `-$2.00`."""
    return f"-${-amount:,.2f}" if amount < 0 else f"${amount:,.2f}"


def signed(amount: Decimal) -> str:
    """`+$1,234.50`, `-$2.00`."""
    return f"-${-amount:,.2f}" if amount < 0 else f"+${amount:,.2f}"


def duration(span: timedelta) -> str:
    """`11h 44m`, rounded down."""
    hours, minutes = divmod(whole_minutes(span), 60)
    return f"{hours}h {minutes}m"


def whole_minutes(span: timedelta) -> int:
    """Minutes, rounded down, never negative."""
    return max(0, span // timedelta(minutes=1))


def count(number: int, noun: str) -> str:
    """`1 minute`, `8 minutes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def stamp(instant: datetime) -> str:
    """`2025-11-05 10:30:15 ET (Wednesday)`."""
    return f"{new_york(instant):%Y-%m-%d %H:%M:%S ET (%A)}"


def hour(instant: datetime) -> str:
    """`9:30 AM`."""
    return f"{new_york(instant):%I:%M %p}".lstrip("0")


def clock_time(instant: datetime) -> str:
    """`Mon 09:25 ET`."""
    return f"{new_york(instant):%a %H:%M ET}"


def day_and_hour(instant: datetime) -> str:
    """`Wednesday, November 05 at 9:30 AM ET`."""
    return f"{new_york(instant):%A, %B %d} at {hour(instant)} ET"
