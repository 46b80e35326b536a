"""The file of a day's record: what survives a crash, what shows."""

import gzip
from pathlib import Path

import pytest

from tools.journal.day_record import DayRecord, RecordDamaged, read_record


def written(path: Path, *numbers: int) -> DayRecord:
    record = DayRecord(path)
    for number in numbers:
        record.append({"number": number, "text": f"a line with a \u2013 and a \ud800: {number}"})
    return record


def died(path: Path, record: DayRecord, *, lost: int = 0) -> None:
    """Leave the file as a crash would, short of the `lost` last bytes."""
    left = path.read_bytes()
    record.close()
    path.write_bytes(left[: len(left) - lost])


def numbers(path: Path) -> list[int]:
    return [entry["number"] for entry in read_record(path).entries]


def test_lines_come_back_as_they_were_and_the_file_is_gzip_between_cycles(tmp_path: Path) -> None:
    path = tmp_path / "log" / "record.jsonl.gz"
    record = written(path, 1, 2)
    record.rest()
    record.append({"number": 3})
    record.close()
    assert numbers(path) == [1, 2, 3]
    assert read_record(path).entries[0]["text"] == "a line with a \u2013 and a \ud800: 1"
    assert read_record(path).torn == ""
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 3


def test_a_line_is_there_as_soon_as_it_is_added(tmp_path: Path) -> None:
    record = written(tmp_path / "r", 1, 2)
    assert numbers(tmp_path / "r") == [1, 2]
    record.close()


@pytest.mark.parametrize("lost", range(1, 60, 7))
def test_a_torn_tail_is_told_and_costs_the_last_lines_alone(tmp_path: Path, lost: int) -> None:
    path = tmp_path / "r"
    record = written(path, 1, 2)
    record.rest()
    record.append({"number": 3})
    died(path, record, lost=lost)
    found = read_record(path)
    assert [entry["number"] for entry in found.entries] in ([1, 2, 3], [1, 2], [1])
    assert found.torn
    again = written(path, 7)
    again.close()
    assert numbers(path) == [*(entry["number"] for entry in found.entries), 7]
    assert read_record(path).torn == ""


def test_a_process_that_died_in_a_cycle_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "r"
    died(path, written(path, 1, 2))
    written(path, 3).close()
    assert numbers(path) == [1, 2, 3]


def repacked(path: Path, lines: list[bytes]) -> None:
    path.write_bytes(gzip.compress(b"".join(lines)))


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_line_that_was_changed_shows(tmp_path: Path, line: int) -> None:
    path = tmp_path / "r"
    written(path, 1, 2, 3).close()
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    lines[line] = lines[line].replace(b'"number": ', b'"number": 4')
    repacked(path, lines)
    with pytest.raises(RecordDamaged, match=f"line {line + 1} is not the one"):
        read_record(path)


def test_a_line_that_was_taken_out_or_put_twice_shows(tmp_path: Path) -> None:
    path = tmp_path / "r"
    written(path, 1, 2, 3).close()
    first, second, third = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    for lines in ([first, third], [second, third], [first, second, second, third]):
        repacked(path, lines)
        with pytest.raises(RecordDamaged):
            read_record(path)


def test_bytes_that_are_no_record_show_and_are_set_aside_by_the_next_writer(
    tmp_path: Path,
) -> None:
    path = tmp_path / "r"
    path.write_bytes(b"not a record")
    with pytest.raises(RecordDamaged, match="after line 0"):
        read_record(path)
    written(path, 1).close()
    assert numbers(path) == [1]
    assert path.with_name("r.damaged").read_bytes() == b"not a record"
