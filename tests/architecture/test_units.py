"""The systemd units: rendered for this checkout they are clean, and they start what exists."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOT

UNITS = sorted((ROOT / "systemd").glob("*.service"))


def rendered(unit: Path, folder: Path) -> Path:
    """`unit` for a checkout in `folder` and a user who exists everywhere."""
    text = unit.read_text(encoding="utf-8").replace("@ROOT@", str(folder / "checkout"))
    file = folder / unit.name.replace("@.", "@exchange.")
    file.write_text(text.replace("@USER@", "daemon"), encoding="utf-8")
    return file


def test_the_units_are_clean_under_systemd_analyze(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not there: the units were not verified")
    python = tmp_path / "checkout" / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    files = [str(rendered(unit, tmp_path)) for unit in UNITS]

    # man=no: Documentation= is not at stake, and `man` may be absent.
    command = ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_unit_starts_a_program_that_exists(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    start = re.search(r"^ExecStart=@ROOT@/.venv/bin/python (.*)$", text, re.MULTILINE)
    assert start
    arguments = start[1].replace("%i", "exchange").split()
    if arguments[0] == "-m":
        module = ROOT.joinpath(*arguments[1].split("."))
        assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()
    else:
        assert Path(arguments[0].replace("@ROOT@", str(ROOT))).is_file()


def test_the_four_units_are_there() -> None:
    assert {unit.name for unit in UNITS} == {
        "alpaca-data.service",
        "alpaca-trade.service",
        "active-trader.service",
        "active-trader-embedded@.service",
    }
