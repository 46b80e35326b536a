"""The flatten program: what it is made of, and when its timer does what."""

import resource
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from tests.builders import a_session, a_time
from tests.conftest import ROOT
from tests.trading import Bench, Hands, a_bench
from tools.core.seams import Broker
from tools.execution import flatten_program
from tools.execution.certificates import certificates_path, read_standing
from tools.execution.last_resort import LastResort
from tools.schedule import session_table

SESSION = a_session()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return a_bench(tmp_path, Hands("15:50"))


def resort(bench: Bench, *exempt: str, own_only: bool = False) -> LastResort:
    return LastResort(
        account=cast("Broker", bench.broker),
        agent_folder=bench.home,
        now=bench.hands.read,
        wait=bench.hands.wait,
        exempt=frozenset(exempt),
        own_only=own_only,
    )


def at_minute(bench: Bench, clock: str) -> bool:
    bench.hands.at(clock)
    return resort(bench).at_minute(SESSION)


def test_it_is_made_of_the_standard_library_and_of_us() -> None:
    script = (
        "import sys; import tools.execution.flatten_program, tools.execution.last_resort;"
        "import tools.alpaca_rest, tools.notifications, tools.safety.kill_switch;"
        "ours = {name.partition('.')[0] for name in sys.modules};"
        "print(*sorted(ours - sys.stdlib_module_names - {'tools', '__main__'}))"
    )
    command = [sys.executable, "-S", "-c", script]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""


def test_the_timer_leaves_at_once_when_nothing_is_due(tmp_path: Path) -> None:
    """In paper mode with keys, to an address where nobody listens: it does not ask."""
    (tmp_path / "data").mkdir()
    table = tmp_path / "data" / "session_table.csv"
    table.write_text(session_table.HEADER + "\n" + "2099-01-02,2099-01-02T14:30:00Z,"
                     "2099-01-02T21:00:00Z\n", encoding="utf-8")  # fmt: skip
    told = {
        "ACTIVE_TRADER_HOME": str(tmp_path),
        "AGENT_MODE": "paper",
        "ALPACA_API_KEY": "k",
        "ALPACA_SECRET_KEY": "s",
        "ALPACA_TRADING_URL": "http://127.0.0.1:1",
    }
    command = [sys.executable, "-m", flatten_program.__name__, "timer"]
    before = _seconds()
    ended = subprocess.run(command, cwd=ROOT, env=told, capture_output=True, text=True, check=False)
    print(f"{_seconds() - before:.3f} s of processor time, Python's own start included")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("clock", ["12:30", "15:55", "15:56:59"])
def test_the_timer_leaves_it_to_the_others_until_two_minutes_after_the_flatten_time(
    bench: Bench, clock: str
) -> None:
    bench.bracket("SPY")
    bench.broker.calls.clear()
    assert at_minute(bench, clock)
    assert bench.broker.calls == []


def test_then_it_sells_and_certifies(bench: Bench) -> None:
    bench.bracket("SPY")
    assert at_minute(bench, "15:57")
    assert bench.held() == {}
    last = read_standing(certificates_path(bench.home)).last[SESSION.on]
    assert (last["flat"], last["caller"], last["occasion"]) == (True, "timer", "flatten")


def test_a_flat_account_costs_one_look_and_no_certificate(bench: Bench) -> None:
    assert at_minute(bench, "15:57")
    assert [name for name, _ in bench.broker.calls] == ["positions", "open_orders"]
    assert not certificates_path(bench.home).exists()


def test_after_the_close_it_looks_twice_sells_nothing_and_writes_one_line(bench: Bench) -> None:
    bench.buy("SPY")
    assert not at_minute(bench, "16:01")
    assert not at_minute(bench, "16:01:30")
    assert bench.broker.sent() == bench.broker.sent("cancel_all") == []
    lines = certificates_path(bench.home).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1
    assert at_minute(bench, "16:02")


def test_what_is_exempt_or_not_ours_is_left_alone(bench: Bench) -> None:
    bench.buy("AIG")
    bench.bracket("IBM", client_order_id="AT-2013-10-07-1-E")
    bench.bracket("SPY", client_order_id="AT-2013-10-07-2-E")
    bench.hands.at("15:57")
    assert resort(bench, "IBM", own_only=True).at_minute(SESSION)
    assert set(bench.held()) == {"AIG", "IBM"}


def test_a_certificate_that_cannot_be_written_stops_no_exit(bench: Bench) -> None:
    bench.buy("SPY")
    certificates_path(bench.home).mkdir()
    assert at_minute(bench, "15:57")
    assert bench.held() == {}


@pytest.mark.parametrize("arguments", [[], ["soon"], ["timer", "now", "please"]])
def test_a_wrong_argument_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert flatten_program.main(arguments) == 2
    assert capsys.readouterr().err.startswith("usage: ")


def test_without_a_table_the_brokers_close_is_the_sessions(bench: Bench) -> None:
    bench.hands.at("12:00")
    session = flatten_program._told_by(bench.broker.clock(), SESSION.close_at - SESSION.flatten_at)
    assert (session.on, session.close_at) == (SESSION.on, a_time("16:00"))
    assert session.flatten_at == SESSION.flatten_at
    assert session.open_at <= bench.hands.read() < session.close_at
