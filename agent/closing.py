"""The end of a session: the flatten, asked for until the broker says flat, and how the day went."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from agent.models.budget import Budget
from agent.perception import Book
from agent.server_routes import ServerRoutes
from tools.core.errors import Unavailable
from tools.core.reports import DailySummary, FlattenReport
from tools.core.seams import Clock
from tools.core.session import Session
from tools.performance import daily_summary

logger = logging.getLogger(__name__)

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


class Closing:
    """Asks the trade server, whose monitor carries the flatten out. No model has a part in it."""

    def __init__(
        self,
        *,
        clock: Clock,
        routes: ServerRoutes,
        pause_until: Callable[[datetime], Awaitable[None]],
        complain: Callable[[str], None],
    ) -> None:
        """`complain` is told why the trade server could not be asked."""
        self._clock, self._routes = clock, routes
        self._pause_until, self._complain = pause_until, complain

    async def flatten(self, session: Session, held: Sequence[str]) -> FlattenReport | None:
        """Have the desk flatten until the broker says flat, or the market closes.

        `held` is what was held last, for the complaints; None when nobody could say how it went.
        """
        report, complained_at = None, None
        while (now := self._clock.now()) < session.close_at:
            try:
                await self._routes.start_flatten("end of day")
                report = await self._report(session)
                if report and report.flat:
                    break
            except Unavailable as error:
                if complained_at is None or now >= complained_at + MINUTE:
                    complained_at = now
                    self._complain(str(error))
                    for symbol in held or ("ALL",):
                        logger.error("close %s error: %s", symbol, error)
                await self._pause_until(now + SECOND)
        return report

    async def _report(self, session: Session) -> FlattenReport | None:
        """Ask each second how the flatten went; None when the market closed over it."""
        while self._clock.now() < session.close_at:
            await self._pause_until(self._clock.now() + SECOND)
            if report := await self._routes.flatten_report(session.on):
                return report
        return None


def day_summary(session: Session, book: Book, budget: Budget | None = None) -> DailySummary:
    """The day in numbers, as the broker's fills and the model's bills tell them."""
    summary = daily_summary(
        session.on,
        book.gains_usd,
        cash_usd=book.cash_usd,
        equity_usd=book.equity_usd,
        held=book.symbols,
    )
    return replace(summary, model_cost_usd=budget.day.usd if budget else None)


def ending(
    report: FlattenReport | None, book: Book | None, last_held: tuple[str, ...]
) -> tuple[bool, tuple[str, ...]]:
    """Whether the broker says flat, and what is left: its word first, else what was held last."""
    if report:
        return report.flat, report.remaining_symbols
    if book:
        return not book.positions and not book.open_orders, book.symbols
    return False, last_held
