"""What the source may look like: sizes, forbidden calls, libraries, emoji."""

import ast
import re
import statistics
import sys
from importlib.metadata import packages_distributions

import pytest

from tests.architecture.source import ROOMS, ROOT, Source, program

CAPS = {
    "active_trader.py": 120,
    "tools/execution/order_desk.py": 250,
    "tools/general_tools.py": 100,
    "tools/wiring.py": 200,
}
FILE_CAP = 350
FUNCTION_P90 = 35
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "breakpoint"}
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "imp"}
EMOJI = re.compile("[\u2600-\u27bf\u23e9-\u23ff\U0001f000-\U0001faff]")


def test_no_file_is_longer_than_its_cap() -> None:
    tests = [*(ROOT / "tests").rglob("*.py")]
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in (*(file.path for file in program()), *tests)
    }
    too_long = {n: length for n, length in lengths.items() if length > CAPS.get(n, FILE_CAP)}
    assert too_long == {}


def test_nine_functions_in_ten_fit_on_a_screen() -> None:
    lengths = sorted(
        (node.end_lineno or node.lineno) - node.lineno + 1
        for file in program()
        for node in ast.walk(file.tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    )
    p90 = statistics.quantiles(lengths, n=10)[-1]
    print(f"{len(lengths)} functions: median {statistics.median(lengths)}, p90 {p90:.0f} lines")
    assert p90 <= FUNCTION_P90


@pytest.mark.parametrize("file", program(), ids=lambda file: file.module)
def test_nothing_is_executed_that_was_read(file: Source) -> None:
    calls = {
        node.func.id
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    modules = {name.partition(".")[0] for name in file.imports()}
    assert calls & FORBIDDEN_CALLS == set()
    assert modules & FORBIDDEN_MODULES == set()


def test_emoji_live_in_the_narrator() -> None:
    assert [f.module for f in program() if EMOJI.search(f.text)] in ([], ["agent.narrator"])


def test_requirements_name_every_library_we_import_and_pin_all() -> None:
    lines = [
        line.partition("#")[0].strip()
        for name in ("requirements.txt", "requirements-dev.txt")
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    ]
    pins = [line for line in lines if line and not line.startswith("-r")]
    assert [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)] == []

    ours = {"active_trader", *ROOMS}
    imported = {name.partition(".")[0] for file in program() for name in file.imports()}
    libraries = imported - ours - sys.stdlib_module_names
    distributions = packages_distributions()
    pinned = {re.sub(r"[-_.]+", "-", pin.partition("==")[0]).lower() for pin in pins}
    for library in libraries:
        names = {re.sub(r"[-_.]+", "-", name).lower() for name in distributions[library]}
        assert names & pinned, f"{library} is imported and not pinned"
