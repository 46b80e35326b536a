"""A session as the exchange remembers it, and as it was certified."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from tools.execution.certificate_chain import read_chain
from tools.schedule.market_hours import new_york

type Json = Mapping[str, Any]

AFTER_HOURS = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """`orders` with their legs inside and `fills`, both by time; `lines` are certificates."""

    on: date
    orders: Sequence[Json]
    fills: Sequence[Json]
    lines: Sequence[Json]
    fault: str

    @classmethod
    def of(cls, on: date, orders: Any, fills: Any, certificates: Path) -> "Record":
        """From the exchange's answers and the file."""
        chain = read_chain(certificates) if certificates.exists() else None
        lines = [one for one in chain.records if one.get("session") == str(on)] if chain else []
        fault = chain.fault if chain else ""
        return cls(on=on, orders=orders, fills=fills, lines=lines, fault=fault)

    @property
    def last(self) -> Json:
        """The certificate that counts."""
        assert not self.fault, self.fault
        assert self.lines, "nobody has certified the session"
        return self.lines[-1]

    def certified(self) -> list[tuple[str, str]]:
        """Why and by whom each certificate was written."""
        return [(one["occasion"], one["caller"]) for one in self.lines]

    def legs(self, symbol: str) -> list[Json]:
        """The exits that went in with the entries of `symbol`, as they are now."""
        return [leg for one in self.orders if one["symbol"] == symbol for leg in one["legs"] or ()]

    def bought(self) -> list[str]:
        """The symbol of each entry that was filled."""
        return [one["symbol"] for one in self.orders if _is_entry(one) and _filled(one)]

    def assert_flat_by(self, close: str, *symbols: str) -> None:
        """Each symbol was bought once, all of it was sold in time, and no share more."""
        assert sorted(self.bought()) == sorted(symbols), self.bought()
        self.assert_sent_in_time(close)
        assert not self.held_at(close), self.held_at(close)
        assert self.last["flat"], self.last["why_not"]

    def assert_sent_in_time(self, close: str) -> None:
        """Nothing was sent after the close, and nothing was ever short."""
        end = _clock(close)
        late = [one["client_order_id"] for one in self.orders if _at(one, "submitted_at") >= end]
        assert not late, late
        assert all(shares >= 0 for _, _, shares in self._course()), self.fills

    def held_at(self, clock: str) -> dict[str, Decimal]:
        """What all executions before that time add up to."""
        end, held = _clock(clock), dict[str, Decimal]()
        for at, symbol, shares in self._course():
            if at < end:
                held[symbol] = shares
        return {symbol: shares for symbol, shares in held.items() if shares}

    def sold_at(self, symbol: str) -> time:
        """When its last share was sold, New York."""
        return [at for at, one, _ in self._course() if one == symbol][-1]

    def _course(self) -> list[tuple[time, str, Decimal]]:
        """After each execution, the shares of its symbol. An earlier day's count as bought."""
        held: dict[str, Decimal] = defaultdict(Decimal)
        course = []
        for fill in self.fills:
            symbol, shares = fill["symbol"], Decimal(fill["qty"])
            held[symbol] += shares if fill["side"] == "buy" else -shares
            course.append((_at(fill, "transaction_time"), symbol, held[symbol]))
        return course


def _is_entry(order: Json) -> bool:
    return bool(order["side"] == "buy")


def _filled(order: Json) -> bool:
    return Decimal(order["filled_qty"]) > 0


def _at(what: Json, key: str) -> time:
    return new_york(datetime.fromisoformat(what[key])).time()


def _clock(text: str) -> time:
    return time.fromisoformat(text)
