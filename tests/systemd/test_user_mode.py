"""Without root: the same services under the operator's own manager."""

import pytest

from tests.systemd.host import CHECKOUT, OPERATOR, SERVICES, Host

pytestmark = [pytest.mark.services, pytest.mark.systemd, pytest.mark.campaign]


def test_install_to_uninstall_without_root(bare_host: Host) -> None:
    number = bare_host.run("id", "-u", OPERATOR).stdout.strip()
    bare_host.run("systemctl", "start", f"user@{number}.service")
    bare_host.shell("rm -f .env")
    mine = f"export XDG_RUNTIME_DIR=/run/user/{number};"

    def manage(words: str) -> str:
        return bare_host.shell(f"{mine} ./manage_services.sh {words} --user", user=OPERATOR)

    said = manage("install")
    assert f"wrote /home/{OPERATOR}/.config/systemd/user/active-trader.service" in said
    assert "started: " in manage("start")
    states = bare_host.shell(
        f"{mine} systemctl --user is-active {' '.join(SERVICES)}", user=OPERATOR
    )
    assert states.split() == ["active"] * 3
    assert "8002 trader answers, 8004 data answers, 8005 trade answers" in manage("status")
    assert "READY" in manage("logs trader")
    manage("stop")
    manage("uninstall")
    assert bare_host.shell(f"find /home/{OPERATOR}/.config -type f", user=OPERATOR) == ""
    assert "READY" in bare_host.shell(f"cat {CHECKOUT}/logs/active_trader_stdout.log")
