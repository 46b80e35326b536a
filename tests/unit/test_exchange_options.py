"""The exchange's command line: what it explains, and what it refuses in one line."""

import dataclasses
from datetime import date, time
from decimal import Decimal
from pathlib import Path

import pytest

from embedded.exchange import __main__ as program
from embedded.exchange.options import Options, read_options
from tools.schedule import session_table


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        read_options(arguments)
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_help_explains_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_options(["--help"])
    text = capsys.readouterr().out
    assert "simulation, not a broker" in text
    for option in dataclasses.fields(Options):
        assert f"--{option.name.replace('_', '-')}" in text


def test_without_options_it_is_a_synthetic_market_in_real_time() -> None:
    options = read_options([])
    assert (options.data, options.synthetic, options.session) == (None, None, None)
    assert (options.port, options.cash, options.seed) == (8006, Decimal(100_000), 1)


def test_options_are_read_as_what_they_mean() -> None:
    given = "--synthetic AAPL,BRK.B --session 2026-11-27 --at 11:00 --speed 60 --cash 2500.50"
    options = read_options(given.split())
    assert options.synthetic == ("AAPL", "BRK.B")
    assert (options.session, options.at) == (date(2026, 11, 27), time(11, 0))
    assert (options.speed, options.cash) == (60, Decimal("2500.50"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("--session 2013-13-07", "'2013-13-07' is not a date"),
        ("--at 25:00", "'25:00' is not a time"),
        ("--speed -1", "'-1' is not a speed"),
        ("--partial-fills 2", "'2' is not a chance"),
        ("--slippage-bps 1000", "'1000' is not a number of basis points"),
        ("--speed fast", "'fast' is not a number or max"),
        ("--cash 0", "'0' is not an amount"),
        ("--cash 1.001", "'1.001' is not an amount"),
        ("--synthetic BTC/USD", "'BTC/USD' is not a US equity symbol"),
        ("--synthetic ,", "no symbol given"),
        ("--data nowhere", "nowhere is not a directory"),
        ("--corporate-actions nowhere", "nowhere is not a file"),
        ("--news nowhere", "nowhere is not a file"),
        ("--symbols SPY", "narrows --data only"),
        ("--until 2026-11-27", "needs an earlier --session"),
        ("--data . --synthetic SPY", "not allowed with"),
        ("--strict-auth --key K", "needs --key and --secret"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: str, named: str
) -> None:
    assert named in refusal(capsys, *arguments.split())


def test_a_day_that_is_not_recorded_is_named_with_those_that_are(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "2013-10-07").mkdir()
    message = refusal(capsys, "--data", str(tmp_path), "--session", "2013-10-08")
    assert "2013-10-08 is not recorded (there: 2013-10-07)" in message


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(program, "log_to", lambda **_: None)
    path = tmp_path / "table.csv"
    path.write_text(session_table.table_text("2013-12-31"), encoding="utf-8")
    return path


def test_a_torn_line_is_one_line_and_status_78(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, table: Path
) -> None:
    day = tmp_path / "2013-10-07"
    day.mkdir()
    text = "timestamp,open,high,low,close,volume\n2013-10-07T13:30:00Z,1,1\n"
    (day / "SPY.bars.csv").write_text(text, encoding="utf-8")
    arguments = f"--data {tmp_path} --session 2013-10-07 --table {table} --port 0"
    assert program.main(arguments.split(), program.serve) == 78
    message = capsys.readouterr().err
    assert message.startswith("configuration error: ")
    assert "SPY.bars.csv line 2: cannot read '2013-10-07T13:30:00Z,1,1'" in message
    assert message.count("\n") == 1


def test_a_missing_session_table_is_status_78(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, table: Path
) -> None:
    table.unlink()
    assert program.main(["--table", str(table)], program.serve) == 78
    message = capsys.readouterr().err
    assert f"{table}: No such file or directory: run ./manage_services.sh setup" in message
