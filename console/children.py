"""The processes of one simulation: no child outlives the starter, and its last words are kept."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx2

from tools.core.errors import ActiveTraderError

GRACE_SECONDS = 8.0
STARTUP_SECONDS = 60.0
POLL_SECONDS = 0.05
LAST_LINES = 20
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class ChildFailed(ActiveTraderError):
    """A child ended by itself, or never became ready. `code` is the exit status to pass on."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Child:
    """One process and the file that holds what it printed."""

    name: str
    process: asyncio.subprocess.Process
    output: Path

    async def ready(self, client: httpx2.AsyncClient, port: int) -> None:
        """Return when `/health` on `port` answers 200. Raises ChildFailed when it never will."""
        answer = "nothing listens"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STARTUP_SECONDS):
                while self.process.returncode is None:
                    with contextlib.suppress(httpx2.TransportError):
                        health = await client.get(f"http://127.0.0.1:{port}/health")
                        if health.is_success:
                            return
                        answer = health.text
                    await asyncio.sleep(POLL_SECONDS)
                raise self.failure()
        patience = f"within {STARTUP_SECONDS:.0f} s"
        raise ChildFailed(f"{self.name} was not ready {patience}: {answer}", code=1)

    def failure(self) -> ChildFailed:
        """Why this child is no longer there, with its last lines.

        A configuration error or a usage error (78, 2) speaks for itself and is passed on.
        """
        code = self.process.returncode
        lines = self.output.read_text(encoding="utf-8", errors="replace").splitlines()
        if code in (2, os.EX_CONFIG) and lines:
            return ChildFailed(lines[-1], code=code)
        last = "".join(f"\n  {line}" for line in lines[-LAST_LINES:]) or " (it printed nothing)"
        return ChildFailed(f"{self.name} ended with status {code}; its last lines:{last}", code=1)


class Children:
    """Starts processes, watches them and ends them, newest first."""

    def __init__(self, environment: Mapping[str, str], *, folder: Path, cwd: Path) -> None:
        """`folder` (which exists) receives one `NAME.out` for each child."""
        self._environment, self._folder, self._cwd = dict(environment), folder, cwd
        self._children: list[Child] = []
        self._ended: asyncio.Queue[Child] = asyncio.Queue()
        self._watchers: set[asyncio.Task[None]] = set()

    async def start(self, name: str, *arguments: str, to_terminal: bool = False) -> Child:
        """Start `python ARGUMENTS`; its output goes to `NAME.out`, or stdout to ours."""
        output = self._folder / f"{name}.out"
        with output.open("wb") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=None if to_terminal else file,
                stderr=file,
                cwd=self._cwd,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the starter, which ends them in order
                preexec_fn=_die_with(os.getpid()),
            )
        child = Child(name, process, output)
        self._children.append(child)
        self._watchers.add(asyncio.create_task(self._watch(child)))
        return child

    async def first_failure(self) -> NoReturn:
        """Wait until a child ends by itself. Raises ChildFailed then."""
        raise (await self._ended.get()).failure()

    async def stop(self) -> None:
        """SIGTERM to one after the other, newest first; SIGKILL to who does not end in 8 s."""
        for watcher in self._watchers:
            watcher.cancel()
        for child in reversed(self._children):
            if child.process.returncode is None:
                child.process.terminate()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(child.process.wait(), GRACE_SECONDS)
            if child.process.returncode is None:
                child.process.kill()
                await child.process.wait()

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        self._ended.put_nowait(child)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on, all different."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _die_with(starter: int) -> Callable[[], None]:
    """Runs in the child before exec: the kernel kills it when the starter ends, however it ends."""

    def bind_to_starter() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != starter:  # it died in between
            os._exit(1)

    return bind_to_starter
