"""The state that every order is held against."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools.core.safety import TradingState
from tools.execution.trading_control import TradingControl
from tools.journal.state_store import StateStore

NOW = datetime(2025, 11, 5, 15, 0, tzinfo=UTC)


@pytest.fixture
def control(tmp_path: Path) -> Iterator[TradingControl]:
    store = StateStore(tmp_path / "state.sqlite3", NOW)
    yield TradingControl(store, lambda: NOW, tmp_path)
    store.close()


def test_entries_stay_closed_until_everyone_who_closed_them_has_opened_them_again(
    control: TradingControl,
) -> None:
    control.close_entries("clock", "off by 3 s")
    control.close_entries("certificates", "2025-11-04 is NOT FLAT")
    control.open_entries("clock")
    assert control.current().trading_state is TradingState.REDUCING
    assert control.current().reason == "2025-11-04 is NOT FLAT"
    control.open_entries("certificates")
    assert control.current().trading_state is TradingState.ACTIVE


def test_two_who_close_entries_at_once_both_count(control: TradingControl) -> None:
    class Slow(dict[str, str]):
        """Somebody else closes entries while the first is at it."""

        def __or__(self, more: Any) -> Any:
            if threading.current_thread() is not other:
                other.start()
                other.join(0.1)
            return super().__or__(more)

    other = threading.Thread(target=control.close_entries, args=("books", "they disagree"))
    control._closures = Slow()
    control.close_entries("clock", "off by 3 s")
    other.join()
    control.open_entries("clock")
    assert control.current().reason == "they disagree"


def test_closed_entries_never_soften_a_stored_halt(control: TradingControl) -> None:
    control.halt("a drill", "operator")
    control.close_entries("clock", "off by 3 s")
    assert control.current().trading_state is TradingState.HALTED


def test_an_operators_reset_does_not_open_what_somebody_else_keeps_closed(
    control: TradingControl,
) -> None:
    control.close_entries("certificates", "2025-11-04 is NOT FLAT")
    control.reset("go on", "operator")
    assert control.current().trading_state is TradingState.REDUCING
