"""An HTTP server that answers as told, well or badly, on a real socket."""

import contextlib
import socketserver
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from enum import Enum
from http import HTTPStatus
from typing import Any, Self

HTML = b"<html><body>Bad gateway</body></html>"


class Fault(Enum):
    """Ways not to answer."""

    DROP = "the connection ends without a word"
    HANG = "silence"
    TRICKLE = "a blank line now and then, as DeepSeek sends while a request is queued"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `torn` promises a longer body than is sent."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    torn: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked."""

    method: str
    path: str
    headers: Message
    body: bytes


class StubServer(socketserver.ThreadingTCPServer):
    """Gives `replies` in order, the last one for ever. Use as a context manager."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *replies: Reply | Fault) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[Request] = []
        self.ended = threading.Event()
        self._replies = list(replies)

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()

    def next_reply(self) -> Reply | Fault:
        """The reply to the request just read."""
        return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]


class _Handler(socketserver.StreamRequestHandler):
    server: StubServer

    def handle(self) -> None:
        line = self.rfile.readline().decode()
        if not line:
            return
        head = b"".join(iter(self.rfile.readline, b"\r\n"))
        headers = BytesParser().parsebytes(head)
        body = self.rfile.read(int(headers.get("content-length", 0)))
        method, path, _ = line.split()
        self.server.requests.append(Request(method, path, headers, body))
        with contextlib.suppress(OSError):  # the other side may be gone already
            self._give(self.server.next_reply())

    def _give(self, reply: Reply | Fault) -> None:
        match reply:
            case Reply():
                self.wfile.write(_wire(reply))
            case Fault.HANG:
                self.server.ended.wait()
            case Fault.TRICKLE:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not self.server.ended.wait(0.01):
                    self.wfile.write(b"\n")


def _wire(reply: Reply) -> bytes:
    length = len(reply.body) + (1000 if reply.torn else 0)
    headers: dict[str, Any] = {
        "Content-Type": "application/json",
        "Content-Length": length,
        "Connection": "close",
        **reply.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    status = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n"
    return f"{status}{lines}\r\n".encode() + reply.body
