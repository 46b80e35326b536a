"""The wiring: which world the settings name, and the third live switch."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.stub_server import Fault, Reply, StubServer
from tools import settings, wiring
from tools.alpaca_trading import AlpacaBroker
from tools.core.errors import BrokerUnavailable, ConfigError
from tools.schedule.clocks import SimulatedClock, SystemClock

KEYS = {"ALPACA_API_KEY": "k", "ALPACA_SECRET_KEY": "s"}
ACCOUNT = {
    "account_number": "211",
    **dict.fromkeys(("cash", "equity", "last_equity", "buying_power"), "0"),
}


def load(home: Path, **environment: str) -> settings.Settings:
    return settings.load({"ACTIVE_TRADER_HOME": str(home), **environment})


def load_live(home: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> settings.Settings:
    """Live settings whose live host is a server of this test."""
    monkeypatch.setattr(settings, "LIVE_HOST", "127.0.0.1")
    (home / "live-confirmed").write_text("211\n")
    return load(home, AGENT_MODE="live", ALPACA_TRADING_URL=url, **KEYS)


def test_without_keys_everything_points_at_this_machine(tmp_path: Path) -> None:
    keyless = load(tmp_path)
    assert {keyless.trading_url, keyless.data_url} == {"http://127.0.0.1:8006"}
    assert isinstance(wiring.make_clock(keyless), SystemClock)
    assert isinstance(wiring.make_broker(keyless), AlpacaBroker)
    assert wiring.make_market_data(keyless, SystemClock().now)


def test_a_clock_url_names_simulated_time(tmp_path: Path) -> None:
    simulated = load(tmp_path, ACTIVE_TRADER_CLOCK="ws://127.0.0.1:1/time")
    assert isinstance(wiring.make_clock(simulated), SimulatedClock)


def test_paper_without_keys_is_refused_and_never_simulated(tmp_path: Path) -> None:
    paper = load(tmp_path, AGENT_MODE="paper")
    with pytest.raises(ConfigError, match="ALPACA_API_KEY"):
        wiring.make_broker(paper)
    with pytest.raises(ConfigError, match="ALPACA_API_KEY"):
        wiring.make_market_data(paper, SystemClock().now)


def test_a_missing_session_table_names_the_cure(tmp_path: Path) -> None:
    found = load(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "session_table.csv").write_text("date,open,close\ntorn\n")
    with pytest.raises(ConfigError, match="session_table"):
        wiring.make_hours(found)


def test_live_trades_only_the_account_that_was_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = (json.dumps(ACCOUNT | {"account_number": it}).encode() for it in ("211", "999"))
    with StubServer(Reply(body=mine)) as server:
        assert wiring.make_broker(load_live(tmp_path, server.url, monkeypatch))
    with StubServer(Reply(body=other)) as server, pytest.raises(ConfigError, match="'211'"):
        wiring.make_broker(load_live(tmp_path, server.url, monkeypatch))
    with StubServer(Reply(503)) as server, pytest.raises(BrokerUnavailable):
        wiring.make_broker(load_live(tmp_path, server.url, monkeypatch))


def test_making_a_clock_loads_neither_alpaca_nor_pandas() -> None:
    code = "import sys, tools.wiring; print({'alpaca', 'pandas'} & sys.modules.keys())"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout == "set()\n"


def test_a_real_time_out_in_simulated_time_ends_the_process(tmp_path: Path) -> None:
    with StubServer(Fault.HANG) as server:
        program = (
            "from tools import alpaca_transport, settings, wiring\n"
            "alpaca_transport.READ_SECONDS = 0.05\n"
            f"found = settings.load({{'ACTIVE_TRADER_HOME': {str(tmp_path)!r},"
            " 'ACTIVE_TRADER_CLOCK': 'ws://127.0.0.1:1/time',"
            f" 'ALPACA_TRADING_URL': {server.url!r}}})\n"
            "wiring.make_broker(found).clock()\n"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert ended.returncode == 1
    assert ended.stderr.endswith("in simulated time: get_clock: no answer within 0.05 s\n")
