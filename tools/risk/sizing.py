"""From bars to prices: where the stop is, what is usually traded.

The analysis' floats become Decimals here and only here.
"""

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_DOWN, Decimal

from tools.core.market import Bar, Instrument, Quote
from tools.core.safety import RiskLimits
from tools.core.trading import OrderTicket
from tools.risk.book import Glance, Proposal, Tape
from tools.risk.limits_market import CENT
from tools.risk.portfolio import NO_MOVES, Moves

ATR_PERIOD = 14
SEED_WEIGHT = 0.01
"""An average counts as ready once its first, arbitrary value weighs less than this."""

VOLUME_DAYS, VOLUME_MINUTES, MINUTES_A_DAY = 20, 5, 390


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


def read_tape(
    daily: Sequence[Bar],
    five_minute: Sequence[Bar],
    one_minute: Sequence[Bar],
    this_session: Sequence[Bar],
) -> Tape:
    """What the rules need of a symbol's bars, oldest first; `this_session` are its minutes.

    The 5-minute ATR is estimated by the 1-minute ATR times sqrt(5) while it is not ready.
    """
    five, one = wilder_atr(five_minute), wilder_atr(one_minute)
    note = ""
    if five is None and one is not None:
        five = one * math.sqrt(5)
        note = "default stop from the 1-minute ATR x sqrt(5): the 5-minute ATR is not ready"
    volume = [bar.volume for bar in daily[-VOLUME_DAYS:]]
    minutes = [bar.volume for bar in this_session]
    a_day = statistics.fmean(volume) if volume else float(sum(minutes))
    recent = minutes[-VOLUME_MINUTES:]
    a_minute = statistics.fmean(recent) if recent else a_day / MINUTES_A_DAY
    return Tape(
        daily_volume=_decimal(a_day) if a_day else None,
        minute_volume=_decimal(a_minute) if a_day else None,
        minute_atr_usd=None if one is None else _decimal(one),
        atr_usd=None if five is None else _decimal(five),
        atr_note=note,
    )


def propose(
    ticket: OrderTicket,
    instrument: Instrument | None,
    quote: Quote | None,
    tape: Tape,
    limits: RiskLimits,
    *,
    moves: Moves = NO_MOVES,
    decided: Glance | None = None,
) -> Proposal:
    """Price a ticket: limit a collar above the ask, stop as asked or 2 x ATR below the limit.

    A default stop is never nearer than the least distance that the rules allow.
    """
    entry = cents(quote.ask * (1 + limits.entry_collar_fraction)) if quote else None
    proposal = Proposal(
        ticket=ticket,
        instrument=instrument,
        quote=quote,
        entry_price=entry,
        stop_price=None if ticket.stop_price is None else cents(ticket.stop_price),
        target_price=None if ticket.target_price is None else cents(ticket.target_price),
        tape=tape,
        moves=moves,
        decided=decided,
    )
    if ticket.stop_price is not None or entry is None or tape.atr_usd is None:
        return proposal
    distance, notes = limits.stop_atr_multiple * tape.atr_usd, [tape.atr_note]
    least = entry * limits.min_stop_distance_fraction
    if distance < least:
        distance = least
        notes.append(f"default stop {limits.min_stop_distance_fraction:.2%} away: the ATR is small")
    told = tuple(note for note in notes if note)
    return replace(proposal, stop_price=cents(entry - distance), notes=told)


def _decimal(value: float) -> Decimal:
    return Decimal(str(round(value, 6)))
