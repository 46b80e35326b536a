"""The systemd units: filled in they are clean, start what exists, and expose next to nothing."""

import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from console.units import NEEDS, render, secrets_of, write_credentials
from tests.architecture.source import ROOT
from tools.settings import load

JIT = "alpaca-data.service"
KEYS = {
    "ALPACA_API_KEY": "canary-alpaca-key",
    "ALPACA_SECRET_KEY": "canary-alpaca-secret",
    "DEEPSEEK_API_KEY": "canary-model-key",
    "MCP_DATA_TOKEN": "canary-data-token",
    "MCP_TRADE_TOKEN": "canary-trade-token",
    "MCP_OPERATOR_TOKEN": "canary-operator-token",
}
UNITS = {
    "alpaca-data.service",
    "alpaca-trade.service",
    "active-trader.service",
    "active-trader-flatten@.service",
    "active-trader-flatten.timer",
    "active-trader-alert@.service",
}
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not there: the units were not looked at",
)


def rendered(
    folder: Path, values: Mapping[str, str], *, user: bool = False, program: Path = ROOT
) -> dict[str, str]:
    """The units of a checkout in `folder` with `values` in its `.env`, by name."""
    environment = {**values, "ACTIVE_TRADER_HOME": str(folder)}
    return dict(render(load(environment), values, program, folder, user=user))


@pytest.fixture
def simulated(tmp_path: Path) -> dict[str, str]:
    """The units without keys: the embedded world's is among them."""
    return rendered(tmp_path, {})


@needs_systemd
@pytest.mark.parametrize("user", [False, True], ids=["system", "user"])
def test_the_units_are_clean_under_systemd_analyze(tmp_path: Path, user: bool) -> None:
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    files = []
    for name, text in rendered(tmp_path, {}, user=user, program=tmp_path).items():
        file = tmp_path / name.replace("@.", "@timer.")
        file.write_text(text, encoding="utf-8")
        files.append(str(file))

    # man=no: Documentation= is not at stake, and `man` may be absent.
    command = ["systemd-analyze", "verify", "--recursive-errors=no", "--man=no", *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout + result.stderr) == (0, "")


