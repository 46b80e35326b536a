"""Every version of the prompt that was ever in force: `data/agent_data/<signature>/prompts/`.

`<hash>.py` is the file's text, `index.jsonl` says in order which version was in force from when.
The trader writes both; a rollback adds what it replaced. Nothing is ever deleted.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tools.core.errors import ConfigError
from tools.general_tools import atomic_write
from tools.prompts.text import Prompt

TRADER, REPLACED = "trader", "replaced"
SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One line of the index: version `hash` in force from `at` on, or kept when it was replaced."""

    hash: str
    at: str
    by: str


class PromptVersions:
    """The folder of versions."""

    def __init__(self, agent_folder: Path) -> None:
        self._folder = agent_folder / "prompts"

    def in_force(self, prompt: Prompt, at: datetime) -> None:
        """From `at` on decisions are made under `prompt`. Raises OSError."""
        uses = [use for use in self.uses() if use.by == TRADER]
        self._write(prompt.hash, prompt.source)
        if not uses or uses[-1].hash != prompt.hash:
            self._note(Use(hash=prompt.hash, at=at.isoformat(), by=TRADER))

    def keep_replaced(self, source: str, told_hash: str | None, at: datetime) -> str:
        """Keep a text that is being replaced; the version's name. Raises OSError.

        A text that is no valid prompt has no hash of its own: its bytes' stands in for it.
        """
        name = told_hash or hashlib.sha256(source.encode()).hexdigest()[:32]
        if not self._path(name).exists() or told_hash is None:
            self._note(Use(hash=name, at=at.isoformat(), by=REPLACED))
        self._write(name, source)
        return name

    def uses(self) -> list[Use]:
        """The index, oldest first; a torn line is passed over."""
        try:
            lines = (self._folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for line in lines:
            try:
                found.append(Use(**json.loads(line)))
            except (ValueError, TypeError):
                continue
        return found

    def find(self, prefix: str) -> str:
        """The whole hash of the one version that begins with `prefix`. Raises ConfigError."""
        names = {use.hash for use in self.uses()}
        matching = sorted(name for name in names if name.startswith(prefix))
        if len(prefix) < SHORTEST_PREFIX or len(matching) != 1:
            what = "names no version" if not matching else "names more than one version"
            raise ConfigError(f"{prefix!r} {what}; see: python active_trader.py prompt history")
        return matching[0]

    def source(self, name: str) -> str:
        """The text of a version. Raises ConfigError."""
        try:
            return self._path(name).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{self._path(name)}: {error.strerror}") from None

    def last_good(self) -> Path | None:
        """The file of what was last in force; None before the first, and when it is gone."""
        uses = [use for use in self.uses() if use.by == TRADER]
        path = self._path(uses[-1].hash) if uses else None
        return path if path and path.exists() else None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.py"

    def _write(self, name: str, source: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(name)
        if not path.exists() or path.read_text(encoding="utf-8") != source:
            atomic_write(path, source)

    def _note(self, use: Use) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"hash": use.hash, "at": use.at, "by": use.by})
        with (self._folder / "index.jsonl").open("a", encoding="utf-8") as file:
            file.write(line + "\n")
