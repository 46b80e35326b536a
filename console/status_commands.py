"""How the services are: `status` on one screen, `doctor` with what to do about it, `intents`.

They ask systemd, the open `/health` routes and the files that anybody in the group may read, and
need no key. `./manage_services.sh` calls them.
"""

import json
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from console.unit_state import UnitState
    from tools.settings import Settings

UNWELL = 3
ASK_SECONDS = 3.0

ForUser = Annotated[bool, typer.Option("--user", help="The services of your own manager.")]


def register(app: typer.Typer) -> None:
    """Add the three commands."""
    app.command()(status)
    app.command()(doctor)
    app.command(hidden=True)(intents)


def status(user: ForUser = False) -> int:
    """Show the services, the phase, positions, P&L and trading state on one screen.

    Ends with status 3 when a service that should run does not.
    """
    from console.unit_state import SERVICES, TIMER, unit_states
    from tools.settings import load

    settings = load()
    units = unit_states((*(f"{name}.service" for name in SERVICES), TIMER), user=user)
    there = [unit for unit in units or () if unit.loaded]
    print(_headline(settings))
    for line in (*_unit_lines(there, known=units is not None), *_day_lines(settings)):
        print(line)
    return 0 if there and all(unit.running for unit in there) else UNWELL


def doctor(user: ForUser = False) -> int:
    """Check everything that has to be right, and say what to do about the rest.

    Prints no secret. Ends with status 3 when something is wrong.
    """
    from console.checkup import Grade, check_all

    worst = Grade.GOOD
    for finding in check_all(user=user):
        worst = max(worst, finding.grade)
        print(f"{finding.grade.mark}  {finding.what:<12} {finding.text}")
        if finding.cure:
            print(f"      {'':<12} -> {finding.cure}")
    return UNWELL if worst is Grade.BAD else 0


def intents(user: ForUser = False) -> int:
    """Say whether the outcome of an order is open; status 1 if so."""
    from tools.settings import load

    health = ask_health(load().trade_port)
    count = int(health.get("open_intents", 0)) if health else 0
    if count:
        print(f"the outcome of {count} order{'s' * (count > 1)} is not known yet")
    return 1 if count else 0


def ask_health(port: int) -> dict[str, Any] | None:
    """What the server on that port says of itself, None when nobody answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", "/health")
        told = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()
    return told if isinstance(told, dict) else None


def _headline(settings: "Settings") -> str:
    from tools.schedule.clocks import SystemClock
    from tools.schedule.market_hours import new_york

    at = new_york(SystemClock().now())
    return f"Active Trader, {settings.mode} mode, {at:%A %Y-%m-%d %H:%M} ET, home {settings.home}"


def _unit_lines(units: "list[UnitState]", *, known: bool) -> list[str]:
    if not known:
        return ["systemd does not answer here: only what the programs themselves say follows"]
    if not units:
        return ["no service is installed: sudo ./manage_services.sh install"]
    lines = [_row("SERVICE", "STATE", "PID", "MEMORY", "CPU", "RESTARTS", "SAYS")]
    for unit in units:
        if unit.name.endswith(".timer"):
            at = unit.next_elapse or "not known"
            lines.append(_row(unit.name, unit.active, "", "", "", "", f"next {at}"))
            continue
        memory = "-" if unit.memory_mib is None else f"{unit.memory_mib:.0f} MiB"
        cpu = "-" if unit.cpu_seconds is None else f"{unit.cpu_seconds:.1f} s"
        state = f"{unit.active} ({unit.detail})"
        lines.append(
            _row(
                *(unit.name.removesuffix(".service"), state, str(unit.pid or "-")),
                *(memory, cpu, str(unit.restarts), unit.says),
            )
        )
    return lines


def _row(*cells: str) -> str:
    name, state, pid, memory, cpu, restarts, says = cells
    return f"{name:<29}{state:<20}{pid:>7}{memory:>10}{cpu:>9}{restarts:>10}  {says}".rstrip()


def _day_lines(settings: "Settings") -> list[str]:
    now = _read(settings.home / "data" / "runtime_env.json")
    trade, data = ask_health(settings.trade_port), ask_health(settings.data_port)
    trader = ask_health(settings.health_port)
    coming = now.get("next_event") or {}
    state = "not known, the trade server does not answer"
    if trade:
        open_ones = int(trade.get("open_intents", 0))
        state = f"{trade.get('trading_state')}, {open_ones or 'no'} order with an open outcome"
    ports = (
        (settings.health_port, "trader", trader),
        (settings.data_port, "data", data),
        (settings.trade_port, "trade", trade),
    )
    return [
        f"phase          {now.get('phase', 'not known')}, cycle {now.get('cycle', 0)}",
        f"next           {coming.get('what', 'not known')} {coming.get('at', '')}".rstrip(),
        f"trading state  {state}",
        *_money_lines(settings),
        "ports          "
        + ", ".join(f"{port} {who} {'answers' if said else 'SILENT'}" for port, who, said in ports),
    ]


def _money_lines(settings: "Settings") -> list[str]:
    """The book after its last change, and what the latest session's round trips earned."""
    from console import records

    everything = records.Selection()
    days = records.sessions(settings.agent_folder, everything)[-1:]
    books = records.books(settings.agent_folder, everything)
    held = books[-1]["positions"] if books else []
    words = ", ".join(f"{one['symbol']} {one['quantity']}" for one in held) or "none"
    total = records.total(records.trades(settings.agent_folder, days))
    day = f" on {days[0]}" if days else ""
    return [
        f"positions      {words}",
        f"P&L            {total['pnl']} of {total['trades']} round trips{day}",
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
