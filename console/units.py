"""Fills in the templates of `systemd/` and hands each service the keys that it needs, and no other.

    python -m console.units render DIR --program DIR --home DIR [--user]
    python -m console.units credentials DIR

Both read `.env` and the settings of the checkout they belong to. `./manage_services.sh install`
calls them; where the files end up, and whose they are, is the script's business.
"""

import argparse
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from dotenv import dotenv_values

from tools.core.errors import ConfigError
from tools.settings import ROOT, Mode, Settings, load

TEMPLATES = ROOT / "systemd"
CREDENTIALS_FOLDER = Path("/etc/active-trader/credentials")
EMBEDDED = "active-trader-embedded"
BROKER = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
NEEDS = {
    "alpaca-data": (*BROKER, "MCP_DATA_TOKEN"),
    "alpaca-trade": (*BROKER, "MCP_TRADE_TOKEN", "MCP_OPERATOR_TOKEN"),
    "active-trader": ("DEEPSEEK_API_KEY", "MCP_DATA_TOKEN", "MCP_TRADE_TOKEN"),
    "active-trader-flatten@": BROKER,
    "active-trader-alert@": (),
}
"""The secrets of each service. One that is in no row here, as where alerts go, is everybody's."""

_SECRET = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|^ALERT_")
_HEADER = "# A template: `./manage_services.sh install` fills in what stands between @ signs."
_RENDERED = "# Made by ./manage_services.sh install. Your changes: systemctl edit, and they stay."
# What only the system's manager can do, for a service of root's making.
_SYSTEM_ONLY = re.compile(
    r"^(User|Group|DynamicUser|SupplementaryGroups|OOMScoreAdjust=-|InaccessiblePaths|ReadWritePaths"
    r"|IPAddress|MemoryDenyWriteExecute)"
)


def main(arguments: list[str]) -> int:
    """0 done, 2 a wrong argument, 78 the configuration."""
    options = _parser().parse_args(arguments)
    try:
        settings = load({name: os.environ[name] for name in _TOLD if name in os.environ})
        values = _written(settings)
        if options.command == "render":
            if options.libraries:
                values["LD_LIBRARY_PATH"] = options.libraries
            texts = render(settings, values, options.program, options.home, user=options.user)
            for name, text in texts:
                (options.folder / name).write_text(text, encoding="utf-8")
        elif options.command == "credentials":
            write_credentials(settings, values, options.folder)
        else:
            sys.stdout.write(f"{settings.mode}\n")
    except ConfigError as error:
        sys.stderr.write(f"configuration error: {error}\n")
        return 78
    return 0


_TOLD = ("ACTIVE_TRADER_HOME",)


def _parser() -> argparse.ArgumentParser:
    it = argparse.ArgumentParser(prog="python -m console.units", description=__doc__)
    commands = it.add_subparsers(dest="command", required=True)
    unit = commands.add_parser("render", help="write the unit files into a folder")
    unit.add_argument("folder", type=Path)
    unit.add_argument("--program", type=Path, required=True, help="where the program lies")
    unit.add_argument("--home", type=Path, required=True, help="where data/ and logs/ lie")
    unit.add_argument("--libraries", help="where a Python that was copied finds its own")
    unit.add_argument("--user", action="store_true", help="for a user's own manager")
    keys = commands.add_parser("credentials", help="write each service's secrets into a folder")
    keys.add_argument("folder", type=Path)
    commands.add_parser("mode", help="print the mode")
    return it


def _written(settings: Settings) -> dict[str, str]:
    """What stands in `.env`, but for the empty."""
    values = dotenv_values(settings.home / ".env")
    return {name: value for name, value in values.items() if value}


def render(
    settings: Settings, values: Mapping[str, str], program: Path, home: Path, *, user: bool
) -> Iterator[tuple[str, str]]:
    """Each unit's file name and text. The embedded world's is there in simulation alone."""
    hardening = "" if user else (TEMPLATES / "hardening.conf").read_text(encoding="utf-8")
    for template in sorted((*TEMPLATES.glob("*.service"), *TEMPLATES.glob("*.timer"))):
        unit = template.stem
        if unit == EMBEDDED and settings.mode is not Mode.SIMULATION:
            continue
        text = template.read_text(encoding="utf-8")
        fill = {
            "HARDENING": hardening.strip(),
            "ENVIRONMENT": "\n".join(_environment(settings, values, home)),
            "CREDENTIALS": "" if user else "\n".join(_credentials(unit, values)),
            "PROGRAM": str(program),
            "HOME": str(home),
        }
        for name, value in fill.items():
            text = text.replace(f"@{name}@", value)
        text = text.replace(_HEADER, _RENDERED)
        yield template.name, _for_user(text) if user else text


def _for_user(text: str) -> str:
    lines = [line for line in text.splitlines() if not _SYSTEM_ONLY.match(line)]
    return "\n".join(lines).replace("=multi-user.target", "=default.target") + "\n"


def _environment(settings: Settings, values: Mapping[str, str], home: Path) -> Iterator[str]:
    """The settings that are no secrets; `systemctl show` tells them to anybody.

    The mode is always among them: a service that is given one key of three could not tell it.
    """
    told = {name: value for name, value in values.items() if not _SECRET.search(name)}
    told |= {"AGENT_MODE": str(settings.mode), "ACTIVE_TRADER_HOME": str(home)}
    for name, value in sorted(told.items()):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
        yield f'Environment="{name}={escaped}"'


def secrets_of(unit: str, values: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the secrets that `unit` is given."""
    known = {name for names in NEEDS.values() for name in names}
    others = [name for name in sorted(values) if _SECRET.search(name) and name not in known]
    return (*NEEDS[unit], *others) if unit in NEEDS else ()


def _credentials(unit: str, values: Mapping[str, str]) -> Iterator[str]:
    for name in secrets_of(unit, values):
        yield f"LoadCredential={name}:{CREDENTIALS_FOLDER}/{unit}/{name}"


def write_credentials(settings: Settings, values: Mapping[str, str], folder: Path) -> None:
    """A file for each secret of each service, readable by its owner alone.

    A secret that is not set is an empty file, since systemd starts nothing without the file; and
    simulation gets no keys, which it has no use for.
    """
    keyless = settings.mode is Mode.SIMULATION
    for unit in NEEDS:
        (folder / unit).mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in secrets_of(unit, values):
            withheld = keyless and name in (*BROKER, "DEEPSEEK_API_KEY")
            text = "" if withheld else values.get(name, "")
            descriptor = os.open(
                folder / unit / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode=0o600
            )
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
