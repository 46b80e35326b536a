"""The log as people read it: banners, tables, trees. The only room with emoji.

Each block is one log record, and its last line names the phase in capitals, so that the tail of the
log always tells where the trader is. What a model wrote is quoted, on one line.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta

from agent.base_agent.tickets import Outcome
from agent.cycle import CycleReport
from agent.options import AgentOptions
from agent.perception import Book
from agent.quoting import one_line
from agent.tables import table, tree
from agent.wording import (
    count,
    day_and_hour,
    duration,
    hour,
    money,
    signed,
    stamp,
    whole_minutes,
)
from tools.core.decisions import Action, Decision
from tools.core.reports import DailySummary
from tools.core.session import Phase, Session
from tools.core.trading import Position
from tools.schedule.market_hours import new_york

logger = logging.getLogger("active_trader")

WIDTH = 80
MINUTE = timedelta(minutes=1)
RULE = "=" * WIDTH
REASON_LENGTH, TEXT_LENGTH = 160, 400
PHASES = {
    Phase.SLEEP: "SLEEP",
    Phase.PREPARE: "PREPARE: MARKET OPENS SOON",
    Phase.TRADE: "TRADING",
    Phase.FLATTEN: "FLATTEN: MARKET CLOSES SOON",
    Phase.CLOSED: "CLOSED: MARKET DAY DONE",
}


class Narrator:
    """Tells the trading day to the log."""

    def __init__(self, options: AgentOptions) -> None:
        self._options = options
        self._notice = _notice(options)

    def starting(self) -> None:
        """The process begins; nothing is connected yet."""
        options = self._options
        _say(
            "STARTING: MARKET STATUS FOLLOWS",
            *self._notice,
            *_remarks(options),
            f"🚀 Initializing agent: {options.signature}",
        )

    def waiting(self, why: str) -> None:
        """A server that the trader needs is not there."""
        _say(
            "WAITING: MARKET NOT WATCHED YET",
            f"⚠️  Waiting for a server - {one_line(why)}",
            level=logging.WARNING,
        )

    def ready(self, tool_count: int) -> None:
        """Everything is connected, and the loop begins."""
        options = self._options
        _say(
            "READY: MARKET STATUS FOLLOWS",
            f"✅ Loaded {tool_count} MCP tools",
            f"🧠 Using {_provider(options)} API: {options.model_url}",
            f"✅ AI model initialized: {options.wire_model}",
            *self._notice,
            f"✅ Agent {options.signature} initialization completed",
            "✅ Agent initialization complete",
            "🎯 Starting continuous day trading loop...",
        )

    def sleeping(self, now: datetime, session: Session) -> None:
        """A sleep begins, until `session` is about to open."""
        early = f"{whole_minutes(session.open_at - session.wake_at)}"
        _say(
            PHASES[Phase.SLEEP],
            *_banner("💤 MARKET CLOSED - INTELLIGENT SLEEP MODE", self._notice),
            f"⏰ Current time: {new_york(now):%A, %B %d, %Y at %I:%M:%S %p} ET",
            "",
            "📅 Regular Market Hours ONLY:",
            f"   └─ 🟢 Regular: {hour(session.open_at)} - {hour(session.close_at)} ET",
            "   📝 Pre-market and post-market trading DISABLED",
            "",
            f"⏭️  Next market opens: {new_york(session.open_at):%A, %B %d at %I:%M %p} ET",
            f"⏳ Time until open: {duration(session.open_at - now)}",
            "",
            "💤 Entering intelligent sleep mode - CPU usage minimized",
            f"⏰ Will wake up {early} minutes before market open for preparation",
            RULE,
            "",
            f"💤 Sleeping until {new_york(session.wake_at):%I:%M:%S %p} ET"
            f" (wake up {early} min before market)...",
            _still_asleep(now, session.wake_at),
        )

    def still_sleeping(self, now: datetime, wake_at: datetime) -> None:
        """An hour of sleep has passed."""
        _say(PHASES[Phase.SLEEP], _still_asleep(now, wake_at))

    def calendar_ended(self, why: str) -> None:
        """No session is known to come: no trading until the table is renewed."""
        _say(
            PHASES[Phase.SLEEP],
            f"⚠️  {one_line(why)}: run python -m tools.schedule.session_table",
            "💤 No trading until then; looking again each hour",
            level=logging.ERROR,
        )

    def prepared(
        self, now: datetime, session: Session, book: Book | None, prompt_hash: str
    ) -> None:
        """The minutes before the open; `book` is None when the trade server did not answer."""
        if book is None:
            held = "unknown, the trade server does not answer"
        else:
            held = ", ".join(book.symbols) or "none"
        _say(
            PHASES[Phase.PREPARE],
            *_banner("🔔 WAKE UP - PREPARING FOR MARKET OPEN", self._notice),
            f"⏰ {stamp(now)}",
            f"🔧 Session: {hour(session.open_at)} - {hour(session.close_at)} ET,"
            f" positions closed from {hour(session.flatten_at)}",
            f"📊 Positions: {held}",
            f"📝 Prompt: {prompt_hash[:12]}",
        )

    def cycle_started(self, number: int, now: datetime) -> None:
        """A cycle begins."""
        _say(
            PHASES[Phase.TRADE],
            *_banner(f"🔄 TRADING CYCLE #{number} - REGULAR SESSION 🟢", self._notice),
            f"⏰ {stamp(now)}",
        )

    def cycle_ended(self, report: CycleReport, now: datetime) -> None:
        """What the cycle found, wanted and got; the portfolio is the one after it."""
        _say(
            PHASES[Phase.TRADE],
            *(_portfolio(report.book) if report.book else ()),
            *_decisions(report),
            _next_cycle(report.next_at, now),
        )

    def closing(self, session: Session, holdings: Sequence[Position] | None) -> None:
        """The end of the day begins; `holdings` is None when they cannot be asked for."""
        if holdings is None:
            items = ["unknown, the trade server does not answer"]
        else:
            items = [f"{one.symbol}: {one.quantity} shares @ market" for one in holdings]
        title = f"🔴 END OF DAY POSITION CLOSE - {hour(session.flatten_at)} ET"
        _say(
            PHASES[Phase.FLATTEN],
            *_banner(title, self._notice),
            "",
            f"⚠️  Closing ALL positions before market close ({hour(session.close_at)})",
            "",
            "Positions to close:",
            *tree(items or ["none"]),
        )

    def closed(
        self,
        *,
        remaining: Sequence[str],
        flat: bool,
        summary: DailySummary | None,
        next_open: datetime | None,
    ) -> None:
        """How the day ended. `flat` is the broker's word; `summary` None when nobody could tell."""
        status = (
            "FLAT (no positions)" if flat else f"NOT FLAT ({', '.join(remaining) or 'unknown'})"
        )
        opens = "not known" if next_open is None else day_and_hour(next_open)
        _say(
            PHASES[Phase.CLOSED],
            "✅ All positions closed successfully" if flat else "❌ NOT all positions are closed",
            "",
            "📊 Daily Summary:",
            *tree([*_summary(summary), f"Status: {status}"]),
            "",
            *self._notice,
            "💤 Market closing - entering sleep mode",
            f"⏭️  Next trading session: {opens}",
            level=logging.INFO if flat else logging.ERROR,
        )

    def closed_by_others(
        self, session_on: date, who: str, exits: Sequence[str], *, flat: bool
    ) -> None:
        """A session ended without this trader; `exits` are the orders that closed it."""
        _say(
            PHASES[Phase.CLOSED],
            *_banner(
                f"🔴 END OF DAY POSITION CLOSE - {session_on}, without this trader", self._notice
            ),
            one_line(who, TEXT_LENGTH),
            *tree([one_line(one, REASON_LENGTH) for one in exits] or ["nothing was sold"]),
            f"Status: {'FLAT (no positions)' if flat else 'NOT FLAT'}",
            level=logging.INFO if flat else logging.ERROR,
        )

    def stopped(self) -> None:
        """The process was asked to end."""
        _say("STOPPED: MARKET NOT WATCHED", "🛑 Stopped on request; resting stops stay in place")


