"""Client order ids: the broker's idempotency keys, and how to read our own again.

`AT-<session>-<counter>-<leg>` from a persisted counter; `flat-<session>-<symbol>-<attempt>` for the
flatten, so that two closers who know nothing of each other collide at the broker.
"""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache


class Leg(StrEnum):
    """What an order of ours is for."""

    ENTRY = "E"
    EXIT = "X"
    STOP = "S"


@dataclass(frozen=True, slots=True)
class OurId:
    """What an id of the desk says."""

    session_on: date
    counter: int
    leg: Leg


_OURS = re.compile(r"AT-(\d{4}-\d\d-\d\d)-(\d{1,15})-([EXS])", re.ASCII)


def order_id(session_on: date, counter: int, leg: Leg) -> str:
    """The id of an order of the desk."""
    return f"AT-{session_on}-{counter}-{leg}"


def flatten_id(session_on: date, symbol: str, attempt: int) -> str:
    """The id of the flatten's order for `symbol`."""
    return f"flat-{session_on}-{symbol}-{attempt}"


def leg_of(client_order_id: str) -> Leg | None:
    """What the desk sent that order for, None when it is not the desk's."""
    ours = our_id(client_order_id)
    return ours.leg if ours else None


@lru_cache(maxsize=4_096)
def our_id(client_order_id: str) -> OurId | None:
    """The id taken apart, None when it is not the desk's."""
    if not (ours := _OURS.fullmatch(client_order_id)):
        return None
    try:
        return OurId(date.fromisoformat(ours[1]), int(ours[2]), Leg(ours[3]))
    except ValueError:  # 30 February
        return None


def is_flatten(client_order_id: str) -> bool:
    """A flatten sent it."""
    return client_order_id.startswith("flat-")
