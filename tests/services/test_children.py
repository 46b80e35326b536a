"""The launcher's processes: watched, ended, and never left behind."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from console.children import ChildFailed, Children, free_ports
from tests.conftest import ROOT
from tests.services.watching import ends

pytestmark = [pytest.mark.anyio, pytest.mark.services]

SLEEPER = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEPER}"
STARTER = """
import asyncio, os, pathlib, sys
from console.children import Children

async def main():
    children = Children(os.environ, folder=pathlib.Path(sys.argv[1]), cwd=pathlib.Path.cwd())
    await children.start("sleeper", "-c", sys.argv[2], to_terminal=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def family(folder: Path) -> Children:
    return Children(os.environ, folder=folder, cwd=ROOT)


async def pid_of(output: Path) -> int:
    """The number that the child prints first."""
    while not (text := printed(output)).endswith("\n"):
        await asyncio.sleep(0.005)
    return int(text)


def printed(output: Path) -> str:
    return output.read_text(encoding="utf-8")


async def test_a_child_that_ends_by_itself_fails_with_its_last_lines(tmp_path: Path) -> None:
    children = family(tmp_path)
    await children.start("exchange", "-c", "print('all is well'); raise SystemExit(9)")

    with pytest.raises(ChildFailed, match=r"exchange ended with status 9(.|\n)*all is well") as e:
        await children.first_failure()

    assert e.value.code == 1


async def test_a_configuration_error_is_passed_on_as_its_one_line(tmp_path: Path) -> None:
    children = family(tmp_path)
    await children.start(
        "exchange", "-c", "print('configuration error: x.csv:7'); raise SystemExit(78)"
    )

    with pytest.raises(ChildFailed) as e:
        await children.first_failure()

    assert (str(e.value), e.value.code) == ("configuration error: x.csv:7", 78)


async def test_stop_ends_every_child_also_the_one_that_ignores_sigterm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("console.children.GRACE_SECONDS", 0.2)
    children = family(tmp_path)
    await children.start("polite", "-c", SLEEPER)
    await children.start("stubborn", "-c", STUBBORN)
    pids = [await pid_of(tmp_path / f"{name}.out") for name in ("polite", "stubborn")]

    await children.stop()

    assert not any(alive(pid) for pid in pids)


def test_a_child_does_not_outlive_a_starter_that_was_killed(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path), SLEEPER],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    with starter:
        assert starter.stdout
        watch = os.pidfd_open(int(starter.stdout.readline()))
        starter.kill()

    assert ends(watch)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_free_ports_are_different() -> None:
    assert len(set(free_ports(5))) == 5