def _say(phase: str, *lines: str, level: int = logging.INFO) -> None:
    logger.log(level, "%s", "\n".join((*lines, f" {phase} ".center(WIDTH, "="))))


def _notice(options: AgentOptions) -> tuple[str, ...]:
    parts = []
    if options.simulated_exchange:
        parts.append("the exchange is SIMULATED, no real order is sent")
    if options.model_is_rules:
        parts.append("the model is a set of RULES, NOT A LANGUAGE MODEL")
    return (f"⚠️  SIMULATION: {'; '.join(parts)}",) if parts else ()


def _remarks(options: AgentOptions) -> list[str]:
    remarks = [f"🔑 Mode: {options.mode.upper()}"]
    if options.model_key_given:
        remarks.append(f"✅ {_provider(options)} API key loaded from environment")
    if options.date_range_given:
        remarks.append("📅 date_range is for `simulate`; the service ignores it")
    return remarks


def _provider(options: AgentOptions) -> str:
    return "DeepSeek" if "deepseek" in options.wire_model else "OpenAI-compatible"


def _banner(title: str, notice: Iterable[str]) -> tuple[str, ...]:
    return RULE, title, *notice, RULE


def _portfolio(book: Book) -> list[str]:
    lines = [
        "📈 Current Portfolio Status:",
        f"   💰 Cash: {money(book.cash_usd)}",
        f"   📊 Positions: {len(book.positions)} open",
        "",
    ]
    if book.positions:
        lines += [f"   {line}" for line in table(book.holdings)] + [""]
    return lines


