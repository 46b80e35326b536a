"""What the trading API answers: JSON as Alpaca shapes it, money and shares as decimal strings."""

import dataclasses
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from embedded.exchange.order_forms import INTENTS
from tools.core.trading import OrderClass
from tools.schedule.market_hours import new_york
from tools.simulation.account import Balances, Execution, Holding, worth
from tools.simulation.configuration import Configuration
from tools.simulation.fees import Charge
from tools.simulation.orders import SimOrder
from tools.simulation.venue import Venue

PLACES = Decimal("1e-9")


def text(value: Decimal) -> str:
    """A decimal string: no exponent, no trailing zeros, at most nine places."""
    plain = f"{value.quantize(PLACES):f}".rstrip("0").rstrip(".")
    return "0" if plain in {"", "-0"} else plain


def stamp(at: datetime) -> str:
    """An instant as Alpaca writes it: UTC, `Z`, no trailing zeros."""
    plain = at.astimezone(UTC).isoformat().removesuffix("+00:00")
    return (plain.rstrip("0") if "." in plain else plain) + "Z"


def fraction(part: Decimal, whole: Decimal) -> str:
    """Five places, as since 2026."""
    return text(round(part / whole, 5)) if whole else "0"


def asset_id(venue: Venue, symbol: str) -> str:
    """The id of a symbol here."""
    return venue.new_id("asset", symbol)


def symbol_of(venue: Venue, name: str) -> str:
    """The symbol that `name`, a symbol or an asset's id, stands for; `name` itself if unknown."""
    if name in venue.market.symbols:
        return name
    by_id = {asset_id(venue, symbol): symbol for symbol in venue.market.symbols}
    return by_id.get(name, name)


def account(venue: Venue, money: Balances) -> dict[str, Any]:
    """`GET /v2/account`: the shape of a margin account of 2026, without the day-trader fields."""
    amounts = {
        "buying_power": money.buying_power,
        "regt_buying_power": money.regt_buying_power,
        "effective_buying_power": money.buying_power,
        "non_marginable_buying_power": money.excess,
        "options_buying_power": money.excess,
        "cash": money.cash,
        "accrued_fees": money.accrued_fees,
        "portfolio_value": money.equity,
        "multiplier": money.multiplier,
        "equity": money.equity,
        "last_equity": money.last_equity,
        "long_market_value": money.market_value,
        "short_market_value": Decimal(0),
        "position_market_value": money.market_value,
        "initial_margin": money.initial_margin,
        "maintenance_margin": money.maintenance_margin,
        "last_maintenance_margin": money.last_maintenance_margin,
        "sma": money.excess,
        "intraday_adjustments": Decimal(0),
        "pending_reg_taf_fees": money.accrued_fees,
    }
    return {
        "id": venue.new_id("account"),
        "admin_configurations": {},
        "user_configurations": None,
        "account_number": venue.account_number,
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "options_approved_level": 0,
        "options_trading_level": 0,
        "currency": "USD",
        "trading_blocked": venue.blocked,
        "transfers_blocked": False,
        "account_blocked": venue.blocked,
        "trade_suspended_by_user": venue.configuration.suspend_trade,
        "created_at": stamp(venue.opened_at),
        "shorting_enabled": False,
        "balance_asof": money.as_of.isoformat(),
        "crypto_tier": 0,
    } | {name: text(amount) for name, amount in amounts.items()}


