"""Where the trader is, told to whoever looks: `/health`, `data/runtime_env.json`, systemd."""

from dataclasses import dataclass
from datetime import datetime

from agent.diary import Diary
from agent.health import Health
from agent.wording import clock_time, count
from tools.core.session import Phase, Session
from tools.hosting import sd_notify


@dataclass(slots=True)
class StatusBoard:
    """What is true now; `tell` after each change. Nothing decides from it."""

    diary: Diary
    health: Health
    phase: Phase | None = None
    session: Session | None = None
    cycle: int = 0
    held: tuple[str, ...] = ()
    prompt_hash: str = ""
    next_event: tuple[str, datetime] | None = None

    def enter(self, phase: Phase, session: Session, what: str, at: datetime) -> None:
        """A phase begins, or something in it: `what` comes next, `at` that instant."""
        self.phase, self.session, self.next_event = phase, session, (what, at)
        self.tell()

    def tell(self) -> None:
        """Say it everywhere."""
        if self.phase is None:
            return
        self.health.agent_status, self.health.cycle_count = self.phase, self.cycle
        sd_notify(f"STATUS={self.line}")
        self.diary.write_status(
            phase=self.phase,
            cycle=self.cycle,
            session=self.session,
            prompt_hash=self.prompt_hash,
            next_event=self.next_event,
        )

    @property
    def line(self) -> str:
        """One line for `systemctl status`."""
        at = clock_time(self.next_event[1]) if self.next_event else "not known"
        match self.phase:
            case Phase.SLEEP:
                return f"sleeping until {at}"
            case Phase.PREPARE:
                return f"preparing, the market opens {at}"
            case Phase.TRADE:
                return f"cycle {self.cycle}, {count(len(self.held), 'position')}"
            case Phase.FLATTEN:
                return f"flattening, the market closes {at}"
            case Phase.CLOSED:
                return "closed for the day"
        return "starting"
