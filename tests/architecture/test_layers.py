"""Who may import whom: the drawing in README and docs/decisions, executed."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.source import ROOMS, ROOT, Source, inside, program, source

# What each room sees of the program beside itself.
SEES = {
    "active_trader": (
        *("agent", "console.cli", "tools.wiring", "tools.settings", "tools.core"),
        "tools.journal",  # which it hands to the agent
    ),
    "agent": (
        *("tools.core", "tools.schedule", "tools.hosting", "tools.watchdog"),
        *("tools.general_tools", "tools.prompts", "tools.performance"),
    ),
    "agent_tools": ("tools",),
    "console": ("tools",),
    "embedded.exchange": ("tools.core", "tools.simulation", "tools.schedule", "tools.hosting"),
    "embedded.model": ("tools.hosting",),
    "embedded.__main__": ("embedded", "tools.core", "tools.hosting"),
    "prompts": (),
}

_ANALYSIS = (
    "tools.technical_indicators",
    "tools.ta_helper",
    "tools.bar_history",
    "tools.levels",
    "tools.smart_money",
    "tools.exhaustion",
    "tools.data_quality",
)

# The library, highest first: a module imports from layers below and from its own group.
LAYERS: list[list[tuple[str, ...]]] = [
    [("tools.wiring",)],
    [("tools.execution",)],
    [
        ("tools.alpaca_data_feed", "tools.alpaca_trading", "tools.alpaca_transport"),
        ("tools.alpaca_rest",),
        _ANALYSIS,
        ("tools.journal",),
        ("tools.performance",),
        ("tools.risk",),
        ("tools.safety",),
        ("tools.simulation",),
    ],
    [
        ("tools.hosting", "tools.watchdog"),
        ("tools.schedule",),
        ("tools.settings", "tools.config_files", "tools.config_risk"),
    ],
    [("tools.prompts",)],
    [("tools.general_tools",), ("tools.alpaca_answers",), ("tools.notifications",)],
    [("tools.core",)],
]

# Libraries that belong to one place.
ONLY_IN = {
    "alpaca": ("tools.alpaca_data_feed", "tools.alpaca_trading", "tools.alpaca_transport"),
    "exchange_calendars": ("tools.schedule.session_table",),
    "openai": ("agent.language_models",),
    "pandas": _ANALYSIS,
    "pandas_ta": _ANALYSIS,
    "pytz": ("tools.schedule",),
    "typer": ("console",),
}


def strays(file: Source) -> list[str]:
    """The imports of `file` that no rule allows, one line each."""
    return [
        f"{file.module} imports {name}"
        for name in file.imports()
        if not _allowed(file.module, name)
    ]


def _allowed(module: str, name: str) -> bool:
    for library, places in ONLY_IN.items():
        if inside(name, library):
            return inside(module, *places)
    if not inside(name, "active_trader", *ROOMS, "tests"):
        return True
    if inside(module, "benchmarks"):
        return not inside(name, "tests")
    if inside(module, "tools"):
        return _below(module, name)
    room = next(room for room in SEES if inside(module, room))
    return inside(name, room, *SEES[room]) or name == room.partition(".")[0]


def _below(module: str, name: str) -> bool:
    here, there = _place(module), _place(name)
    return there is not None and here is not None and (here == there or here[0] < there[0])


def _place(name: str) -> tuple[int, int] | None:
    for layer, groups in enumerate(LAYERS):
        for number, group in enumerate(groups):
            if inside(name, *group):
                return layer, number
    return None


def test_no_module_imports_from_above_or_beside() -> None:
    assert [stray for file in program() for stray in strays(file)] == []


def test_every_module_of_the_library_has_its_place() -> None:
    modules = [file.module for file in program() if inside(file.module, "tools")]
    homeless = [m for m in modules if not m.endswith("__init__") and _place(m) is None]
    assert homeless == []


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("agent/planted.py", "from tools.execution.order_desk import OrderDesk"),
        ("agent/planted.py", "import tools.wiring"),
        ("console/planted.py", "from agent.narrator import banner"),
        ("embedded/exchange/planted.py", "from tools.alpaca_trading import AlpacaBroker"),
        ("embedded/model/planted.py", "def f():\n    import embedded.exchange.book"),
        ("tools/core/planted.py", "from tools.settings import load"),
        ("tools/risk/planted.py", "from tools.journal import history"),
        ("tools/risk/planted.py", "import pytz"),
        ("agent/planted.py", "import pandas"),
        ("tools/schedule/planted.py", "import exchange_calendars"),
        ("agent_tools/planted.py", "from embedded.exchange.app import make_app"),
        ("tools/hosting.py", "from tests.builders import a_bar"),
    ],
)
def test_a_planted_stray_is_found(tmp_path: Path, where: str, line: str) -> None:
    planted = tmp_path / where
    planted.parent.mkdir(parents=True)
    planted.write_text(line, encoding="utf-8")

    assert len(strays(source(planted, tmp_path))) == 1


def test_the_trader_loads_neither_pandas_nor_a_broker() -> None:
    agent = sorted(file.module for file in program() if inside(file.module, "agent"))
    modules = ["active_trader", "console.cli", *(m.removesuffix(".__init__") for m in agent)]
    script = (
        f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}];"
        "print(*{'pandas', 'numpy', 'alpaca', 'exchange_calendars'} & set(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == ""


def test_the_flatten_programs_broker_needs_no_library() -> None:
    script = (
        "import sys; import tools.alpaca_rest;"
        "ours = {name.partition('.')[0] for name in sys.modules};"
        "print(*sorted(ours - sys.stdlib_module_names - {'tools', '__main__'}))"
    )
    command = [sys.executable, "-S", "-c", script]
    loaded = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == ""
