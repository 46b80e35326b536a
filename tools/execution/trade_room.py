"""The trade room, put together: one of each, around one state store and one broker."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tools.execution.audit import Auditor
from tools.execution.books import Books
from tools.execution.breaker_watch import BreakerWatch
from tools.execution.day_files import DayFiles
from tools.execution.gate_ledger import GateLedger
from tools.execution.guard import Guard
from tools.execution.kill_switch import KillSwitch
from tools.execution.order_desk import OrderDesk
from tools.execution.position_monitor import PositionMonitor
from tools.execution.premises import Premises
from tools.execution.trading_control import TradingControl


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRoom:
    """What a trade server needs, and a campaign without one."""

    premises: Premises
    control: TradingControl
    kill_switch: KillSwitch
    books: Books
    desk: OrderDesk
    auditor: Auditor
    monitor: PositionMonitor


def open_trade_room(premises: Premises, *, agent_folder: Path, period: timedelta) -> TradeRoom:
    """Build the room; `period` is the market time between two looks of the monitor."""
    control = TradingControl(premises.store, premises.now, premises.home)
    books = Books(premises, control)
    watch = BreakerWatch(premises, control)
    desk = OrderDesk(premises, control, books, watch, GateLedger(agent_folder))
    files = DayFiles(agent_folder)
    switch = KillSwitch(premises, control, books, files)
    guard = Guard(premises, desk, files)
    auditor = Auditor(premises, control, books, desk, files, watch, guard)
    monitor = PositionMonitor(premises, control, books, desk, auditor, watch, switch, period=period)
    return TradeRoom(
        premises=premises,
        control=control,
        kill_switch=switch,
        books=books,
        desk=desk,
        auditor=auditor,
        monitor=monitor,
    )
