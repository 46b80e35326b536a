"""A private systemd with Active Trader installed in it, for a test to do with as it likes.

`systemd_host` beside this file boots it: namespaces, an overlay of this machine's root, a network
of its own and a clock that can be moved. Nothing of it is left afterwards.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

TOOL = Path(__file__).with_name("systemd_host")
OPERATOR = "mfan"
CHECKOUT = Path("/home/mfan/work/aitrader")
STATE = Path("/var/lib/active-trader")
SERVICES = ("alpaca-data", "alpaca-trade", "active-trader")
CANNOT = 77
PATIENCE_SECONDS = 120.0
PLACES = ("active_trader.py", "agent", "agent_tools", "configs", "console", "embedded", "prompts")
MORE_PLACES = ("manage_services.sh", "requirements.txt", "requirements-dev.txt", "systemd", "tools")


def why_not() -> str:
    """Why no private systemd can be booted here, empty if one can."""
    said = _tool("check")
    return said.stderr.strip() if said.returncode == CANNOT else ""


def copy_checkout(folder: Path) -> None:
    """This checkout as a user has it after `setup`, but for its packages, which are bound in."""
    for name in (*PLACES, *MORE_PLACES):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    venv = folder / ".venv"
    shutil.copytree(Path(sys.prefix) / "bin", venv / "bin", symlinks=True)
    shutil.copy(Path(sys.prefix) / "pyvenv.cfg", venv)
    (venv / "lib").mkdir()
    sums = subprocess.run(
        [
            "sh",
            "-c",
            f"{sys.executable} --version; cksum <$0; cksum <$0",
            ROOT / "requirements.txt",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    (venv / "installed-requirements.txt").write_text(sums.stdout, encoding="utf-8")
    (folder / "data").mkdir()
    shutil.copy(ROOT / "data" / "session_table.csv", folder / "data")


@dataclass(frozen=True)
class Host:
    """The host, by its state folder. `run` is a command inside, as root."""

    state: str

    @classmethod
    def boot(cls, checkout: Path, home: Path) -> "Host":
        """Boot it with `checkout` where the seed has it; it ends with this process at the latest.

        `home` of the interpreter is opened for passers-by, in the host alone.
        """
        binds = (f"{checkout}:{CHECKOUT}", f"{Path(sys.prefix)}/lib:{CHECKOUT}/.venv/lib:ro")
        told = _tool(
            *("up", "--fake-clock", "--private-network", "--size", "3g"),
            *("--follow", str(os.getpid())),
            *(word for bind in binds for word in ("--bind", bind)),
        )
        assert told.returncode == 0, told.stderr
        host = cls(told.stdout.strip())
        host.run("useradd", OPERATOR)
        host.shell(
            f"find /home -path {CHECKOUT}/.venv/lib -prune -o -exec chown {OPERATOR}: {{}} +"
        )
        if home.is_relative_to("/root"):
            host.run("chmod", "711", "/root")
        return host

    def down(self) -> None:
        """End it, and everything in it."""
        _tool("down", "--state", self.state, "--now")

    def run(
        self, *command: str, check: bool = True, user: str = "root", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside."""
        if user != "root":
            command = ("runuser", "-u", user, "--", *command)
        told = [word for n, value in environment.items() for word in ("--env", f"{n}={value}")]
        said = _tool("exec", "--state", self.state, *told, "--", *command)
        assert not check or said.returncode == 0, f"{command}: {said.stdout}{said.stderr}"
        return said

    def shell(self, line: str, *, user: str = "root", check: bool = True) -> str:
        """What a line prints in the checkout, errors included."""
        said = self.run("bash", "-c", f"cd {CHECKOUT} && {line}", user=user, check=check)
        return said.stdout + said.stderr

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`sudo ./manage_services.sh ...`, typed by the operator."""
        script = str(CHECKOUT / "manage_services.sh")
        return self.run(script, *arguments, check=check, SUDO_USER=OPERATOR)

    def set_time(self, new_york: str) -> None:
        """Move the clock of systemd and of all that starts from now on."""
        zone = "America/New_York"
        moved = _tool("set-time", "--state", self.state, "--tz", zone, new_york)
        assert moved.returncode == 0, moved.stderr

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, f"--property={name}", "--value").stdout.strip()

    def pid(self, service: str) -> int:
        """Of its main process."""
        return int(self.show(service, "MainPID"))

    def journal(self, *arguments: str) -> str:
        """The messages, and nothing else."""
        return self.run("journalctl", "-o", "cat", "--no-pager", *arguments).stdout

    def running(self) -> bool:
        """All three services are ready."""
        words = self.run("systemctl", "is-active", *SERVICES, check=False).stdout.split()
        return words == ["active"] * len(SERVICES)

    def exchange(self, path: str, body: dict[str, str] | None = None) -> Any:
        """What the embedded exchange answers."""
        command = ["curl", "-s", f"http://127.0.0.1:8006{path}"]
        for header in ("APCA-API-KEY-ID: any", "APCA-API-SECRET-KEY: words"):
            command += ["-H", header]
        if body is not None:
            command += ["-d", json.dumps(body)]
        return json.loads(self.run(*command).stdout)

    def buy(self, symbol: str, quantity: int = 10) -> None:
        """Hold something, as if the trader had bought it."""
        order = {"symbol": symbol, "qty": str(quantity), "side": "buy", "type": "market"}
        self.exchange("/v2/orders", order | {"time_in_force": "day"})
        self.until(lambda: symbol in self.held(), f"{symbol} is held")

    def held(self) -> dict[str, str]:
        """What the account holds."""
        return {one["symbol"]: one["qty"] for one in self.exchange("/v2/positions")}

    def until(self, true: Callable[[], bool], what: str, patience: float = 0) -> float:
        """Wait until it is so; returns the seconds that took."""
        began = time.monotonic()
        while not true():
            waited = time.monotonic() - began
            assert waited < (patience or PATIENCE_SECONDS), f"not so: {what}"
            time.sleep(0.05)
        return time.monotonic() - began


def _tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(TOOL), *arguments],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
