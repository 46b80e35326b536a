"""What clients send, read strictly: query parameters and JSON bodies."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from tools.schedule.market_hours import at_new_york
from tools.simulation.refusals import Refused

LARGEST = Decimal("1e12")

type Query = Mapping[str, str]


def bad_request(message: str) -> Refused:
    """The request cannot be understood at all."""
    return Refused(400, 40010000, message)


def flag(query: Query, name: str) -> bool:
    """`true`, `True` and `1` are true, as the clients differ."""
    return query.get(name, "").lower() in {"true", "1"}


def whole(query: Query, name: str, default: int, *, most: int) -> int:
    """A count from 1 to `most`."""
    text = query.get(name)
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise bad_request(f"invalid {name}: {text}")
    if int(text) > most:
        raise bad_request(f"invalid {name}: larger than the allowed maximum of {most}")
    return int(text)


def instant(query: Query, name: str) -> datetime | None:
    """An RFC 3339 time; a mere date is its New York midnight."""
    text = query.get(name)
    if not text:
        return None
    try:
        if len(text) == len("2026-01-01"):
            return _midnight(date.fromisoformat(text))
        found = datetime.fromisoformat(text)
    except ValueError:
        raise bad_request(f"invalid {name}: {text}") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def day(query: Query, name: str) -> date | None:
    """A date, or the date part of a time."""
    text = query.get(name)
    try:
        return date.fromisoformat(text[:10]) if text else None
    except ValueError:
        raise bad_request(f"invalid {name}: {text}") from None


def names(query: Query, name: str = "symbols") -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in query.get(name, "").split(",") if part.strip()]


def one_of(query: Query, name: str, choices: tuple[str, ...]) -> str:
    """One of the words; the first when it is not given."""
    word = query.get(name, choices[0])
    if word not in choices:
        raise bad_request(f"invalid {name}: {word}")
    return word


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """A number given as a JSON number or as a string; 10.0 is taken as 10."""
    value = body.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise bad_request("request body format is invalid")
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        raise bad_request("request body format is invalid") from None
    if not found.is_finite() or abs(found) > LARGEST:
        raise bad_request("request body format is invalid")
    return found.quantize(Decimal(1)) if found == found.to_integral_value() else found


def utc(at: datetime) -> datetime:
    """The same instant in UTC."""
    return at.astimezone(UTC)


def _midnight(on: date) -> datetime:
    return utc(at_new_york(on, 0, 0))
