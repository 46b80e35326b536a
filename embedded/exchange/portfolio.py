"""`GET /v2/account/portfolio/history`: the equity at past instants, from the fills up to them."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from embedded.exchange import queries
from embedded.exchange.queries import Query, bad_request
from tools.core.session import Session
from tools.core.trading import Side
from tools.schedule.market_hours import at_new_york, new_york
from tools.simulation.account import worth
from tools.simulation.phases import extended_close
from tools.simulation.venue import Venue

ONE_DAY, WEEK = timedelta(days=1), timedelta(days=7)
MINUTES = {"1Min": 1, "5Min": 5, "15Min": 15, "1H": 60}
DAYS = {"D": 1, "W": 7, "M": 31, "A": 366}


@dataclass(frozen=True, slots=True)
class Point:
    """The equity at an instant, of a session."""

    at: datetime
    session: Session
    equity: Decimal


def history(venue: Venue, query: Query) -> dict[str, Any]:
    """The answer. Raises Refused (400)."""
    now = venue.catch_up()
    start, end = _span(query, now)
    timeframe = _timeframe(query, end - start)
    begin = max(start, venue.opened_at)
    past = Past(venue)
    base = past.equity(begin)
    instants = _instants(_sessions(venue, begin, end), timeframe, extended=_extended(query))
    points = [Point(at, session, past.equity(at)) for at, session in instants if begin <= at <= end]
    daily = timeframe != "1D" and query.get("pnl_reset", "per_day") == "per_day"
    bases = list(_bases(points, past, base)) if daily else [base] * len(points)
    gains = [point.equity - base for point, base in zip(points, bases, strict=True)]
    return {
        "timestamp": [int(point.at.timestamp()) for point in points],
        "equity": [float(point.equity) for point in points],
        "profit_loss": [float(gain) for gain in gains],
        "profit_loss_pct": [
            round(float(gain / base), 6) if base else 0.0
            for gain, base in zip(gains, bases, strict=True)
        ],
        "base_value": float(base),
        "base_value_asof": new_york(begin).date().isoformat(),
        "timeframe": timeframe,
        "cashflow": {},
    }


class Past:
    """What the account was worth."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._executions, self._charges = venue.executions(), venue.charges()

    def equity(self, at: datetime) -> Decimal:
        """Cash and shares at the last trade, at an instant that is not in the future."""
        cash, shares = self._venue.starting_cash, Counter[str]()
        for execution in self._executions:
            if execution.at <= at:
                sign = 1 if execution.order.side is Side.BUY else -1
                cash -= sign * worth(execution.quantity, execution.price)
                shares[execution.order.symbol] += sign * execution.quantity  # type: ignore[assignment]
        cash -= sum((charge.amount for charge in self._charges if charge.at <= at), Decimal(0))
        return cash + sum(
            (
                worth(Decimal(quantity), self._venue.price_at(symbol, at))
                for symbol, quantity in shares.items()
                if quantity
            ),
            Decimal(0),
        )


def _span(query: Query, now: datetime) -> tuple[datetime, datetime]:
    end = min(queries.instant(query, "end") or now, now)
    start = queries.instant(query, "start")
    if start is None:
        period = query.get("period", "1M")
        found = re.fullmatch(r"(\d{1,4})([DWMA])", period)
        if found is None:
            raise bad_request(f"invalid period: {period}")
        days = int(found[1]) * DAYS[found[2]]
        start = at_new_york(new_york(end).date() - (days - 1) * ONE_DAY, 0, 0)
    if end < start:
        raise bad_request("end should not be before start")
    return start, end


def _timeframe(query: Query, span: timedelta) -> str:
    named = query.get("timeframe")
    if named is None:
        return "1Min" if span < WEEK else "15Min" if span < 30 * ONE_DAY else "1D"
    if named not in {*MINUTES, "1D"}:
        raise bad_request(f"invalid timeframe: {named}")
    return named


def _extended(query: Query) -> bool:
    reporting = query.get("intraday_reporting", "market_hours")
    return queries.flag(query, "extended_hours") or reporting != "market_hours"


def _sessions(venue: Venue, start: datetime, end: datetime) -> list[Session]:
    count = (end - start).days + 2
    tomorrow = at_new_york(new_york(end).date() + ONE_DAY, 0, 0)
    return venue.market.hours.sessions_before(tomorrow, count)


def _instants(
    sessions: Sequence[Session], timeframe: str, *, extended: bool
) -> Iterator[tuple[datetime, Session]]:
    for session in sessions:
        if timeframe == "1D":
            yield session.close_at, session
            continue
        step = timedelta(minutes=MINUTES[timeframe])
        at = at_new_york(session.on, 4, 0) if extended else session.open_at
        last = extended_close(session) if extended else session.close_at
        while at <= last:
            yield at, session
            at += step


def _bases(points: Sequence[Point], past: Past, base: Decimal) -> Iterator[Decimal]:
    """For each point the equity with which its session began."""
    session: Session | None = None
    for point in points:
        if session is not None and point.session is not session:
            base = past.equity(session.close_at)
        session = point.session
        yield base
