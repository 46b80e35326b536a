"""`acknowledge` where no trade server answers."""

import socket
from datetime import date
from pathlib import Path

import pytest

from console.cli import main
from tools.execution.certificates import certificates_path, read_standing

DAY = date(2013, 10, 7)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The certificates of a home whose trade server's port nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setenv("ACTIVE_TRADER_HOME", str(tmp_path))
    monkeypatch.setenv("ALPACA_TRADE_MCP_PORT", str(port))
    monkeypatch.setenv("AGENT_MODE", "simulation")
    return certificates_path(tmp_path / "data" / "agent_data" / "deepseek-chat-v3.1")


def test_it_writes_the_file_itself(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["acknowledge", "--session", "2013-10-07", "--reason", "sold by hand"]) == 0
    standing = read_standing(path)
    assert standing.settled(DAY)
    assert standing.acknowledged[DAY]["reason"] == "sold by hand"
    assert "2013-10-07 is acknowledged in" in capsys.readouterr().out


def test_a_wrong_day_is_a_usage_error(path: Path) -> None:
    assert main(["acknowledge", "--session", "yesterday"]) == 2
    assert not path.exists()


def test_a_file_that_cannot_be_written_is_an_error(path: Path) -> None:
    path.mkdir(parents=True)
    assert main(["acknowledge", "--session", "2013-10-07"]) == 1