def _decisions(report: CycleReport) -> list[str]:
    outcomes = {outcome.decision_id: outcome for outcome in report.outcomes}
    holdings = (
        {one.symbol: one for one in report.perception.book.holdings} if (report.perception) else {}
    )
    items = [
        _decision(wish, outcomes.get(wish.decision_id), holdings.get(wish.symbol))
        for wish in report.decisions
    ]
    sent = [outcome for outcome in report.outcomes if outcome.client_order_id]
    refused = [outcome for outcome in report.outcomes if not outcome.approved]
    heading = "EXECUTING TRADES" if sent else "NO TRADES"
    lines = [f"🤖 Agent Decision: {heading}", *tree(items or ["nothing decided"])]
    if report.step.reasons:
        lines.append(f"🪜 {one_line(str(report.step))}")
    if report.text:
        lines.append(f'   Model says: "{one_line(report.text, TEXT_LENGTH)}"')
    lines.append("")
    if report.error:
        lines.append(f"⚠️  Cycle incomplete: {one_line(report.error)}")
    if refused:
        lines.append(f"⚠️  {count(len(refused), 'proposal')} refused")
    elif sent:
        lines.append("✅ Trades executed successfully")
    return lines


def _decision(wish: Decision, outcome: Outcome | None, held: Position | None) -> str:
    reason = f"({one_line(wish.reason, REASON_LENGTH)})"
    name = one_line(wish.symbol, 12)
    if wish.action is Action.HOLD:
        return f"HOLD {name} {reason}"
    verb = wish.action.upper()
    if outcome is None:
        return f"{verb} {name} not sent {reason}"
    if not outcome.approved:
        why = "; ".join(f"{one.reason}: {one.message}" for one in outcome.denials)
        return f"{verb} {name} refused - {one_line(why)} {reason}"
    if outcome.average_fill_price is None:
        return f"{verb} {outcome.quantity} {name} {outcome.status or 'sent'} {reason}"
    price = outcome.average_fill_price
    gain = ""
    if wish.action is Action.SELL and held:
        gain = f" {signed((price - held.average_entry_price) * outcome.filled_quantity)}"
    return f"{verb} {outcome.filled_quantity} {name} @ {money(price)}{gain} {reason}"


def _summary(summary: DailySummary | None) -> list[str]:
    if summary is None:
        return ["unknown, the trade server does not answer"]
    share = 100 * summary.winning_trades / summary.trades if summary.trades else 0.0
    factor = summary.profit_factor
    return [
        f"Total trades: {summary.trades}",
        f"Winning trades: {summary.winning_trades} ({share:.1f}%)",
        *([] if factor is None else [f"Profit factor: {factor:.2f}"]),
        f"Daily P&L: {signed(summary.pnl_usd)}",
        f"Final cash: {money(summary.cash_usd)}",
        *_model_cost(summary),
    ]


def _model_cost(summary: DailySummary) -> list[str]:
    cost = summary.model_cost_usd
    if cost is None:
        return []
    each = f" (${cost / summary.trades:.4f} a trade)" if summary.trades else ""
    return [f"Model cost: ${cost:.4f}{each}"]


def _next_cycle(next_at: datetime | None, now: datetime) -> str:
    if next_at is None:
        return "⏳ No further cycle before positions are closed"
    # Rounded up: 9 min 59 s after a cycle that took a second is ten minutes to a reader.
    return f"⏳ Next cycle in {count(-((now - next_at) // MINUTE), 'minute')}"


def _still_asleep(now: datetime, wake_at: datetime) -> str:
    return f"💤 Sleep mode active - Wake up in: {duration(wake_at - now)}"
