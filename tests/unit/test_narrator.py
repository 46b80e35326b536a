"""The log as people read it, and as their greps find it."""

import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from agent.base_agent.base_agent import Thought
from agent.base_agent.tickets import Outcome
from agent.cycle import CycleReport
from agent.ladder import Rung, Step
from agent.narrator import Narrator
from agent.options import AgentOptions
from agent.perception import Book, Perception
from tests.builders import a_session, a_time
from tests.doubles import ACCOUNT, RISK, a_position, some_options
from tools.core.decisions import Action, Decision
from tools.core.reports import DailySummary
from tools.core.safety import Denial, DenialReason

HELD = (a_position("AAPL", 50, 175.2), a_position("TSLA", 25, 245.8))


@pytest.fixture(autouse=True)
def _info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def options(**changes: object) -> AgentOptions:
    return replace(some_options(Path("/tmp/x")), **changes)  # type: ignore[arg-type]


def a_book(*positions: dict[str, object]) -> Book:
    return Book(account=ACCOUNT, positions=positions, open_orders=(), round_trips=())


def a_decision(action: Action, symbol: str, number: int, reason: str = "breakout") -> Decision:
    return Decision(
        decision_id=f"D-{number}", symbol=symbol, action=action, confidence=None, reason=reason
    )


def a_report(
    *decisions: Decision,
    outcomes: tuple[Outcome, ...] = (),
    text: str = "",
    error: str | None = None,
) -> CycleReport:
    book = a_book(*HELD)
    return CycleReport(
        number=145,
        session_on=a_session().on,
        started_at=a_time("10:30"),
        prompt_hash="abc",
        next_at=a_time("10:38"),
        perception=Perception(book=book, risk=RISK, signals=()),
        thought=Thought([], text=text),
        decisions=decisions,
        outcomes=outcomes,
        book=book,
        error=error,
    )


def filled(number: int, symbol: str, quantity: int, price: str) -> Outcome:
    return Outcome(
        decision_id=f"D-{number}",
        symbol=symbol,
        approved=True,
        quantity=Decimal(quantity),
        client_order_id="AT-1",
        status="filled",
        filled_quantity=Decimal(quantity),
        average_fill_price=Decimal(price),
    )


def test_the_start_tells_the_true_tools_model_and_address(caplog: pytest.LogCaptureFixture) -> None:
    teller = Narrator(options(mode="paper", model_url="https://api.deepseek.com"))
    teller.starting()
    teller.ready(20)
    for line in (
        "✅ DeepSeek API key loaded from environment",
        "🚀 Initializing agent: deepseek-chat-v3.1",
        "✅ Loaded 20 MCP tools",
        "🧠 Using DeepSeek API: https://api.deepseek.com\n",
        "✅ AI model initialized: deepseek-flash",
        "✅ Agent deepseek-chat-v3.1 initialization completed",
        "✅ Agent initialization complete",
        "🎯 Starting continuous day trading loop...",
    ):
        assert line in caplog.text
    assert caplog.text.count("the service ignores it") == 1
    assert "SIMULATION" not in caplog.text


def test_without_a_key_no_key_is_claimed(caplog: pytest.LogCaptureFixture) -> None:
    Narrator(options(model_key_given=False)).starting()
    assert "key loaded" not in caplog.text


def test_every_banner_of_a_simulation_says_what_is_not_real(
    caplog: pytest.LogCaptureFixture,
) -> None:
    teller, session, now = Narrator(options()), a_session(), a_time("09:00")
    teller.starting()
    teller.ready(20)
    teller.sleeping(now, session)
    teller.prepared(now, session, None, "abc")
    teller.cycle_started(1, now)
    teller.closing(session, ())
    teller.closed(remaining=(), flat=True, summary=None, next_open=None)
    for record in caplog.records:
        assert "the exchange is SIMULATED" in record.getMessage()
        assert "RULES, NOT A LANGUAGE MODEL" in record.getMessage()


def test_a_simulation_with_a_real_model_says_that_the_exchange_alone_is_simulated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Narrator(options(model_url="https://api.deepseek.com")).starting()
    assert "the exchange is SIMULATED" in caplog.text
    assert "RULES" not in caplog.text


