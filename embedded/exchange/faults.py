"""Faults on command, as values: what goes wrong (`What`), and for whom (`Where`).

`Faults` holds those that are armed and decides, by count or by seeded chance, when one strikes.
What a fault does is written where it acts: on the wire (`faults_wire`), in the streams, in the
venue.
"""

from collections.abc import Collection, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from random import Random
from typing import Any

lag: ContextVar[timedelta] = ContextVar("lag", default=timedelta(0))
"""How far behind the market this request sees it: what a `stale` fault sets."""


class Kind(StrEnum):
    """What can go wrong."""

    STATUS = "status"
    HTML = "html"
    DROP = "drop"
    DELAY = "delay"
    HANG = "hang"
    TRUNCATE = "truncate"
    ANSWER = "answer"
    FREEZE = "freeze"
    STALE = "stale"
    SKEW = "skew"
    BLOCK = "block"
    SILENCE = "silence"
    DUPLICATE = "duplicate"
    REORDER = "reorder"
    REJECT = "reject"
    PARTIAL = "partial"
    STUCK_CANCEL = "stuck_cancel"
    HALT = "halt"


WIRE = frozenset(
    {
        *(Kind.STATUS, Kind.HTML, Kind.DROP, Kind.DELAY, Kind.HANG, Kind.TRUNCATE),
        *(Kind.ANSWER, Kind.FREEZE, Kind.STALE, Kind.SKEW, Kind.BLOCK),
    }
)
STREAM = frozenset({Kind.SILENCE, Kind.DUPLICATE, Kind.REORDER})

_LATE = frozenset({"after"})
PARAMETERS: dict[Kind, frozenset[str]] = {
    Kind.STATUS: _LATE | {"status", "body"},
    Kind.HTML: _LATE | {"status"},
    Kind.DROP: _LATE,
    Kind.DELAY: _LATE | {"seconds"},
    Kind.HANG: _LATE,
    Kind.ANSWER: frozenset({"body"}),
    Kind.STALE: frozenset({"seconds"}),
    Kind.SKEW: frozenset({"seconds"}),
    Kind.PARTIAL: frozenset({"share"}),
}
"""The parameters that a kind knows besides itself; kinds that are not here know none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """Whom a fault meets: requests by method and path, `*` and `?` standing for anything.

    A stream's method is `WS`. `symbol` narrows what happens in the venue; empty means any.
    """

    method: str = ""
    path: str = "*"
    symbol: str = ""

    def meets(self, method: str, path: str, symbol: str) -> bool:
        """Whether it is about this one."""
        return (
            self.method in {"", method}
            and fnmatchcase(path, self.path)
            and self.symbol in {"", symbol}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class What:
    """What goes wrong.

    `after`: the request is carried out first, only its answer suffers. `seconds`: real ones for
    `delay`, market ones for `stale` and `skew`. `share`: of an order that is filled, 0 to 1.
    """

    kind: Kind
    after: bool = False
    status: int = 500
    seconds: float = 0
    body: Any = None
    share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`what` strikes the next `times` that it meets (None: all), each with `probability`."""

    where: Where
    what: What
    times: int | None = 1
    probability: float = 1
    seed: int = 1


@dataclass(slots=True, kw_only=True)
class Armed:
    """A fault that may strike: how often it still can, and how often it has."""

    number: int
    fault: Fault
    left: int | None
    chance: Random
    struck: int = 0
    kept: dict[str, Any] = field(default_factory=dict)

    def strikes(self) -> bool:
        """One of its own has come: is it hit? Counts."""
        if self.left == 0 or self.chance.random() >= self.fault.probability:
            return False
        self.struck += 1
        self.left = None if self.left is None else self.left - 1
        return True


class Faults:
    """All that are armed, oldest first. Not thread-safe: it lives in one event loop."""

    def __init__(self) -> None:
        self._armed: dict[int, Armed] = {}
        self._count = 0

    def __iter__(self) -> Iterator[Armed]:
        """The armed faults, those that are used up included."""
        return iter(self._armed.values())

    def arm(self, fault: Fault) -> Armed:
        """Let `fault` strike from now on."""
        self._count += 1
        armed = Armed(
            number=self._count,
            fault=fault,
            left=fault.times,
            chance=Random(f"{fault.seed}/{fault.where}/{fault.what}"),
        )
        self._armed[self._count] = armed
        return armed

    def disarm(self, number: int | None = None) -> list[Armed]:
        """Remove one, or all; returns them. Raises KeyError when there is no such number."""
        removed = [self._armed[number]] if number is not None else list(self._armed.values())
        for armed in removed:
            del self._armed[armed.number]
        return removed

    def strike(
        self, kinds: Collection[Kind], *, method: str = "", path: str = "", symbol: str = ""
    ) -> Armed | None:
        """The oldest fault of these kinds that hits this one."""
        for armed in self._armed.values():
            fault = armed.fault
            if (
                fault.what.kind in kinds
                and fault.where.meets(method, path, symbol)
                and armed.strikes()
            ):
                return armed
        return None
