"""What systemd does when one of them dies, hangs or cannot start."""

import pytest

from tests.systemd.host import SERVICES, Host

pytestmark = [pytest.mark.services, pytest.mark.systemd, pytest.mark.long]

# On SIGUSR1 the main thread stops working, as if a call never came back.
HANG = """
import signal, threading
def stuck_in_a_call(*_):
    threading.Event().wait()
signal.signal(signal.SIGUSR1, stuck_in_a_call)
"""


def change(host: Host, service: str, *lines: str) -> None:
    """Put lines of [Service] over the installed unit; `unchange` takes them away."""
    folder = f"/etc/systemd/system/{service}.service.d"
    text = "\\n".join(("[Service]", *lines))
    host.shell(f"mkdir -p {folder} && printf '{text}\\n' > {folder}/test.conf")
    host.run("systemctl", "daemon-reload")


def unchange(host: Host, service: str) -> None:
    """As installed."""
    host.shell(f"rm -rf /etc/systemd/system/{service}.service.d")
    host.run("systemctl", "daemon-reload")
    host.run("systemctl", "reset-failed", service, check=False)


@pytest.mark.parametrize("killed", [SERVICES[:2], SERVICES[2:]], ids=["servers", "trader"])
def test_the_killed_are_back_and_take_nobody_along(host: Host, killed: tuple[str, ...]) -> None:
    before = {name: host.pid(name) for name in SERVICES}
    host.run("kill", "-9", *(str(before[name]) for name in killed))

    def back() -> bool:
        return all(host.pid(name) not in (0, before[name]) for name in killed) and host.running()

    seconds = host.until(back, f"{killed} are ready again")
    print(f"{' and '.join(killed)}: killed, ready again after {seconds:.2f} s")
    assert {n: host.pid(n) for n in SERVICES if n not in killed} == {
        name: pid for name, pid in before.items() if name not in killed
    }


def test_a_hang_is_ended_by_the_watchdog_with_the_python_stack(host: Host) -> None:
    host.shell(f"mkdir -p /srv/hang && cat > /srv/hang/sitecustomize.py <<'EOT'{HANG}EOT")
    for service in SERVICES:
        change(host, service, "WatchdogSec=3", "Environment=PYTHONPATH=/srv/hang")
    try:
        host.run("systemctl", "restart", *SERVICES)
        hung = {name: host.pid(name) for name in SERVICES}
        host.run("kill", "-USR1", *map(str, hung.values()))
        host.until(lambda: all(host.pid(n) not in (0, hung[n]) for n in SERVICES), "started anew")
    finally:
        for service in SERVICES:
            unchange(host, service)
    host.run("systemctl", "restart", *SERVICES)
    for service in SERVICES:
        said = host.journal("-u", service)
        assert "Watchdog timeout" in said
        assert "stuck_in_a_call" in said


def test_a_crash_loop_ends_in_the_flatten_once(host: Host) -> None:
    host.set_time("2026-10-29 11:00:00")
    host.manage("restart", "--force")
    host.run("systemctl", "stop", "active-trader")
    host.buy("AAPL")
    change(host, "alpaca-trade", "ExecStart=", "ExecStart=/bin/false", "RestartSec=100ms")
    flatten = "active-trader-flatten@failure.service"
    try:
        host.run("systemctl", "restart", "alpaca-trade", check=False)
        host.until(lambda: host.held() == {}, "nothing is held")
        host.until(lambda: host.show(flatten, "ActiveState") == "inactive", "it has ended")
    finally:
        unchange(host, "alpaca-trade")
    said = host.journal("-u", flatten)
    assert said.count("kill switch: a") == 1
    assert said.count("Starting active-trader-flatten@failure.service") == 1
    assert host.show(flatten, "Result") == "success"
    # It has pulled the kill switch: nothing is bought until somebody has looked.
    host.manage("start")
    assert "HALTED" in host.manage("status").stdout
    code = host.shell("python=.venv/bin/python; $python active_trader.py reset-code").split()[0]
    host.shell(f".venv/bin/python active_trader.py reset --code {code} --reason looked")
    assert "ACTIVE" in host.manage("status").stdout


def test_the_data_server_staying_down_only_alerts(host: Host) -> None:
    change(host, "alpaca-data", "ExecStart=", "ExecStart=/bin/false", "RestartSec=100ms")
    alert = "active-trader-alert@alpaca-data.service"
    try:
        host.run("systemctl", "restart", "alpaca-data", check=False)
        host.until(lambda: "stays down" in host.journal("-u", alert), "the alert is told")
    finally:
        unchange(host, "alpaca-data")
    assert "alpaca-data stays down" in host.journal("-u", alert, "-p", "crit")
    assert host.show("active-trader", "ActiveState") == "active"
    assert host.manage("doctor", check=False).returncode == 3
    host.manage("start")
