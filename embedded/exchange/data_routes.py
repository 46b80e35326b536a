"""Alpaca's Market Data API for stocks, over one market: history, the latest of each kind,
snapshots, the screener. Nothing answers with what lies after now.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import bars, facts, pages, queries
from embedded.exchange.pages import Span, symbols_of
from embedded.exchange.shapes import stamp
from tools.schedule.market_hours import at_new_york, new_york
from tools.simulation.market import Market
from tools.simulation.tape import DAY, MINUTE, Candle

type Fact = Callable[[str, datetime], dict[str, Any] | None]
type History = Callable[[str, datetime, datetime, datetime], Sequence[dict[str, Any]]]
type Handler = Callable[[Request], Any]

ONE_MINUTE = timedelta(minutes=1)
EXCHANGES = {"V": "IEX"}
CONDITIONS = {"trade": {"@": "Regular Sale"}, "quote": {"R": "Regular Market Maker Open"}}


class DataRoutes:
    """The handlers, over `market` as it is known at `now()`."""

    def __init__(self, market: Market, now: Callable[[], datetime]) -> None:
        self._market, self._now = market, now

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        many, one = "/v2/stocks", "/v2/stocks/{symbol}"
        found: list[BaseRoute] = [
            Route(f"{many}/meta/exchanges", _meta_exchanges),
            Route(f"{many}/meta/conditions/{{ticktype}}", _meta_conditions),
            Route(f"{many}/bars", self.bars),
            Route(f"{one}/bars", self.bars),
            Route(f"{many}/snapshots", self._of_many(self._snapshot, "")),
            Route(f"{one}/snapshot", self._of_one(self._snapshot, "")),
            Route("/v1beta1/screener/stocks/most-actives", self.most_actives),
            Route("/v1beta1/screener/{market_type}/movers", self.movers),
        ]
        for name, fact in (("bar", self._bar), ("quote", self._quote), ("trade", self._trade)):
            found.append(Route(f"{many}/{name}s/latest", self._of_many(fact, f"{name}s")))
            found.append(Route(f"{one}/{name}s/latest", self._of_one(fact, name)))
        for name, history in (
            ("quotes", self._quotes),
            ("trades", self._trades),
            ("auctions", self._auctions),
        ):
            found += [Route(f"{at}/{name}", self._history(history, name)) for at in (many, one)]
        return found

    async def bars(self, request: Request) -> Response:
        """Bars of one symbol (in the path) or of many, page by page."""
        now, query = self._now(), request.query_params
        single = request.path_params.get("symbol")
        asked, kind = Span.read(query, symbols_of(query, single), now), bars.Kind.read(query)

        def rows(symbol: str, start: datetime, end: datetime) -> Sequence[Candle]:
            return kind.candles(self._market, symbol, start, end, now)

        found, token = pages.page(asked, rows, lambda candle: candle.start)
        return Response(bars.answer(found, token, single), media_type="application/json")

    async def most_actives(self, request: Request) -> Response:
        """The symbols with most `volume` or `trades` today (before the open: last session)."""
        query = request.query_params
        queries.one_of(query, "by", ("volume", "trades"))  # the two agree here
        top = queries.whole(query, "top", 10, most=100)
        days = sorted(self._two_days(), key=lambda row: row[1].volume, reverse=True)
        rows = [
            {"symbol": symbol, "volume": today.volume, "trade_count": bars.trades(today)}
            for symbol, today, _ in days[:top]
        ]
        return JSONResponse({"last_updated": stamp(self._now()), "most_actives": rows})

    async def movers(self, request: Request) -> Response:
        """The symbols that rose and that fell most against the close before."""
        top = queries.whole(request.query_params, "top", 10, most=50)
        market = queries.one_of(request.path_params, "market_type", ("stocks", "crypto"))
        rows = self._two_days() if market == "stocks" else []
        days = sorted(rows, key=lambda row: row[1].close / row[2].close)
        return JSONResponse(
            {
                "gainers": [_move(*row) for row in days[::-1] if row[1].close > row[2].close][:top],
                "losers": [_move(*row) for row in days if row[1].close < row[2].close][:top],
                "market_type": market,
                "last_updated": stamp(self._now()),
            }
        )

    def _of_many(self, fact: Fact, key: str) -> Handler:
        """A handler that answers {key: {symbol: fact}}, or {symbol: fact} without a key."""

        async def handler(request: Request) -> Response:
            query = request.query_params
            at = pages.latest_at(query, self._now())
            asked = dict.fromkeys(symbols_of(query, None))
            known = {name: fact(name, at) for name in asked if name in self._market.symbols}
            found = {name: it for name, it in known.items() if it is not None}
            return JSONResponse({key: found} if key else found)

        return handler

    def _of_one(self, fact: Fact, key: str) -> Handler:
        """A handler that answers {key: fact, symbol}, or the fact and its symbol without a key."""

        async def handler(request: Request) -> Response:
            at = pages.latest_at(request.query_params, self._now())
            [symbol] = symbols_of({}, request.path_params["symbol"])
            found = fact(symbol, at) if symbol in self._market.symbols else None
            return JSONResponse({"symbol": symbol, **({key: found} if key else found or {})})

        return handler

    def _history(self, history: History, name: str) -> Handler:
        """A handler that answers with pages of rows that have a time `t` or a date `d`."""

        async def handler(request: Request) -> Response:
            now, query = self._now(), request.query_params
            single = request.path_params.get("symbol")
            asked = Span.read(query, symbols_of(query, single), now)

            def rows(symbol: str, start: datetime, end: datetime) -> Sequence[dict[str, Any]]:
                known = symbol in self._market.symbols
                return history(symbol, start, end, now) if known else ()

            found, token = pages.page(asked, rows, _second)
            return JSONResponse(pages.enveloped(name, found, token, single))

        return handler

    def _bar(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        candle = self._market.last_minute(symbol, at)
        return candle and facts.bar(candle)

    def _quote(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        tick = self._market.quote(symbol, at)
        return tick and facts.quote(tick)

    def _trade(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        candle = self._market.last_minute(symbol, at)
        return candle and facts.trade(candle)

    def _snapshot(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        days = self._market.days(symbol, at)
        today, before = next(days, None), next(days, None)
        parts = {
            "latestTrade": self._trade(symbol, at),
            "latestQuote": self._quote(symbol, at),
            "minuteBar": self._bar(symbol, at),
            "dailyBar": today and facts.bar(today),
            "prevDailyBar": before and facts.bar(before),
        }
        return {name: part for name, part in parts.items() if part} or None

    def _quotes(
        self, symbol: str, start: datetime, end: datetime, at: datetime
    ) -> list[dict[str, Any]]:
        return [facts.quote(it) for it in self._market.ticks(symbol, start=start, end=end, at=at)]

    def _trades(
        self, symbol: str, start: datetime, end: datetime, at: datetime
    ) -> list[dict[str, Any]]:
        minutes = self._market.candles(
            symbol, MINUTE, start=start - ONE_MINUTE, end=end - ONE_MINUTE, at=at
        )
        return [facts.trade(it) for it in minutes]

    def _auctions(
        self, symbol: str, start: datetime, end: datetime, at: datetime
    ) -> list[dict[str, Any]]:
        found = []
        for day in self._market.candles(symbol, DAY, start=start, end=end, at=at):
            on = new_york(datetime.fromtimestamp(day.start, UTC)).date()
            session = self._market.hours.session_on(on)
            assert session is not None, "a day without a session has no daily candle"
            found.append(facts.auctions(day, session))
        return found

    def _two_days(self) -> list[tuple[str, Candle, Candle]]:
        now, found = self._now(), []
        for symbol in self._market.symbols:
            days = self._market.days(symbol, now)
            today, before = next(days, None), next(days, None)
            if today and before:
                found.append((symbol, today, before))
        return found


def _second(row: dict[str, Any]) -> int:
    """The instant of a row; a date counts from New York midnight."""
    if "t" in row:
        return int(datetime.fromisoformat(row["t"]).timestamp())
    return int(at_new_york(date.fromisoformat(row["d"]), 0, 0).timestamp())


def _move(symbol: str, today: Candle, before: Candle) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "percent_change": round(100 * (today.close / before.close - 1), 2),
        "change": (today.close - before.close) / 100,
        "price": today.close / 100,
    }


async def _meta_exchanges(_: Request) -> Response:
    return JSONResponse(EXCHANGES)


async def _meta_conditions(request: Request) -> Response:
    queries.one_of(request.query_params, "tape", ("A", "B", "C"))
    kind = queries.one_of(request.path_params, "ticktype", tuple(CONDITIONS))
    return JSONResponse(CONDITIONS[kind])