@needs_systemd
def test_no_unit_exposes_more_than_it_must(tmp_path: Path, simulated: Mapping[str, str]) -> None:
    services = {name: text for name, text in simulated.items() if name.endswith(".service")}
    for name, text in services.items():
        file = tmp_path / name.replace("@.", "@x.")
        file.write_text(text, encoding="utf-8")
        threshold = 13 if name == JIT else 11
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
        result = subprocess.run(
            [*command, f"--threshold={threshold}", str(file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert result.returncode == 0, f"{name}: {result.stdout[-200:]}{result.stderr}"


def test_only_the_process_with_a_compiler_may_write_machine_code(
    simulated: Mapping[str, str],
) -> None:
    services = {name: text for name, text in simulated.items() if name.endswith(".service")}
    without = {n for n, text in services.items() if "\nMemoryDenyWriteExecute=true" not in text}
    assert without == {JIT}


def test_a_unit_starts_a_program_that_exists(simulated: Mapping[str, str]) -> None:
    for name, text in simulated.items():
        start = re.search(r"^ExecStart=\S+/python (?:-X faulthandler )?(.*)$", text, re.MULTILINE)
        if start is None:
            assert name.endswith(".timer")
        elif start[1].startswith("-m "):
            module = ROOT.joinpath(*start[1].split()[1].split("."))
            assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()
        else:
            assert start[1] == f"{ROOT}/active_trader.py"


def test_the_units_are_there_and_nothing_is_left_to_fill_in(
    tmp_path: Path, simulated: Mapping[str, str]
) -> None:
    assert set(simulated) == UNITS | {"active-trader-embedded.service"}
    assert set(rendered(tmp_path, KEYS)) == UNITS
    for text in simulated.values():
        assert not re.search(r"@[A-Z]+@", text)


def test_what_operators_rely_on_stands_in_every_long_lived_unit(
    simulated: Mapping[str, str],
) -> None:
    for name in ("alpaca-data", "alpaca-trade", "active-trader"):
        lines = simulated[f"{name}.service"].splitlines()
        assert {
            "WantedBy=multi-user.target",
            "NoNewPrivileges=true",
            "MemoryAccounting=true",
            "CPUAccounting=true",
            "TasksMax=64",
            "Type=notify",
            "Restart=always",
        } <= set(lines)
        assert any(line.startswith("MemoryMax=") for line in lines)


def test_a_service_that_hangs_at_each_start_reaches_its_start_limit(
    simulated: Mapping[str, str],
) -> None:
    for name in ("alpaca-data", "alpaca-trade", "active-trader"):
        number = {
            key: int(value)
            for key, value in re.findall(r"^(\w+)=(\d+)$", simulated[f"{name}.service"], re.M)
        }
        life = number["WatchdogSec"] + number["RestartSec"] + 10
        assert number["StartLimitIntervalSec"] > number["StartLimitBurst"] * life


def test_a_trade_server_or_a_trader_that_stays_down_ends_in_the_flatten(
    simulated: Mapping[str, str],
) -> None:
    for name in ("alpaca-trade", "active-trader"):
        assert "\nOnFailure=active-trader-flatten@failure.service" in simulated[f"{name}.service"]
    assert "flatten" not in re.findall("^OnFailure=(.*)$", simulated[JIT], re.MULTILINE)[0]


def test_no_secret_is_in_a_unit_and_each_service_gets_its_own_alone(tmp_path: Path) -> None:
    values = {**KEYS, "LOG_LEVEL": "DEBUG", "ALERT_WEBHOOK": "https://hooks.example/canary"}
    units = rendered(tmp_path, values)
    write_credentials(load({**values, "AGENT_MODE": "paper"}), values, tmp_path / "keys")

    assert not [name for name, text in units.items() if "canary" in text]
    assert 'Environment="LOG_LEVEL=DEBUG"' in units["alpaca-trade.service"]
    assert 'Environment="AGENT_MODE=paper"' in units["active-trader.service"]
    for unit in NEEDS:
        held = {file.name: file.read_text() for file in (tmp_path / "keys" / unit).iterdir()}
        assert held == {name: values[name] for name in secrets_of(unit, values)}
        for name in held:
            file = f"/etc/active-trader/credentials/{unit}/{name}"
            assert f"LoadCredential={name}:{file}" in units[f"{unit}.service"]
    assert not {name for name in secrets_of("active-trader", values) if "ALPACA" in name}
    assert "DEEPSEEK_API_KEY" not in secrets_of("alpaca-trade", values)


def test_in_simulation_no_key_is_handed_out(tmp_path: Path) -> None:
    values = {**KEYS, "AGENT_MODE": "simulation"}
    write_credentials(load(values), values, tmp_path)
    held = {file.read_text() for file in tmp_path.rglob("*") if file.is_file()}
    assert held == {"", *(value for name, value in KEYS.items() if name.startswith("MCP_"))}


@needs_systemd
@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("2026-11-24 00:00 UTC", "2026-11-24 17:30:00 UTC"),  # winter: 12:30 in New York
        ("2026-07-01 00:00 UTC", "2026-07-01 16:30:00 UTC"),  # summer
        ("2026-10-31 00:00 UTC", "2026-11-02 17:30:00 UTC"),  # over the change
        ("2026-11-24 20:02:30 UTC", "2026-11-24 20:03:00 UTC"),  # each minute
        ("2026-11-24 21:02:30 UTC", "2026-11-25 17:30:00 UTC"),  # until 16:02
    ],
)
def test_the_timer_knows_new_york(simulated: Mapping[str, str], base: str, expected: str) -> None:
    timer = simulated["active-trader-flatten.timer"]
    calendars = re.findall(r"^OnCalendar=(.*)$", timer, re.MULTILINE)
    command = ["systemd-analyze", "calendar", f"--base-time={base}", *calendars]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env={"TZ": "UTC"})
    elapses = re.findall(r"Next elapse: \w+ (\S+ \S+ UTC)", said.stdout)
    assert min(elapses) == expected
    assert "AccuracySec=100ms" in timer


def test_the_script_and_its_parts_are_clean_under_shellcheck() -> None:
    beside = Path(sys.executable).with_name("shellcheck")
    program = beside if beside.exists() else shutil.which("shellcheck")
    if program is None:
        pytest.skip("shellcheck is not there: the script was not looked at")
    files = ["manage_services.sh", *map(str, (ROOT / "systemd").glob("*.sh"))]
    command = [str(program), "--external-sources", *files]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.stdout == ""
