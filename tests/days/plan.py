"""What goes wrong on a simulated day, drawn from the fault matrix before the day begins."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from tools.core.session import Session

TRADER, TRADE, UNIT = "trader", "trade", "unit"
PROCESSES = (TRADER, TRADE, UNIT)
SYMBOLS = ("AIG", "IBM", "KO", "SPY")
MOST_FAULTS = 4


class Kind(StrEnum):
    """The faults, with their rows of the fault matrix."""

    KILL = "kill"  # 1-4, 6: gone at `since`, back at `until`
    STOP = "stop"  # 8: SIGSTOP at `since`, SIGCONT at `until`
    AWAY = "away"  # 12, 21, 43: nothing is answered, nothing arrives
    ERRORS = "errors"  # 11: 500 and 504; half of the orders arrive all the same
    LOST = "lost"  # 12: every order arrives, no answer does
    HANG = "hang"  # 12: each call takes ten seconds and fails; orders arrive
    THROTTLE = "throttle"  # 10: two of three calls meet 429
    STUCK_CANCEL = "stuck_cancel"  # 14: cancels hang in pending_cancel until `until`
    HALT = "halt"  # 19, 20: no fills
    PARTIAL = "partial"  # 15, 16: half of what remains fills
    REJECT = "reject"  # 17: accepted, then rejected
    STALE_READ = "stale_read"  # 23: one read of the positions comes back empty
    SKEW = "skew"  # 32: this machine's clock is off
    LOST_STATE = "lost_state"  # 39, 40: the state file is gone at the next start
    TORN_STATE = "torn_state"  # 39: it is garbage
    BY_HAND = "by_hand"  # 45: a person buys


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault in [since, until); `who` it strikes, "" for all; `symbol`, "" for all."""

    kind: Kind
    since: datetime
    until: datetime
    who: str = ""
    symbol: str = ""
    seconds: int = 0

    def strikes(self, at: datetime, who: str = "", symbol: str = "") -> bool:
        """Whether it is on for that process and that symbol."""
        mine = self.who in ("", who) and self.symbol in ("", symbol)
        return mine and self.since <= at < self.until

    def __str__(self) -> str:
        target = " ".join(filter(None, (self.who, self.symbol)))
        until = min(self.until - self.since, timedelta(days=1)).total_seconds()
        return f"{self.kind} {target or 'all'} at {self.since:%H:%M:%S}Z for {until:.0f} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A day before it is lived: its seed, its faults, and when the trader proposes what.

    `begins` is when the processes are started: most days are lived from 45 minutes before the
    close on, where everything that this campaign is about happens; one in twenty from the morning.
    """

    seed: int
    begins: datetime
    faults: tuple[Fault, ...]
    proposals: tuple[tuple[datetime, str], ...]

    def of(self, *kinds: Kind) -> Iterator[Fault]:
        """The faults of these kinds."""
        return (fault for fault in self.faults if fault.kind in kinds)

    def on(self, kind: Kind, at: datetime, who: str = "", symbol: str = "") -> bool:
        """Whether such a fault is on."""
        return any(fault.strikes(at, who, symbol) for fault in self.of(kind))


def draw(seed: int, session: Session) -> Plan:
    """The plan of the day with that seed: up to four faults, most of them near the flatten."""
    dice = random.Random(f"day {seed}")
    whole = dice.random() < 1 / 20
    begins = session.wake_at if whole else session.close_at - timedelta(minutes=45)
    return Plan(
        seed=seed,
        begins=begins,
        faults=tuple(_fault(dice, begins, session) for _ in range(dice.randint(0, MOST_FAULTS))),
        proposals=tuple(_proposals(dice, max(begins, session.open_at), session.flatten_at)),
    )


def _fault(dice: random.Random, begins: datetime, session: Session) -> Fault:
    kind = dice.choice(list(Kind))
    since = _instant(dice, begins, session)
    until = since + timedelta(seconds=_seconds(dice))
    if kind in (Kind.LOST_STATE, Kind.TORN_STATE):
        until = session.close_at + timedelta(days=1)
    if kind is Kind.BY_HAND:
        since = min(since, session.flatten_at - timedelta(seconds=1))
    return Fault(
        kind=kind,
        since=since,
        until=until,
        who=_who(dice, kind),
        symbol=_symbol(dice, kind),
        seconds=dice.choice((-30, -5, 5, 30)),
    )


def _instant(dice: random.Random, begins: datetime, session: Session) -> datetime:
    """A third of them at any time of the day, the others within its last twenty minutes."""
    if dice.random() > 1 / 3:
        begins = session.close_at - timedelta(minutes=20)
    return begins + dice.random() * (session.close_at - begins)


def _seconds(dice: random.Random) -> float:
    """From a second to the rest of the day, each order of magnitude as likely."""
    return 10 ** dice.uniform(0, 4.5)


def _who(dice: random.Random, kind: Kind) -> str:
    if kind in (Kind.KILL, Kind.STOP):
        return dice.choice(PROCESSES)
    if kind in (Kind.AWAY, Kind.ERRORS, Kind.LOST, Kind.HANG, Kind.THROTTLE):
        return dice.choice(("", "", TRADE, UNIT))
    return ""


def _symbol(dice: random.Random, kind: Kind) -> str:
    if kind is Kind.BY_HAND:
        return dice.choice(SYMBOLS)
    if kind in (Kind.STUCK_CANCEL, Kind.HALT, Kind.PARTIAL, Kind.REJECT):
        return dice.choice(("", *SYMBOLS))
    return ""


def _proposals(
    dice: random.Random, begins: datetime, ends: datetime
) -> Iterator[tuple[datetime, str]]:
    at = begins + timedelta(minutes=dice.uniform(1, 20))
    while at < ends:
        yield at, dice.choice(SYMBOLS)
        at += timedelta(minutes=dice.uniform(1, 20))
