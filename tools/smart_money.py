"""Smart-money signals: what the swings of a bar frame say about who is in charge, and from where.

Definitions and their sources: docs/indicators.md. Each signal is confirmed by one closed bar and
rests on that bar and earlier ones: later bars add signals and may end a zone, none moves one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from tools.levels import SWING_BARS, peaks

type Values = npt.NDArray[np.float64]


class Kind(StrEnum):
    """What was seen. An order block and a fair value gap are zones, the others are events."""

    BREAK_OF_STRUCTURE = "break_of_structure"
    CHANGE_OF_CHARACTER = "change_of_character"
    ORDER_BLOCK = "order_block"
    FAIR_VALUE_GAP = "fair_value_gap"
    LIQUIDITY_SWEEP = "liquidity_sweep"


class Direction(StrEnum):
    """Where a signal points, which for a sweep is away from the side that was swept."""

    UP = "up"
    DOWN = "down"

    @property
    def opposite(self) -> "Direction":
        """The other one."""
        return Direction.DOWN if self is Direction.UP else Direction.UP


WAYS = tuple(Direction)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One signal: confirmed by the close of the bar that starts `at`, about the one at `about`.

    `low` and `high` are a zone's edges in dollars, for an event both are the swing's price. A zone
    is used up at the bar `over_at`, None while it stands.
    """

    kind: Kind
    direction: Direction
    at: datetime
    about: datetime
    low: float
    high: float
    over_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """The direction of the last break, None before the first, and every signal, oldest first."""

    direction: Direction | None = None
    sightings: tuple[Sighting, ...] = ()

    def latest(self) -> tuple[Sighting, ...]:
        """The newest of each kind that still stands, oldest first."""
        newest = {one.kind: one for one in self.sightings if one.over_at is None}
        return tuple(sorted(newest.values(), key=lambda one: one.at))


def read_structure(bars: pd.DataFrame, length: timedelta) -> Structure:
    """Walk a frame whose bars are `length` long, from its first bar to its last."""
    walk = _Walk(bars)
    breaks = [*walk.breaks()]
    found = [*breaks, *_gaps(walk, length)]
    return Structure(
        direction=walk.direction, sightings=tuple(sorted(found, key=lambda one: one.at))
    )


@dataclass(slots=True)
class _Swing:
    """The last confirmed high, or low, that no bar has closed beyond."""

    position: int
    swept: bool = False


class _Walk:
    """One pass over a frame. Downward, prices are negated, so that each rule is written once."""

    def __init__(self, bars: pd.DataFrame) -> None:
        index = cast(pd.DatetimeIndex, bars.index)
        self.starts: list[datetime] = index.to_pydatetime().tolist()
        self.seconds = index.as_unit("s").asi8
        opens, highs, lows, closes = (
            bars[name].to_numpy(dtype=np.float64) for name in ("open", "high", "low", "close")
        )
        self.count = len(bars)
        self.direction: Direction | None = None
        up, down = Direction.UP, Direction.DOWN
        self.tops = {up: highs, down: -lows}
        self.bottoms = {up: lows, down: -highs}
        self.closes = {up: closes, down: -closes}
        self.opens = {up: opens, down: -opens}

    def breaks(self) -> Iterator[Sighting]:
        """Breaks and sweeps of the standing swings, and the order blocks that breaks leave."""
        confirmed = {way: frozenset(peaks(self.tops[way]).tolist()) for way in WAYS}
        tops = {way: self.tops[way].tolist() for way in WAYS}
        closes = {way: self.closes[way].tolist() for way in WAYS}
        standing: dict[Direction, _Swing] = {}
        for bar in range(self.count):
            for way in WAYS:
                swing = standing.get(way)
                if swing and tops[way][bar] > (edge := tops[way][swing.position]):
                    if closes[way][bar] > edge:
                        del standing[way]
                        yield from self._broken(way, bar, swing.position)
                    elif not swing.swept:
                        swing.swept = True
                        yield self._event(Kind.LIQUIDITY_SWEEP, way.opposite, way, bar, swing)
                if bar - SWING_BARS in confirmed[way]:
                    standing[way] = _Swing(bar - SWING_BARS)

    def zone(
        self, kind: Kind, way: Direction, bar: int, about: int, edges: tuple[float, float]
    ) -> Sighting:
        """A zone confirmed by `bar`, between a lower and an upper edge as seen in direction `way`.

        It is over once a later bar trades at a gap's far edge, or closes beyond a block's.
        """
        lower, upper = edges
        if kind is Kind.FAIR_VALUE_GAP:
            through = self.bottoms[way][bar + 1 :] <= lower
        else:
            through = self.closes[way][bar + 1 :] < lower
        first = int(through.argmax()) if len(through) else 0
        over = bar + 1 + first if through[first : first + 1].any() else None
        low, high = (lower, upper) if way is Direction.UP else (-upper, -lower)
        return Sighting(
            kind=kind,
            direction=way,
            at=self.starts[bar],
            about=self.starts[about],
            low=float(low),
            high=float(high),
            over_at=None if over is None else self.starts[over],
        )

    def _broken(self, way: Direction, bar: int, swing: int) -> Iterator[Sighting]:
        """The first break of a frame only says where it is going."""
        before, self.direction = self.direction, way
        if before is not None:
            with_it = before is way
            kind = Kind.BREAK_OF_STRUCTURE if with_it else Kind.CHANGE_OF_CHARACTER
            yield self._event(kind, way, way, bar, _Swing(swing))
        low = self.bottoms[way][swing : bar + 1]
        turn = swing + len(low) - int(low[::-1].argmin())  # after the last of the lowest
        against = self.closes[way][swing:turn] < self.opens[way][swing:turn]
        if against.any():
            block = swing + int(np.flatnonzero(against)[-1])
            edges = self.bottoms[way][block], self.tops[way][block]
            yield self.zone(Kind.ORDER_BLOCK, way, bar, block, edges)

    def _event(
        self, kind: Kind, points: Direction, side: Direction, bar: int, swing: _Swing
    ) -> Sighting:
        price = abs(float(self.tops[side][swing.position]))
        return Sighting(
            kind=kind,
            direction=points,
            at=self.starts[bar],
            about=self.starts[swing.position],
            low=price,
            high=price,
        )


def _gaps(walk: _Walk, length: timedelta) -> Sequence[Sighting]:
    """Three bars in a row of which the third does not reach back to the first."""
    if walk.count < 3:
        return ()
    in_a_row = walk.seconds[2:] - walk.seconds[:-2] == 2 * length.total_seconds()
    found = []
    for way in WAYS:
        tops, bottoms = walk.tops[way], walk.bottoms[way]
        for first in np.flatnonzero(in_a_row & (bottoms[2:] > tops[:-2])).tolist():
            edges = tops[first], bottoms[first + 2]
            found.append(walk.zone(Kind.FAIR_VALUE_GAP, way, first + 2, first, edges))
    return found
