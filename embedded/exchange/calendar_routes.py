"""Clock and calendar of Alpaca's Trading API, v2 and v3."""

from datetime import date, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import queries
from embedded.exchange.queries import Query
from tools.core.session import Session
from tools.schedule.market_hours import MarketHours, at_new_york, new_york
from tools.simulation.phases import extended_close, half_day, phase_at
from tools.simulation.refusals import not_found
from tools.simulation.venue import Venue

ONE_DAY = timedelta(days=1)
NYSE = {
    "acronym": "NYSE",
    "name": "New York Stock Exchange",
    "mic": "XNYS",
    "bic": "XNYSUSN1XXX",
    "timezone": "America/New_York",
}
NASDAQ = NYSE | {"acronym": "NASDAQ", "name": "Nasdaq", "mic": "XNAS", "bic": "XNASUSN1XXX"}
MARKETS = {"NYSE": NYSE, "XNYS": NYSE, "NASDAQ": NASDAQ, "XNAS": NASDAQ}


class CalendarRoutes:
    """The handlers, over `venue`."""

    def __init__(self, venue: Venue) -> None:
        self._venue, self._hours = venue, venue.market.hours

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        return [
            Route("/v2/clock", self.clock, methods=["GET"]),
            Route("/v2/calendar", self.calendar, methods=["GET"]),
            Route("/v3/clock", self.clocks, methods=["GET"]),
            Route("/v3/calendar/{market}", self.market_calendar, methods=["GET"]),
        ]

    async def clock(self, request: Request) -> Response:
        """GET /v2/clock."""
        now = self._venue.catch_up()
        clock = self._venue.market.clock(now)
        return JSONResponse(
            {
                "timestamp": new_york(now).isoformat(),
                "is_open": clock.market_open,
                "next_open": new_york(clock.next_open).isoformat(),
                "next_close": new_york(clock.next_close).isoformat(),
            }
        )

    async def clocks(self, request: Request) -> Response:
        """GET /v3/clock: of the two stock exchanges, now or at `time`."""
        query = request.query_params
        at = queries.instant(query, "time") or self._venue.catch_up()
        names = queries.names(query, "markets") or ["NYSE", "NASDAQ"]
        clock, phase = self._venue.market.clock(at), phase_at(self._hours, at)
        word, until = "closed", phase.start
        if phase.start <= at:
            before = phase.end <= phase.session.open_at
            word = "core" if phase.regular else "pre" if before else "post"
            until = phase.end
        told = {
            "timestamp": new_york(at).isoformat(),
            "is_market_day": self._hours.session_on(new_york(at).date()) is not None,
            "next_market_open": new_york(clock.next_open).isoformat(),
            "next_market_close": new_york(clock.next_close).isoformat(),
            "phase": word,
            "phase_until": new_york(until).isoformat(),
        }
        return JSONResponse({"clocks": [{"market": _market(name)} | told for name in names]})

    async def calendar(self, request: Request) -> Response:
        """GET /v2/calendar: sessions from `start` to `end`, both inclusive; a year by default."""
        return JSONResponse([_day(self._hours, it) for it in self._sessions(request.query_params)])

    async def market_calendar(self, request: Request) -> Response:
        """GET /v3/calendar/{market}: the same sessions with their instants."""
        market = _market(request.path_params["market"])
        utc = request.query_params.get("timezone") == "UTC"
        days = [_parts(self._hours, it, utc=utc) for it in self._sessions(request.query_params)]
        return JSONResponse({"market": market, "calendar": days})

    def _sessions(self, query: Query) -> list[Session]:
        hours = self._hours
        start = queries.day(query, "start") or new_york(self._venue.catch_up()).date()
        end = queries.day(query, "end") or start + 365 * ONE_DAY
        end = min(end, hours.last_day - ONE_DAY)  # the last one's settlement day is not known
        midnight = at_new_york(end + ONE_DAY, 0, 0)
        sessions = hours.sessions_before(midnight, max(0, (end - start).days + 1))
        return [session for session in sessions if session.on >= start]


def _market(name: str) -> dict[str, str]:
    if name.upper() not in MARKETS:
        raise not_found(f"market not found for {name}")
    return MARKETS[name.upper()]


def _settlement(hours: MarketHours, session: Session) -> date:
    return hours.current_or_next(session.close_at).on


def _day(hours: MarketHours, session: Session) -> dict[str, str]:
    return {
        "date": session.on.isoformat(),
        "open": f"{new_york(session.open_at):%H:%M}",
        "close": f"{new_york(session.close_at):%H:%M}",
        "session_open": "0400",
        "session_close": "1700" if half_day(session) else "2000",
        "settlement_date": _settlement(hours, session).isoformat(),
    }


def _parts(hours: MarketHours, session: Session, *, utc: bool) -> dict[str, Any]:
    opens, closes = session.open_at, session.close_at
    instants = {
        "pre_start": at_new_york(session.on, 4, 0),
        "pre_end": opens,
        "core_start": opens,
        "core_end": closes,
        "post_start": closes,
        "post_end": extended_close(session),
    }
    shown = {
        name: queries.utc(at).isoformat() if utc else new_york(at).isoformat()
        for name, at in instants.items()
    }
    settlement = _settlement(hours, session).isoformat()
    return {"date": session.on.isoformat(), "settlement_date": settlement} | shown
