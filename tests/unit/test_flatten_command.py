"""`flatten` on the command line: by the trade server, or without it."""

import json
from pathlib import Path

import pytest

from console import flatten_command
from tests.stub_server import Fault, Reply, StubServer
from tools.execution import flatten_program

FLAT = {"flat": True, "closed_symbols": ["SPY"], "remaining_symbols": [], "errors": []}
HELD = FLAT | {"flat": False, "errors": ["a halt"]}


def said(state: str, report: object = None, status: int = 200) -> Reply:
    return Reply(status, json.dumps({"state": state, "report": report}).encode())


@pytest.fixture
def direct(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """What the flatten program was started with, if it was."""
    started: list[list[str]] = []

    def main(arguments: list[str]) -> int:
        started.append(arguments)
        return 1

    monkeypatch.setattr(flatten_program, "main", main)
    monkeypatch.setattr(flatten_command, "ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(flatten_command, "LOOK_SECONDS", 0.01)
    monkeypatch.setenv("ACTIVE_TRADER_HOME", str(tmp_path))
    monkeypatch.setenv("MCP_OPERATOR_TOKEN", "operator")
    return started


def run(server: StubServer, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setenv("ALPACA_TRADE_MCP_PORT", server.url.rpartition(":")[2])
    return flatten_command.run("a test")


def test_the_trade_server_does_it(
    direct: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    accepted = said("", status=202)
    with StubServer(said("idle"), accepted, said("running"), said("done", FLAT)) as server:
        assert run(server, monkeypatch) == 0
    assert direct == []
    assert [request.method for request in server.requests] == ["GET", "POST", "GET", "GET"]
    assert json.loads(server.requests[1].body) == {"reason": "a test"}
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "the trade server has closed SPY",
        "FLAT",
    ]


@pytest.mark.parametrize(
    "replies",
    [
        (Fault.HANG,),
        (said("idle"), said("", status=503)),
        (said("idle"), said("", status=202), said("idle")),
        (said("done", FLAT), said("", status=202), said("done", FLAT)),
        (said("idle"), said("", status=202), said("done", HELD)),
        (said("idle"), said("", status=202), *(Fault.HANG,) * 3),
    ],
    ids=["hangs", "refuses", "has no session", "an old report", "not flat", "hangs later"],
)
def test_else_it_is_done_from_here(
    direct: list[list[str]], monkeypatch: pytest.MonkeyPatch, replies: tuple[Reply | Fault, ...]
) -> None:
    with StubServer(*replies) as server:
        assert run(server, monkeypatch) == 1
    assert direct == [["operator"]]
