"""The real timer at the host's own clock, with trader and trade server stopped.

In the order of the calendar: the exchange's time does not run backwards.
"""

import pytest

from tests.systemd.host import SERVICES, Host

pytestmark = [pytest.mark.services, pytest.mark.systemd]

UNIT = "active-trader-flatten@timer.service"


@pytest.fixture
def alone(installed: Host) -> Host:
    """The exchange and the timer run, and nobody who trades."""
    installed.run("systemctl", "stop", *SERVICES)
    return installed


def holding(host: Host, at: str) -> None:
    """AAPL and MSFT are held on that day, and nobody of ours is there to sell them."""
    host.set_time(at)
    host.run("systemctl", "restart", "active-trader-embedded", "active-trader-flatten.timer")
    host.buy("AAPL")
    host.buy("MSFT")


@pytest.mark.parametrize(
    ("bought_at", "before_the_minute"),
    [
        ("2026-10-30 15:30:00", "2026-10-30 15:56:55"),
        # An hour later in UTC: winter time began.
        pytest.param("2026-11-02 15:30:00", "2026-11-02 15:56:55", marks=pytest.mark.long),
        # The day after Thanksgiving ends at 13:00.
        pytest.param("2026-11-27 12:30:00", "2026-11-27 12:56:55", marks=pytest.mark.long),
    ],
    ids=["an ordinary day", "after the clock change", "a half day"],
)
def test_the_timer_gets_flat_when_nobody_else_does(
    alone: Host, bought_at: str, before_the_minute: str
) -> None:
    host = alone
    holding(host, bought_at)
    host.set_time(before_the_minute)

    seconds = host.until(lambda: host.held() == {}, "everything is sold")

    print(f"{before_the_minute}: flat {seconds:.1f} s later")
    host.until(lambda: host.show(UNIT, "ActiveState") == "inactive", "it has ended")
    assert host.show(UNIT, "Result") == "success"


def test_before_its_time_the_timer_sells_nothing(alone: Host) -> None:
    host = alone
    holding(host, "2026-11-30 12:30:00")
    host.set_time("2026-11-30 12:56:58")
    runs = host.journal("-u", UNIT).count("Finished ")
    host.until(lambda: host.journal("-u", UNIT).count("Finished ") > runs, "the timer has run")
    assert set(host.held()) == {"AAPL", "MSFT"}
    host.set_time("2026-11-30 15:56:58")
    host.until(lambda: host.held() == {}, "everything is sold")


def test_on_a_holiday_it_does_nothing(alone: Host) -> None:
    host = alone
    host.set_time("2026-12-25 15:56:58")
    runs = host.journal("-u", UNIT).count("Finished ")
    host.until(lambda: host.journal("-u", UNIT).count("Finished ") > runs, "the timer has run")
    assert host.show(UNIT, "Result") == "success"