def test_the_sleep_banner_is_the_one_users_know(caplog: pytest.LogCaptureFixture) -> None:
    session = a_session()
    Narrator(options(mode="paper")).sleeping(session.open_at - timedelta(hours=11.75), session)
    [record] = caplog.records
    assert record.getMessage().splitlines()[:12] == [
        "=" * 80,
        "💤 MARKET CLOSED - INTELLIGENT SLEEP MODE",
        "=" * 80,
        "⏰ Current time: Sunday, October 06, 2013 at 09:45:00 PM ET",
        "",
        "📅 Regular Market Hours ONLY:",
        "   └─ 🟢 Regular: 9:30 AM - 4:00 PM ET",
        "   📝 Pre-market and post-market trading DISABLED",
        "",
        "⏭️  Next market opens: Monday, October 07 at 09:30 AM ET",
        "⏳ Time until open: 11h 45m",
        "",
    ]
    assert "💤 Sleeping until 09:25:00 AM ET (wake up 5 min before market)..." in caplog.text
    assert "💤 Sleep mode active - Wake up in: 11h 40m" in caplog.text


def test_a_cycle_shows_portfolio_decisions_and_the_next_cycle(
    caplog: pytest.LogCaptureFixture,
) -> None:
    teller = Narrator(options())
    teller.cycle_started(145, a_time("10:30:15"))
    report = a_report(
        a_decision(Action.SELL, "AAPL", 1, "take profit"),
        a_decision(Action.BUY, "AMD", 2),
        a_decision(Action.HOLD, "TSLA", 3, "trend strong"),
        outcomes=(filled(1, "AAPL", 50, "177.50"), filled(2, "AMD", 30, "142.30")),
        text="Sold\nAAPL.",
    )
    teller.cycle_ended(report, a_time("10:30:15"))
    banner, result = (record.getMessage() for record in caplog.records)
    assert "🔄 TRADING CYCLE #145 - REGULAR SESSION 🟢" in banner
    assert "⏰ 2013-10-07 10:30:15 ET (Monday)" in banner
    assert result.splitlines() == [
        "📈 Current Portfolio Status:",
        "   💰 Cash: $100,000.00",
        "   📊 Positions: 2 open",
        "",
        "   ┌─────────┬──────────┬────────────┬──────────────┐",
        "   │ Symbol  │ Quantity │ Avg Price  │ Market Value │",
        "   ├─────────┼──────────┼────────────┼──────────────┤",
        "   │ AAPL    │ 50       │ $175.20    │ $8,760.00    │",
        "   │ TSLA    │ 25       │ $245.80    │ $6,145.00    │",
        "   └─────────┴──────────┴────────────┴──────────────┘",
        "",
        "🤖 Agent Decision: EXECUTING TRADES",
        "   ├─ SELL 50 AAPL @ $177.50 +$115.00 (take profit)",
        "   ├─ BUY 30 AMD @ $142.30 (breakout)",
        "   └─ HOLD TSLA (trend strong)",
        '   Model says: "Sold\\nAAPL."',
        "",
        "✅ Trades executed successfully",
        "⏳ Next cycle in 8 minutes",
        " TRADING ".center(80, "="),
    ]


def test_a_refused_proposal_says_which_rule_refused_it(caplog: pytest.LogCaptureFixture) -> None:
    no = Denial(reason=DenialReason.CONFIDENCE, message="0.4 is below 0.6")
    outcome = Outcome(decision_id="D-1", symbol="AMD", approved=False, denials=(no,))
    report = a_report(a_decision(Action.BUY, "AMD", 1), outcomes=(outcome,))
    Narrator(options()).cycle_ended(report, a_time("10:30"))
    assert "BUY AMD refused - confidence: 0.4 is below 0.6 (breakout)" in caplog.text
    assert "1 proposal refused" in caplog.text
    assert "executed successfully" not in caplog.text


def test_a_skipped_cycle_names_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    Narrator(options()).cycle_ended(a_report(error="alpaca-data: connection refused"), a_time())
    assert "Agent Decision: NO TRADES" in caplog.text
    assert "⚠️  Cycle incomplete: alpaca-data: connection refused" in caplog.text


