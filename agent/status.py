"""Where the trader is, told to whoever looks: `/health`, `data/runtime_env.json`, systemd."""

from dataclasses import dataclass
from datetime import datetime

from agent.cycle import State
from agent.diary import Diary
from agent.health import Health
from agent.ladder import FULL, Rung, Step
from agent.quoting import one_line
from agent.wording import clock_time, count
from tools.core.session import Phase, Session
from tools.hosting import sd_notify
from tools.schedule.market_hours import new_york


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
    state: State = State.IDLE
    step: Step = FULL

    def turn(self, state: State) -> None:
        """A cycle enters its next state."""
        self.state = state
        self.tell()

    def stand(self, step: Step) -> None:
        """The trader stands on another rung, or for other reasons."""
        self.step = step
        self.tell()

    def waiting(self, why: str) -> None:
        """Nothing can begin: a server is not there."""
        sd_notify(f"STATUS=waiting: {one_line(why)}")

    def enter(self, phase: Phase, session: Session, what: str, at: datetime) -> None:
        """A phase begins, or something in it: `what` comes next, `at` that instant."""
        self.phase, self.session, self.next_event = phase, session, (what, at)
        self.tell()

    def tell(self) -> None:
        """Say it everywhere."""
        if self.phase is None:
            return
        health = self.health
        health.agent_status, health.cycle_count = self.phase, self.cycle
        health.cycle_state, health.rung, health.why = self.state, self.step.rung.name, self.step.why
        sd_notify(f"STATUS={self.line}")
        self.diary.write_status(
            {
                "session_date": str(self.session.on) if self.session else None,
                "phase": self.phase,
                "cycle": self.cycle,
                "cycle_state": self.state,
                "rung": self.step.rung.name,
                "rung_reasons": list(self.step.reasons),
                "positions": list(self.held),
                "next_event": self.next_event
                and {
                    "what": self.next_event[0],
                    "at": new_york(self.next_event[1]).isoformat(),
                },
                "prompt_hash": self.prompt_hash,
            }
        )

    @property
    def line(self) -> str:
        """One line for `systemctl status`."""
        if Rung.FULL < self.step.rung < Rung.FLATTEN:
            return f"degraded: {self.step} ({self._plainly})"
        return self._plainly

    @property
    def _plainly(self) -> str:
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
