"""What `simulate` accepts, and what it prepares."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from console.plan import Request, make_plan
from console.simulation_home import Ports, environment, make_home
from console.usage import UsageError
from tools.core.errors import ConfigError
from tools.settings import ROOT, load

TABLE = """date,open,close
2013-10-04,2013-10-04T13:30:00Z,2013-10-04T20:00:00Z
2013-10-07,2013-10-07T13:30:00Z,2013-10-07T20:00:00Z
"""


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A live home with a session table of one week-end between two sessions, and with keys."""
    home = tmp_path / "live"
    (home / "data").mkdir(parents=True)
    (home / "data" / "session_table.csv").write_text(TABLE, encoding="utf-8")
    (home / ".env").write_text("ALPACA_API_KEY=secret\nALPACA_SECRET_KEY=x\n", encoding="utf-8")
    (home / ".env").chmod(0o600)
    monkeypatch.setenv("ACTIVE_TRADER_HOME", str(home))
    return home


@pytest.fixture
def tapes(tmp_path: Path) -> Path:
    """Recorded days: IBM and SPY on the Friday, SPY alone on the Monday."""
    for name in ("2013-10-04/IBM", "2013-10-04/SPY", "2013-10-07/SPY"):
        file = tmp_path / "tapes" / f"{name}.bars.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path / "tapes"


@pytest.mark.usefixtures("live")
def test_a_recorded_day_is_watched_by_the_symbols_on_its_tape(tapes: Path) -> None:
    plan = make_plan(Request(date="2013-10-04", data=tapes, cash="50000"))

    assert [session.on for session in plan.sessions] == [date(2013, 10, 4)]
    assert plan.config["watchlist"] == ["IBM", "SPY"]
    assert "allowed_symbols" not in plan.config
    assert plan.config["agent_config"]["initial_cash"] == "50000"
    assert (plan.tape, plan.symbols) == (tapes, ("IBM", "SPY"))


@pytest.mark.usefixtures("live")
def test_symbols_narrow_what_is_watched_and_what_may_trade(tapes: Path) -> None:
    plan = make_plan(Request(date="2013-10-04", data=tapes, symbols="IBM"))

    assert plan.config["watchlist"] == plan.config["allowed_symbols"] == ["IBM"]


@pytest.mark.usefixtures("live")
def test_without_data_the_market_is_synthetic_for_the_configured_watchlist() -> None:
    plan = make_plan(Request(date="2013-10-05"))

    assert plan.tape is None
    assert plan.symbols[:2] == ("SPY", "QQQ")
    assert plan.sessions == ()
    assert plan.cash == Decimal(100_000)


def test_the_configured_range_is_taken_without_a_date(live: Path) -> None:
    configure(live, date_range={"init_date": "2013-10-04", "end_date": "2013-10-07"})

    plan = make_plan(Request())

    assert (plan.first, plan.last, len(plan.sessions)) == (date(2013, 10, 4), date(2013, 10, 7), 2)


def test_a_range_that_ends_before_it_begins_is_a_configuration_error(live: Path) -> None:
    configure(live, date_range={"init_date": "2013-10-07", "end_date": "2013-10-04"})

    with pytest.raises(ConfigError, match="date_range"):
        make_plan(Request())


@pytest.mark.usefixtures("live")
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(date="2013-02-30"), "--date 2013-02-30: not a date"),
        (Request(date="2031-01-02"), "--date: the session table does not reach 2031-01-02"),
        (Request(date="2013-10-04", cash="-1"), "--cash -1"),
        (Request(date="2013-10-04", cash="nan"), "--cash nan"),
        (Request(date="2013-10-04", speed="0"), "--speed 0"),
        (Request(date="2013-10-04", speed="quick"), "--speed quick"),
        (Request(date="2013-10-04", synthetic="BTC/USD"), "--synthetic: 'BTC/USD'"),
        (Request(date="2013-10-04", data=Path("nowhere")), "--data nowhere: no such folder"),
        (Request(date="2013-10-04", synthetic=","), "--synthetic: no symbol named"),
        (Request(date="2013-10-04", synthetic="AAPL", symbols="IBM"), "--symbols: no IBM there"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(request_: Request, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        make_plan(request_)

    assert str(refusal.value).startswith(message)
    assert "\n" not in str(refusal.value)


@pytest.mark.usefixtures("live")
def test_a_day_that_was_not_recorded_is_refused_with_the_days_there(tapes: Path) -> None:
    (tapes / "2013-10-07" / "SPY.bars.csv").unlink()

    with pytest.raises(UsageError, match=r"recorded on 2013-10-07; days there: 2013-10-04$"):
        make_plan(Request(date="2013-10-07", data=tapes))


@pytest.mark.usefixtures("live")
def test_a_closed_day_needs_no_tape(tapes: Path) -> None:
    plan = make_plan(Request(date="2013-10-05", data=tapes))

    assert plan.tape is None
    assert plan.config["watchlist"] == ["IBM", "SPY"]


def test_the_home_has_the_runs_configuration_and_is_emptied_of_an_earlier_run(live: Path) -> None:
    plan = make_plan(Request(date="2013-10-04", synthetic="AAPL", out=live.parent / "run"))
    home = make_home(plan)
    (home / "data" / "left.over").touch()

    again = make_home(plan)

    settings = load(environment(again, Ports.free(), {"ALPACA_API_KEY": "secret"}))
    assert settings.config.watchlist == ("AAPL",)
    assert settings.alpaca_key.get_secret_value() == "simulated"
    assert not (home / "data" / "left.over").exists()


def test_no_run_takes_the_live_folder_or_one_that_holds_something_else(live: Path) -> None:
    plan = make_plan(Request(date="2013-10-04", synthetic="AAPL", out=live))
    with pytest.raises(UsageError, match="live folder"):
        make_home(plan)

    with pytest.raises(UsageError, match="no simulation's home"):
        make_home(replace(plan, out=ROOT))


def test_each_run_without_out_gets_a_folder_of_its_own(live: Path) -> None:
    plan = make_plan(Request(date="2013-10-04", synthetic="AAPL"))

    homes = [make_home(plan) for _ in range(3)]

    assert len(set(homes)) == 3
    assert all(home.parent == live / "data" / "simulations" for home in homes)


def configure(home: Path, **keys: object) -> None:
    config = json.loads((ROOT / "configs" / "default_config.json").read_text(encoding="utf-8"))
    file = home / "configs" / "default_config.json"
    file.parent.mkdir()
    file.write_text(json.dumps(config | keys), encoding="utf-8")
