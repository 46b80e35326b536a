"""The operator's commands: what they print, and how they end."""

import gzip
import json
from datetime import date
from pathlib import Path

import pytest

from console.cli import main
from tools.journal import history


@pytest.fixture
def agent_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The history of two sessions with trades and a flat one."""
    monkeypatch.setenv("ACTIVE_TRADER_HOME", str(tmp_path))
    folder = tmp_path / "data" / "agent_data" / "deepseek-chat-v3.1"
    for day, closed in (
        (4, [a_trade("SPY", 0.1, 4), a_trade("IBM", 0.2, 4), a_trade("SPY", -12.5, 4)]),
        (7, [a_trade("IBM", 40, 7) | {"prompt_hash": "abc"}]),
        (8, []),
    ):
        history.replace(history.trades_path(folder, date(2013, 10, day)), closed)
    book = {
        "cash": 100_000.0,
        "equity": 101_500.0,
        "positions": [a_holding("SPY"), a_holding("IBM")],
    }
    for session in ("2013-10-04", "2013-10-07", "2013-10-07"):
        record = {"at": f"{session}T10:00:00-04:00", "event": "fill", "session": session}
        history.append(history.position_path(folder), record | book)
        book = {"cash": 100_027.8, "equity": 100_027.8, "positions": []}
    return folder


def a_trade(symbol: str, pnl: float, day: int) -> dict[str, object]:
    return {
        "opened_at": f"2013-10-0{day}T14:00:00+00:00",
        "closed_at": f"2013-10-0{day}T15:00:00+00:00",
        "entry_order": "AT-1",
        "exit_order": "leg",
        "decision_id": "D-1",
        "symbol": symbol,
        "side": "buy",
        "quantity": 10,
        "entry_price": 168.5,
        "exit_price": 169,
        "pnl": pnl,
        "exit_reason": "flatten",
    }


def a_holding(symbol: str) -> dict[str, object]:
    return {
        "symbol": symbol,
        "quantity": 10,
        "average_entry_price": 168.5,
        "market_value": 1700.0,
        "unrealized_pnl": 15.0,
    }


@pytest.mark.usefixtures("agent_folder")
def test_trades_lists_the_latest_session_or_the_one_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["trades"]) == 0
    assert capsys.readouterr().out == "none\n"

    assert main(["trades", "--date", "2013-10-07"]) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split()[:3] == ["session", "symbol", "quantity"]
    assert row.split() == ["2013-10-07", "IBM", "10", "168.50", "169.00", "40.00", "flatten"]


@pytest.mark.usefixtures("agent_folder")
def test_trades_by_symbol_shows_the_most_traded_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trades", "--since", "2013-10-01", "--by", "symbol", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == [
        {
            "symbol": "IBM",
            "trades": 2,
            "winning_trades": 2,
            "win_rate": 1.0,
            "profit_factor": None,
            "pnl": 40.2,
        },
        {
            "symbol": "SPY",
            "trades": 2,
            "winning_trades": 1,
            "win_rate": 0.5,
            "profit_factor": 0.008,
            "pnl": -12.4,
        },
    ]


@pytest.mark.usefixtures("agent_folder")
def test_pnl_by_prompt_tells_the_versions_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pnl", "--by", "prompt"]) == 0

    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["prompt", "trades", "winning_trades", "win_rate", "profit_factor", "pnl"]
    assert [row[:3] for row in rows[1:]] == [
        ["unknown", "3", "2"],
        ["abc", "1", "1"],
        ["total", "4", "3"],
    ]


@pytest.mark.usefixtures("agent_folder")
def test_pnl_adds_up_every_session_flat_ones_included_to_the_cent(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["pnl", "--json"]) == 0

    answer = json.loads(capsys.readouterr().out)
    assert [(row["day"], row["trades"], row["pnl"]) for row in answer["groups"]] == [
        ("2013-10-04", 3, -12.2),
        ("2013-10-07", 1, 40.0),
        ("2013-10-08", 0, 0.0),
    ]
    assert answer["total"]["pnl"] == 27.8
    assert answer["total"]["win_rate"] == 0.75


def test_a_file_that_was_gzipped_meanwhile_counts_as_before(
    agent_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = history.trades_path(agent_folder, date(2013, 10, 4))
    plain.with_name(plain.name + ".gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()

    assert main(["pnl", "--date", "2013-10-04"]) == 0

    assert capsys.readouterr().out.splitlines()[-1].split() == [
        *("total", "3", "2", "0.67", "0.02", "-12.20"),
    ]


@pytest.mark.usefixtures("agent_folder")
def test_positions_shows_the_last_book_and_by_day_each_sessions_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["positions"]) == 0
    assert capsys.readouterr().out == "none\n"

    assert main(["positions", "--date", "2013-10-04"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "symbol",
        "SPY",
        "IBM",
    ]

    assert main(["positions", "--by", "day"]) == 0
    rows = [line.split()[:4] for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["2013-10-04", "100,000.00", "101,500.00", "2"],
        ["2013-10-07", "100,027.80", "100,027.80", "0"],
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["trades", "--date", "yesterday"], 2, "--date yesterday: not a date; write YYYY-MM-DD"),
        (["trades", "--by", "hour"], 2, "--by hour: must be day, symbol or prompt"),
        (["pnl", "--date", "2013-10-04", "--since", "2013-10-04"], 2, "exclude each other"),
        (["frobnicate"], 2, "No such command 'frobnicate'"),
        (["trades", "--frobnicate"], 2, "No such option: --frobnicate"),
        (["simulate", "--seed", "x"], 2, "Invalid value for '--seed'"),
        (["simulate", "--date", "2013-13-01"], 2, "--date 2013-13-01: not a date"),
    ],
)
@pytest.mark.usefixtures("agent_folder")
def test_a_wrong_argument_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, message: str
) -> None:
    assert main(arguments) == status

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("active_trader.py: ")
    assert message in line


def test_an_unknown_key_of_the_configuration_is_one_line_and_status_78(
    agent_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = agent_folder.parents[2]
    (home / "configs").mkdir()
    config = {"models": [{"name": "x", "signature": "x", "colour": "red"}]}
    (home / "configs" / "default_config.json").write_text(json.dumps(config), encoding="utf-8")

    assert main(["pnl"]) == 78

    (line,) = capsys.readouterr().err.splitlines()
    assert "configuration error" in line
    assert "models.0.colour" in line


def test_damaged_history_is_named_with_its_line(
    agent_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = history.trades_path(agent_folder, date(2013, 10, 4))
    file.write_text("{}\n{\n{}\n", encoding="utf-8")

    assert main(["pnl"]) == 1

    assert "2013-10-04_trades.jsonl:2" in capsys.readouterr().err


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0

    out = capsys.readouterr().out
    assert all(command in out for command in ("simulate", "trades", "positions", "pnl"))
