"""`python active_trader.py replay`: a recorded day again, by the same mind or by another."""

import json
from pathlib import Path
from typing import Annotated

import typer

from console.usage import UsageError, parse_date


def register(app: typer.Typer) -> None:
    """Add the command to the program's."""
    app.command()(replay)


def replay(
    date: Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="The recorded day.")],
    prompt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Trade the day by this prompt file.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(metavar="M", help="Trade the day by this model.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The other day's home; else a new folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> int:
    """Live a recorded day again, answered from its record; stop at the first difference.

    With --prompt or --model: trade the day's market by another mind, and show both.
    """
    from tools.settings import load

    on = parse_date(date, "--date")
    settings = load()
    if prompt is None and model is None:
        if out is not None:
            raise UsageError("--out: there is another day only with --prompt or --model")
        from console.replay import lived_again, told

        report = lived_again(settings.agent_folder, on)
        print(json.dumps(report) if as_json else told(report))
        return 0 if report["identical"] else 1
    from console.replay_other import OtherMind, other_day, shown

    both = other_day(settings, on, OtherMind(prompt=prompt, model=model), out)
    print(json.dumps(both) if as_json else shown(both))
    return 0 if both["other"]["flat"] else 1
