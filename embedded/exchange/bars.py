"""Bars as the data API pages them: up to `limit` over all symbols, by symbol and then by time."""

import base64
import binascii
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from embedded.exchange import queries
from embedded.exchange.queries import Query, bad_request
from tools.schedule.market_hours import at_new_york, new_york
from tools.simulation.market import Market
from tools.simulation.tape import DAY, MINUTE, Candle

TIMEFRAME = re.compile(r"([1-9]\d?)(Min|T|Hour|H|Day|D)")
UNITS = {"M": (MINUTE, 59), "T": (MINUTE, 59), "H": (60 * MINUTE, 23), "D": (DAY, 1)}
LONGEST_PAGE = 10_000
TEXTS_KEPT = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BarQuery:
    """What is asked for: bars of `seconds` that start in [start, end]."""

    symbols: tuple[str, ...]
    seconds: int
    start: datetime
    end: datetime
    limit: int
    descending: bool
    token: tuple[str, datetime] | None

    @classmethod
    def read(cls, query: Query, symbols: Iterable[str], now: datetime) -> "BarQuery":
        """Raises Refused (400). Without `start` and `end`: from New York midnight until now."""
        start = queries.instant(query, "start") or at_new_york(new_york(now).date(), 0, 0)
        end = queries.instant(query, "end") or now
        if end < start:
            raise bad_request("end should not be before start")
        return cls(
            symbols=tuple(sorted(set(symbols))),
            seconds=_seconds(query.get("timeframe", "")),
            start=start,
            end=end,
            limit=queries.whole(query, "limit", 1000, most=LONGEST_PAGE),
            descending=queries.one_of(query, "sort", ("asc", "desc")) == "desc",
            token=_read_token(query.get("page_token", "")),
        )

    def candles(self, market: Market, symbol: str, at: datetime) -> list[Candle]:
        """Those of one symbol that no page before this one had, as known at `at`."""
        start, end = self.start, self.end
        if self.token and symbol == self.token[0]:
            start, end = (start, self.token[1]) if self.descending else (self.token[1], end)
        if symbol not in market.symbols or (self.token and symbol < self.token[0]):
            return []
        found = market.candles(symbol, self.seconds, start=start, end=end, at=at)
        return found[::-1] if self.descending else found


def page(
    market: Market, asked: BarQuery, at: datetime
) -> tuple[dict[str, list[Candle]], str | None]:
    """One page and the token of the next, None after the last."""
    found: dict[str, list[Candle]] = {}
    left = asked.limit
    for symbol in asked.symbols:
        candles = asked.candles(market, symbol, at)
        if candles[:left]:
            found[symbol] = candles[:left]
        if len(candles) > left:
            return found, _token(symbol, candles[left])
        left -= len(candles)
    return found, None


def answer(found: dict[str, list[Candle]], token: str | None, single: str | None) -> str:
    """The JSON of a page; `single` is the symbol when it stood in the path."""
    lists = {name: f"[{','.join(map(bar_text, candles))}]" for name, candles in found.items()}
    end = f'"next_page_token":{json.dumps(token)}'
    if single is not None:
        return f'{{"bars":{lists.get(single, "[]")},"symbol":{json.dumps(single)},{end}}}'
    return f'{{"bars":{{{",".join(f'"{name}":{bars}' for name, bars in lists.items())}}},{end}}}'


@lru_cache(maxsize=TEXTS_KEPT)
def bar_text(candle: Candle) -> str:
    """One bar as JSON. The number of trades is made up: one for each hundred shares."""
    average = candle.turnover / candle.volume if candle.volume else candle.close
    return (
        f'{{"t":"{datetime.fromtimestamp(candle.start, UTC):%Y-%m-%dT%H:%M:%SZ}",'
        f'"o":{candle.open / 100},"h":{candle.high / 100},"l":{candle.low / 100},'
        f'"c":{candle.close / 100},"v":{candle.volume},"n":{trades(candle)},'
        f'"vw":{round(average / 100, 6)}}}'
    )


def trades(candle: Candle) -> int:
    """How many trades a candle is said to have."""
    return max(1, candle.volume // 100)


def _seconds(timeframe: str) -> int:
    match = TIMEFRAME.fullmatch(timeframe)
    amount, (unit, most) = (int(match[1]), UNITS[match[2][0]]) if match else (0, (0, -1))
    if amount > most:
        raise bad_request(f"invalid timeframe: {timeframe}")
    return amount * unit


def _token(symbol: str, candle: Candle) -> str:
    at = datetime.fromtimestamp(candle.start, UTC)
    return base64.b64encode(f"{symbol}|M|{at:%Y-%m-%dT%H:%M:%SZ}".encode()).decode()


def _read_token(token: str) -> tuple[str, datetime] | None:
    if not token:
        return None
    try:
        symbol, _, at = base64.b64decode(token, validate=True).decode().split("|")
        return symbol, datetime.fromisoformat(at)
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise bad_request(f"invalid page_token: {token}") from None
