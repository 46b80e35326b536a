"""`--state FILE`: what was asked of the account, and when. Nothing else has to be kept.

The exchange is a function of its market, its seed and the commands it was given at their instants.
So each command (whatever is not a GET) is a line, flushed to the disk before it is carried out;
after a restart or a kill -9 the lines are carried out again, at their instants, and the account is
what it was. A line that was torn by the death of the machine was never answered, and is dropped.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tools.core.errors import ConfigError

KEPT = "/v1/", "/v2/", "/v1beta1/", "/sim/faults"

PAGE_BYTES = 8

type Entry = dict[str, str]

_instant: ContextVar[datetime | None] = ContextVar("instant", default=None)


class StoppedClock:
    """The time, which stands still while one request is answered."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def __call__(self) -> datetime:
        """Now, or the instant at which what is being answered was asked."""
        return _instant.get() or self._now()

    @contextlib.contextmanager
    def stopped(self, at: datetime | None = None) -> Iterator[datetime]:
        """Stop at that instant, or now."""
        instant = at or self._now()
        token = _instant.set(instant)
        try:
            yield instant
        finally:
            _instant.reset(token)


class Diary:
    """The file. It belongs to one process. Its first line tells the world and its beginning."""

    def __init__(self, path: Path, world: Mapping[str, str], now: datetime) -> None:
        """Read it, or begin it at `now`. Raises ConfigError: of another world, or damaged."""
        lines = _complete_lines(path)
        entries = [_parsed(path, number, line) for number, line in enumerate(lines, start=1)]
        begun = entries[0] if entries else {"at": now.isoformat(), **world}
        for name, value in world.items():
            if begun.get(name) != value:
                was = f"{name} {begun.get(name)}, not {value}"
                raise ConfigError(f"{path} is the account of another exchange ({was})")
        self.entries = entries[1:]
        self._file = path.open("ab")
        self._file.truncate(sum(map(len, lines)))
        self.resumed, self.opened_at = bool(entries), datetime.fromisoformat(begun["at"])
        if not entries:
            self.write(begun)

    @property
    def last_instant(self) -> datetime:
        """When the latest command was given, or the account opened."""
        return datetime.fromisoformat(self.entries[-1]["at"]) if self.entries else self.opened_at

    def write(self, entry: Entry) -> None:
        """Add a line; it is on the disk when this returns."""
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())


class Commands:
    """The innermost layer: time stands still in it, and commands are written down before."""

    def __init__(self, clock: StoppedClock, diary: Diary | None = None) -> None:
        self._clock, self._diary = clock, diary
        self._app: ASGIApp | None = None

    def around(self, app: ASGIApp) -> ASGIApp:
        """The layer over `app`."""
        self._app = app
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request. Nothing is awaited between its line and the end of its effect."""
        assert self._app, "wrapped around nothing"
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if not self._diary or scope["method"] == "GET" or not scope["path"].startswith(KEPT):
            with self._clock.stopped():
                await self._app(scope, receive, send)
            return
        body = await _body(receive)
        with self._clock.stopped() as at:
            self._diary.write(_entry(scope, body, at))
            await self._app(scope, _given(body), send)

    async def recall(self) -> None:
        """Carry out again what the diary tells."""
        assert self._app, "wrapped around nothing"
        for entry in self._diary.entries if self._diary else ():
            with self._clock.stopped(datetime.fromisoformat(entry["at"])):
                body = entry["body"].encode(errors="surrogateescape")
                await self._app(_scope(entry), _given(body), _nowhere)


def read_time(page: Path) -> datetime | None:
    """The simulated time that a killed exchange has left on its page."""
    if not page.exists() or len(raw := page.read_bytes()) != PAGE_BYTES:
        return None
    microseconds = int.from_bytes(raw, sys.byteorder)
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=microseconds)


def _complete_lines(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    lines = path.read_bytes().splitlines(keepends=True)
    return [line for line in lines if line.endswith(b"\n")]


def _parsed(path: Path, number: int, line: bytes) -> Entry:
    try:
        entry: Entry = json.loads(line)
        datetime.fromisoformat(entry["at"])
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f"{path} line {number} is damaged") from None
    return entry


def _entry(scope: Scope, body: bytes, at: datetime) -> Entry:
    return {
        "at": at.isoformat(),
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "body": body.decode(errors="surrogateescape"),
    }


def _scope(entry: Entry) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "server": ("127.0.0.1", 0),
        "headers": [],
        "method": entry["method"],
        "path": entry["path"],
        "root_path": "",
        "query_string": entry["query"].encode(),
    }


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _given(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nowhere(_: Message) -> None:
    """The answer was given before."""
