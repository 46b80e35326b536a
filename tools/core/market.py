"""What trades and what it costs: symbols, bars, quotes."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

_EQUITY = re.compile(r"[A-Z]{1,5}(\.[A-Z])?", re.ASCII)
_CURRENCIES = frozenset(("USD", "EUR", "GBP", "JPY", "CHF", "CAD", "AUD", "NZD"))


class Market(StrEnum):
    """What kind of market a symbol belongs to. Only US equities trade."""

    US_EQUITY = "us_equity"
    CRYPTO = "crypto"
    FOREX = "forex"
    UNKNOWN = "unknown"


def market_of(symbol: str) -> Market:
    """The market that `symbol` names by its shape alone: `AAPL`, `BRK.B`; `BTC/USD`; `EUR/USD`.

    Case matters, as it does at the broker. Digits, homoglyphs and blanks are UNKNOWN.
    """
    if _EQUITY.fullmatch(symbol):
        return Market.US_EQUITY
    base, slash, quote = symbol.partition("/")
    if slash and base in _CURRENCIES and quote in _CURRENCIES:
        return Market.FOREX
    if slash and quote in _CURRENCIES and re.fullmatch(r"[A-Z0-9]{2,6}", base, re.ASCII):
        return Market.CRYPTO
    return Market.UNKNOWN


class Timeframe(StrEnum):
    """Length of a bar. The values are Alpaca's names."""

    MINUTE_1 = "1Min"
    MINUTE_5 = "5Min"
    MINUTE_15 = "15Min"
    HOUR_1 = "1Hour"
    DAY_1 = "1Day"

    @property
    def minutes(self) -> int:
        """Nominal length in minutes; a daily bar counts as 1440."""
        return {"1Min": 1, "5Min": 5, "15Min": 15, "1Hour": 60, "1Day": 1440}[self.value]

    @property
    def length(self) -> timedelta:
        """Nominal length."""
        return timedelta(minutes=self.minutes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What the broker says about a symbol."""

    symbol: str
    name: str
    exchange: str
    market: Market
    active: bool
    tradable: bool
    shortable: bool = False
    fractionable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of trading, stamped at its *start* (aware UTC) and to be shown only after its end.

    Prices in dollars per share, volume in shares. Floats: bars belong to the analysis path.
    """

    symbol: str
    start: datetime
    open: float
    high: float
    low: float
    close: float
    volume: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One of the day's largest moves; `change_fraction` is since the previous close."""

    symbol: str
    price: float
    change_fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The best bid and ask at an instant (aware UTC), in dollars per share; sizes in shares."""

    symbol: str
    at: datetime
    bid: Decimal
    ask: Decimal
    bid_size: int = 0
    ask_size: int = 0

    @property
    def mid(self) -> Decimal:
        """Half-way between bid and ask."""
        return (self.bid + self.ask) / 2

    @property
    def spread_fraction(self) -> Decimal:
        """Ask minus bid over the mid, 0…; a crossed quote is negative."""
        return (self.ask - self.bid) / self.mid

    def age(self, now: datetime) -> timedelta:
        """How old the quote is at `now`."""
        return now - self.at
