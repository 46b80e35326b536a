"""How a simulated day ended: asked of the exchange, completed from the run's own history files."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2

from tools.core.session import Session
from tools.journal.history import log_folder, read, trades_path
from tools.schedule.market_hours import at_new_york, new_york
from tools.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One day, or several together. Instants are aware; None where there was no such instant."""

    on: date
    session_open: datetime | None
    session_close: datetime | None
    flatten_at: datetime | None
    flat: bool
    flat_at: datetime | None
    cycles: int
    orders: int
    fills: int
    trades: int
    last_entry_at: datetime | None
    pnl_usd: Decimal
    equity_usd: Decimal
    denials: int
    model_calls: int
    prompt_tokens: int
    completion_tokens: int

    def as_json(self) -> dict[str, Any]:
        """For people and programs: New York times, dollars as numbers."""
        return {
            "date": str(self.on),
            "session_open": _shown(self.session_open),
            "session_close": _shown(self.session_close),
            "flatten_at": _shown(self.flatten_at),
            "flat": self.flat,
            "flat_at": _shown(self.flat_at),
            "cycles": self.cycles,
            "orders": self.orders,
            "fills": self.fills,
            "trades": self.trades,
            "last_entry_at": _shown(self.last_entry_at),
            "pnl": float(self.pnl_usd),
            "equity": float(self.equity_usd),
            "denials": self.denials,
            "model": {
                "calls": self.model_calls,
                "prompt_tokens": self.prompt_tokens,
                "completion_tokens": self.completion_tokens,
            },
        }


class Examiner:
    """Asks the exchange and the trade server over HTTP, as any outsider could."""

    def __init__(self, settings: Settings, client: httpx2.AsyncClient) -> None:
        """`client` asks without proxies; `settings` are those of the run."""
        self._settings, self._client = settings, client

    async def outcome(self, day: date, session: Session | None, equity_before: Decimal) -> Outcome:
        """How `day` stands now. `equity_before` is what the profit is counted from."""
        positions = await self._exchange("/v2/positions")
        waiting = await self._exchange("/v2/orders", status="open", nested="true")
        account = await self._exchange("/v2/account")
        orders = await self._orders_of(day)
        fills = [order for order in _with_legs(orders) if Decimal(order["filled_qty"]) > 0]
        flat = not positions and not waiting
        entries = [_instant(fill) for fill in fills if fill["side"] == "buy"]
        equity = Decimal(account["equity"])
        folder = self._settings.agent_folder
        cycles = read(log_folder(folder, day) / "decisions.jsonl")
        return Outcome(
            on=day,
            session_open=session.open_at if session else None,
            session_close=session.close_at if session else None,
            flatten_at=session.flatten_at if session else None,
            flat=flat,
            flat_at=await self._flat_at(day, fills) if flat else None,
            cycles=len(cycles),
            orders=len(orders),
            fills=len(fills),
            trades=len(read(trades_path(folder, day))),
            last_entry_at=max(entries, default=None),
            pnl_usd=equity - equity_before,
            equity_usd=equity,
            denials=sum(not verdict["approved"] for c in cycles for verdict in c["verdicts"]),
            model_calls=sum(cycle["model"]["calls"] for cycle in cycles),
            prompt_tokens=sum(cycle["model"]["prompt_tokens"] for cycle in cycles),
            completion_tokens=sum(cycle["model"]["completion_tokens"] for cycle in cycles),
        )

    async def _flat_at(self, day: date, fills: list[Mapping[str, Any]]) -> datetime | None:
        """When the flatten had verified it, or the last fill if that came later."""
        instants = [_instant(fill) for fill in fills]
        report = (await self._flatten()).get("report")
        if report and report["flat"] and report["session"] == str(day):
            instants.append(datetime.fromisoformat(report["ended_at"]))
        return max(instants, default=None)

    async def _flatten(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self._settings.trade_port}/flatten"
        token = self._settings.operator_token.get_secret_value()
        answer = await self._client.get(url, headers={"Authorization": f"Bearer {token}"})
        return dict(answer.raise_for_status().json())

    async def _orders_of(self, day: date) -> list[Mapping[str, Any]]:
        midnight, next_day = at_new_york(day, 0, 0), at_new_york(day + timedelta(days=1), 0, 0)
        return list(
            await self._exchange(
                "/v2/orders",
                status="all",
                nested="true",
                limit="500",
                direction="asc",
                after=midnight.isoformat(),
                until=next_day.isoformat(),
            )
        )

    async def _exchange(self, path: str, **query: str) -> Any:
        keys = {
            "APCA-API-KEY-ID": self._settings.alpaca_key.get_secret_value(),
            "APCA-API-SECRET-KEY": self._settings.alpaca_secret.get_secret_value(),
        }
        url = self._settings.trading_url + path
        answer = await self._client.get(url, params=query, headers=keys)
        return answer.raise_for_status().json()


def together(outcomes: list[Outcome]) -> Outcome:
    """Several days as one: sums, the first day's opening and the last day's ending."""
    last = outcomes[-1]
    return replace(
        last,
        on=outcomes[0].on,
        session_open=outcomes[0].session_open,
        flat=all(outcome.flat for outcome in outcomes),
        cycles=sum(outcome.cycles for outcome in outcomes),
        orders=sum(outcome.orders for outcome in outcomes),
        fills=sum(outcome.fills for outcome in outcomes),
        trades=sum(outcome.trades for outcome in outcomes),
        last_entry_at=max(filter(None, (o.last_entry_at for o in outcomes)), default=None),
        pnl_usd=sum((outcome.pnl_usd for outcome in outcomes), Decimal(0)),
        denials=sum(outcome.denials for outcome in outcomes),
        model_calls=sum(outcome.model_calls for outcome in outcomes),
        prompt_tokens=sum(outcome.prompt_tokens for outcome in outcomes),
        completion_tokens=sum(outcome.completion_tokens for outcome in outcomes),
    )


def _with_legs(orders: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    for order in orders:
        yield order
        yield from order.get("legs") or ()


def _instant(order: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(order["filled_at"])


def _shown(instant: datetime | None) -> str | None:
    return new_york(instant).isoformat() if instant else None
