"""The trade room, put together: one of each, around one state store and one broker."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from tools.core.safety import FlattenScope
from tools.execution.audit import Auditor
from tools.execution.books import Books
from tools.execution.breaker_watch import BreakerWatch
from tools.execution.certificates import certificates_path
from tools.execution.day_files import DayFiles
from tools.execution.gate_ledger import GateLedger
from tools.execution.guard import Guard
from tools.execution.kill_switch import KillSwitch
from tools.execution.notary import Notary
from tools.execution.order_desk import OrderDesk
from tools.execution.overnight import Overnight
from tools.execution.ownership import OwnBroker
from tools.execution.position_monitor import PositionMonitor
from tools.execution.premises import Premises
from tools.execution.trading_control import TradingControl

NO_SCOPE = (
    "in live mode flatten_scope has to be chosen once: all positions of the account, or our own;"
    " set it in configs/default_config.json"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeRoom:
    """What a trade server needs, and a campaign without one."""

    premises: Premises
    control: TradingControl
    kill_switch: KillSwitch
    books: Books
    desk: OrderDesk
    auditor: Auditor
    watch: BreakerWatch
    notary: Notary
    monitor: PositionMonitor


def open_trade_room(premises: Premises, *, agent_folder: Path, period: timedelta) -> TradeRoom:
    """Build the room; `period` is the market time between two looks of the monitor."""
    everything, scope = premises.broker, premises.holding.flatten_scope
    if scope is not FlattenScope.ALL:
        premises = replace(premises, broker=OwnBroker(everything, premises.now))
    control = TradingControl(premises.store, premises.now, premises.home)
    if scope is None:
        control.close_entries("scope", NO_SCOPE)
    books = Books(premises, control)
    watch = BreakerWatch(premises, control)
    desk = OrderDesk(premises, control, books, watch, GateLedger(agent_folder))
    files = DayFiles(agent_folder)
    switch = KillSwitch(premises, control, books, files)
    guard = Guard(premises, desk, files)
    auditor = Auditor(premises, control, books, desk, files, watch, guard)
    notary = Notary(premises, control, books, certificates_path(agent_folder), everything)
    overnight = Overnight(premises, books, desk, auditor, files, everything)
    monitor = PositionMonitor(
        premises,
        control,
        books,
        desk,
        auditor,
        watch,
        switch,
        notary,
        overnight,
        period=period,
    )
    return TradeRoom(
        premises=premises,
        control=control,
        kill_switch=switch,
        books=books,
        desk=desk,
        auditor=auditor,
        watch=watch,
        notary=notary,
        monitor=monitor,
    )
