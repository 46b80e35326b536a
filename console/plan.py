"""What `simulate` was asked for, checked before anything starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from console.usage import UsageError, parse_date
from tools.core.errors import ConfigError
from tools.core.market import Market, market_of
from tools.core.session import Session
from tools.schedule.market_hours import CalendarEnded, MarketHours
from tools.settings import ROOT, Settings, load


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The options of `simulate` as typed."""

    date: str | None = None
    data: Path | None = None
    synthetic: str | None = None
    symbols: str | None = None
    cash: str | None = None
    seed: int = 1
    out: Path | None = None
    speed: str = "max"
    as_json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One simulation from `first` to `last`, both inclusive; `sessions` are those among these days.

    The market has `symbols`, recorded on `tape` or made up. `config` is the run's
    `configs/default_config.json`; `live_home` is what the run must not touch, `out` where it was
    asked to live.
    """

    first: date
    last: date
    sessions: tuple[Session, ...]
    session_table: Path
    tape: Path | None
    symbols: tuple[str, ...]
    config: dict[str, Any]
    prompt_file: Path
    cash: Decimal
    seed: int
    speed: str
    live_home: Path
    out: Path | None
    as_json: bool
    model_door: Mapping[str, str] = field(default_factory=dict)
    """Environment that leads to a model elsewhere; without it the embedded rules answer."""
    standstill_seconds: float = 60.0
    """For so long time may stand still, in real seconds."""


def make_plan(request: Request) -> Plan:
    """Check the request. Raises UsageError for an argument, ConfigError for the configuration."""
    live_home = Path(os.environ.get("ACTIVE_TRADER_HOME") or ROOT).expanduser().resolve()
    settings = load(_keyless(live_home))
    first, last = _days(request.date, settings)
    sessions = _sessions(settings, first, last)
    symbols = _symbols(request, sessions, settings.config.watchlist)
    cash = _cash(request.cash, settings)
    return Plan(
        first=first,
        last=last,
        sessions=sessions,
        session_table=settings.session_table,
        # A closed day needs no tape, and the exchange takes none for it.
        tape=request.data.resolve() if request.data and sessions else None,
        symbols=symbols,
        config=_config(settings, symbols, cash, restricted=request.symbols is not None),
        prompt_file=settings.prompt_file,
        cash=cash,
        seed=request.seed,
        speed=_speed(request.speed),
        live_home=live_home,
        out=request.out,
        as_json=request.as_json,
    )


def _keyless(home: Path) -> dict[str, str]:
    """The configuration of `home` with neither its keys nor its addresses mattering."""
    nowhere = "http://127.0.0.1"
    return {
        "AGENT_MODE": "simulation",
        "ACTIVE_TRADER_HOME": str(home),
        "ALPACA_TRADING_URL": nowhere,
        "ALPACA_DATA_URL": nowhere,
    }


def _days(text: str | None, settings: Settings) -> tuple[date, date]:
    """The day asked for, else the configured range."""
    if text is not None:
        day = parse_date(text, "--date")
        return day, day
    configured = settings.config.date_range
    if configured is None:
        raise UsageError("--date is missing, and the configuration has no date_range")
    if configured.end_date < configured.init_date:
        raise ConfigError("configs/default_config.json: date_range: end_date is before init_date")
    return configured.init_date, configured.end_date


def _sessions(settings: Settings, first: date, last: date) -> tuple[Session, ...]:
    hours = MarketHours.load(settings.session_table, settings.timetable)
    days = (date.fromordinal(n) for n in range(first.toordinal(), last.toordinal() + 1))
    try:
        return tuple(session for day in days if (session := hours.session_on(day)))
    except CalendarEnded as error:
        raise UsageError(f"--date: {error}") from None


def _symbols(
    request: Request, sessions: tuple[Session, ...], watchlist: tuple[str, ...]
) -> tuple[str, ...]:
    """What the market has; of that, what `--symbols` names."""
    if request.data and request.synthetic:
        raise UsageError("--data and --synthetic exclude each other")
    if request.data:
        there = _recorded_symbols(request.data, sessions)
    else:
        there = _names(request.synthetic, "--synthetic") or watchlist
    symbols = _names(request.symbols, "--symbols") or there
    if strangers := [name for name in symbols if name not in there]:
        raise UsageError(f"--symbols: no {', '.join(strangers)} there, only {', '.join(there)}")
    return symbols


def _recorded_symbols(folder: Path, sessions: tuple[Session, ...]) -> tuple[str, ...]:
    """The symbols recorded in `folder`, which must hold every session's day."""
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: no such folder")
    tapes = {
        day.name: {file.name.removesuffix(".bars.csv") for file in day.glob("*.bars.csv")}
        for day in sorted(folder.glob("????-??-??"))
    }
    missing = [str(session.on) for session in sessions if not tapes.get(str(session.on))]
    if missing:
        there = ", ".join(day for day, symbols in tapes.items() if symbols) or "none"
        raise UsageError(f"--data {folder}: nothing recorded on {missing[0]}; days there: {there}")
    wanted = {str(session.on) for session in sessions} or tapes.keys()
    return tuple(sorted(set().union(*(tapes[day] for day in wanted))))


def _names(text: str | None, option: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in (text or "").split(",") if name.strip()))
    for name in names:
        if market_of(name) is not Market.US_EQUITY:
            raise UsageError(f"{option}: {name!r} is not the symbol of a US equity")
    if text is not None and not names:
        raise UsageError(f"{option}: no symbol named")
    return names


def _cash(text: str | None, settings: Settings) -> Decimal:
    if text is None:
        return settings.config.agent_config.initial_cash
    try:
        cash = Decimal(text)
    except InvalidOperation:
        cash = Decimal("NaN")
    if not cash.is_finite() or cash <= 0 or cash != round(cash, 2):
        raise UsageError(f"--cash {text}: must be a positive amount in dollars and cents")
    return cash


def _speed(text: str) -> str:
    try:
        usable = text == "max" or 0 < float(text) < float("inf")
    except ValueError:
        usable = False
    if not usable:
        raise UsageError(f"--speed {text}: must be max or market seconds per real second")
    return text


def _config(
    settings: Settings, symbols: tuple[str, ...], cash: Decimal, *, restricted: bool
) -> dict[str, Any]:
    """The configuration as it is, with the run's symbols and cash."""
    config = settings.config.model_dump(mode="json", exclude_unset=True)
    config["watchlist"] = list(symbols)
    if restricted:
        config["allowed_symbols"] = list(symbols)
    config["agent_config"] = config.get("agent_config", {}) | {"initial_cash": str(cash)}
    return config
