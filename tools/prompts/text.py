"""The prompt file: constants that a user edits, read with `ast` and never executed.

`SYSTEM_PROMPT` is the static part, the same bytes all day, so that a provider can cache it;
`CYCLE_PROMPT` opens each cycle's message, which ends with the snapshot. `$name` stands for a
setting, `$NAME` for a constant of the file itself; a `$` that begins no name is a dollar sign, and
`$$` is always one.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tools.core.errors import ConfigError

TEXTS = ("SYSTEM_PROMPT", "CYCLE_PROMPT")
SYMBOLS = "ALLOWED_SYMBOLS"
MOST_BYTES = 32_000
"""Of both texts together, rendered: some 10,000 tokens."""
_PLACEHOLDER = re.compile(r"\$(\$|[A-Za-z_]\w*)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt file, rendered. `hash` is half the SHA-256 of what the model is told.

    `source` is the file's text; `constants` and `symbols` are what else it says.
    """

    system: str
    cycle: str
    hash: str
    source: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)
    symbols: tuple[str, ...] = ()

    def message(self, snapshot: str) -> str:
        """The user message of one cycle."""
        return f"{self.cycle}\n<snapshot>{snapshot}</snapshot>"


def read_prompt(path: Path, values: Mapping[str, str]) -> Prompt:
    """Read and render `path`. Raises ConfigError with file and line, or the unknown `$name`."""
    return parse_prompt(read_text(path), values, str(path))


def read_text(path: Path) -> str:
    """The file's text. Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_prompt(source: str, values: Mapping[str, str], where: str) -> Prompt:
    """Render the text of a prompt file; `where` names it in errors. Raises ConfigError."""
    constants, symbols = _constants(source, where)
    for name in TEXTS:
        if not constants.get(name, "").strip():
            raise ConfigError(f"{where}: {name} is missing or empty")
    texts = [constants.pop(name).strip() for name in TEXTS]
    known = {**values, **constants}
    system, cycle = (
        _render(text, known, f"{where}: {name}") for name, text in zip(TEXTS, texts, strict=True)
    )
    told = f"{system}\0{cycle}".encode()
    if len(told) > MOST_BYTES:
        raise ConfigError(f"{where}: {len(told)} bytes are more than {MOST_BYTES}")
    return Prompt(
        system=system,
        cycle=cycle,
        hash=hashlib.sha256(told).hexdigest()[:32],
        source=source,
        constants=constants,
        symbols=symbols,
    )


def _constants(source: str, where: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The file's texts and numbers by name, and its ALLOWED_SYMBOLS."""
    try:
        tree = ast.parse(source)
    except SyntaxError as error:
        raise ConfigError(f"{where}:{error.lineno}: {error.msg}") from None
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None
    found: dict[str, str] = {}
    symbols: tuple[str, ...] = ()
    for node in tree.body:
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                pass  # the docstring
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Constant(value=str() | int() | float() as one),
            ) if not isinstance(one, bool):
                found[name] = str(one)
            case ast.Assign(targets=[ast.Name(id="ALLOWED_SYMBOLS")], value=value):
                symbols = _symbols(value, f"{where}:{node.lineno}")
            case _:
                raise ConfigError(
                    f"{where}:{node.lineno}: only NAME = 'text', NAME = number and {SYMBOLS} = "
                    "['A', 'B'] have an effect here; this file is read and never run"
                )
    return found, symbols


def _symbols(node: ast.expr, where: str) -> tuple[str, ...]:
    try:
        symbols = ast.literal_eval(node)
    except ValueError:
        symbols = None
    if not isinstance(symbols, (list, tuple)) or not all(isinstance(s, str) for s in symbols):
        raise ConfigError(f"{where}: {SYMBOLS} must be a list of strings")
    return tuple(symbols)


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
