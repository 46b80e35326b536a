"""What the data API pages: up to `limit` rows over all symbols, by symbol and then by time."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from embedded.exchange import queries
from embedded.exchange.queries import Query, bad_request
from tools.schedule.market_hours import at_new_york, new_york
from tools.simulation.refusals import Refused

LONGEST_PAGE = 10_000
RECENT = timedelta(minutes=15)
SYMBOL = re.compile(r"[A-Z][A-Z0-9.]{0,9}")
HISTORICAL, LATEST = ("iex", "sip", "otc", "boats"), ("iex", "sip", "delayed_sip", "otc", "boats")
UNPAID = {"otc", "boats"}
RECENT_SIP = "subscription does not permit querying recent SIP data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """What is asked for: rows of `symbols` in [start, end], the page that begins at `token`."""

    symbols: tuple[str, ...]
    start: datetime
    end: datetime
    limit: int
    descending: bool
    token: tuple[str, datetime] | None

    @classmethod
    def read(cls, query: Query, symbols: Iterable[str], now: datetime) -> "Span":
        """Raises Refused. Without `start` and `end`: from New York midnight until now."""
        latest = _latest_allowed(query, now)
        start = queries.instant(query, "start") or at_new_york(new_york(now).date(), 0, 0)
        end = queries.instant(query, "end") or max(latest, start)
        if end < start:
            raise bad_request("end should not be before start")
        if end > latest and query.get("feed") == "sip":
            raise Refused(403, 42210000, RECENT_SIP)
        queries.one_of(query, "currency", ("USD",))
        queries.day(query, "asof")
        return cls(
            symbols=tuple(sorted(set(symbols))),
            start=start,
            end=end,
            limit=queries.whole(query, "limit", 1000, most=LONGEST_PAGE),
            descending=queries.one_of(query, "sort", ("asc", "desc")) == "desc",
            token=_read_token(query.get("page_token", "")),
        )

    def window(self, symbol: str) -> tuple[datetime, datetime] | None:
        """The part of the span in which no page before this one was, None when there is none."""
        if self.token is None or symbol > self.token[0]:
            return self.start, self.end
        if symbol < self.token[0]:
            return None
        return (self.start, self.token[1]) if self.descending else (self.token[1], self.end)


def page[Row](
    asked: Span,
    rows_of: Callable[[str, datetime, datetime], Sequence[Row]],
    at_of: Callable[[Row], int],
) -> tuple[dict[str, Sequence[Row]], str | None]:
    """One page and the token of the next, None after the last.

    `rows_of` answers with a symbol's rows between two instants, both inclusive, oldest first.
    """
    found: dict[str, Sequence[Row]] = {}
    left = asked.limit
    for symbol in asked.symbols:
        window = asked.window(symbol)
        rows = rows_of(symbol, *window) if window else ()
        rows = rows[::-1] if asked.descending else rows
        if rows[:left]:
            found[symbol] = rows[:left]
        if len(rows) > left:
            return found, _token(symbol, at_of(rows[left]))
        left -= len(rows)
    return found, None


def symbols_of(query: Query, single: str | None) -> list[str]:
    """The symbol of the path, else those of the query. Raises Refused (400)."""
    asked = [single] if single is not None else queries.names(query)
    if not asked:
        raise bad_request("symbols is required")
    for name in asked:
        if not SYMBOL.fullmatch(name):
            raise bad_request(f"invalid symbol: {name}")
    return asked


def latest_at(query: Query, now: datetime) -> datetime:
    """The instant as of which a question for the latest is answered. Raises Refused."""
    queries.one_of(query, "currency", ("USD",))
    match _feed(query, LATEST):
        case "sip":
            raise Refused(403, 42210000, RECENT_SIP)
        case "delayed_sip":
            return now - RECENT
        case _:
            return now


def _latest_allowed(query: Query, now: datetime) -> datetime:
    return now - RECENT if _feed(query, HISTORICAL) == "sip" else now


def _feed(query: Query, known: tuple[str, ...]) -> str:
    feed = queries.one_of(query, "feed", known)
    if feed in UNPAID:
        raise Refused(403, 42210000, f"subscription does not permit querying {feed} data")
    return feed


def _token(symbol: str, second: int) -> str:
    at = datetime.fromtimestamp(second, UTC)
    return base64.b64encode(f"{symbol}|M|{at:%Y-%m-%dT%H:%M:%SZ}".encode()).decode()


def _read_token(token: str) -> tuple[str, datetime] | None:
    if not token:
        return None
    try:
        symbol, _, at = base64.b64decode(token, validate=True).decode().split("|")
        return symbol, datetime.fromisoformat(at)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise bad_request(f"invalid page_token: {token}") from None


def enveloped(
    name: str, found: dict[str, Any], token: str | None, single: str | None
) -> dict[str, Any]:
    """The JSON of a page; `single` is the symbol when it stood in the path."""
    if single is not None:
        return {name: found.get(single, []), "symbol": single, "next_page_token": token}
    return {name: found, "next_page_token": token}
