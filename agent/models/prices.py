"""What tokens cost: dollars a million, since when, and until which hour.

Read at api-docs.deepseek.com/quick_start/pricing in October 2026. A new price is a new row; nothing
is edited, so that a day of the past keeps its cost.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from agent.models.capabilities import SERVED_AS

logger = logging.getLogger(__name__)

MILLION = 1_000_000
SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for a million tokens: prompt from the cache, prompt read anew, output."""

    hit_usd: Decimal
    miss_usd: Decimal
    output_usd: Decimal

    def cost_usd(self, *, cached: int, prompt: int, output: int) -> Decimal:
        """Of one answer; `cached` is a part of `prompt`."""
        fresh = max(0, prompt - cached)
        total = self.hit_usd * cached + self.miss_usd * fresh + self.output_usd * output
        return total / MILLION


@dataclass(frozen=True, slots=True)
class Tariff:
    """A model's prices from `since` on. Peak hours are Beijing's working hours."""

    model: str
    since: datetime
    off_peak: Price
    peak: Price


def _price(hit: str, miss: str, output: str) -> Price:
    return Price(Decimal(hit), Decimal(miss), Decimal(output))


TARIFFS = (
    Tariff(
        "deepseek-flash",
        datetime(2026, 4, 24, tzinfo=UTC),
        _price("0.0028", "0.14", "0.28"),
        _price("0.0028", "0.14", "0.28"),
    ),
    Tariff(
        "deepseek-flash",
        datetime(2026, 8, 16, 16, tzinfo=UTC),
        _price("0.003", "0.15", "0.60"),
        _price("0.006", "0.30", "1.20"),
    ),
    Tariff(
        "deepseek-v4-pro",
        datetime(2026, 8, 13, tzinfo=UTC),
        _price("0.022", "0.66", "1.98"),
        _price("0.044", "1.32", "3.96"),
    ),
)


def price_of(model: str, at: datetime) -> Price | None:
    """What `model` costs at `at`, None when it is not listed.

    Before its first row, as in a simulation of years ago, the latest row holds: what such a day
    would cost now.
    """
    name = SERVED_AS.get(model, model)
    rows = [row for row in TARIFFS if row.model == name]
    if not rows:
        return None
    begun = [row for row in rows if row.since <= at] or rows
    return begun[-1].peak if is_peak(at) else begun[-1].off_peak


def is_peak(at: datetime) -> bool:
    """Monday to Friday, 01 to 04 and 06 to 10 UTC; China's holidays are not known here."""
    moment = at.astimezone(UTC)
    return moment.weekday() < SATURDAY and (1 <= moment.hour < 4 or 6 <= moment.hour < 10)


def dearest() -> Price:
    """The most expensive price listed, for a model that nobody priced."""
    return max((row.peak for row in TARIFFS), key=lambda price: price.output_usd)
