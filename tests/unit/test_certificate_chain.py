"""The certificates' file: whatever is done to it shows, and a power cut is not taken for that."""

import json
import multiprocessing
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.architecture.source import ROOT
from tools.execution.certificate_chain import append, read_chain

TAMPERS = 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "certificates.jsonl"


def a_chain(path: Path, count: int = 5) -> bytes:
    for number in range(count):
        append(path, {"kind": "certificate", "session": f"2013-10-{number + 7:02d}", "flat": True})
    return path.read_bytes()


def acknowledge(path: Path) -> None:
    append(path, {"kind": "acknowledged", "session": "2013-10-07"})


def sessions(path: Path) -> list[str]:
    return [record["session"] for record in read_chain(path).records]


def test_a_file_that_does_not_exist_is_empty_and_sound(path: Path) -> None:
    chain = read_chain(path)
    assert (chain.records, chain.fault, chain.unfinished) == ((), "", False)


def test_every_line_holds_the_hash_of_the_one_before(path: Path) -> None:
    a_chain(path)
    chain = read_chain(path)
    assert (len(chain.records), chain.fault) == (5, "")
    assert len({record["before"] for record in chain.records}) == 5


def test_everybody_in_the_group_may_append(path: Path) -> None:
    a_chain(path)
    assert path.stat().st_mode & 0o777 == 0o664
    assert path.with_suffix(".head").stat().st_mode & 0o777 == 0o664


def _changed(data: bytes, draw: st.DataObject) -> bytes:
    """`data` after one act of tampering."""
    lines = data.splitlines(keepends=True)
    one = draw.draw(st.integers(0, len(lines) - 1), label="line")
    other = draw.draw(st.integers(0, len(lines) - 1), label="other line")
    at = draw.draw(st.integers(0, len(data) - 1), label="byte")
    acts: dict[str, Callable[[], bytes]] = {
        "a byte": lambda: data[:at] + bytes((data[at] ^ draw.draw(_bits),)) + data[at + 1 :],
        "a byte less": lambda: data[:at] + data[at + 1 :],
        "a byte more": lambda: data[:at] + bytes((draw.draw(_bits),)) + data[at:],
        "a line less": lambda: b"".join(lines[:one] + lines[one + 1 :]),
        "a line twice": lambda: b"".join(lines[: one + 1] + lines[one:-1]),
        "two lines swapped": lambda: b"".join(_swapped(lines, one, other)),
        "cut off": lambda: data[: max(1, at)],
        "another line's content": lambda: data.replace(b"true", b"false", 1),
    }
    return acts[draw.draw(st.sampled_from(sorted(acts)), label="act")]()


_bits = st.integers(1, 255)


def _swapped(lines: list[bytes], one: int, other: int) -> list[bytes]:
    swapped = list(lines)
    swapped[one], swapped[other] = swapped[other], swapped[one]
    return swapped


@settings(max_examples=TAMPERS, deadline=None)
@given(draw=st.data())
def test_any_line_that_was_changed_taken_out_or_put_in_shows(
    tmp_path_factory: pytest.TempPathFactory, draw: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "tampered" / "certificates.jsonl"
    if not path.with_suffix(".whole").exists():
        path.parent.mkdir()
        path.with_suffix(".whole").write_bytes(a_chain(path))
    whole = path.with_suffix(".whole").read_bytes()
    changed = _changed(whole, draw)
    path.write_bytes(changed)
    # Bytes behind the last known line are what a power cut leaves: reported, and never believed.
    added = changed.startswith(whole) and changed != whole
    chain = read_chain(path)
    assert bool(chain.fault) is (changed != whole and not added)
    assert chain.unfinished is added or chain.fault


def test_every_cut_through_the_line_that_was_being_written_is_survived(path: Path) -> None:
    before, head = a_chain(path), path.with_suffix(".head").read_bytes()
    acknowledge(path)
    after = path.read_bytes()
    for length in range(len(before), len(after) + 1):
        path.write_bytes(after[:length])
        path.with_suffix(".head").write_bytes(head)
        chain = read_chain(path)
        assert chain.fault == ""
        assert chain.unfinished is (len(before) < length < len(after))
        append(path, {"kind": "certificate", "session": "2013-10-14"})
        assert read_chain(path).fault == ""
        assert not read_chain(path).unfinished
        assert sessions(path)[-1] == "2013-10-14"


def test_a_first_line_cut_by_a_power_cut_is_no_damage(path: Path) -> None:
    append(path, {"kind": "certificate", "session": "2013-10-07"})
    path.write_bytes(path.read_bytes()[:20])
    path.with_suffix(".head").write_bytes(
        b"%015d %s\n" % (0, b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    )
    assert (read_chain(path).fault, read_chain(path).unfinished) == ("", True)


def test_a_line_behind_a_broken_chain_does_not_mend_it(path: Path) -> None:
    whole = a_chain(path)
    path.write_bytes(whole.replace(b"true", b"false", 1))
    append(path, {"kind": "certificate", "session": "2013-10-14"})
    assert "line 2" in read_chain(path).fault or "line 1" in read_chain(path).fault
    lines = whole.splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))
    append(path, {"kind": "certificate", "session": "2013-10-14"})
    append(path, {"kind": "certificate", "session": "2013-10-15"})
    assert read_chain(path).fault


def test_an_acknowledged_break_is_a_new_beginning_until_somebody_changes_it_again(
    path: Path,
) -> None:
    path.write_bytes(a_chain(path).replace(b"true", b"false", 1))
    acknowledge(path)
    append(path, {"kind": "certificate", "session": "2013-10-14"})
    assert read_chain(path).fault == ""
    path.write_bytes(path.read_bytes().replace(b"false", b"true", 1))
    assert read_chain(path).fault


def test_without_its_head_the_file_is_broken_and_without_the_file_it_is_new(path: Path) -> None:
    a_chain(path)
    head = path.with_suffix(".head")
    kept = head.read_bytes()
    head.unlink()
    assert read_chain(path).fault == "its head is missing or damaged"
    head.write_bytes(kept)
    path.unlink()
    assert read_chain(path).fault == ""
    append(path, {"kind": "certificate", "session": "2013-10-14"})
    assert (read_chain(path).fault, sessions(path)) == ("", ["2013-10-14"])


def _write_many(path: Path, name: str, count: int) -> None:
    for number in range(count):
        append(path, {"kind": "certificate", "session": f"{name}-{number}"})


def test_two_processes_at_once_make_one_chain(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_many, args=(path, name, 40)) for name in "ab"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    found = sessions(path)
    assert read_chain(path).fault == ""
    assert sorted(found) == sorted(f"{name}-{number}" for name in "ab" for number in range(40))


def test_random_bytes_are_never_a_sound_chain(path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    for _ in range(50):
        path.write_bytes(random.Random(seed).randbytes(300))
        assert read_chain(path).fault or read_chain(path).unfinished
        assert read_chain(path).records == ()


def test_it_needs_no_library() -> None:
    script = (
        "import sys; import tools.execution.certificates, tools.execution.certificate_chain;"
        "ours = {name.partition('.')[0] for name in sys.modules};"
        "print(*sorted(ours - sys.stdlib_module_names - {'tools', '__main__'}))"
    )
    command = [sys.executable, "-S", "-c", script]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


def test_a_line_is_json_of_its_own(path: Path) -> None:
    (line,) = a_chain(path, 1).splitlines()
    assert json.loads(line)["session"] == "2013-10-07"
