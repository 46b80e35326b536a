"""How many shares: the smallest of several caps, each a pure function with its reason.

A ticket's own quantity is one of them: it can only make an order smaller. A limit that is used up
leaves a cap of none, which is a denial.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal

from tools.core.safety import DenialReason, Finding, Gate, RiskLimits
from tools.risk.book import Book, Proposal

NO_LIMIT = Decimal("Infinity")
LATE = timedelta(minutes=60)
"""The last stretch before the close, in which less may be held."""

VALUE_ORDERS, LEAST_VALUE_ORDERS = 20, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An order to buy whose prices are settled, the stop below the entry, and whose size is not."""

    proposal: Proposal
    entry_price: Decimal
    stop_price: Decimal

    @property
    def asked(self) -> Decimal | None:
        """The quantity that the ticket names."""
        return self.proposal.ticket.quantity

    @property
    def symbol(self) -> str:
        """What is bought."""
        return self.proposal.ticket.symbol

    @property
    def risk_per_share_usd(self) -> Decimal:
        """Lost per share when it is bought at the limit and sold at the stop."""
        return self.entry_price - self.stop_price


@dataclass(frozen=True, slots=True)
class Cap:
    """The most shares that one limit allows, which may be none or infinitely many."""

    shares: Decimal
    reason: DenialReason
    key: str
    template: str
    numbers: tuple[object, ...] = ()

    @property
    def words(self) -> str:
        """Which limit it is, with its numbers; put together only where it is told."""
        return self.template.format(*self.numbers)


type CapRule = Callable[[Draft, Book, RiskLimits], Cap]


def asked_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What the ticket asks for, if it asks."""
    shares = NO_LIMIT if draft.asked is None else draft.asked
    return Cap(shares, DenialReason.QUANTITY, "", "the quantity asked for")


def risk_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What may be lost between entry and stop."""
    fraction = limits.risk_per_trade_fraction
    shares = fraction * book.start_equity_usd / draft.risk_per_share_usd
    words = "at most {:.2%} of equity at risk, at {} a share"
    numbers = fraction, draft.risk_per_share_usd
    return Cap(shares, DenialReason.QUANTITY, "risk_per_trade_fraction", words, numbers)


def kelly_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """If chosen: a part of what Kelly would risk, given confidence and payoff (1 without a target).

    f = p - (1 - p) / b, with b the way to the target over the way to the stop.
    """
    reason, key = DenialReason.KELLY, "use_kelly_sizing"
    if not limits.use_kelly_sizing:
        return Cap(NO_LIMIT, reason, key, "")
    target, risk = draft.proposal.target_price, draft.risk_per_share_usd
    payoff = Decimal(1) if target is None else (target - draft.entry_price) / risk
    sure = Decimal(str(draft.proposal.ticket.confidence))
    edge = sure - (1 - sure) / payoff if payoff > 0 else Decimal(0)
    shares = limits.kelly_multiple * edge * book.start_equity_usd / risk
    return Cap(shares, reason, key, "Kelly, with an edge of {:.3f}", (edge,))


def position_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What one symbol may be worth, held and being bought."""
    fraction = limits.max_position_fraction
    held = book.exposures.get(draft.symbol)
    room = fraction * book.start_equity_usd - (held.value_usd if held else 0)
    words, key = "at most {:.0%} of equity in one position", "max_position_fraction"
    return Cap(room / draft.entry_price, DenialReason.EXPOSURE, key, words, (fraction,))


def gross_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What everything may be worth: less in the last hour."""
    late = book.session is not None and book.now >= book.session.close_at - LATE
    fraction = limits.max_late_gross_fraction if late else limits.max_gross_fraction
    room = fraction * book.start_equity_usd - book.total.value_usd
    key = "max_late_gross_fraction" if late else "max_gross_fraction"
    words = "at most {:.0%} of equity in all positions"
    return Cap(room / draft.entry_price, DenialReason.GROSS, key, words, (fraction,))


