"""What a long-running process of ours needs from its host.

A port, an HTTP server that idles at zero, systemd's notifications, and log files.
"""

import asyncio
import collections
import contextlib
import errno
import fcntl
import logging
import logging.handlers
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any, Literal

import uvicorn
from uvicorn.server import ServerState

BIND_PATIENCE_SECONDS = 5.0
BIND_PAUSE_SECONDS = 0.1
LOG_FILE_BYTES, LOG_FILES_KEPT = 10_000_000, 5


class PortTaken(OSError):
    """Somebody else listens there, and went on doing so for five seconds."""


class AlreadyRunning(OSError):
    """Another process of the same name works in this home. The message says which."""


@contextlib.contextmanager
def only_one(home: Path, name: str) -> Iterator[None]:
    """Inside, this process is the only `name` of `home`. Raises AlreadyRunning.

    The kernel lets go of the lock when the process ends, however it ends.
    """
    path = home / "data" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "a process that has just started"
            raise AlreadyRunning(f"another {name} runs in {home}: {holder}") from None
        lock.truncate(0)
        since = time.strftime("%Y-%m-%d %H:%M:%S %z")
        lock.write(f"pid {os.getpid()}, since {since}\n")
        lock.flush()
        yield


async def bind(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1:`port`, tried for 5 s of real time. Raises PortTaken.

    The protocol is named because asyncio sets TCP_NODELAY only then: 44 ms a request otherwise.
    """
    deadline = time.monotonic() + BIND_PATIENCE_SECONDS
    while True:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                raise
            if time.monotonic() >= deadline:
                raise PortTaken(f"port {port} is taken by another process") from None
            await asyncio.sleep(BIND_PAUSE_SECONDS)
        else:
            listener.listen(128)
            return listener


class _LazyState(ServerState):
    """uvicorn's tick exists to refresh the Date header; compute it when a request reads it."""

    def __init__(self, config: uvicorn.Config) -> None:
        self._config, self._second = config, -1
        self._headers: list[tuple[bytes, bytes]] = []
        super().__init__()

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        if (second := int(time.time())) != self._second:
            date = [(b"date", formatdate(second, usegmt=True).encode())]
            self._second, self._headers = second, date + self._config.encoded_headers
        return self._headers

    @default_headers.setter
    def default_headers(self, value: list[tuple[bytes, bytes]]) -> None:
        pass  # the base class assigns it once


class QuietServer(uvicorn.Server):
    """uvicorn without its ten wake-ups a second: it waits for an event, and the Date is lazy.

    SIGTERM and SIGINT end it in exit status 0: handlers of the loop, since a loop asleep in epoll
    wakes only through its wake-up descriptor, and nothing is re-raised afterwards.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        self._exit = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        super().__init__(config)
        self.server_state = _LazyState(config)

    @property
    def should_exit(self) -> bool:
        """Set it, from any thread, to end the server."""
        return self._exit.is_set()

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        change = self._exit.set if value else self._exit.clear
        if self._loop:
            self._loop.call_soon_threadsafe(change)
        else:
            change()

    async def main_loop(self) -> None:
        """Wait for the end."""
        await self._exit.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Own the two signals while serving."""
        self._loop = loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            self._loop = None


def http_server(app: Any, *, ws: Literal["none", "websockets-sansio"] = "none") -> QuietServer:
    """A quiet server for an ASGI app; serve it on a socket of `bind`."""
    return QuietServer(
        uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            ws=ws,
            ws_ping_interval=None,
            lifespan="on",
            timeout_graceful_shutdown=5,
            timeout_keep_alive=75,
        )
    )


def sd_notify(*lines: str) -> None:
    """Tell systemd, if it asked to be told (`READY=1`, `STATUS=...`, `WATCHDOG=1`)."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
    ):
        channel.connect("\0" + address[1:] if address[0] == "@" else address)
        channel.sendall("\n".join(lines).encode())


def watchdog_seconds() -> float | None:
    """How often at least systemd wants to hear WATCHDOG=1; None when it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    return int(microseconds) / 1e6 if microseconds.isdigit() else None


class Incidents(logging.Handler):
    """Keeps the last warnings of a server, so that the trader can name them in its own log."""

    def __init__(self) -> None:
        super().__init__(level=logging.WARNING)
        self._kept: collections.deque[tuple[int, str]] = collections.deque(maxlen=200)
        self._number = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Number and keep one record."""
        self._number += 1
        self._kept.append((self._number, f"{record.levelname}: {record.getMessage()}"))

    def after(self, number: int) -> list[tuple[int, str]]:
        """The kept incidents numbered above `number`, oldest first."""
        return [incident for incident in list(self._kept) if incident[0] > number]


_PRIORITIES = (
    *((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6)),
    (logging.NOTSET, 7),
)


class _LinePrefix(logging.Formatter):
    """Journal priorities (`<3>`…) on every line: a traceback becomes one entry per line."""

    def format(self, record: logging.LogRecord) -> str:
        priority = next(p for level, p in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


class _LogFile(logging.handlers.RotatingFileHandler):
    """A file of at most 10 MB and its five predecessors, without a line lost between two of them.

    One that somebody else has moved away is made anew.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, maxBytes=LOG_FILE_BYTES, backupCount=LOG_FILES_KEPT, encoding="utf-8"
        )

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """Called under the handler's lock before each line."""
        if self.stream and not self._is_there(self.stream.fileno()):
            self.stream.close()
            self.stream = self._open()
        return bool(super().shouldRollover(record))

    def _is_there(self, descriptor: int) -> bool:
        try:
            here = os.stat(self.baseFilename)
        except OSError:
            return False
        return os.path.samestat(here, os.fstat(descriptor))


def log_to(*files: tuple[Path, int], level: str, console: bool = True) -> None:
    """Send the log to `files` (each from its own level on) and to the console or the journal.

    Files are rotated, and made anew when somebody moves them. What else listens, as alerts do,
    hears warnings at any `level`.
    """
    root = logging.getLogger()
    root.handlers.clear()
    lowest = logging.getLevelNamesMapping()[level]
    root.setLevel(min(lowest, logging.WARNING))
    plain = logging.Formatter("%(message)s")
    for path, threshold in files:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _LogFile(path)
        file.setLevel(max(threshold, lowest))
        file.setFormatter(plain)
        root.addHandler(file)
    if console:
        stream = logging.StreamHandler(sys.stdout)
        stream.setLevel(lowest)
        stream.setFormatter(_LinePrefix() if "JOURNAL_STREAM" in os.environ else plain)
        root.addHandler(stream)
    for chatty in (
        "httpx2",
        "httpcore2",
        "openai",
        "mcp",
        "urllib3",
        "websockets",
        "uvicorn.error",
    ):
        logging.getLogger(chatty).setLevel(logging.WARNING)
