"""The prompt file: string constants that a user edits, read with `ast` and never executed.

`SYSTEM_PROMPT` is the static part, the same bytes all day, so that a provider can cache it;
`CYCLE_PROMPT` opens each cycle's message, which ends with the snapshot. `$name` stands for a
setting; a `$` that begins no name is a dollar sign, and `$$` is always one.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tools.core.errors import ConfigError

TEXTS = ("SYSTEM_PROMPT", "CYCLE_PROMPT")
_PLACEHOLDER = re.compile(r"\$(\$|[A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt file, rendered. `hash` is half the SHA-256 of what the model is told."""

    system: str
    cycle: str
    hash: str

    def message(self, snapshot: str) -> str:
        """The user message of one cycle."""
        return f"{self.cycle}\n<snapshot>{snapshot}</snapshot>"


def read_prompt(path: Path, values: Mapping[str, str]) -> Prompt:
    """Read and render `path`. Raises ConfigError with file and line, or the unknown `$name`."""
    texts = _texts(path)
    for name in TEXTS:
        if not texts.get(name, "").strip():
            raise ConfigError(f"{path}: {name} is missing or empty")
    system, cycle = (_render(texts[name].strip(), values, f"{path}: {name}") for name in TEXTS)
    told = hashlib.sha256(f"{system}\0{cycle}".encode()).hexdigest()
    return Prompt(system=system, cycle=cycle, hash=told[:32])


def _texts(path: Path) -> dict[str, str]:
    """The file's string constants. Lists pass: ALLOWED_SYMBOLS is the settings' business."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except SyntaxError as error:
        raise ConfigError(f"{path}:{error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
    texts: dict[str, str] = {}
    for node in tree.body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                pass  # the docstring
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                texts[name] = text
            case ast.Assign(targets=[ast.Name()], value=ast.List() | ast.Tuple()):
                pass
            case _:
                raise ConfigError(
                    f"{path}:{node.lineno}: only NAME = 'text' has an effect here; "
                    "this file is read and never run"
                )
    return texts


def _render(text: str, values: Mapping[str, str], where: str) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name == "$":
            return "$"
        if name not in values:
            known = ", ".join(f"${known}" for known in sorted(values))
            raise ConfigError(f"{where}: ${name} is not known; known are {known}")
        return values[name]

    return _PLACEHOLDER.sub(value, text)
