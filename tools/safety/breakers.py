"""The circuit breakers: pure functions of (state, event). They decide; others act and persist.

A breaker trips once: it is armed again when its trip is over (`until`), with counts that start from
zero. Trips without an end last for the session. `new_session` keeps the win rate's window alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import reduce

from tools.core.safety import RiskLimits

NEAR_THE_LIMIT = Decimal("0.75")
"""From this part of the daily loss on nothing is added."""

BURST = timedelta(minutes=5)

SLIPPAGE_FILLS = 10
"""Over so many fills the mean of the slippage is taken."""


class Breaker(StrEnum):
    """Every breaker, by the name that its log line shows."""

    DAILY_LOSS = "daily_loss"
    DAILY_LOSS_NEAR = "daily_loss_near"
    DRAWDOWN = "drawdown"
    PROFIT_LOCK = "profit_lock"
    CONSECUTIVE_LOSSES = "consecutive_losses"
    MODEL_DEGRADATION = "model_degradation"
    ANALYSIS_FAILURES = "analysis_failures"
    STALE_DATA = "stale_data"
    REJECT_BURST = "reject_burst"
    UNKNOWN_BURST = "unknown_burst"
    SLIPPAGE = "slippage"
    OVERFILL = "overfill"

    @property
    def ends_the_day(self) -> bool:
        """Everything is closed, and HALTED until the next session or an operator's reset."""
        return self in (Breaker.DAILY_LOSS, Breaker.DRAWDOWN, Breaker.PROFIT_LOCK)

    @property
    def halts(self) -> bool:
        """HALTED; the others mean REDUCING."""
        return self.ends_the_day or self is Breaker.OVERFILL


@dataclass(frozen=True, slots=True, kw_only=True)
class EquitySeen:
    """What the broker says that the book is worth, and what it was worth at the session's start."""

    at: datetime
    equity_usd: Decimal
    start_equity_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeClosed:
    """A round trip ended."""

    at: datetime
    pnl_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisEnded:
    """An analysis came to an end, or failed."""

    at: datetime
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteSeen:
    """An entry was priced, by a fresh quote or by none."""

    at: datetime
    fresh: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused:
    """The broker rejected an order; `unknown` when its answer was lost."""

    at: datetime
    unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """An order that was decided at a price has ended; it cost so much more than that price."""

    at: datetime
    client_order_id: str
    slippage_fraction: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Overfilled:
    """More shares were executed than an intent had asked for."""

    at: datetime
    client_order_id: str


