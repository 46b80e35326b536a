"""With keys: who holds which, and that nobody else ever sees them."""

import pytest

from tests.systemd.host import CHECKOUT, OPERATOR, SERVICES, Host

pytestmark = [pytest.mark.services, pytest.mark.systemd, pytest.mark.long]

BROKER_KEY, BROKER_SECRET, MODEL_KEY = (
    "canary-broker-key",
    "canary-broker-secret",
    "canary-model-key",
)
ENV_FILE = f"{CHECKOUT}/.env"
LINES = (
    f"ALPACA_API_KEY={BROKER_KEY}",
    f"ALPACA_SECRET_KEY={BROKER_SECRET}",
    f"DEEPSEEK_API_KEY={MODEL_KEY}",
    "AGENT_MODE=paper",
    "ALPACA_TRADING_URL=http://127.0.0.1:8016",
    "ALPACA_DATA_URL=http://127.0.0.1:8016",
    "DEEPSEEK_BASE_URL=http://127.0.0.1:8017/v1",
)


@pytest.fixture(scope="module")
def keyed(installed: Host) -> Host:
    """Paper mode: every key is a canary, and broker and model are away."""
    installed.set_time("2026-12-28 11:00:00")
    installed.shell(f"printf '%s\\n' {' '.join(LINES)} >> .env")
    installed.manage("install")
    installed.manage("start")
    return installed


def test_keys_that_others_can_read_are_refused_with_the_cure(installed: Host) -> None:
    installed.run("chmod", "644", ENV_FILE)
    refused = installed.manage("install", check=False)
    installed.run("chmod", "600", ENV_FILE)
    assert refused.returncode == 1
    assert f"chmod 600 {ENV_FILE}" in refused.stderr


def test_with_the_broker_and_the_model_away_they_are_up_and_say_so(keyed: Host) -> None:
    assert keyed.running()
    status = keyed.manage("status", check=False).stdout
    assert "paper mode" in status
    assert "degraded: " in status
    assert "active-trader-embedded" not in status
    report = keyed.manage("doctor", check=False)
    assert report.returncode == 3
    assert "http://127.0.0.1:8016 does not answer" in report.stdout


def test_each_service_holds_its_own_keys_alone(keyed: Host) -> None:
    holds = {
        "alpaca-data": {"ALPACA_API_KEY", "ALPACA_SECRET_KEY", "MCP_DATA_TOKEN"},
        "alpaca-trade": {
            *("ALPACA_API_KEY", "ALPACA_SECRET_KEY"),
            *("MCP_TRADE_TOKEN", "MCP_OPERATOR_TOKEN"),
        },
        "active-trader": {"DEEPSEEK_API_KEY", "MCP_DATA_TOKEN", "MCP_TRADE_TOKEN"},
    }
    for service, names in holds.items():
        folder = f"/run/credentials/{service}.service"
        assert set(keyed.run("ls", folder).stdout.split()) == names
        for other in (*(set(SERVICES) - {service}), OPERATOR):
            said = keyed.shell(f"cat {folder}/*", user=other, check=False)
            assert "Permission denied" in said


def test_no_canary_is_seen_anywhere(keyed: Host) -> None:
    everything = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'"
    places = (
        everything,
        "journalctl --no-pager -o json",
        "systemctl show '*' --no-pager",
        "systemctl cat 'alpaca-*' 'active-trader*' --no-pager",
        "cat /var/lib/active-trader/logs/*; find /var/lib/active-trader -type f -exec cat {} +",
        "cat /etc/systemd/system/*.service",
        ".venv/bin/python active_trader.py doctor; .venv/bin/python active_trader.py status",
    )
    for place in places:
        assert "canary" not in keyed.shell(place, check=False), place
    # The search finds what is there.
    assert "canary" in keyed.shell(f"cat {ENV_FILE} /etc/active-trader/credentials/*/*")


def test_a_crash_shows_a_traceback_without_keys(keyed: Host) -> None:
    pid = keyed.pid("alpaca-trade")
    keyed.run("kill", "-ABRT", str(pid))
    keyed.until(lambda: keyed.pid("alpaca-trade") not in (0, pid), "it is started anew")
    said = keyed.journal("-u", "alpaca-trade")
    assert "Fatal Python error: Aborted" in said
    assert "canary" not in said


def test_settings_that_are_no_secrets_are_shown(keyed: Host) -> None:
    shown = keyed.show("active-trader", "Environment")
    assert "AGENT_MODE=paper" in shown
    assert "ALPACA_TRADING_URL=http://127.0.0.1:8016" in shown
    assert "TOKEN" not in shown
