"""Watching processes that are not ours to wait for."""

import os
import select
from pathlib import Path

PATIENCE_MILLISECONDS = 5000


def processes_of(home: Path, running: str = "") -> list[int]:
    """A pidfd for each process of that home whose command has `running` in it."""
    told = f"ACTIVE_TRADER_HOME={home}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode()
            if told in (folder / "environ").read_bytes() and running in command:
                found.append(os.pidfd_open(int(folder.name)))
        except OSError:
            continue  # ended meanwhile
    return found


def ends(watch: int) -> bool:
    """Whether the process behind the pidfd ends within five seconds."""
    poll = select.poll()
    poll.register(watch, select.POLLIN)
    try:
        return bool(poll.poll(PATIENCE_MILLISECONDS))
    finally:
        os.close(watch)