def open_risk_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What may be lost when every stop is hit."""
    fraction = limits.max_open_risk_fraction
    room = fraction * book.start_equity_usd - book.total.risk_usd
    words = "at most {:.2%} of equity lost when every stop is hit"
    shares = room / draft.risk_per_share_usd
    return Cap(shares, DenialReason.OPEN_RISK, "max_open_risk_fraction", words, (fraction,))


def daily_volume_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """A part of what is traded in a day."""
    fraction, volume = limits.max_daily_volume_fraction, draft.proposal.tape.daily_volume
    shares = NO_LIMIT if volume is None else fraction * volume
    words = "at most {:.2%} of a day's volume"
    return Cap(shares, DenialReason.VOLUME, "max_daily_volume_fraction", words, (fraction,))


def minute_volume_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """A part of what is traded in a minute."""
    fraction, volume = limits.max_minute_volume_fraction, draft.proposal.tape.minute_volume
    shares = NO_LIMIT if volume is None else fraction * volume
    words = "at most {:.0%} of a minute's volume"
    return Cap(shares, DenialReason.VOLUME, "max_minute_volume_fraction", words, (fraction,))


def value_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """A multiple of what the session's last orders were worth, once there are some."""
    reason, key = DenialReason.VALUE, "max_order_value_multiple"
    values = [entry.notional_usd for entry in book.entries[-VALUE_ORDERS:]]
    if len(values) < LEAST_VALUE_ORDERS:
        return Cap(NO_LIMIT, reason, key, "")
    usual = statistics.median(values)
    multiple, words = (
        limits.max_order_value_multiple,
        "at most {} times the median order of {:.2f} USD",
    )
    shares = multiple * usual / draft.entry_price
    return Cap(shares, reason, key, words, (multiple, usual))


def buying_power_cap(draft: Draft, book: Book, limits: RiskLimits) -> Cap:
    """What the broker lets us buy and we have the cash for, with a reserve."""
    price = draft.entry_price * (1 + limits.cash_reserve_fraction)
    words, free = "{:.2f} USD of buying power left", book.free_buying_power_usd
    return Cap(free / price, DenialReason.BUYING_POWER, "cash_reserve_fraction", words, (free,))


CAPS: tuple[CapRule, ...] = (
    asked_cap,
    risk_cap,
    kelly_cap,
    position_cap,
    gross_cap,
    open_risk_cap,
    daily_volume_cap,
    minute_volume_cap,
    value_cap,
    buying_power_cap,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Whole shares, what bound them, and what each cap found."""

    shares: Decimal
    bound: Cap
    findings: tuple[tuple[str, Finding], ...]


def size(draft: Draft, book: Book, limits: RiskLimits) -> Size:
    """The tightest cap, in whole shares and never negative."""
    caps = [(rule.__name__, rule(draft, book, limits)) for rule in CAPS]
    bound = min((cap for _, cap in caps), key=lambda cap: cap.shares)
    shares = max(Decimal(0), bound.shares.to_integral_value(ROUND_FLOOR))
    findings = tuple((name, _finding(cap, cap is bound, shares, draft.asked)) for name, cap in caps)
    return Size(shares=shares, bound=bound, findings=findings)


def var_finding(draft: Draft, shares: Decimal, book: Book, limits: RiskLimits) -> Finding:
    """What a bad day may cost the book with these shares in it; unknown without enough days."""
    reason, at = DenialReason.VAR, limits.var_confidence
    values = {symbol: float(one.value_usd) for symbol, one in book.exposures.items()}
    values[draft.symbol] = values.get(draft.symbol, 0.0) + float(shares * draft.entry_price)
    loss = draft.proposal.moves.value_at_risk_usd(values, at)
    if loss is None:
        words = "fewer than 20 common daily returns of all that is held"
        return Finding(Gate.UNKNOWN, reason, None, None, "max_var_fraction", words)
    limit, measured = limits.max_var_fraction * book.start_equity_usd, Decimal(f"{loss:.2f}")
    if measured <= limit:
        return Finding(Gate.PASS, reason, measured, limit, "max_var_fraction")
    words = f"{at:.0%} historical VaR {measured} USD, at most {limit:.2f} (risk.max_var_fraction)"
    return Finding(Gate.DENIAL, reason, measured, limit, "max_var_fraction", words)


def _finding(cap: Cap, binds: bool, shares: Decimal, asked: Decimal | None) -> Finding:
    """A cap as a finding: how many shares it allows, of those that were asked for."""
    allowed = cap.shares if cap.shares.is_finite() else None
    if not binds or not cap.key:
        return Finding(Gate.PASS, cap.reason, allowed, asked, cap.key)
    gate = Gate.CLAMP if shares else Gate.DENIAL
    return Finding(gate, cap.reason, allowed, asked, cap.key, cap.words)
