"""JSON lines: one line per record, readable while they rot."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tools.journal import history


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "lines.jsonl"
    for number in range(3):
        history.append(path, {"number": number})
    assert [record["number"] for record in history.read(path)] == [0, 1, 2]


def test_money_is_a_json_number_and_an_instant_is_text() -> None:
    line = history.json_line({"pnl": Decimal("-12.50"), "quantity": Decimal(7), "on": date.min})
    assert json.loads(line) == {"pnl": -12.5, "quantity": 7, "on": "0001-01-01"}
    assert '"quantity": 7,' in line


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        history.json_line({"rsi": float("nan")})


def test_text_of_a_model_cannot_forge_a_line() -> None:
    line = history.json_line({"text": 'x"}\n{"pnl": 1e9}\u2028\x1b[2J'})
    assert line.count("\n") == 1
    assert "\x1b" not in line
    assert "\u2028" not in line


def test_a_gzipped_file_is_read_as_if_nothing_had_happened(tmp_path: Path) -> None:
    path = tmp_path / "2013-10-07_trades.jsonl"
    (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(b'{"pnl": 1}\n'))
    assert history.read(path) == [{"pnl": 1}]


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"pnl": 1}\n{"pnl": 2', encoding="utf-8")
    assert history.read(path) == [{"pnl": 1}]


def test_damage_in_the_middle_names_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"pnl": 1}\n{"pn\n{"pnl": 3}\n', encoding="utf-8")
    with pytest.raises(history.HistoryDamaged, match=r"lines\.jsonl:2"):
        history.read(path)


def test_a_file_that_never_was_has_no_records(tmp_path: Path) -> None:
    assert history.read(tmp_path / "none.jsonl") == []


def test_replacing_leaves_the_new_lines_alone(tmp_path: Path) -> None:
    path = tmp_path / "trades" / "lines.jsonl"
    history.append(path, {"old": 1})
    history.replace(path, [{"new": 1}, {"new": 2}])
    assert history.read(path) == [{"new": 1}, {"new": 2}]
    history.replace(path, [])
    assert path.read_bytes() == b""
    assert [entry.name for entry in path.parent.iterdir()] == ["lines.jsonl"]
