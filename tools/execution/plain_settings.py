"""What the flatten program has to know, read with the standard library alone.

From the same places as `tools.settings`, and by the same rules (a test compares the two), except
that a broken configuration does not stop it: what can be read of the file counts, and for the rest
the defaults do. What went wrong is told in `faults`.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tools.core.errors import ConfigError
from tools.core.session import Timetable

LIVE_HOST = "api.alpaca.markets"
SIMULATED_URL, PAPER_URL = "http://127.0.0.1:8006", "https://paper-api.alpaca.markets"
EVERYTHING = "all"
SIGNATURE = "deepseek-chat-v3.1"
FEWEST, MOST = 2, 120
"""Minutes before the close at which a flatten may begin."""

_KEYS = ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
_READ = ("flatten_exempt_symbols", "flatten_minutes_before_close", "flatten_scope", "models")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*", re.ASCII)
_SIGNATURE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSettings:
    """Where to go, with which key, when, and what to leave alone."""

    home: Path
    agent_folder: Path
    session_table: Path
    url: str
    key: str
    secret: str
    timetable: Timetable
    exempt: frozenset[str]
    own_only: bool
    simulated: bool
    alert_webhook: str
    alert_command: str
    faults: tuple[str, ...]


def read_plain(environment: Mapping[str, str], root: Path) -> PlainSettings:
    """Read every source once; `root` is the program's folder.

    Raises ConfigError without keys, and for an address that does not belong to the mode.
    """
    home = Path(environment.get("ACTIVE_TRADER_HOME") or root).expanduser().resolve()
    faults: list[str] = []
    values = _values(environment, home, faults)
    mode = _mode(values)
    config = _config(_found(home, root, "configs/default_config.json"), faults)
    keyless = "simulated" if mode == "simulation" else ""
    key, secret = (values.get(name, keyless) for name in _KEYS)
    if not key or not secret:
        raise ConfigError(f"{mode} mode needs {' and '.join(_KEYS)}")
    scope = config.get("flatten_scope") or ("own" if mode == "live" else EVERYTHING)
    return PlainSettings(
        home=home,
        agent_folder=home / "data" / "agent_data" / _signature(config),
        session_table=_found(home, root, "data/session_table.csv"),
        url=_url(mode, values),
        key=key,
        secret=secret,
        timetable=_timetable(root / "active_trader.py", config, faults),
        exempt=_symbols(config),
        own_only=scope != EVERYTHING,
        simulated=mode == "simulation",
        alert_webhook=values.get("ALERT_WEBHOOK", ""),
        alert_command=values.get("ALERT_COMMAND", ""),
        faults=tuple(faults),
    )


def _values(environment: Mapping[str, str], home: Path, faults: list[str]) -> dict[str, str]:
    """The environment wins over credential files, those over `.env`; empty counts as unset."""
    values: dict[str, str] = {}
    file = home / ".env"
    try:
        values |= _assignments(file.read_text(encoding="utf-8", errors="replace"))
        if file.stat().st_mode & 0o077 and values.keys() & set(_KEYS):
            faults.append(f"{file}: others can read it")
    except FileNotFoundError:
        pass
    except OSError as error:
        faults.append(f"{file} cannot be read ({type(error).__name__})")
    values |= _credentials(environment, faults)
    values |= environment
    return {name: value for name, value in values.items() if value}


def _credentials(environment: Mapping[str, str], faults: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    try:
        if folder := environment.get("CREDENTIALS_DIRECTORY"):
            for file in filter(Path.is_file, Path(folder).iterdir()):
                values[file.name] = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"the credentials cannot all be read ({type(error).__name__})")
    return values


def _assignments(text: str) -> dict[str, str]:
    found = (_ASSIGNMENT.fullmatch(line) for line in text.splitlines())
    return {match[1]: _unquoted(match[2]) for match in found if match}


def _unquoted(value: str) -> str:
    if value[:1] in ("'", '"') and (end := value.find(value[0], 1)) > 0:
        return value[1:end]
    return re.split(r"\s+#", value, maxsplit=1)[0].strip()


def _mode(values: Mapping[str, str]) -> str:
    """As in `tools.settings`; a mode that there is none is the one without live money."""
    named = values.get("AGENT_MODE", "").lower()
    if named in ("simulation", "paper", "live"):
        return named
    return "paper" if any(key in values for key in (*_KEYS, "DEEPSEEK_API_KEY")) else "simulation"


def _url(mode: str, values: Mapping[str, str]) -> str:
    given = values.get("ALPACA_TRADING_URL")
    if mode == "simulation":
        url = given or SIMULATED_URL
        if _host(url) not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigError(f"ALPACA_TRADING_URL={url}: simulation talks to this machine only")
        return url
    url = given or ("" if mode == "live" else PAPER_URL)
    if (_host(url) == LIVE_HOST) != (mode == "live"):
        raise ConfigError(f"ALPACA_TRADING_URL={url} does not belong to {mode} mode")
    return url


def _host(url: str) -> str:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that there is none of
    except ValueError:
        raise ConfigError(f"ALPACA_TRADING_URL={url} is no address") from None
    return parts.hostname or ""


def _config(path: Path, faults: list[str]) -> Mapping[str, Any]:
    """What can be read of the file."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        faults.append(f"{path}: {error.strerror}: the defaults count")
        return {}
    try:
        config = json.loads(text)
    except ValueError as error:
        faults.append(f"{path}: not JSON ({error}): what can be read of it counts")
        return _salvaged(text)
    return config if isinstance(config, dict) else {}


