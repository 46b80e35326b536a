"""What systemd says of the services, in a form that can be printed."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SERVICES = ("active-trader-embedded", "alpaca-data", "alpaca-trade", "active-trader")
TIMER = "active-trader-flatten.timer"
_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "SubState",
    "StatusText",
    "MainPID",
    "MemoryCurrent",
    "CPUUsageNSec",
    "NRestarts",
    "ActiveEnterTimestamp",
    "NextElapseUSecRealtime",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitState:
    """One unit, as `systemctl show` has it; None is what it did not tell."""

    name: str
    loaded: bool
    active: str
    detail: str
    says: str
    pid: int
    memory_mib: float | None
    cpu_seconds: float | None
    restarts: int
    since: str
    next_elapse: str

    @property
    def running(self) -> bool:
        """It does its work; for a timer, it waits."""
        return self.active == "active"


def unit_states(names: Sequence[str], *, user: bool) -> list[UnitState] | None:
    """The named units, or None where no systemd answers."""
    program = shutil.which("systemctl")
    if program is None or not Path("/run/systemd/system").is_dir():
        return None
    command = [program, *(["--user"] if user else []), "show", "--no-pager"]
    shown = subprocess.run(
        [*command, f"--property={','.join(_PROPERTIES)}", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode:
        return None
    blocks = shown.stdout.strip().split("\n\n")
    return [_state(name, block) for name, block in zip(names, blocks, strict=True)]


def _state(name: str, block: str) -> UnitState:
    told = dict(line.partition("=")[::2] for line in block.splitlines())
    pid = int(told.get("MainPID") or 0)
    memory, spent = told.get("MemoryCurrent", ""), told.get("CPUUsageNSec", "")
    return UnitState(
        name=name,
        loaded=told.get("LoadState") == "loaded",
        active=told.get("ActiveState", ""),
        detail=told.get("SubState", ""),
        says=told.get("StatusText", ""),
        pid=pid,
        memory_mib=int(memory) / 2**20 if memory.isdigit() and pid else None,
        # Where cgroups do not count it, the process itself does.
        cpu_seconds=int(spent) / 1e9 if spent.isdigit() and 0 < len(spent) < 18 else _cpu(pid),
        restarts=int(told.get("NRestarts") or 0),
        since=told.get("ActiveEnterTimestamp", ""),
        next_elapse=told.get("NextElapseUSecRealtime", ""),
    )


def _cpu(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
