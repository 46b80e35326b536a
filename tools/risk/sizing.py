"""How many shares, and where the stop is. The analysis' floats become Decimals here and only here.

A size is the smallest of several caps, each a pure function. A ticket's own quantity is one of
them: it can only make an order smaller.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, ROUND_FLOOR, Decimal

from tools.core.market import Bar, Instrument, Quote
from tools.core.safety import DenialReason, RiskLimits
from tools.core.trading import OrderTicket
from tools.risk.book import Book, Proposal

CENT = Decimal("0.01")
ATR_PERIOD = 14
SEED_WEIGHT = 0.01
"""An average counts as ready once its first, arbitrary value weighs less than this."""


def cents(price: Decimal) -> Decimal:
    """`price` in whole cents, rounded down."""
    return price.quantize(CENT, rounding=ROUND_DOWN)


def wilder_atr(bars: Sequence[Bar], period: int = ATR_PERIOD) -> float | None:
    """Wilder's average true range of `bars` (oldest first) in dollars; None until it is ready."""
    ranges = [
        max(bar.high, before.close) - min(bar.low, before.close)
        for before, bar in itertools.pairwise(bars)
    ]
    kept = (period - 1) / period
    if kept ** (len(ranges) - period) >= SEED_WEIGHT:
        return None
    average = sum(ranges[:period]) / period
    for true_range in ranges[period:]:
        average = kept * average + true_range / period
    return average


@dataclass(frozen=True, slots=True, kw_only=True)
class StopBasis:
    """The 5-minute ATR in dollars that a default stop rests on, with a note if it is estimated."""

    atr_usd: Decimal
    note: str = ""


def stop_basis(five_minute: Sequence[Bar], one_minute: Sequence[Bar]) -> StopBasis | None:
    """ATR(14) of 5-minute bars, else of 1-minute bars times sqrt(5); None if neither is ready."""
    if (atr := wilder_atr(five_minute)) is not None:
        return StopBasis(atr_usd=_decimal(atr))
    if (atr := wilder_atr(one_minute)) is not None:
        note = "default stop from the 1-minute ATR x sqrt(5): the 5-minute ATR is not ready"
        return StopBasis(atr_usd=_decimal(atr * math.sqrt(5)), note=note)
    return None


def propose(
    ticket: OrderTicket,
    instrument: Instrument | None,
    quote: Quote | None,
    basis: StopBasis | None,
    limits: RiskLimits,
) -> Proposal:
    """Price a ticket: limit a collar above the ask, stop as asked or 2 x ATR below the limit."""
    entry = cents(quote.ask * (1 + limits.entry_collar_fraction)) if quote else None
    stop, note = ticket.stop_price, ""
    if stop is None and entry is not None and basis is not None:
        stop, note = entry - limits.stop_atr_multiple * basis.atr_usd, basis.note
    return Proposal(
        ticket=ticket,
        instrument=instrument,
        quote=quote,
        entry_price=entry,
        stop_price=None if stop is None else cents(stop),
        target_price=None if ticket.target_price is None else cents(ticket.target_price),
        notes=(note,) if note else (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An order to buy whose prices are settled, the stop below the entry, and whose size is not."""

    entry_price: Decimal
    stop_price: Decimal
    asked: Decimal | None

    @property
    def risk_per_share_usd(self) -> Decimal:
        """Lost per share when it is bought at the limit and sold at the stop."""
        return self.entry_price - self.stop_price


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """The most shares that one limit allows, which may be none."""

    shares: Decimal
    reason: DenialReason
    words: str


type CapRule = Callable[[Draft, Book, RiskLimits], Cap]


def asked_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What the ticket asks for, if it asks."""
    shares = Decimal("Infinity") if draft.asked is None else draft.asked
    return Cap(shares=shares, reason=DenialReason.QUANTITY, words="the quantity asked for")


def risk_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What may be lost between entry and stop."""
    fraction, per_share = limits.risk_per_trade_fraction, draft.risk_per_share_usd
    shares = fraction * book.start_equity_usd / per_share
    words = f"at most {fraction:.2%} of equity at risk, at {per_share} a share"
    return Cap(shares=shares, reason=DenialReason.QUANTITY, words=words)


def position_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What one position may be worth."""
    shares = limits.max_position_fraction * book.start_equity_usd / draft.entry_price
    words = f"at most {limits.max_position_fraction:.0%} of equity in one position"
    return Cap(shares=shares, reason=DenialReason.EXPOSURE, words=words)


def buying_power_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What the broker lets us buy."""
    shares = book.free_buying_power_usd / draft.entry_price
    words = f"{cents(book.free_buying_power_usd)} of buying power left"
    return Cap(shares=shares, reason=DenialReason.BUYING_POWER, words=words)


CAPS: tuple[CapRule, ...] = (asked_cap, risk_cap, position_cap, buying_power_cap)


def size(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """The tightest cap, in whole shares and never negative."""
    tightest = min((cap(draft, book, limits) for cap in CAPS), key=lambda cap: cap.shares)
    whole = tightest.shares.to_integral_value(ROUND_FLOOR)
    return replace(tightest, shares=max(Decimal(0), whole))


def _decimal(value: float) -> Decimal:
    return Decimal(str(round(value, 6)))
