"""A simulated day under systemd, from sleep to sleep, with a stop in the middle of it."""

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.systemd.host import SERVICES, STATE, Host
from tests.systemd.test_failures import change, unchange

pytestmark = [pytest.mark.services, pytest.mark.systemd, pytest.mark.campaign]

DAY = "2026-12-29"
EMBEDDED = "active-trader-embedded"
NARROWED = f"""
import json, pathlib
config = json.loads(pathlib.Path("configs/default_config.json").read_text())
folder = pathlib.Path("{STATE}/configs")
folder.mkdir(exist_ok=True)
config["watchlist"] = ["AAPL", "MSFT", "NVDA"]
(folder / "default_config.json").write_text(json.dumps(config))
"""


def exchange_of(speed: str) -> tuple[str, ...]:
    """The exchange's ExecStart, with a day of its own."""
    program = "/opt/active-trader/.venv/bin/python -m embedded --synthetic AAPL,MSFT,NVDA"
    kept = f"--state /var/lib/{EMBEDDED}/day --table {STATE}/data/session_table.csv"
    time = f"--session {DAY} --at 09:20 --speed {speed} --page {STATE}/data/time"
    shown = f"ReadWritePaths={STATE}/data", "UMask=0027"
    return "ExecStart=", f"ExecStart={program} {kept} {time}", *shown


@pytest.fixture
def simulated(installed: Host) -> Iterator[Host]:
    """All of them live by the exchange's time."""
    installed.set_time(f"{DAY} 09:20:00")
    installed.manage("stop")
    installed.shell(f"python3 - <<'EOT'{NARROWED}EOT")
    for service in SERVICES:
        change(installed, service, "Environment=ACTIVE_TRADER_CLOCK=ws://127.0.0.1:8006/time")
    yield installed
    installed.manage("stop")
    for service in (*SERVICES, EMBEDDED):
        unchange(installed, service)
    installed.run("rm", "-rf", f"{STATE}/configs", f"{STATE}/data/time")


def test_a_day_is_traded_from_sleep_to_sleep_over_a_stop_in_a_session(simulated: Host) -> None:
    change(simulated, EMBEDDED, *exchange_of("60"))
    simulated.run("systemctl", "start", EMBEDDED, *SERVICES)
    simulated.until(lambda: simulated.held() != {}, "something is bought")
    simulated.run("systemctl", "stop", *SERVICES)

    for service in SERVICES:
        assert simulated.show(service, "Result") == "success"
        assert simulated.show(service, "ExecMainStatus") == "0"
    orders = simulated.exchange("/v2/orders?status=all&nested=false")
    resting = [order for order in orders if order["status"] in ("new", "accepted", "held")]
    stops = {order["symbol"] for order in resting if order["type"].startswith("stop")}
    assert stops >= set(simulated.held()), orders

    change(simulated, EMBEDDED, *exchange_of("max"))
    simulated.run("systemctl", "restart", EMBEDDED)
    simulated.run("systemctl", "start", *SERVICES)
    said = [simulated.journal("-u", "active-trader")]

    def slept_again() -> bool:
        said[0] = simulated.journal("-u", "active-trader")
        return "MARKET CLOSED - INTELLIGENT SLEEP" in said[0].partition("Daily Summary")[2]

    simulated.until(slept_again, "it sleeps after the close")
    simulated.run("systemctl", "stop", *SERVICES)
    expected = ("TRADING CYCLE #", "END OF DAY", "FLAT (no positions)", "MARKET CLOSED")
    day = said[0][said[0].rindex("WAKE UP - PREPARING") :]
    places = [said[0].rindex(words) for words in expected]
    assert day
    assert all(earlier < later for earlier, later in pairwise(places))
