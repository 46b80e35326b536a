"""`manage_services.sh setup`, with an interpreter that only notes what it is asked to do."""

import os
import shutil
import stat
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.services

FAKE_PYTHON = """#!/bin/sh
echo "$*" >>"{calls}"
case "$*" in
--version) echo "Python 3.12.1" ;;
"-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
*session_table*) mkdir -p "${{3%/*}}" && : >"$3" ;;
esac
"""
FAILING_SHIM = "#!/bin/sh\necho 'pyenv: version not selected' >&2\nexit 127\n"


class Checkout:
    """A checkout in a folder with a space in its name, and a machine with nothing but coreutils."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a checkout"
        self.calls = folder / "calls"
        self.bin = folder / "bin"
        self.root.mkdir()
        self.bin.mkdir()
        for name in ("manage_services.sh", "requirements.txt", "requirements-dev.txt"):
            shutil.copy(ROOT / name, self.root)

    def add_program(self, name: str, text: str) -> None:
        program = self.bin / name
        program.write_text(text.format(calls=self.calls), encoding="utf-8")
        program.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.root / "manage_services.sh"), *arguments],
            cwd=self.bin,
            env={"PATH": f"{self.bin}:{self._coreutils()}", "HOME": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )

    def asked(self) -> list[str]:
        """What interpreters were asked since the last question."""
        lines = self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []
        self.calls.unlink(missing_ok=True)
        return lines

    def _coreutils(self) -> Path:
        """The machine's tools without its Pythons."""
        folder = self.bin.with_name("coreutils")
        if not folder.exists():
            folder.mkdir()
            for directory in ("/usr/bin", "/bin"):
                for program in Path(directory).iterdir():
                    link = folder / program.name
                    if not program.name.startswith("python") and not os.path.lexists(link):
                        link.symlink_to(program)
        return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_first_set_up_makes_everything_and_the_second_finds_it(checkout: Checkout) -> None:
    checkout.add_program("python3.12", FAKE_PYTHON)
    env_file = checkout.root / ".env"
    env_file.write_text("ALPACA_API_KEY=mine", encoding="utf-8")

    assert checkout.run("setup").returncode == 0
    asked = checkout.asked()
    first_env = env_file.read_text(encoding="utf-8")
    began = time.monotonic()
    assert checkout.run("setup").returncode == 0
    took_seconds = time.monotonic() - began

    assert [call.split()[1] for call in asked if call.startswith("-m")] == [
        "venv",
        "pip",
        "tools.schedule.session_table",
    ]
    assert not [call for call in checkout.asked() if call.startswith("-m")]
    assert took_seconds < 1
    values = dict(line.split("=") for line in first_env.splitlines())
    assert values.pop("ALPACA_API_KEY") == "mine"
    assert set(values) == {"MCP_DATA_TOKEN", "MCP_TRADE_TOKEN", "MCP_OPERATOR_TOKEN"}
    assert len(set(values.values())) == 3
    assert all(len(token) == 64 for token in values.values())
    assert env_file.read_text(encoding="utf-8") == first_env
    assert stat.S_IMODE(env_file.stat().st_mode) == 0o600


def test_changed_requirements_are_installed_into_the_same_environment(checkout: Checkout) -> None:
    checkout.add_program("python3.12", FAKE_PYTHON)
    checkout.run("setup")
    checkout.asked()
    with (checkout.root / "requirements.txt").open("a", encoding="utf-8") as file:
        file.write("one-more==1.0\n")

    checkout.run("setup")

    assert [call.split()[1] for call in checkout.asked() if call.startswith("-m")] == ["pip"]


def test_a_python_on_the_path_that_does_not_run_is_passed_over(checkout: Checkout) -> None:
    checkout.add_program("python3.12", FAILING_SHIM)
    checkout.add_program("python3.13", FAKE_PYTHON)

    result = checkout.run("setup")

    assert result.returncode == 0
    assert "(python3.13)" in result.stderr


@pytest.mark.parametrize("command", ["setup", "demo", "test"])
def test_without_a_suitable_python_one_line_says_what_to_do(
    checkout: Checkout, command: str
) -> None:
    checkout.add_program("python3.12", FAILING_SHIM)

    result = checkout.run(command)

    assert result.returncode == 3
    (line,) = result.stderr.splitlines()
    assert "no Python 3.12 or 3.13" in line
    assert "PYTHON=" in line


def test_an_unknown_command_gets_the_usage(checkout: Checkout) -> None:
    result = checkout.run("frobnicate")

    assert result.returncode == 2
    assert result.stderr.startswith("usage: manage_services.sh COMMAND")
