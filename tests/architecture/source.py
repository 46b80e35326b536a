"""The program's own source, as the architecture tests read it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("agent", "agent_tools", "benchmarks", "console", "embedded", "prompts", "tools")


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: Path
    module: str

    @cached_property
    def text(self) -> str:
        """What it says."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """What it means."""
        return ast.parse(self.text, self.path)

    def imports(self) -> Iterator[str]:
        """The full names of all modules and names it imports, wherever in the file."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: relative imports hide what they reach for"
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def source(path: Path, root: Path = ROOT) -> Source:
    """The file at `path` as a module of the program at `root`."""
    return Source(path, ".".join(path.relative_to(root).with_suffix("").parts))


def program() -> list[Source]:
    """Every Python file of the program; the tests are not among them."""
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return [source(path) for path in (ROOT / "active_trader.py", *files)]


def inside(module: str, *places: str) -> bool:
    """Whether `module` is one of `places` or lies inside one."""
    return any(module == place or module.startswith(place + ".") for place in places)
