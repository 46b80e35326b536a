"""What a ruling rests on: the book as it stands, and one ticket with its prices."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from tools.core.market import Instrument, Quote
from tools.core.safety import TradingState
from tools.core.session import Session
from tools.core.trading import Account, Order, OrderTicket, Position, Side


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """An entry that the broker may not show yet: an earlier ticket, an unanswered intent."""

    symbol: str
    notional_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What is held, owed and allowed at the instant `now`.

    `session` is None when the table of sessions has ended; `market_open` is the broker's word;
    `reconciled` says that our books have been compared with the broker's since the start;
    `entries_today` counts all entries sent in this session, `claims` included.
    """

    now: datetime
    session: Session | None
    market_open: bool
    reconciled: bool
    trading_state: TradingState
    state_reason: str
    account: Account
    positions: tuple[Position, ...]
    open_orders: tuple[Order, ...]
    start_equity_usd: Decimal
    entries_today: int
    claims: tuple[Claim, ...] = ()

    @property
    def occupied(self) -> frozenset[str]:
        """Symbols that are held or being bought."""
        held = {position.symbol for position in self.positions if position.quantity}
        buying = {order.symbol for order in working(self.open_orders) if order.side is Side.BUY}
        return frozenset(held | buying | {claim.symbol for claim in self.claims})

    @property
    def free_buying_power_usd(self) -> Decimal:
        """The broker's buying power less what is claimed."""
        return self.account.buying_power - sum(claim.notional_usd for claim in self.claims)

    @property
    def loss_fraction(self) -> Decimal:
        """Equity lost since the session's start, over the equity then; negative for a gain."""
        if not self.start_equity_usd:
            return Decimal(0)
        return (self.start_equity_usd - self.account.equity) / self.start_equity_usd

    @property
    def entries_open(self) -> bool:
        """An entry could pass: the state, the books, the entry window and the broker's clock."""
        return (
            self.trading_state is TradingState.ACTIVE
            and self.reconciled
            and self.session is not None
            and self.session.entries_start_at <= self.now < self.session.entries_end_at
            and self.market_open
        )

    def with_entry(self, claim: Claim) -> "Book":
        """The book as it will be once `claim` has been sent."""
        return replace(self, claims=(*self.claims, claim), entries_today=self.entries_today + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A ticket to buy, with what the rules need to know about its symbol.

    `entry_price` is the limit, the most a share may cost. Prices are in whole cents; None where the
    market gave none. `notes` say what was assumed.
    """

    ticket: OrderTicket
    instrument: Instrument | None
    quote: Quote | None
    entry_price: Decimal | None
    stop_price: Decimal | None
    target_price: Decimal | None
    notes: tuple[str, ...] = ()


def working(orders: Iterable[Order]) -> list[Order]:
    """Every order that the broker may still act on, the legs of each right behind it."""
    return [one for order in orders for one in (order, *order.legs) if one.open]
