"""The operator's commands where the trade server is not what it should be."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from console.cli import main
from tools.execution import flatten_program
from tools.safety import kill_switch


@pytest.fixture
def sold(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the flatten program was called with; it says flat."""
    calls: list[list[str]] = []

    def sell(arguments: list[str]) -> int:
        calls.append(arguments)
        return 0

    monkeypatch.setattr(flatten_program, "main", sell)
    return calls


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose trade server's port nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    for name, value in (
        ("ACTIVE_TRADER_HOME", str(tmp_path)),
        ("ALPACA_TRADE_MCP_PORT", str(port)),
        ("MCP_OPERATOR_TOKEN", "operator-key"),
        ("AGENT_MODE", "simulation"),
    ):
        monkeypatch.setenv(name, value)
    return tmp_path


@contextmanager
def answering(monkeypatch: pytest.MonkeyPatch, answer: bytes | None) -> Iterator[None]:
    """Somebody on the port who says `answer` to whatever is asked; None hangs."""
    listener = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setenv("ALPACA_TRADE_MCP_PORT", str(listener.getsockname()[1]))

    def speak() -> None:
        try:
            while True:
                with listener.accept()[0] as talk:
                    talk.recv(65536)
                    talk.sendall(answer or b"")
        except OSError:
            return  # the end of the test

    if answer is not None:
        threading.Thread(target=speak, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_with_nobody_there_it_latches_and_sells(home: Path, sold: list[list[str]]) -> None:
    assert main(["kill", "--reason", "smoke"]) == 0
    latch = kill_switch.read(home)
    assert latch is not None
    assert (latch.reason, latch.actor, latch.keep_positions) == ("smoke", "operator", False)
    assert sold == [["operator"]]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"",
        b"SSH-2.0-somebody else\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b'HTTP/1.1 401 Unauthorized\r\nContent-Length: 11\r\n\r\n{"error":1}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{",
    ],
)
def test_whatever_else_answers_it_latches_and_sells(
    home: Path, sold: list[list[str]], monkeypatch: pytest.MonkeyPatch, answer: bytes | None
) -> None:
    with answering(monkeypatch, answer):
        assert main(["kill"]) == 0
    assert kill_switch.latched(home)
    assert sold == [["operator"]]


def test_kept_positions_are_kept(home: Path, sold: list[list[str]]) -> None:
    assert main(["kill", "--keep-positions"]) == 0
    latch = kill_switch.read(home)
    assert latch is not None
    assert latch.keep_positions
    assert sold == []


@pytest.mark.parametrize(
    ("file", "content"),
    [("configs/default_config.json", b"{"), (".env", b"ALPACA_API_KEY=\xff\n")],
)
def test_a_broken_configuration_stops_no_kill(
    home: Path,
    sold: list[list[str]],
    capsys: pytest.CaptureFixture[str],
    file: str,
    content: bytes,
) -> None:
    (home / "configs").mkdir()
    (home / file).write_bytes(content)
    assert main(["kill"]) == 0
    assert kill_switch.latched(home)
    assert sold == [["operator"]]
    assert "configuration error" in capsys.readouterr().err


def test_a_latch_that_cannot_be_written_does_not_stop_the_sale(
    home: Path, sold: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data").write_text("not a folder", encoding="utf-8")
    assert main(["kill"]) == 1
    assert sold == [["operator"]]
    assert "cannot be latched" in (said := capsys.readouterr().err)
    assert "NOT killed" in said


def test_a_kill_that_is_nowhere_is_not_said_to_be_one(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "data").write_text("not a folder", encoding="utf-8")
    assert main(["kill", "--keep-positions"]) == 1
    assert "nothing trades" not in capsys.readouterr().out


@pytest.mark.parametrize("command", [["reset-code"], ["reset", "--code", "ABCDEF"]])
def test_a_reset_needs_a_live_server_and_says_how_to_start_it(
    home: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    kill_switch.latch_path(home).parent.mkdir(parents=True)
    kill_switch.latch_path(home).touch()
    assert main(command) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "no trade server answers" in line
    assert "./manage_services.sh start" in line
    assert kill_switch.latched(home)


def test_a_reset_without_a_code_is_a_wrong_argument(home: Path) -> None:
    assert main(["reset"]) == 2
