"""The commands of `python active_trader.py`; without a command it is the service itself.

Exit status: 0 done, 1 it failed (or did not end flat), 2 a wrong argument, 3 no suitable Python
(`manage_services.sh`), 78 the configuration. An error is one line on stderr. What a command needs
is imported when it runs.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console import operator_commands, prompt_commands, replay_commands, status_commands
from console.usage import UsageError, parse_date
from tools.core.errors import ActiveTraderError, ConfigError

if TYPE_CHECKING:
    from console.records import Group, Selection

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Without a command: run the trader until it is told to stop.",
)

Day = Annotated[
    str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="This session alone.")
]
Since = Annotated[
    str | None, typer.Option(metavar="YYYY-MM-DD", help="From this session on, inclusive.")
]
By = Annotated[
    str | None,
    typer.Option(metavar="day|symbol|prompt", help="Add up by day, symbol or prompt version."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

operator_commands.register(app)
prompt_commands.register(app)
replay_commands.register(app)
status_commands.register(app)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit status."""
    try:
        status = app(list(arguments), prog_name="active_trader.py", standalone_mode=False)
    except typer.TyperException as error:
        return _complain(error.format_message().replace("\n", " "), error.exit_code)
    except UsageError as error:
        return _complain(str(error), 2)
    except ConfigError as error:
        return _complain(f"configuration error: {error}", os.EX_CONFIG)
    except ActiveTraderError as error:
        return _complain(f"error: {error}", 1)
    return int(status or 0)


@app.command()
def simulate(
    date: Annotated[
        str | None,
        typer.Option(metavar="YYYY-MM-DD", help="The day; else the configured date_range."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Recorded days: DIR/DATE/SYMBOL.bars.csv.")
    ] = None,
    synthetic: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Made-up prices for these; else the watchlist."),
    ] = None,
    symbols: Annotated[
        str | None, typer.Option(metavar="A,B", help="Look at these alone, and trade no other.")
    ] = None,
    cash: Annotated[
        str | None, typer.Option(help="Dollars; else the configured initial_cash.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of prices and order ids.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its home; else data/simulations/RUN.")
    ] = None,
    speed: Annotated[
        str, typer.Option(metavar="max|N", help="Market seconds per real second.")
    ] = "max",
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome alone.")] = False,
) -> int:
    """Trade whole days in a closed world, without keys.

    The last line printed is the outcome as JSON.
    """
    from console.plan import Request, make_plan
    from console.simulation import main as run

    request = Request(
        date=date,
        data=data,
        synthetic=synthetic,
        symbols=symbols,
        cash=cash,
        seed=seed,
        out=out,
        speed=speed,
        as_json=as_json,
    )
    return run(make_plan(request))


@app.command()
def trades(day: Day = None, since: Since = None, by: By = None, as_json: AsJson = False) -> None:
    """List the latest session's closed round trips.

    Or those of the sessions asked for, or added up with --by.
    """
    from console import records

    folder = _agent_folder()
    days = records.sessions(folder, _selection(day, since))
    if day is None and since is None:
        days = days[-1:]
    closed = records.trades(folder, days)
    if by is not None:
        group = _group(by)
        rows = records.earnings(closed, group, days)
        _show(rows, rows, [str(group), *records.EARNINGS], as_json)
        return
    columns = ["session", "symbol", "quantity", "entry_price", "exit_price", "pnl", "exit_reason"]
    _show(closed, closed, columns, as_json)


@app.command()
def positions(day: Day = None, since: Since = None, by: By = None, as_json: AsJson = False) -> None:
    """Show what is held, after the last change.

    With --by day or --since: the book at the end of each session.
    """
    from console import records

    books = records.books(_agent_folder(), _selection(day, since))
    if (by and _group(by) is records.Group.DAY) or (since and not by):
        rows = [book | {"positions": len(book["positions"])} for book in books]
        _show(books, rows, ["session", "cash", "equity", "positions", "at"], as_json)
        return
    book = books[-1] if books else None
    held = book["positions"] if book else []
    columns = ["symbol", "quantity", "average_entry_price", "market_value", "unrealized_pnl"]
    _show(book, held, columns, as_json)


@app.command()
def pnl(day: Day = None, since: Since = None, by: By = "day", as_json: AsJson = False) -> None:
    """Add up what closed round trips earned.

    Over all sessions, unless asked otherwise.
    """
    from console import records

    folder, group = _agent_folder(), _group(by or "day")
    days = records.sessions(folder, _selection(day, since))
    closed = records.trades(folder, days)
    rows, total = records.earnings(closed, group, days), records.total(closed)
    lines = [*rows, {str(group): "total"} | total]
    columns = [str(group), *records.EARNINGS]
    _show({"by": str(group), "groups": rows, "total": total}, lines, columns, as_json)


@app.command()
def explain(
    day: Day = None,
    symbol: Annotated[str | None, typer.Option(metavar="S", help="This symbol alone.")] = None,
    as_json: AsJson = False,
) -> None:
    """Why was this bought, why was this not: each proposal of the latest session.

    With --symbol also what every rule found of its last proposal.
    """
    from console import explanations, records

    on = parse_date(day, "--date") if day else None
    found = explanations.proposals(_agent_folder(), on, symbol)
    _show(found, explanations.rows(found), explanations.COLUMNS, as_json)
    if symbol and found and not as_json:
        print()
        print(records.table(explanations.gates(found[-1]), explanations.GATE_COLUMNS))


def _agent_folder() -> Path:
    from tools.settings import load

    return load().agent_folder


def _selection(day: str | None, since: str | None) -> "Selection":
    from console.records import Selection

    if day and since:
        raise UsageError("--date and --since exclude each other")
    return Selection(
        on=parse_date(day, "--date") if day else None,
        since=parse_date(since, "--since") if since else None,
    )


def _group(text: str) -> "Group":
    from console.records import Group

    try:
        return Group(text)
    except ValueError:
        raise UsageError(f"--by {text}: must be day, symbol or prompt") from None


def _show(
    value: object, rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool
) -> None:
    """`value` as JSON, or `rows` as a table of `columns`."""
    from console.records import table

    if as_json:
        print(json.dumps(value))
    else:
        print(table(rows, columns) if rows else "none")


def _complain(line: str, status: int) -> int:
    print(f"active_trader.py: {line}", file=sys.stderr)
    return status
