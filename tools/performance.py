"""What a set of trades was worth. Pure; every number rests on the broker's fills."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from tools.core.reports import DailySummary
from tools.core.trading import Trade
from tools.schedule.market_hours import new_york


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """Trades in numbers. Neither winning nor losing: a trade that made exactly nothing."""

    trades: int
    winning_trades: int
    losing_trades: int
    gross_profit_usd: Decimal
    gross_loss_usd: Decimal

    @property
    def pnl_usd(self) -> Decimal:
        """Profit less loss."""
        return self.gross_profit_usd - self.gross_loss_usd

    @property
    def win_rate(self) -> float | None:
        """Winning trades over all, 0…1; None without a trade."""
        return self.winning_trades / self.trades if self.trades else None

    @property
    def profit_factor(self) -> float | None:
        """Gross profit over gross loss; None without a loss."""
        return float(self.gross_profit_usd / self.gross_loss_usd) if self.gross_loss_usd else None


def performance(trades: Iterable[Trade]) -> Performance:
    """The numbers of `trades`."""
    return of_results(trade.pnl_usd for trade in trades)


def of_results(results: Iterable[Decimal]) -> Performance:
    """The numbers of trades of which only the profit or loss is known, in dollars."""
    known = list(results)
    profits = [pnl for pnl in known if pnl > 0]
    losses = [-pnl for pnl in known if pnl < 0]
    return Performance(
        trades=len(known),
        winning_trades=len(profits),
        losing_trades=len(losses),
        gross_profit_usd=sum(profits, Decimal(0)),
        gross_loss_usd=sum(losses, Decimal(0)),
    )


def by_day(trades: Iterable[Trade]) -> dict[date, Performance]:
    """Per New York date of the exit, in order."""
    return _grouped(trades, lambda trade: new_york(trade.closed_at).date())


def by_symbol(trades: Iterable[Trade]) -> dict[str, Performance]:
    """Per symbol, in order."""
    return _grouped(trades, lambda trade: trade.symbol)


def by_prompt(trades: Iterable[Trade]) -> dict[str, Performance]:
    """Per version of the prompt under which they were entered; "" is not known."""
    return _grouped(trades, lambda trade: trade.prompt_hash)


def daily_summary(
    session_on: date,
    results: Iterable[Decimal],
    *,
    cash_usd: Decimal,
    equity_usd: Decimal,
    held: Iterable[str],
) -> DailySummary:
    """The day in numbers: what its round trips made, and the account as it is now."""
    total = of_results(results)
    return DailySummary(
        session_on=session_on,
        trades=total.trades,
        winning_trades=total.winning_trades,
        pnl_usd=total.pnl_usd,
        cash_usd=cash_usd,
        equity_usd=equity_usd,
        remaining_symbols=tuple(sorted(held)),
        profit_factor=total.profit_factor,
    )


def _grouped[K: (date, str)](
    trades: Iterable[Trade], key: Callable[[Trade], K]
) -> dict[K, Performance]:
    groups: dict[K, list[Trade]] = defaultdict(list)
    for trade in trades:
        groups[key(trade)].append(trade)
    return {name: performance(groups[name]) for name in sorted(groups)}
