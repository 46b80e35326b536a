"""What trades were worth, and their lines in the history."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.builders import a_time
from tools.core.trading import ExitReason, Side, Trade
from tools.journal import history
from tools.journal.trade_lines import from_record, to_record
from tools.performance import by_day, by_prompt, by_symbol, daily_summary, performance


def a_trade(pnl: str = "10", symbol: str = "SPY", days: int = 0) -> Trade:
    return Trade(
        symbol=symbol,
        side=Side.BUY,
        quantity=Decimal(10),
        entry_price=Decimal("100.1234"),
        exit_price=Decimal("101"),
        pnl_usd=Decimal(pnl),
        opened_at=a_time("10:00") + timedelta(days=days),
        closed_at=a_time("11:00") + timedelta(days=days),
        exit_reason=ExitReason.TARGET,
        entry_client_order_id="AT-2013-10-07-1-E",
        exit_client_order_id="leg",
        decision_id="D-1",
    )


def test_wins_losses_and_nothing_are_told_apart() -> None:
    numbers = performance([a_trade("30"), a_trade("-10"), a_trade("0"), a_trade("10.50")])
    assert (numbers.trades, numbers.winning_trades, numbers.losing_trades) == (4, 2, 1)
    assert numbers.pnl_usd == Decimal("30.50")
    assert numbers.win_rate == 0.5
    assert numbers.profit_factor == pytest.approx(4.05)


def test_no_trade_has_no_rate_and_no_loss_no_factor() -> None:
    assert performance([]).win_rate is None
    assert performance([]).pnl_usd == 0
    assert performance([a_trade()]).profit_factor is None


def test_trades_are_grouped_by_new_york_day_and_by_symbol() -> None:
    trades = [a_trade("5", "SPY", 1), a_trade("1", "IBM"), a_trade("2", "SPY")]
    assert {day: one.pnl_usd for day, one in by_day(trades).items()} == {
        date(2013, 10, 7): Decimal(3),
        date(2013, 10, 8): Decimal(5),
    }
    assert [(name, one.trades) for name, one in by_symbol(trades).items()] == [
        ("IBM", 1),
        ("SPY", 2),
    ]


def test_trades_are_grouped_by_the_prompt_that_they_were_entered_under() -> None:
    trades = [a_trade("5"), replace(a_trade("1"), prompt_hash="abc"), a_trade("2")]
    groups = by_prompt(trades)
    assert {name: one.pnl_usd for name, one in groups.items()} == {
        "": Decimal(7),
        "abc": Decimal(1),
    }


def test_a_day_is_flat_when_nothing_is_held() -> None:
    day, money = date(2013, 10, 7), {"cash_usd": Decimal(100), "equity_usd": Decimal(100)}
    flat = daily_summary(day, [Decimal(10), Decimal(-4)], held=(), **money)
    assert flat.flat
    assert (flat.trades, flat.winning_trades, flat.pnl_usd) == (2, 1, Decimal(6))
    assert flat.profit_factor == 2.5
    held = daily_summary(day, (), held=["SPY", "IBM"], **money)
    assert held.remaining_symbols == ("IBM", "SPY")
    assert not held.flat


def test_a_line_of_the_history_is_the_trade_again() -> None:
    line = history.json_line(to_record(a_trade("-12.50")))
    record = json.loads(line)
    assert from_record(record) == a_trade("-12.50")
    assert (record["symbol"], record["pnl"], record["quantity"]) == ("SPY", -12.5, 10)
    assert list(record) == [
        "symbol", "side", "quantity", "entry_price", "exit_price", "pnl", "opened_at", "closed_at",
        "exit_reason", "entry_order", "exit_order", "decision_id", "slippage_usd", "prompt_hash",
    ]  # fmt: skip
