"""Flat certificates: what a session's end looked like to the broker, in lines that bind each other.

Importable with the standard library alone: the flatten program certifies too. A certificate says
FLAT only when two reads at least `READS_APART` apart showed nothing held and nothing open, but for
what is left alone, which it then lists. Everything else is NOT FLAT, with the reasons.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from tools.core.errors import Unavailable
from tools.core.reports import FlatRead, FlattenReport
from tools.core.seams import Broker
from tools.core.session import Session
from tools.core.trading import Order, Side
from tools.execution.certificate_chain import ACKNOWLEDGED, Chain, append, read_chain

READS_APART = timedelta(seconds=2)
VERIFY_DELAY = timedelta(seconds=60)
"""After the close, when the session is looked at once more whoever has flattened it."""

CERTIFICATE = "certificate"


class Occasion(StrEnum):
    """Why a certificate was written."""

    FLATTEN = "flatten"
    CLOSE = "close"
    LATE = "late"
    """Nobody had certified that session when it ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """An order that closed something, by its own id."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal | None
    at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """One line. `caller` asked for the flatten, or verified; `why_not` is empty when flat."""

    session_on: date
    at: datetime
    occasion: Occasion
    caller: str
    flat: bool
    why_not: tuple[str, ...]
    reads: tuple[FlatRead, ...]
    exits: tuple[Exit, ...]
    left_alone: tuple[tuple[str, Decimal], ...] = ()
    equity_usd: Decimal | None = None
    broker_at: datetime | None = None

    @property
    def held(self) -> bool:
        """Shares were seen; looking again will not make them go away."""
        return any(read.held for read in self.reads[-1:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Certifier:
    """Looks at a broker and writes what it sees. `outside` are symbols to leave alone.

    `everything` is the whole account where `broker` shows a part of it; `wait(t)` returns at `t`.
    """

    broker: Broker
    path: Path
    now: Callable[[], datetime]
    outside: frozenset[str] = frozenset()
    everything: Broker | None = None

    def certify_flatten(
        self, report: FlattenReport, session: Session, wait: Callable[[datetime], None]
    ) -> Certificate:
        """Write how a flatten ended. Raises OSError when the line cannot be written."""
        reads = report.reads if _enough(report.reads) else self.read_twice(wait)
        since = min(report.started_at, session.flatten_at)
        found = self._certificate(session, Occasion.FLATTEN, report.caller, reads, since)
        if not found.flat:
            found = _because(found, report.errors)
        return self.write(found)

    def look(
        self,
        session: Session,
        occasion: Occasion,
        caller: str,
        wait: Callable[[datetime], None],
    ) -> Certificate:
        """What the session's end looks like now. Writes nothing; never raises for the broker."""
        return self._certificate(
            session, occasion, caller, self.read_twice(wait), session.flatten_at
        )

    def write(self, certificate: Certificate) -> Certificate:
        """Append the line. Raises OSError."""
        append(self.path, to_record(certificate))
        return certificate

    def read_twice(self, wait: Callable[[datetime], None]) -> tuple[FlatRead, ...]:
        """Two looks `READS_APART` apart; fewer when the broker did not answer."""
        reads: list[FlatRead] = []
        for _ in range(2):
            if reads:
                until = reads[-1].at + READS_APART
                while self.now() < until:
                    wait(until)
            try:
                reads.append(self._read())
            except Unavailable:
                break
        return tuple(reads)

    def _read(self) -> FlatRead:
        positions, orders = self.broker.positions(), self.broker.open_orders()
        mine = [one for one in positions if one.quantity and one.symbol not in self.outside]
        open_ids = [
            one.client_order_id or one.order_id
            for order in orders
            for one in (order, *order.legs)
            if one.open and one.symbol not in self.outside
        ]
        return FlatRead(
            at=self.now(),
            held=tuple(sorted((one.symbol, one.quantity) for one in mine)),
            open_orders=tuple(open_ids),
        )

    def _certificate(
        self,
        session: Session,
        occasion: Occasion,
        caller: str,
        reads: tuple[FlatRead, ...],
        since: datetime,
    ) -> Certificate:
        why_not = _why_not(reads)
        equity = broker_at = None
        exits: tuple[Exit, ...] = ()
        left_alone: tuple[tuple[str, Decimal], ...] = ()
        try:
            equity, broker_at = self.broker.account().equity, self.broker.clock().at
            orders = self.broker.orders_since(session.open_at - timedelta(hours=12))
            exits = tuple(_exits(orders, since, session.close_at))
            left_alone = self._left_alone(reads)
        except Unavailable as error:
            why_not = why_not and (*why_not, f"the broker did not answer: {error}")
        return Certificate(
            session_on=session.on,
            at=self.now(),
            occasion=occasion,
            caller=caller,
            flat=not why_not,
            why_not=why_not,
            reads=reads[-2:],
            exits=exits,
            left_alone=left_alone,
            equity_usd=equity,
            broker_at=broker_at,
        )

    def _left_alone(self, reads: Sequence[FlatRead]) -> tuple[tuple[str, Decimal], ...]:
        mine = dict(reads[-1].held) if reads else {}
        account = (self.everything or self.broker).positions()
        others = {one.symbol: one.quantity - mine.get(one.symbol, Decimal(0)) for one in account}
        return tuple(sorted((symbol, shares) for symbol, shares in others.items() if shares))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the file says of the sessions. `fault` and `unfinished` are the chain's."""

    last: Mapping[date, Mapping[str, Any]]
    """The last certificate of each session."""
    acknowledged: Mapping[date, Mapping[str, Any]]
    """The acknowledgement behind it, of the sessions that have one."""
    fault: str
    unfinished: bool

    def settled(self, session_on: date) -> bool:
        """That session ended flat, or an operator has taken note."""
        last = self.last.get(session_on)
        return session_on in self.acknowledged or bool(last and last["flat"])

    def unsettled(self, before: date) -> list[date]:
        """The sessions before that day whose last certificate says NOT FLAT."""
        return sorted(on for on in self.last if on < before and not self.settled(on))


