"""Does a wrong rule fail a test? Change one comparison or one constant at a time, and see.

`python -m tests.mutate_rules [--sample N] [--seed S]`: every comparison operator and every number
of the rules and caps, or N of them drawn by the seed. A mutant that no test notices survives: its
line is printed, and the exit status is 1. Last line: `N mutants, M survivors (seed S)`.
"""

import argparse
import ast
import copy
import importlib
import itertools
import multiprocessing
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
RISK = ROOT / "tools" / "risk"
MODULES = ("findings", "limits_ticket", "limits_market", "limits_book", "caps", "portfolio")
TESTS = ("limits", "limits_market", "limits_book", "caps", "portfolio", "gatekeeper")
SURVIVED = 0

_SWAPS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_MIRRORS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
}


@dataclass(frozen=True)
class Mutant:
    """One change: the `choice`-th of the `node`-th node of a module, in the order of a walk."""

    module: str
    node: int
    choice: int
    words: str


UNCHANGED = Mutant("none", 0, 0, "nothing is changed")


def mutants() -> list[Mutant]:
    """All of them, in the order of the source."""
    return [
        Mutant(module, number, choice, f"{module}.py:{getattr(node, 'lineno', 0)}: {words}")
        for module in MODULES
        for number, node in enumerate(ast.walk(_tree(module)))
        for choice, (words, _) in enumerate(_changes(node))
    ]


def survivors(chosen: Sequence[Mutant]) -> list[Mutant]:
    """Those that no test notices; each is tried in a process of its own, a few side by side."""
    fork, found = multiprocessing.get_context("fork"), list[Mutant]()
    for batch in itertools.batched(chosen, os.cpu_count() or 1):
        running = [(mutant, fork.Process(target=_try, args=(mutant,))) for mutant in batch]
        for _, process in running:
            process.start()
        for mutant, process in running:
            process.join()
            if process.exitcode == SURVIVED:
                found.append(mutant)
    return found


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutate_rules")
    parser.add_argument("--sample", type=int, help="so many, drawn by the seed; else all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    chosen = mutants()
    if options.sample:
        chosen = random.Random(options.seed).sample(chosen, options.sample)
    importlib.import_module("tools.risk.gatekeeper")  # so that each fork has its libraries
    if not survivors([UNCHANGED]):
        print("the tests fail without a mutant: nothing can be said")
        return 2
    left = survivors(chosen)
    for mutant in left:
        print(f"survived: {mutant.words}")
    print(f"{len(chosen)} mutants, {len(left)} survivors (seed {options.seed})")
    return 1 if left else 0


def _try(mutant: Mutant) -> None:
    """Inside the fork: put the mutant in the module's place, run the tests, leave their status."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    for name in [name for name in sys.modules if name.startswith(("tools.risk", "tests.unit"))]:
        del sys.modules[name]
    sys.meta_path.insert(0, _Planted(mutant))
    files = [str(ROOT / "tests" / "unit" / f"test_{name}.py") for name in TESTS]
    status = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *files])
    os._exit(int(status))


class _Planted(MetaPathFinder, Loader):
    """Finds the mutated module before Python finds the true one."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None, /
    ) -> ModuleSpec | None:
        ours = name == f"tools.risk.{self._mutant.module}"
        return spec_from_loader(name, self) if ours else None

    def exec_module(self, module: ModuleType) -> None:
        tree = _mutated(self._mutant)
        exec(compile(tree, f"{self._mutant.module} (mutant)", "exec"), vars(module))


def _mutated(mutant: Mutant) -> ast.Module:
    tree = _tree(mutant.module)
    node = list(ast.walk(tree))[mutant.node]
    _, change = list(_changes(node))[mutant.choice]
    for name, value in ast.iter_fields(change):
        setattr(node, name, value)
    return ast.fix_missing_locations(tree)


def _tree(module: str) -> ast.Module:
    return ast.parse((RISK / f"{module}.py").read_text(encoding="utf-8"))


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Each change of this node, in words and as the node that it becomes."""
    if isinstance(node, ast.Compare):
        for place, operator in enumerate(node.ops):
            for table in (_SWAPS, _MIRRORS):
                if (other := table.get(type(operator))) is not None:
                    changed = copy.deepcopy(node)
                    changed.ops[place] = other()
                    yield f"{ast.unparse(node)} -> {ast.unparse(changed)}", changed
    match node:
        case ast.Constant(value=bool()):
            pass
        case ast.Constant(value=int() | float() as value):
            near = (value + 1, value - 1) if isinstance(value, int) else (value * 2 + 1, value / 2)
            for other_value in {one: None for one in near if one != value}:
                yield f"{value} -> {other_value}", ast.Constant(other_value)
        case ast.Call(func=ast.Name("Decimal"), args=[ast.Constant(value=str() as text)]):
            if text != "Infinity":
                doubled = ast.Constant(str(2 * float(text)))
                changed_call = ast.Call(func=node.func, args=[doubled], keywords=[])
                yield f"{text!r} -> {doubled.value!r}", changed_call


if __name__ == "__main__":
    raise SystemExit(main())