def _salvaged(text: str) -> Mapping[str, Any]:
    """The keys that we need, each by itself: holdings are exempt also in a file with a typo."""
    found: dict[str, Any] = {}
    for name in (*_READ, "signature"):
        match = re.search(rf'"{name}"\s*:\s*("[^"]*"|\[[^\][{{}}]*\]|\d+)', text)
        if match is None:
            continue
        try:
            found[name] = json.loads(re.sub(r",\s*\]", "]", match[1]))
        except ValueError:
            continue
    return found | {"models": [found]}


def _timetable(path: Path, config: Mapping[str, Any], faults: list[str]) -> Timetable:
    """The earlier of the program's lines and the configured minutes, as in `tools.settings`."""
    written = _written(path, faults)
    minutes = config.get("flatten_minutes_before_close")
    if isinstance(minutes, int) and FEWEST <= minutes <= MOST:
        written = max(written, timedelta(minutes=minutes))
    return Timetable(flatten_before_close=written)


def _written(path: Path, faults: list[str]) -> timedelta:
    """From CLOSE_POSITIONS_TIME to REGULAR_END, as they stand in the program's text."""
    default = Timetable().flatten_before_close
    try:
        text = path.read_text(encoding="utf-8")
        end, begin = (_of_day(text, n) for n in ("REGULAR_END", "CLOSE_POSITIONS_TIME"))
    except (OSError, ValueError) as error:
        faults.append(f"{path}: {error}: the flatten begins {default} before the close")
        return default
    if end - begin < timedelta(minutes=FEWEST):
        faults.append(f"{path}: CLOSE_POSITIONS_TIME is too late: {default} before the close")
        return default
    return end - begin


def _of_day(text: str, name: str) -> timedelta:
    found = re.search(rf"^{name} *= *time\((\d+), *(\d+)(?:, *(\d+))?\)", text, re.MULTILINE)
    if not found:
        raise ValueError(f"{name} = time(hour, minute) is missing")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _symbols(config: Mapping[str, Any]) -> frozenset[str]:
    names = config.get("flatten_exempt_symbols", ())
    return frozenset(map(str, names)) if isinstance(names, list) else frozenset()


def _signature(config: Mapping[str, Any]) -> str:
    """The enabled mind's folder."""
    models = config.get("models")
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict) and model.get("enabled", True) is True:
            name = str(model.get("signature", SIGNATURE))
            return name if _SIGNATURE.fullmatch(name) else SIGNATURE
    return SIGNATURE


def _found(home: Path, root: Path, relative: str) -> Path:
    own = home / relative
    return own if own.exists() else root / relative
