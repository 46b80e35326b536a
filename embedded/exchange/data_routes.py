"""Alpaca's Market Data API for stocks, over one market: bars, the latest of each kind, snapshots,
the screener. Nothing answers with what lies after now.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from embedded.exchange import bars, queries
from embedded.exchange.shapes import stamp
from tools.simulation.market import Market
from tools.simulation.tape import MINUTE, Candle

type Fact = Callable[[str, datetime], dict[str, Any] | None]
type Handler = Callable[[Request], Any]

EXCHANGE, TAPE, ROUND_LOT = "V", "C", 100


class DataRoutes:
    """The handlers, over `market` as it is known at `now()`."""

    def __init__(self, market: Market, now: Callable[[], datetime]) -> None:
        self._market, self._now = market, now

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        many, one = "/v2/stocks", "/v2/stocks/{symbol}"
        found: list[BaseRoute] = [
            Route(f"{many}/bars", self.bars),
            Route(f"{one}/bars", self.bars),
            Route(f"{many}/snapshots", self._of_many(self._snapshot, "")),
            Route(f"{one}/snapshot", self._of_one(self._snapshot, "")),
            Route("/v1beta1/screener/stocks/most-actives", self.most_actives),
            Route("/v1beta1/screener/stocks/movers", self.movers),
        ]
        for name, fact in (("bar", self._bar), ("quote", self._quote), ("trade", self._trade)):
            found.append(Route(f"{many}/{name}s/latest", self._of_many(fact, f"{name}s")))
            found.append(Route(f"{one}/{name}s/latest", self._of_one(fact, name)))
        return found

    async def bars(self, request: Request) -> Response:
        """Bars of one symbol (in the path) or of many, page by page."""
        now, query = self._now(), request.query_params
        single = request.path_params.get("symbol")
        symbols = [single] if single else queries.names(query)
        found, token = bars.page(self._market, bars.BarQuery.read(query, symbols, now), now)
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
        days = sorted(self._two_days(), key=lambda row: row[1].close / row[2].close)
        return JSONResponse(
            {
                "gainers": [_move(*row) for row in days[::-1] if row[1].close > row[2].close][:top],
                "losers": [_move(*row) for row in days if row[1].close < row[2].close][:top],
                "market_type": "stocks",
                "last_updated": stamp(self._now()),
            }
        )

    def _of_many(self, fact: Fact, key: str) -> Handler:
        """A handler that answers {key: {symbol: fact}}, or {symbol: fact} without a key."""

        async def handler(request: Request) -> Response:
            now = self._now()
            asked = dict.fromkeys(queries.names(request.query_params))
            known = {name: fact(name, now) for name in asked if name in self._market.symbols}
            found = {name: it for name, it in known.items() if it is not None}
            return JSONResponse({key: found} if key else found)

        return handler

    def _of_one(self, fact: Fact, key: str) -> Handler:
        """A handler that answers {key: fact, symbol}, or the fact and its symbol without a key."""

        async def handler(request: Request) -> Response:
            symbol = request.path_params["symbol"]
            found = fact(symbol, self._now()) if symbol in self._market.symbols else None
            return JSONResponse({"symbol": symbol, **({key: found} if key else found or {})})

        return handler

    def _bar(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        return _bar(self._market.last_minute(symbol, at))

    def _quote(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        tick = self._market.quote(symbol, at)
        return tick and {
            "t": _seconds(tick.at),
            "ax": EXCHANGE,
            "ap": tick.ask / 100,
            "as": tick.ask_size,
            "bx": EXCHANGE,
            "bp": tick.bid / 100,
            "bs": tick.bid_size,
            "c": ["R"],
            "z": TAPE,
        }

    def _trade(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        """The last trade: a minute's close, known at its end."""
        candle = self._market.last_minute(symbol, at)
        return candle and {
            "t": _seconds(candle.start + MINUTE),
            "x": EXCHANGE,
            "p": candle.close / 100,
            "s": ROUND_LOT,
            "c": ["@"],
            "i": candle.start // MINUTE,
            "z": TAPE,
        }

    def _snapshot(self, symbol: str, at: datetime) -> dict[str, Any] | None:
        days = self._market.days(symbol, at)
        parts = {
            "latestTrade": self._trade(symbol, at),
            "latestQuote": self._quote(symbol, at),
            "minuteBar": self._bar(symbol, at),
            "dailyBar": _bar(next(days, None)),
            "prevDailyBar": _bar(next(days, None)),
        }
        return {name: part for name, part in parts.items() if part} or None

    def _two_days(self) -> list[tuple[str, Candle, Candle]]:
        now, found = self._now(), []
        for symbol in self._market.symbols:
            days = self._market.days(symbol, now)
            today, before = next(days, None), next(days, None)
            if today and before:
                found.append((symbol, today, before))
        return found


def _bar(candle: Candle | None) -> dict[str, Any] | None:
    return json.loads(bars.bar_text(candle)) if candle else None


def _move(symbol: str, today: Candle, before: Candle) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "percent_change": round(100 * (today.close / before.close - 1), 2),
        "change": (today.close - before.close) / 100,
        "price": today.close / 100,
    }


def _seconds(at: int) -> str:
    return stamp(datetime.fromtimestamp(at, UTC))
