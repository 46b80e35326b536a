"""`python active_trader.py prompt ...`: versions of the strategy, and whether an edit will do."""

import difflib
import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tools.core.errors import ConfigError

if TYPE_CHECKING:
    from tools.prompts.versions import PromptVersions, Use
    from tools.settings import Settings

SHOWN = 12
CURRENT = "file"
"""Stands for the prompt file as it is now, where a version is asked for."""

family = typer.Typer(no_args_is_help=True, rich_markup_mode=None)

Version = Annotated[str, typer.Argument(metavar="HASH", help="The first characters are enough.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def register(app: typer.Typer) -> None:
    """Add the family to the program's commands."""
    app.add_typer(family, name="prompt")


@family.callback()
def prompt() -> None:
    """Check an edit of the prompt; list, compare and bring back versions."""


@family.command()
def check() -> None:
    """Say whether the trader would take the prompt file as it is now, and as which version."""
    from tools.prompts.text import read_text
    from tools.settings import load

    settings = load()
    source = read_text(settings.prompt_file)
    found = settings.prompt_settings.accept(source, str(settings.prompt_file))
    size = len(f"{found.system}{found.cycle}".encode())
    print(f"{settings.prompt_file}: good, {size} bytes, version {found.hash}")


@family.command()
def history(as_json: AsJson = False) -> None:
    """List the versions, latest last: in force since when, and what was earned under each."""
    from console import records
    from tools.settings import load

    settings = load()
    folder = settings.agent_folder
    closed = records.trades(folder, records.sessions(folder, records.Selection()))
    earned = {row["prompt"]: row for row in records.earnings(closed, records.Group.PROMPT)}
    rows = [_row(use, earned) for use in _latest(_versions(settings).uses())]
    if as_json:
        print(json.dumps(rows))
        return
    shown = [row | {"version": row["version"][:SHOWN]} for row in rows]
    columns = ["version", "first_used", "last_used", "trades", "win_rate", "pnl", "note"]
    print(records.table(shown, columns) if rows else "none")


@family.command()
def diff(
    old: Version,
    new: Annotated[
        str, typer.Argument(metavar="HASH", help="Else the prompt file as it is now.")
    ] = CURRENT,
) -> None:
    """Show what changed between two versions, or since one."""
    from tools.prompts.text import read_text
    from tools.settings import load

    settings = load()
    versions = _versions(settings)
    before = versions.find(old)
    after = new if new == CURRENT else versions.find(new)
    text = read_text(settings.prompt_file) if new == CURRENT else versions.source(after)
    lines = difflib.unified_diff(
        versions.source(before).splitlines(keepends=True),
        text.splitlines(keepends=True),
        before[:SHOWN],
        after[:SHOWN],
    )
    sys.stdout.writelines(lines)


@family.command()
def rollback(version: Version) -> None:
    """Bring a version back into the prompt file; what stood there is kept as a version.

    A running trader takes it over at its next cycle.
    """
    from tools.general_tools import atomic_write
    from tools.prompts.text import read_text
    from tools.schedule.clocks import SystemClock
    from tools.settings import load

    settings = load()
    versions, path = _versions(settings), settings.prompt_file
    name = versions.find(version)
    source = versions.source(name)
    accepted = settings.prompt_settings.accept(source, name[:SHOWN])
    if path.exists():
        replaced = read_text(path)
        kept = versions.keep_replaced(replaced, _told(settings, replaced), SystemClock().now())
        print(f"kept what stood there as {kept[:SHOWN]}")
    try:
        atomic_write(path, source)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    print(f"{path}: version {accepted.hash[:SHOWN]}, from the next cycle on")


def _told(settings: "Settings", source: str) -> str | None:
    """The hash of what the model is told by `source`; None when it is no prompt."""
    try:
        return settings.prompt_settings.accept(source, "").hash
    except ConfigError:
        return None


def _versions(settings: "Settings") -> "PromptVersions":
    from tools.prompts.versions import PromptVersions

    return PromptVersions(settings.agent_folder)


def _latest(uses: "Sequence[Use]") -> list[tuple["Use", "Use"]]:
    """Each version's first and last line of the index, the version used last at the end."""
    first: dict[str, Use] = {}
    last: dict[str, Use] = {}
    for use in uses:
        first.setdefault(use.hash, use)
        last.pop(use.hash, None)
        last[use.hash] = use
    return [(first[name], use) for name, use in last.items()]


def _row(use: tuple["Use", "Use"], earned: dict[str, Any]) -> dict[str, Any]:
    first, last = use
    numbers = earned.get(first.hash, {"trades": 0, "win_rate": None, "pnl": 0.0})
    return {
        "version": first.hash,
        "first_used": _shown(first.at),
        "last_used": _shown(last.at),
        "trades": numbers["trades"],
        "win_rate": numbers["win_rate"],
        "pnl": numbers["pnl"],
        "note": "" if first.by == last.by == "trader" else "kept by a rollback",
    }


def _shown(at: str) -> str:
    from tools.schedule.market_hours import new_york

    return f"{new_york(datetime.fromisoformat(at)):%Y-%m-%d %H:%M}"
