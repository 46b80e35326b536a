"""Install, start, status, logs, restart, stop: what an operator does on an ordinary day."""

import pytest

from tests.systemd.host import CHECKOUT, OPERATOR, SERVICES, STATE, Host

pytestmark = [pytest.mark.services, pytest.mark.systemd]


def test_install_says_what_it_did_and_the_second_time_does_nothing(installed: Host) -> None:
    again = installed.manage("install").stderr
    assert "made the user" not in again
    assert "wrote /etc" not in again
    assert "copying Python" not in again
    for user in SERVICES:
        assert f"uid={user}" not in installed.run("id", user).stdout.split("gid=")[1]
    assert "active-trader" in installed.run("id", "-nG", OPERATOR).stdout.split()
    assert installed.run("readlink", str(CHECKOUT / "logs")).stdout.strip() == f"{STATE}/logs"
    assert installed.run("stat", "-c", "%a", f"{STATE}/data").stdout.strip() == "2770"


def test_a_change_of_the_operators_survives_another_install(installed: Host) -> None:
    folder = "/etc/systemd/system/alpaca-data.service.d"
    installed.shell(f"mkdir -p {folder} && printf '[Service]\\nNice=5\\n' > {folder}/mine.conf")
    installed.manage("install")
    assert installed.show("alpaca-data", "Nice") == "5"
    installed.shell(f"rm -r {folder}")
    installed.run("systemctl", "daemon-reload")


def test_started_they_are_ready_and_sleep(host: Host) -> None:
    assert host.running()
    screen = host.manage("status").stdout
    assert "sleeping until Thu 09:25 ET" in screen
    assert "ACTIVE, no order with an open outcome" in screen
    assert "8002 trader answers, 8004 data answers, 8005 trade answers" in screen
    assert len(screen.splitlines()) <= 24
    listening = host.run("ss", "-ltnH").stdout
    assert {line.split()[3] for line in listening.splitlines()} >= {
        f"127.0.0.1:{port}" for port in (8002, 8004, 8005)
    }
    host.until(lambda: "SLEEP" in host.shell("cat logs/active_trader_stdout.log"), "it sleeps")
    report = host.manage("doctor")
    assert "BAD" not in report.stdout


def test_each_service_runs_as_its_own_user_and_sees_no_more_than_it_must(host: Host) -> None:
    for service in SERVICES:
        pid = host.pid(service)
        owner = host.run("stat", "-c", "%U", f"/proc/{pid}").stdout.strip()
        assert owner == service
        assert host.run("stat", "-c", "%a", f"/proc/{pid}/root/home").stdout.strip() == "0"
        mounts = host.run("cat", f"/proc/{pid}/mountinfo").stdout.splitlines()
        writable = {line.split()[4] for line in mounts if line.split()[5].startswith("rw")}
        assert "/" not in writable
        assert (f"{STATE}/data" in writable) == (service != "alpaca-data")
        assert (f"{STATE}/data/agent_data" in writable) == (service == "alpaca-data")
    trader = host.pid("active-trader")
    state = f"/proc/{trader}/root{STATE}/data/state.sqlite3"
    assert host.run("stat", "-c", "%a %s", state).stdout.split() == ["0", "0"]


def test_the_operator_reads_logs_and_data_without_sudo(host: Host) -> None:
    said = host.shell("tail -n 3 logs/*.log && cat data/runtime_env.json", user=OPERATOR)
    assert '"mode": "simulation"' in said
    assert "active_trader_stdout.log" in said


def test_logs_ends_by_itself(host: Host) -> None:
    said = host.manage("logs", "trader", "-n", "5").stdout
    assert 1 <= len(said.splitlines()) <= 5
    assert "MARKET CLOSED" in host.journal("-u", "active-trader.service")
    assert host.journal("-u", "active-trader.service", "-p", "err") == ""


def test_a_restart_brings_back_three_new_processes(host: Host) -> None:
    before = {service: host.pid(service) for service in SERVICES}
    host.manage("restart")
    assert host.running()
    assert not set(before.values()) & {host.pid(service) for service in SERVICES}


def test_stop_ends_all_of_them_with_success(host: Host) -> None:
    host.manage("stop")
    for service in SERVICES:
        assert host.show(service, "ActiveState") == "inactive"
        assert host.show(service, "Result") == "success"
    assert host.manage("status", check=False).returncode == 3
