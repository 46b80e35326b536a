"""The folder a simulation lives in, and the environment of its processes."""

import json
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from console.children import free_ports
from console.plan import Plan
from console.usage import UsageError

MARK = "simulation.json"
"""A folder with this file is a simulation's home; no other folder that holds something is taken."""

_OURS = ("ALPACA_", "DEEPSEEK_", "MCP_", "ACTIVE_TRADER_", "NOTIFY_", "WATCHDOG_", "JOURNAL_")
_ALSO_OURS = ("AGENT_MODE", "CREDENTIALS_DIRECTORY")


@dataclass(frozen=True, slots=True)
class Ports:
    """One port of 127.0.0.1 for each process."""

    exchange: int
    model: int
    data: int
    trade: int
    trader: int

    @classmethod
    def free(cls) -> "Ports":
        """Five that nobody listens on."""
        return cls(*free_ports(5))


def make_home(plan: Plan) -> Path:
    """Make the run's folder, emptied of an earlier run, with its configuration.

    Raises UsageError for the live folder and for a folder that holds something else.
    """
    home = plan.out.expanduser().resolve() if plan.out else _new_folder(plan)
    if home == plan.live_home:
        raise UsageError(f"--out {plan.out}: that is the live folder")
    try:
        home.mkdir(parents=True, exist_ok=True)
        taken = any(home.iterdir())
    except OSError as error:
        raise UsageError(f"--out {plan.out}: {error.strerror}") from None
    if taken and not (home / MARK).is_file():
        raise UsageError(f"--out {plan.out}: holds something, and it is no simulation's home")
    (home / MARK).write_text(_mark(plan), encoding="utf-8")
    for name in ("configs", "data", "logs", "prompts"):
        shutil.rmtree(home / name, ignore_errors=True)
        (home / name).mkdir()
    config = json.dumps(plan.config, indent=2)
    (home / "configs" / "default_config.json").write_text(config, encoding="utf-8")
    shutil.copy(plan.prompt_file, home / "prompts" / "agent_prompt.py")
    return home


def environment(home: Path, ports: Ports, inherited: Mapping[str, str]) -> dict[str, str]:
    """What the processes are told. No key, address or token of the caller's reaches them."""
    exchange = f"http://127.0.0.1:{ports.exchange}"
    kept = {
        name: value
        for name, value in inherited.items()
        if not name.startswith(_OURS) and name not in _ALSO_OURS
    }
    return kept | {
        "AGENT_MODE": "simulation",
        "ACTIVE_TRADER_HOME": str(home),
        "ACTIVE_TRADER_CLOCK": f"ws://127.0.0.1:{ports.exchange}/time",
        "ALPACA_TRADING_URL": exchange,
        "ALPACA_DATA_URL": exchange,
        "DEEPSEEK_BASE_URL": f"http://127.0.0.1:{ports.model}/v1",
        "ALPACA_DATA_MCP_PORT": str(ports.data),
        "ALPACA_TRADE_MCP_PORT": str(ports.trade),
        "ACTIVE_TRADER_HEALTH_PORT": str(ports.trader),
        "MCP_DATA_TOKEN": secrets.token_hex(32),
        "MCP_TRADE_TOKEN": secrets.token_hex(32),
        "MCP_OPERATOR_TOKEN": secrets.token_hex(32),
        "NO_PROXY": "*",
        "no_proxy": "*",
    }


def _new_folder(plan: Plan) -> Path:
    simulations = plan.live_home / "data" / "simulations"
    base = f"{plan.first}_{time.strftime('%Y%m%d-%H%M%S')}"
    for number in count():
        folder = simulations / (f"{base}-{number}" if number else base)
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise AssertionError("count() does not end")


def _mark(plan: Plan) -> str:
    what = {
        "first": str(plan.first),
        "last": str(plan.last),
        "tape": plan.tape and str(plan.tape),
        "symbols": plan.symbols,
        "cash": str(plan.cash),
        "seed": plan.seed,
        "speed": plan.speed,
    }
    return json.dumps(what, indent=2) + "\n"
