"""The files the trade server writes for people, `trades/` and `position/`, from broker facts.

Nothing decides from them: a disk that takes no line of theirs keeps no stop from its place.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from tools.core.trading import Account, Position, Trade
from tools.execution.slippage import Execution, fill_lines
from tools.journal import history
from tools.journal.trade_lines import to_record

logger = logging.getLogger(__name__)


class DayFiles:
    """Writes when something changed since it last wrote; the first time it always writes."""

    def __init__(self, agent_folder: Path) -> None:
        self._folder = agent_folder
        self._trades: tuple[date, Sequence[Trade]] | None = None
        self._fills: tuple[date, Sequence[Execution]] | None = None
        self._failing = False

    def write_trades(self, session_on: date, trades: Sequence[Trade]) -> None:
        """The session's closed round trips, the whole file; empty while there is none."""
        if (session_on, trades) != self._trades:
            path = history.trades_path(self._folder, session_on)
            with self._unhindered():
                history.replace(path, [to_record(trade) for trade in trades])
                self._trades = session_on, trades

    def write_fills(self, session_on: date, executions: Sequence[Execution]) -> None:
        """What each order of the session executed, and its slippage; the whole file."""
        if executions and (session_on, executions) != self._fills:
            path = history.fills_path(self._folder, session_on)
            with self._unhindered():
                history.replace(path, fill_lines(executions))
                self._fills = session_on, executions

    def append_event(
        self, session_on: date, at: datetime, kind: str, symbol: str, words: str
    ) -> None:
        """One line of `log/DATE/safety.jsonl`: what the books or the stops were found to lack."""
        path = history.safety_path(self._folder, session_on)
        record = {"at": at.isoformat(), "kind": kind, "symbol": symbol, "text": words}
        with self._unhindered():
            history.append(path, record)

    def append_position(
        self,
        event: str,
        *,
        at: datetime,
        session_on: date,
        account: Account,
        positions: Sequence[Position],
    ) -> None:
        """One line: what is held now, and why that is worth a line."""
        record = {
            "at": at.isoformat(),
            "event": event,
            "session": session_on,
            "cash": account.cash,
            "equity": account.equity,
            "positions": [
                {
                    "symbol": position.symbol,
                    "quantity": position.quantity,
                    "average_entry_price": position.average_entry_price,
                    "market_value": position.market_value_usd,
                    "unrealized_pnl": position.unrealized_pnl_usd,
                }
                for position in positions
            ],
        }
        with self._unhindered():
            history.append(history.position_path(self._folder), record)

    @contextmanager
    def _unhindered(self) -> Iterator[None]:
        """A write that fails is said once, until one succeeds again."""
        try:
            yield
        except OSError as error:
            if not self._failing:
                logger.error("the day's files miss lines: %s", error)
            self._failing = True
        else:
            self._failing = False
