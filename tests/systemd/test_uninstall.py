"""The last of these tests by its name: afterwards nothing is left."""

import pytest

from tests.systemd.host import CHECKOUT, OPERATOR, Host

pytestmark = [pytest.mark.services, pytest.mark.systemd]


def test_uninstall_leaves_nothing_but_data_and_logs(host: Host) -> None:
    host.manage("uninstall")

    folders = "/etc /opt /var/lib /var/cache /run/systemd/system"
    found = host.shell(f"find {folders} -name '*active-trader*' -o -name '*alpaca*'")
    assert found == ""
    assert "active-trader" not in host.shell("cat /etc/passwd /etc/group")
    assert host.shell("systemctl list-units --all --no-legend 'a*trade*' 'alpaca*'").strip() == ""
    for name in ("data", "logs"):
        folder = str(CHECKOUT / name)
        assert host.run("stat", "-c", "%F %U", folder).stdout.strip() == f"directory {OPERATOR}"
    assert "STOPPED" in host.shell("cat logs/active_trader_stdout.log", user=OPERATOR)