def read_standing(path: Path) -> Standing:
    """What stands in the certificates' file. Raises OSError."""
    return _standing(read_chain(path))


def certificates_path(agent_folder: Path) -> Path:
    """`certificates.jsonl`, in the folder of the mind whose sessions they are."""
    return agent_folder / "certificates.jsonl"


def acknowledge(path: Path, session_on: date, *, by: str, reason: str, now: datetime) -> None:
    """An operator has looked at that session, and at what may be wrong with the file.

    Raises OSError.
    """
    record = {
        "kind": ACKNOWLEDGED,
        "session": str(session_on),
        "at": now.isoformat(),
        "by": by,
        "reason": reason,
        "accepts": read_chain(path).fault,
    }
    append(path, record)


def to_record(certificate: Certificate) -> Mapping[str, Any]:
    """As a line of the file; money and shares are strings."""
    one = certificate
    return {
        "kind": CERTIFICATE,
        "session": str(one.session_on),
        "at": one.at.isoformat(),
        "occasion": str(one.occasion),
        "caller": one.caller,
        "flat": one.flat,
        "why_not": list(one.why_not),
        "reads": [_read_record(read) for read in one.reads],
        "left_alone": _shares(one.left_alone),
        "exits": [_exit_record(order) for order in one.exits],
        "equity": None if one.equity_usd is None else str(one.equity_usd),
        "broker_clock": None if one.broker_at is None else one.broker_at.isoformat(),
    }


def _read_record(read: FlatRead) -> Mapping[str, Any]:
    return {
        "at": read.at.isoformat(),
        "held": _shares(read.held),
        "open_orders": list(read.open_orders),
    }


def _exit_record(order: Exit) -> Mapping[str, Any]:
    return {
        "id": order.client_order_id,
        "symbol": order.symbol,
        "side": str(order.side),
        "quantity": str(order.quantity),
        "price": None if order.price is None else str(order.price),
        "at": None if order.at is None else order.at.isoformat(),
    }


def _shares(held: Iterable[tuple[str, Decimal]]) -> Mapping[str, str]:
    return {symbol: str(shares) for symbol, shares in held}


def _standing(chain: Chain) -> Standing:
    last: dict[date, Mapping[str, Any]] = {}
    acknowledged: dict[date, Mapping[str, Any]] = {}
    for record in chain.records:
        session_on = date.fromisoformat(record["session"])
        if record["kind"] == ACKNOWLEDGED:
            acknowledged[session_on] = record
        else:
            last[session_on] = record
            acknowledged.pop(session_on, None)
    return Standing(
        last=last, acknowledged=acknowledged, fault=chain.fault, unfinished=chain.unfinished
    )


def _enough(reads: Sequence[FlatRead]) -> bool:
    return len(reads) >= 2 and reads[-1].at - reads[-2].at >= READS_APART


def _why_not(reads: Sequence[FlatRead]) -> tuple[str, ...]:
    """Empty only when two reads far enough apart agree on nothing."""
    if not _enough(reads):
        unread = "the broker did not answer twice"
        return (*_seen(reads[-1:]), unread)
    if found := _seen(reads[-1:]):
        return found
    if not reads[-2].flat:
        return ("two reads disagree", *_seen(reads[-2:-1]))
    return ()


def _seen(reads: Iterable[FlatRead]) -> tuple[str, ...]:
    return tuple(
        words
        for read in reads
        for words in (
            *(f"{shares} {symbol} held" for symbol, shares in read.held),
            *(f"order {name} open" for name in read.open_orders),
        )
    )


def _because(certificate: Certificate, errors: Iterable[str]) -> Certificate:
    return replace(certificate, why_not=(*certificate.why_not, *errors))


def _exits(orders: Iterable[Order], since: datetime, until: datetime) -> Iterable[Exit]:
    """What was executed from `since` on, purchases included: they are to be seen."""
    for order in orders:
        for one in (order, *order.legs):
            if one.filled_quantity and one.filled_at and since <= one.filled_at <= until:
                yield Exit(
                    client_order_id=one.client_order_id,
                    symbol=one.symbol,
                    side=one.side,
                    quantity=one.filled_quantity,
                    price=one.average_fill_price,
                    at=one.filled_at,
                )
