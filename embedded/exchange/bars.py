"""Bars of every timeframe, and their JSON."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from embedded.exchange.queries import Query, bad_request, one_of
from tools.simulation.corporate import Adjustment
from tools.simulation.market import Market
from tools.simulation.tape import DAY, MINUTE, Candle

INTRADAY = re.compile(r"([1-9]\d?)(Min|T|Hour|H)")
MOST = {"Min": 59, "T": 59, "Hour": 23, "H": 23}
MONTHS = re.compile(r"(1|2|3|4|6|12)(?:Month|M)")
TEXTS_KEPT = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The bars that are asked for: of `seconds`, or of the days that share their `first_of`."""

    seconds: int
    adjustment: Adjustment
    first_of: Callable[[date], date] | None = None

    @classmethod
    def read(cls, query: Query) -> "Kind":
        """Raises Refused (400)."""
        adjustment = Adjustment(one_of(query, "adjustment", tuple(Adjustment)))
        text = query.get("timeframe", "")
        if (match := INTRADAY.fullmatch(text)) and int(match[1]) <= MOST[match[2]]:
            unit = MINUTE if match[2] in {"Min", "T"} else 60 * MINUTE
            return cls(seconds=int(match[1]) * unit, adjustment=adjustment)
        if text in {"1Day", "1D"}:
            return cls(seconds=DAY, adjustment=adjustment)
        if text in {"1Week", "1W"}:
            return cls(seconds=7 * DAY, adjustment=adjustment, first_of=_monday)
        if match := MONTHS.fullmatch(text):
            months = int(match[1])
            first_of = _firsts(months)
            return cls(seconds=30 * DAY * months, adjustment=adjustment, first_of=first_of)
        raise bad_request(f"invalid timeframe: {text}")

    def candles(
        self, market: Market, symbol: str, start: datetime, end: datetime, at: datetime
    ) -> Sequence[Candle]:
        """Those that start in [start, end] and have ended by `at`, oldest first."""
        if symbol not in market.symbols:
            return ()
        if self.first_of:
            return market.periods(
                symbol, self.first_of, start=start, end=end, at=at, adjustment=self.adjustment
            )
        return market.candles(
            symbol, self.seconds, start=start, end=end, at=at, adjustment=self.adjustment
        )


def answer(found: dict[str, Sequence[Candle]], token: str | None, single: str | None) -> str:
    """The JSON of a page, as `pages.enveloped` but from kept texts: bars are asked for most."""
    lists = {name: f"[{','.join(map(bar_text, candles))}]" for name, candles in found.items()}
    end = f'"next_page_token":{json.dumps(token)}'
    if single is not None:
        return f'{{"bars":{lists.get(single, "[]")},"symbol":{json.dumps(single)},{end}}}'
    return f'{{"bars":{{{",".join(f'"{name}":{bars}' for name, bars in lists.items())}}},{end}}}'


@lru_cache(maxsize=TEXTS_KEPT)
def bar_text(candle: Candle) -> str:
    """One bar as JSON. The number of trades is made up: one for each hundred shares."""
    return (
        f'{{"t":"{datetime.fromtimestamp(candle.start, UTC):%Y-%m-%dT%H:%M:%SZ}",'
        f'"o":{candle.open / 100},"h":{candle.high / 100},"l":{candle.low / 100},'
        f'"c":{candle.close / 100},"v":{candle.volume},"n":{trades(candle)},'
        f'"vw":{average_price(candle)}}}'
    )


def trades(candle: Candle) -> int:
    """How many trades a candle is said to have."""
    return max(1, candle.volume // 100)


def average_price(candle: Candle) -> float:
    """The price in dollars, weighted by volume."""
    average = candle.turnover / candle.volume if candle.volume else candle.close
    return round(average / 100, 6)


def _monday(on: date) -> date:
    return on - timedelta(days=on.weekday())


def _firsts(months: int) -> Callable[[date], date]:
    def first_of(on: date) -> date:
        return on.replace(month=on.month - (on.month - 1) % months, day=1)

    return first_of