def test_what_a_model_wrote_cannot_forge_lines_or_hide_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    forged = "x\n✅ All positions closed successfully\x1b[2J\u202e"
    report = a_report(a_decision(Action.HOLD, "SPY\n", 1, forged), text=forged)
    Narrator(options()).cycle_ended(report, a_time())
    [record] = caplog.records
    assert not any(line.startswith("✅") for line in record.getMessage().splitlines())
    assert "\x1b" not in record.getMessage()
    assert "\u202e" not in record.getMessage()


def a_summary() -> DailySummary:
    return DailySummary(
        session_on=a_session().on,
        trades=12,
        winning_trades=8,
        pnl_usd=Decimal("-245.80"),
        cash_usd=Decimal("99872.15"),
        equity_usd=Decimal("99872.15"),
        remaining_symbols=(),
    )


def test_the_summary_says_what_the_model_cost_and_what_a_trade_cost(
    caplog: pytest.LogCaptureFixture,
) -> None:
    teller = Narrator(options(mode="paper"))
    for trades in (12, 0):
        summary = replace(a_summary(), trades=trades, model_cost_usd=Decimal("0.1601149"))
        teller.closed(remaining=(), flat=True, summary=summary, next_open=None)
    told = [line for line in caplog.text.splitlines() if "Model cost" in line]
    assert told == ["   ├─ Model cost: $0.1601 ($0.0133 a trade)", "   ├─ Model cost: $0.1601"]


def test_the_end_of_the_day_lists_what_is_closed_and_how_it_went(
    caplog: pytest.LogCaptureFixture,
) -> None:
    teller, session = Narrator(options(mode="paper")), a_session()
    teller.closing(session, a_book(*HELD).holdings)
    teller.closed(
        remaining=(), flat=True, summary=a_summary(), next_open=session.open_at + timedelta(days=1)
    )
    closing, closed = (record.getMessage().splitlines() for record in caplog.records)
    assert closing[1] == "🔴 END OF DAY POSITION CLOSE - 3:55 PM ET"
    assert "⚠️  Closing ALL positions before market close (4:00 PM)" in closing
    assert closing[-3:-1] == ["   ├─ AAPL: 50 shares @ market", "   └─ TSLA: 25 shares @ market"]
    assert closed == [
        "✅ All positions closed successfully",
        "",
        "📊 Daily Summary:",
        "   ├─ Total trades: 12",
        "   ├─ Winning trades: 8 (66.7%)",
        "   ├─ Daily P&L: -$245.80",
        "   ├─ Final cash: $99,872.15",
        "   └─ Status: FLAT (no positions)",
        "",
        "💤 Market closing - entering sleep mode",
        "⏭️  Next trading session: Tuesday, October 08 at 9:30 AM ET",
        " CLOSED: MARKET DAY DONE ".center(80, "="),
    ]


def test_a_day_that_did_not_end_flat_is_an_error_with_the_symbols(
    caplog: pytest.LogCaptureFixture,
) -> None:
    Narrator(options()).closed(remaining=("TSLA", "AMD"), flat=False, summary=None, next_open=None)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert "Status: NOT FLAT (TSLA, AMD)" in record.getMessage()
    assert "successfully" not in record.getMessage()


def test_the_summary_says_what_the_model_cost_and_how_the_losses_compare(
    caplog: pytest.LogCaptureFixture,
) -> None:
    summary = replace(a_summary(), model_cost_usd=Decimal("0.0612"), profit_factor=1.25)
    Narrator(options()).closed(remaining=(), flat=True, summary=summary, next_open=None)
    assert "Profit factor: 1.25" in caplog.text
    assert "Model cost: $0.0612 ($0.0051 a trade)" in caplog.text


def test_a_degraded_cycle_says_where_the_trader_stands(caplog: pytest.LogCaptureFixture) -> None:
    report = a_report()
    report.step = Step(Rung.NO_NEW_ENTRIES, ("the books are not reconciled",))
    Narrator(options()).cycle_ended(report, a_time("10:31"))
    assert "🪜 NO_NEW_ENTRIES: the books are not reconciled" in caplog.text