def order(venue: Venue, it: SimOrder, *, legs: bool) -> dict[str, Any]:
    """One order; with `legs` those of a bracket or OTO are inside."""
    asked, trail = it.request, it.request.trail
    amounts = {
        "notional": asked.notional,
        "qty": None if asked.quantity is None else it.quantity,
        "filled_qty": it.filled_quantity,
        "filled_avg_price": it.average_fill_price,
        "limit_price": asked.limit_price,
        "stop_price": asked.stop_price if it.best_price is None else trail.stop(it.best_price),
        "trail_percent": trail.percent,
        "trail_price": trail.price,
        "hwm": it.best_price,
    }
    instants = {
        "filled_at": it.filled_at,
        "expired_at": it.expired_at,
        "canceled_at": it.canceled_at,
        "failed_at": it.failed_at,
        "replaced_at": it.replaced_at,
    }
    group = {"group_id": it.family[0].order_id, "group_role": it.role.value} if it.role else {}
    return {
        "id": it.order_id,
        "client_order_id": it.client_order_id,
        "created_at": stamp(it.submitted_at),
        "updated_at": stamp(it.updated_at),
        "submitted_at": stamp(it.submitted_at),
        **{name: stamp(at) if at else None for name, at in instants.items()},
        "replaced_by": it.replaced_by,
        "replaces": it.replaces,
        "asset_id": asset_id(venue, it.symbol),
        "symbol": it.symbol,
        "asset_class": "us_equity",
        **{name: None if value is None else text(value) for name, value in amounts.items()},
        "order_class": "" if it.order_class is OrderClass.SIMPLE else it.order_class.value,
        "order_type": asked.order_type.value,
        "type": asked.order_type.value,
        "side": it.side.value,
        "position_intent": INTENTS[it.side],
        "time_in_force": asked.time_in_force.value,
        "status": it.status.value,
        "extended_hours": asked.extended_hours,
        "legs": [order(venue, leg, legs=False) for leg in it.legs] if legs and it.legs else None,
        "subtag": None,
        "source": None,
        "expires_at": stamp(it.expires_at),
        **group,
    }


def position(venue: Venue, holding: Holding) -> dict[str, Any]:
    """One position; the percents are fractions."""
    symbol, quantity = holding.symbol, holding.quantity
    price, before = venue.price(symbol), venue.previous_close(symbol)
    value, cost = worth(quantity, price), quantity * holding.average_cost
    day_cost = quantity * holding.day_cost
    amounts = {
        "qty": quantity,
        "qty_available": quantity - venue.reserved(symbol),
        "avg_entry_price": holding.average_cost,
        "market_value": value,
        "cost_basis": cost,
        "unrealized_pl": value - cost,
        "unrealized_intraday_pl": value - day_cost,
        "current_price": price,
        "lastday_price": before,
    }
    return {
        "asset_id": asset_id(venue, symbol),
        "symbol": symbol,
        "exchange": "NYSE",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "side": "long",
        "unrealized_plpc": fraction(value - cost, cost),
        "unrealized_intraday_plpc": fraction(value - day_cost, day_cost),
        "change_today": fraction(price - before, before),
    } | {name: text(amount) for name, amount in amounts.items()}


def asset(venue: Venue, symbol: str) -> dict[str, Any]:
    """One instrument, long only."""
    return {
        "id": asset_id(venue, symbol),
        "class": "us_equity",
        "exchange": "NYSE",
        "symbol": symbol,
        "name": f"{symbol} (simulated)",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": False,
        "easy_to_borrow": False,
        "borrow_status": "hard_to_borrow",
        "fractionable": True,
        "maintenance_margin_requirement": 30,
        "margin_requirement_long": "30",
        "margin_requirement_short": "100",
        "attributes": ["fractional_eh_enabled"],
    }


def configuration(it: Configuration) -> dict[str, Any]:
    """`GET /v2/account/configurations`."""
    return dataclasses.asdict(it)


def fill(execution: Execution) -> dict[str, Any]:
    """One `FILL` row of the account's activities."""
    return {
        "activity_type": "FILL",
        "id": activity_id(execution.at, execution.execution_id),
        "cum_qty": text(execution.cumulative_quantity),
        "leaves_qty": text(execution.leaves_quantity),
        "price": text(execution.price),
        "qty": text(execution.quantity),
        "side": execution.order.side.value,
        "symbol": execution.order.symbol,
        "transaction_time": stamp(execution.at),
        "order_id": execution.order.order_id,
        "order_status": execution.status.value,
        "type": "partial_fill" if execution.leaves_quantity else "fill",
    }


def charge(venue: Venue, it: Charge) -> dict[str, Any]:
    """One `FEE` row of the account's activities."""
    local = new_york(it.at)
    return {
        "activity_type": "FEE",
        "activity_sub_type": it.kind,
        "id": activity_id(it.at, venue.new_id("charge", it.at, it.kind)),
        "date": local.date().isoformat(),
        "net_amount": text(-it.amount),
        "description": f"{it.kind} fee of {local.date()}",
        "status": "executed",
        "created_at": stamp(it.at),
    }


def activity_id(at: datetime, unique: str) -> str:
    """What activities are paged by: it begins with the New York time."""
    local = new_york(at)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{unique}"