type Event = (
    EquitySeen | TradeClosed | AnalysisEnded | QuoteSeen | OrderRefused | Filled | Overfilled
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """A breaker that opened; `until` is None for the rest of the session."""

    breaker: Breaker
    at: datetime
    reason: str
    until: datetime | None = None

    def open_at(self, now: datetime) -> bool:
        """Still in force at `now`."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What the breakers remember of a session."""

    session_on: date
    peak_equity_usd: Decimal = Decimal(0)
    trades_seen: int = 0
    losses: int = 0
    wins: tuple[bool, ...] = ()
    failures: int = 0
    stale: int = 0
    rejects: tuple[datetime, ...] = ()
    unknowns: tuple[datetime, ...] = ()
    fills: tuple[str, ...] = ()
    """Whose slippage has been counted."""
    slippages: tuple[Decimal, ...] = ()
    trips: tuple[Trip, ...] = ()

    def open_trips(self, now: datetime) -> tuple[Trip, ...]:
        """Those in force at `now`."""
        return tuple(trip for trip in self.trips if trip.open_at(now))


def new_session(state: BreakerState, session_on: date) -> BreakerState:
    """The next day: everything afresh but the rolling win rate."""
    return BreakerState(session_on=session_on, wins=state.wins)


def after(state: BreakerState, events: Sequence[Event], limits: RiskLimits) -> BreakerState:
    """The state once all `events` have happened, oldest first."""
    return reduce(lambda so_far, event: step(so_far, event, limits), events, state)


def step(state: BreakerState, event: Event, limits: RiskLimits) -> BreakerState:
    """The state once `event` has happened."""
    match event:
        case EquitySeen():
            return _equity(state, event, limits)
        case TradeClosed():
            return _trade(state, event, limits)
        case AnalysisEnded():
            state = replace(state, failures=state.failures + 1 if event.failed else 0)
            if state.failures < limits.max_analysis_failures:
                return state
            words = f"{state.failures} analyses in a row failed"
            return replace(
                _paused(state, Breaker.ANALYSIS_FAILURES, event, words, limits), failures=0
            )
        case QuoteSeen():
            state = replace(state, stale=0 if event.fresh else state.stale + 1)
            if state.stale < limits.max_stale_quotes:
                return state
            words = f"{state.stale} entries in a row had no fresh quote"
            return replace(_paused(state, Breaker.STALE_DATA, event, words, limits), stale=0)
        case OrderRefused():
            return _refusal(state, event, limits)
        case Filled():
            return _fill(state, event, limits)
        case Overfilled():
            words = f"{event.client_order_id} executed more than was asked for"
            return _tripped(state, Trip(breaker=Breaker.OVERFILL, at=event.at, reason=words))


def _equity(state: BreakerState, event: EquitySeen, limits: RiskLimits) -> BreakerState:
    start, equity = event.start_equity_usd, event.equity_usd
    if start <= 0:
        return state
    state = replace(state, peak_equity_usd=max(state.peak_equity_usd, equity, start))
    gained, fallen = (equity - start) / start, (state.peak_equity_usd - equity) / start
    reasons: dict[Breaker, str] = {}
    if -gained >= limits.daily_loss_fraction:
        reasons[Breaker.DAILY_LOSS] = f"{-gained:.2%} lost today"
    elif -gained >= limits.daily_loss_fraction * NEAR_THE_LIMIT:
        reasons[Breaker.DAILY_LOSS_NEAR] = f"{-gained:.2%} lost today"
    if gained >= limits.profit_lock_fraction:
        reasons[Breaker.PROFIT_LOCK] = f"{gained:.2%} gained today"
    if fallen >= limits.drawdown_fraction:
        reasons[Breaker.DRAWDOWN] = f"{fallen:.2%} below the day's highest equity"
    for breaker, words in reasons.items():
        state = _tripped(state, Trip(breaker=breaker, at=event.at, reason=words))
    return state


def _trade(state: BreakerState, event: TradeClosed, limits: RiskLimits) -> BreakerState:
    won, lost = event.pnl_usd > 0, event.pnl_usd < 0
    state = replace(
        state,
        trades_seen=state.trades_seen + 1,
        losses=state.losses + 1 if lost else 0,
        wins=(*state.wins, won)[-limits.win_rate_trades :],
    )
    if state.losses >= limits.max_consecutive_losses:
        words = f"{state.losses} losing trades in a row"
        state = _paused(state, Breaker.CONSECUTIVE_LOSSES, event, words, limits)
        state = replace(state, losses=0)
    if len(state.wins) < limits.win_rate_trades:
        return state
    rate = Decimal(sum(state.wins)) / len(state.wins)
    if rate < limits.min_win_rate_fraction:
        words = f"{rate:.0%} of the last {len(state.wins)} trades won"
        trip = Trip(breaker=Breaker.MODEL_DEGRADATION, at=event.at, reason=words)
        state = replace(_tripped(state, trip), wins=())
    return state


def _refusal(state: BreakerState, event: OrderRefused, limits: RiskLimits) -> BreakerState:
    before = state.unknowns if event.unknown else state.rejects
    times = (*(at for at in before if at > event.at - BURST), event.at)
    breaker = Breaker.UNKNOWN_BURST if event.unknown else Breaker.REJECT_BURST
    what = "had no answer" if event.unknown else "were rejected"
    most = limits.max_unknown_outcomes if event.unknown else limits.max_rejects
    if len(times) >= most:
        words = f"{len(times)} orders {what} within five minutes"
        state, times = _paused(state, breaker, event, words, limits), ()
    return replace(state, unknowns=times) if event.unknown else replace(state, rejects=times)


def _fill(state: BreakerState, event: Filled, limits: RiskLimits) -> BreakerState:
    """Once for each order, however often it is told."""
    if event.client_order_id in state.fills:
        return state
    lost = (*state.slippages, event.slippage_fraction)[-SLIPPAGE_FILLS:]
    state = replace(state, fills=(*state.fills, event.client_order_id), slippages=lost)
    mean = sum(lost) / len(lost)
    if len(lost) < SLIPPAGE_FILLS or mean <= limits.max_slippage_fraction:
        return state
    words = f"{mean:.3%} lost to slippage, the mean of the last {len(lost)} fills"
    return replace(_paused(state, Breaker.SLIPPAGE, event, words, limits), slippages=())


def _paused(
    state: BreakerState, breaker: Breaker, event: Event, words: str, limits: RiskLimits
) -> BreakerState:
    until = event.at + timedelta(minutes=limits.loss_pause_minutes)
    return _tripped(state, Trip(breaker=breaker, at=event.at, reason=words, until=until))


def _tripped(state: BreakerState, trip: Trip) -> BreakerState:
    """With `trip`, unless that breaker is open already."""
    if any(one.breaker is trip.breaker and one.open_at(trip.at) for one in state.trips):
        return state
    return replace(state, trips=(*state.trips, trip))
