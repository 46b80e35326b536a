"""The entry: one line for a Python that cannot run it, and the three literals that users edit."""

import ast
import re
import subprocess
import sys

import pytest

import active_trader
from tests.conftest import ROOT

PROGRAM = ROOT / "active_trader.py"


def test_it_parses_under_python_3_6() -> None:
    ast.parse(PROGRAM.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_an_old_python_is_told_what_to_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 8, 18))
    assert active_trader.main([]) == 78
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs Python 3.12" in line
    assert f"run {ROOT}/manage_services.sh setup" in line


@pytest.mark.parametrize("arguments", [[], ["trades"]])
def test_a_python_without_the_packages_is_told_what_to_run(arguments: list[str]) -> None:
    run = subprocess.run(
        [sys.executable, "-E", "-S", str(PROGRAM), *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 78
    (line,) = run.stderr.splitlines()
    assert re.search("this Python lacks (pydantic|dotenv|typer|starlette)", line)
    assert f"{ROOT}/.venv/bin/python {ROOT}/active_trader.py" in line
