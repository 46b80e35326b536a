"""Hosting: the quiet server, the port, systemd's socket, the log files."""

import asyncio
import logging
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tools import hosting


@pytest.fixture(autouse=True)
def root_logger_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:], root.level = handlers, level


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


@asynccontextmanager
async def quiet_server() -> AsyncIterator[tuple[str, asyncio.Task[None]]]:
    server = hosting.http_server(Starlette(routes=[Route("/", hello)]))
    listener = await hosting.bind(0)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/", serving
    server.should_exit = True
    await serving


@pytest.mark.anyio
async def test_the_quiet_server_answers_with_a_current_date() -> None:
    async with quiet_server() as (url, _), httpx2.AsyncClient() as http:
        answer = await http.get(url)
        assert (answer.status_code, answer.text) == (200, "hello")
        assert answer.headers["date"].endswith("GMT")


@pytest.mark.anyio
async def test_sigterm_ends_the_quiet_server_without_a_tick() -> None:
    async with quiet_server() as (_, serving):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, 5)


@pytest.mark.anyio
async def test_a_taken_port_is_tried_for_a_while_and_then_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(hosting, "BIND_PATIENCE_SECONDS", 0.15)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(hosting.PortTaken, match=str(port)):
            await hosting.bind(port)
        assert time.monotonic() - started >= 0.15


@pytest.mark.anyio
async def test_a_port_that_becomes_free_meanwhile_is_taken() -> None:
    other = socket.socket()
    other.bind(("127.0.0.1", 0))
    other.listen()
    asyncio.get_running_loop().call_later(0.15, other.close)
    listener = await hosting.bind(other.getsockname()[1])
    listener.close()


def test_systemd_hears_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        hosting.sd_notify("READY=1", "STATUS=sleeping")
        assert systemd.recv(1000) == b"READY=1\nSTATUS=sleeping"


def test_without_systemd_a_notification_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    hosting.sd_notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/at/all")
    hosting.sd_notify("READY=1")


def test_each_file_gets_the_log_from_its_own_level_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JOURNAL_STREAM", raising=False)
    everything, errors = tmp_path / "logs/stdout.log", tmp_path / "logs/stderr.log"
    hosting.log_to((everything, logging.DEBUG), (errors, logging.WARNING), level="INFO")
    logging.getLogger("agent").info("cycle 1")
    logging.getLogger("agent").warning("rate limit")
    assert everything.read_text(encoding="utf-8") == "cycle 1\nrate limit\n"
    assert errors.read_text(encoding="utf-8") == "rate limit\n"
    assert capsys.readouterr().out == "cycle 1\nrate limit\n"


def test_alerts_hear_warnings_when_the_log_shows_errors_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hosting.log_to(level="ERROR")
    alerts = hosting.Incidents()
    logging.getLogger().addHandler(alerts)
    logging.getLogger("agent").warning("circuit breaker drawdown")
    assert alerts.after(0) == [(1, "WARNING: circuit breaker drawdown")]
    assert capsys.readouterr().out == ""


def test_the_journal_gets_a_priority_on_every_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOURNAL_STREAM", "8:1")
    hosting.log_to(level="INFO")
    logging.getLogger("agent").error("two\nlines")
    assert capsys.readouterr().out == "<3>two\n<3>lines\n"


def test_incidents_are_numbered_and_asked_for_from_a_number_on() -> None:
    incidents = hosting.Incidents()
    logger = logging.getLogger("test.incidents")
    logger.addHandler(incidents)
    try:
        logger.warning("rate limit")
        logger.error("close SPY error: %s", "held")
    finally:
        logger.removeHandler(incidents)
    assert incidents.after(0) == [(1, "WARNING: rate limit"), (2, "ERROR: close SPY error: held")]
    assert incidents.after(1) == [(2, "ERROR: close SPY error: held")]
    assert incidents.after(2) == []
