"""A disk that takes no line of the day's files: stops, breakers and certificates go on."""

from decimal import Decimal
from pathlib import Path

import pytest

from tests.builders import a_ticket
from tests.trading import Bench, a_bench, a_tape, opened, state, the_stop, turn
from tools.core.safety import TradingState
from tools.core.trading import Side
from tools.execution.certificates import certificates_path, read_standing
from tools.journal import history


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Ten shares under a stop, and from then on a full disk."""
    bench = opened(a_bench(tmp_path, tape=a_tape(("10:05", 97))))
    bench.room.desk.submit(a_ticket(quantity="10", stop="96"))
    bench.room.monitor.look()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(history, "append", full)
    monkeypatch.setattr(history, "replace", full)
    return bench


def test_a_lost_stop_comes_back(bench: Bench) -> None:
    bench.broker.inner.cancel(the_stop(bench))
    bench.room.monitor.look()
    assert the_stop(bench).stop_price == 96


def test_a_flatten_is_certified(bench: Bench) -> None:
    turn(bench, "15:56")
    assert bench.held() == {}
    (last,) = read_standing(certificates_path(bench.home)).last.values()
    assert last["flat"] is True


def test_a_position_found_overnight_is_sold_at_the_open(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.broker.inner.cancel(the_stop(bench))
    bench.hands.now = bench.hands.now.replace(day=8, hour=13, minute=26)
    bench = bench.restart()
    turn(bench)
    bench.hands.now = bench.hands.now.replace(minute=30)
    turn(bench)
    assert bench.broker.sent()[-1].side is Side.SELL
    assert [one for one in caplog.messages if "No space left" in one][1:] == []


def test_a_loss_ends_the_day(bench: Bench) -> None:
    bench.broker.inner.cancel(the_stop(bench))
    bench.buy("SPY", "900")
    turn(bench, "10:06")
    assert bench.broker.inner.account().equity < Decimal(98_000)
    assert state(bench) is TradingState.HALTED
