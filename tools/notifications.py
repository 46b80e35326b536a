"""Alerts, delivered: a log record with a kind goes to a webhook and to a command as well.

    deliver(webhook="https://hooks.example/T0/B0", command="/usr/local/bin/page --urgent")

From a worker thread behind a bounded queue, so that an endpoint that hangs delays nothing; at most
one of a kind in five minutes, with the number of those left out. An alert is told without traceback
and without the environment of this process. Standard library alone: the flatten program uses it.
"""

import contextlib
import json
import logging
import queue
import shlex
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http.client import HTTPException
from urllib.parse import urlsplit

logger = logging.getLogger(__name__)

QUIET_SECONDS = 300.0
"""Between two alerts of a kind."""

WEBHOOK_SECONDS, COMMAND_SECONDS = 5.0, 10.0
PAUSES_SECONDS = 1.0, 4.0
"""Before the second and the third try of a delivery that failed."""

EXIT_SECONDS = 2.0
"""How long the end of the process waits for what is still to be told."""

MOST_WAITING = 100
MOST_CHARACTERS = 1000
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is told: one line of text; `left_out` alerts of the kind came since the last one."""

    kind: str
    text: str
    at: datetime
    left_out: int


class Alerts(logging.Handler):
    """Picks the records that carry a kind (`tools.core.alerts.alert`), ignores all others."""

    def __init__(
        self,
        *,
        webhook: str = "",
        command: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raises ValueError for what `fault_in` would name."""
        super().__init__()
        if fault := fault_in(webhook, command):
            raise ValueError(fault)
        self._webhook, self._command, self._clock = webhook, shlex.split(command), clock
        self._waiting: queue.Queue[Notice | None] = queue.Queue(MOST_WAITING)
        self._told_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}
        self._ending, self._given_up = threading.Event(), False
        self._worker: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Queue it, unless one of its kind was told a moment ago. Never waits, never raises."""
        if (kind := getattr(record, "alert", None)) is None:
            return
        kind, now = str(kind), self._clock()
        before = self._told_at.get(kind)
        if before is not None and now - before < QUIET_SECONDS:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        notice = Notice(
            kind=kind,
            text=_one_line(record.getMessage()),
            at=datetime.fromtimestamp(record.created, UTC),
            left_out=self._left_out.pop(kind, 0),
        )
        try:
            self._start()
            self._waiting.put_nowait(notice)
        except (queue.Full, RuntimeError):  # RuntimeError: no thread starts while Python ends
            self._left_out[kind] = notice.left_out + 1
        else:
            self._told_at[kind] = now

    def close(self) -> None:
        """Give what is still to be told two seconds, no more."""
        self._ending.set()
        if self._worker is not None and self._worker.is_alive():
            with contextlib.suppress(queue.Full):
                self._waiting.put_nowait(None)
            self._worker.join(EXIT_SECONDS)
            self._given_up = True
        super().close()

    def _start(self) -> None:
        if self._worker is None:
            self._worker = threading.Thread(target=self._work, name="alerts", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while (notice := self._waiting.get()) and not self._given_up:
            told = False
            if self._webhook:
                told |= self._try("webhook", partial(self._post, notice))
            if self._command:
                told |= self._try("command", partial(self._run, notice))
            if not told:
                self._told_at.pop(notice.kind, None)  # the next of its kind is not held back

    def _try(self, what: str, tell: Callable[[], None]) -> bool:
        """Three times at most. A failure names neither address nor text: they may hold secrets."""
        for pause in (*PAUSES_SECONDS, None):
            try:
                tell()
            except (OSError, ValueError, HTTPException, subprocess.SubprocessError) as error:
                logger.warning("an alert did not get out by %s: %s", what, type(error).__name__)
            else:
                return True
            if pause is None or self._ending.wait(pause):
                break
        return False

    def _post(self, notice: Notice) -> None:
        body = {
            "kind": notice.kind,
            "text": notice.text,
            "host": socket.gethostname(),
            "time": notice.at.isoformat(),
            "left_out": notice.left_out,
        }
        request = urllib.request.Request(
            self._webhook,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        with urllib.request.urlopen(request, timeout=WEBHOOK_SECONDS) as answer:
            answer.read(1)

    def _run(self, notice: Notice) -> None:
        subprocess.run(
            self._command,
            input=f"{notice.text}\n",
            text=True,
            encoding="utf-8",
            env={"PATH": SEARCH_PATH, "ALERT_KIND": notice.kind, "ALERT_TEXT": notice.text},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=COMMAND_SECONDS,
            check=True,
        )


def deliver(*, webhook: str, command: str) -> None:
    """Have this process's alerts delivered from now on; with neither given, the log has them.

    Once is enough: the second call changes nothing.
    """
    root = logging.getLogger()
    if (webhook or command) and not any(isinstance(one, Alerts) for one in root.handlers):
        root.addHandler(Alerts(webhook=webhook, command=command))


def fault_in(webhook: str, command: str) -> str:
    """What is wrong with these two, without repeating them; empty when nothing is."""
    if webhook:
        try:
            parts = urlsplit(webhook)
            sound = parts.scheme in ("http", "https") and bool(parts.hostname)
        except ValueError:
            sound = False
        if not sound:
            return "ALERT_WEBHOOK: must be an address that starts with https:// or http://"
    try:
        shlex.split(command)
    except ValueError as error:
        return f"ALERT_COMMAND: {error}"
    return ""


def _one_line(text: str) -> str:
    """Printable, on one line, not too long."""
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words[:MOST_CHARACTERS]
