"""Judges a lived day by the exchange's own history, and the certificates by that."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.days.plan import Kind
from tests.days.world import Day
from tools.core.trading import Side
from tools.execution.certificates import certificates_path, read_standing
from tools.journal import history
from tools.journal.order_ids import Leg, is_flatten, leg_of
from tools.simulation.orders import SimOrder

INSTANT = timedelta(microseconds=1)
SECOND, MOST_SKEW = timedelta(seconds=1), timedelta(seconds=65)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """`held` at the close by the exchange's word; `faults` are what must never happen."""

    seed: int
    sellable: bool
    held: tuple[str, ...]
    wrong_certificates: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def flat(self) -> bool:
        """Nothing was held when the session closed."""
        return not self.held

    @property
    def failed(self) -> bool:
        """This day must not have gone like that."""
        late = self.sellable and not self.flat
        return late or bool(self.wrong_certificates or self.faults)


def judge(day: Day) -> Verdict:
    """After `live` and `wake_next_morning`."""
    # What fills in the last minute bears the instant of the close.
    held = tuple(sorted(_held_at(day, day.session.close_at + INSTANT)))
    return Verdict(
        seed=day.plan.seed,
        sellable=day.chances.sellable(),
        held=held,
        wrong_certificates=tuple(_wrong(day, held)),
        faults=tuple(_faults(day)),
    )


def _held_at(day: Day, at: datetime) -> dict[str, Decimal]:
    """By symbol, what all executions before `at` add up to."""
    held: dict[str, Decimal] = {}
    for done in day.broker.venue.executions():
        if done.at < at:
            held[done.order.symbol] = done.position_quantity
    return {symbol: shares for symbol, shares in held.items() if shares}


def _wrong(day: Day, held: tuple[str, ...]) -> Iterator[str]:
    """FLAT of a book that was not, and no certificate, or one without reasons, of one that was."""
    path = certificates_path(day.home)
    lines = history.read(path) if path.exists() else []
    for line in lines:
        if line.get("flat") and not all(_was_flat(day, read["at"]) for read in line["reads"]):
            yield f"FLAT at {line['at']}, which it was not"
    last: Any = read_standing(path).last.get(day.session.on)
    if last is None:
        yield "no certificate in the next morning"
    elif held and last["flat"]:
        yield f"FLAT although {', '.join(held)} were held at the close"
    elif held and not last["why_not"]:
        yield "NOT FLAT without a reason"
    elif not held and not last["flat"]:
        yield f"NOT FLAT although it was: {last['why_not']}"


def _was_flat(day: Day, at: str) -> bool:
    """By the exchange, at that instant of a local clock, which may have been off."""
    read = datetime.fromisoformat(at)
    off = MOST_SKEW if any(day.lived.of(Kind.SKEW)) else SECOND
    instants = [read, read - off, read + off]
    changes = [done.at + SECOND for done in day.broker.venue.executions()]
    instants += [at for at in changes if abs(at - read) <= off]
    return any(not _held_at(day, one) for one in instants)


def _faults(day: Day) -> Iterator[str]:
    session = day.session
    for order in day.broker.venue.orders():
        name = order.client_order_id
        ours = is_flatten(name) or leg_of(name) is not None
        after = session.close_at <= order.submitted_at < session.close_at + timedelta(hours=2)
        if ours and after and not order.parent:
            yield f"{name} was sent after the close"
        if (
            leg_of(name) is Leg.ENTRY
            and _entry(order)
            and order.submitted_at >= session.entries_end_at
        ):
            yield f"{name} was sent after the end of entries"


def _entry(order: SimOrder) -> bool:
    return order.request.side is Side.BUY
