"""What `doctor` looks at. Each check says what it found and, if that is wrong, what to do."""

import importlib.metadata
import json
import re
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import IntEnum

from console.status_commands import ask_health
from console.unit_state import SERVICES, TIMER, unit_states
from tools.core.errors import ConfigError
from tools.schedule.clocks import SystemClock
from tools.schedule.market_hours import MarketHours
from tools.settings import ROOT, Mode, Settings, load

ASK_SECONDS = 5.0
LEAST_FREE_GB, ENOUGH_FREE_GB = 0.5, 5.0
LEAST_DAYS_AHEAD, ENOUGH_DAYS_AHEAD = 7, 60
MOST_SKEW = timedelta(seconds=2)


class Grade(IntEnum):
    """How it is. Only BAD makes the services unwell."""

    GOOD = 0
    ODD = 1
    BAD = 2

    @property
    def mark(self) -> str:
        """Four characters for the margin."""
        return ("ok  ", "warn", "BAD ")[self]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report; `cure` is empty when nothing needs to be done."""

    grade: Grade
    what: str
    text: str
    cure: str = ""


def check_all(*, user: bool) -> Iterator[Finding]:
    """Every check, in an order in which one explains the next."""
    yield from _versions()
    try:
        settings = load()
    except ConfigError as error:
        yield Finding(Grade.BAD, "settings", str(error), "mend that, then run doctor again")
        return
    yield Finding(Grade.GOOD, "settings", f"{settings.mode} mode, home {settings.home}")
    yield from _keys(settings)
    yield from _permissions(settings)
    yield _disk(settings)
    yield _calendar(settings)
    yield from _services(settings, user=user)
    yield from _broker(settings)
    yield _model(settings)


def _versions() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if not (3, 12) <= sys.version_info < (3, 14):
        cure = "./manage_services.sh setup with Python 3.12 or 3.13"
        yield Finding(Grade.BAD, "versions", f"Python {version}", cure)
        return
    wrong = []
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if pin := re.match(r"([A-Za-z0-9_.-]+)==(\S+)", line):
            found = _installed(pin[1])
            if found != pin[2]:
                wrong.append(f"{pin[1]} is {found or 'missing'}, wanted {pin[2]}")
    if wrong:
        yield Finding(Grade.BAD, "versions", "; ".join(wrong[:5]), "./manage_services.sh setup")
    else:
        yield Finding(Grade.GOOD, "versions", f"Python {version}, every package as pinned")


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _keys(settings: Settings) -> Iterator[Finding]:
    """That they are there; what they are is never printed."""
    checks = (
        (settings.require_broker, "ALPACA_API_KEY and ALPACA_SECRET_KEY"),
        (settings.require_model, "DEEPSEEK_API_KEY"),
        (
            lambda: settings.require_tokens(
                "MCP_DATA_TOKEN", "MCP_TRADE_TOKEN", "MCP_OPERATOR_TOKEN"
            ),
            "the three MCP tokens",
        ),
    )
    for require, names in checks:
        try:
            require()
        except ConfigError as error:
            what, _, cure = str(error).partition(": ")
            yield Finding(Grade.BAD, "keys", what, cure)
        else:
            needless = settings.mode is Mode.SIMULATION and "MCP" not in names
            yield Finding(
                Grade.GOOD, "keys", f"{names}: {'not needed here' if needless else 'set'}"
            )


def _permissions(settings: Settings) -> Iterator[Finding]:
    file = settings.home / ".env"
    if file.exists():
        mode = file.stat().st_mode & 0o777
        if mode & 0o077:
            yield Finding(Grade.BAD, "permissions", f".env is {mode:04o}", f"chmod 600 {file}")
        else:
            yield Finding(Grade.GOOD, "permissions", f".env is {mode:04o}")
    for name in ("data", "logs"):
        folder = settings.home / name
        try:
            count = sum(1 for _ in folder.iterdir())
        except FileNotFoundError:
            yield Finding(Grade.ODD, "permissions", f"{folder} is not there yet")
        except PermissionError:
            cure = "log in again: install has put you into the group active-trader"
            yield Finding(Grade.BAD, "permissions", f"{folder} cannot be read by you", cure)
        else:
            yield Finding(Grade.GOOD, "permissions", f"{folder} can be read ({count} entries)")


def _disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.home).free / 1e9
    text = f"{free:.1f} GB free under {settings.home}"
    cure = "make room: without it orders are refused, since nothing can be written down"
    if free < LEAST_FREE_GB:
        return Finding(Grade.BAD, "disk", text, cure)
    return Finding(Grade.GOOD if free >= ENOUGH_FREE_GB else Grade.ODD, "disk", text)


def _calendar(settings: Settings) -> Finding:
    cure = f"{ROOT}/manage_services.sh setup makes it again"
    try:
        last = MarketHours.load(settings.session_table, settings.timetable).last_day
    except ConfigError as error:
        return Finding(Grade.BAD, "calendar", str(error), cure)
    ahead = (last - SystemClock().now().date()).days
    text = f"sessions are known for {ahead} days ahead ({settings.session_table})"
    if ahead < ENOUGH_DAYS_AHEAD:
        return Finding(Grade.BAD if ahead < LEAST_DAYS_AHEAD else Grade.ODD, "calendar", text, cure)
    return Finding(Grade.GOOD, "calendar", text)


def _services(settings: Settings, *, user: bool) -> Iterator[Finding]:
    names = (*(f"{name}.service" for name in SERVICES), TIMER)
    states = unit_states(names, user=user)
    units = [unit for unit in states or () if unit.loaded]
    if not units:
        text = "no service is installed" if states is not None else "systemd does not answer here"
        yield Finding(Grade.ODD, "services", text, "sudo ./manage_services.sh install")
    for unit in units:
        short = unit.name.removesuffix(".service")
        if not unit.running:
            cure = f"journalctl -u {short} -n 50, then ./manage_services.sh start"
            yield Finding(Grade.BAD, "services", f"{short} is {unit.active}", cure)
        elif unit.says.startswith("degraded"):
            yield Finding(Grade.ODD, "services", f"{short}: {unit.says}")
    if units and all(unit.running for unit in units):
        yield Finding(Grade.GOOD, "services", f"{len(units)} units run")
    ports = (
        ("trader", settings.health_port),
        ("data", settings.data_port),
        ("trade", settings.trade_port),
    )
    for who, port in ports:
        answers = ask_health(port) is not None
        grade = Grade.GOOD if answers else (Grade.BAD if units else Grade.ODD)
        text = f"{port} ({who}) {'answers' if answers else 'is silent'}"
        cure = "" if answers else f"./manage_services.sh start, or look who has it: lsof -i :{port}"
        yield Finding(grade, "ports", text, cure)


def _broker(settings: Settings) -> Iterator[Finding]:
    headers = {
        "APCA-API-KEY-ID": settings.alpaca_key.get_secret_value() or "none",
        "APCA-API-SECRET-KEY": settings.alpaca_secret.get_secret_value() or "none",
    }
    status, text, date = _ask(f"{settings.trading_url}/v2/clock", headers)
    yield _reached(settings, "broker", settings.trading_url, status)
    told = date
    if status == 200:
        told = datetime.fromisoformat(json.loads(text)["timestamp"])
    if told:
        skew = abs(SystemClock().now() - told)
        words = f"{skew.total_seconds():.1f} s from the broker's"
        cure = "switch time synchronisation on: timedatectl set-ntp true"
        bad = skew > MOST_SKEW
        yield Finding(Grade.BAD if bad else Grade.GOOD, "clock", words, cure if bad else "")


def _model(settings: Settings) -> Finding:
    key = settings.model_key.get_secret_value() or "none"
    url = settings.model_url.rstrip("/")
    status, _, _ = _ask(f"{url}/models", {"Authorization": f"Bearer {key}"})
    return _reached(settings, "model", url, status)


def _reached(settings: Settings, what: str, url: str, status: int) -> Finding:
    if status == 200:
        return Finding(Grade.GOOD, what, f"{url} answers")
    if status in (401, 403):
        cure = "check its keys in .env, then ./manage_services.sh install and restart"
        return Finding(Grade.BAD, what, f"{url} refuses the keys ({status})", cure)
    words = f"answers {status}" if status else "does not answer"
    cure = "check the network; nothing is bought meanwhile, and stops stay at the broker"
    if settings.mode is Mode.SIMULATION:
        cure = "it is our own active-trader-embedded: ./manage_services.sh start"
    return Finding(Grade.BAD, what, f"{url} {words}", cure)


def _ask(url: str, headers: dict[str, str]) -> tuple[int, str, datetime | None]:
    """Status (0: nobody), text, and the server's own time."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=ASK_SECONDS) as answer:
            return answer.status, answer.read().decode(), _date(answer.headers.get("Date"))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, "", _date(error.headers.get("Date"))
    except (OSError, ValueError):
        return 0, "", None


def _date(text: str | None) -> datetime | None:
    return parsedate_to_datetime(text) if text else None
