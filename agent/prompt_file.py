"""The prompt file while the trader runs: an edit counts from the next cycle on, a bad one never.

A file that is being saved is read twice and left alone until both readings agree. What replaces a
prompt is held against the limits first (`tools.prompts.values`); if it will not do, the last good
version stays in force, and the edit is complained of once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from tools.core.alerts import AlertKind, alert
from tools.core.errors import ConfigError
from tools.prompts.text import Prompt, read_prompt, read_text
from tools.prompts.values import PromptSettings
from tools.prompts.versions import PromptVersions

__all__ = ["Prompt", "PromptFile", "read_prompt"]

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.1
"""Real seconds between two readings of a file that has changed."""


class PromptFile:
    """The file, its versions, and the prompt in force."""

    def __init__(
        self,
        path: Path,
        settings: PromptSettings,
        versions: PromptVersions,
        now: Callable[[], datetime],
    ) -> None:
        """Raises ConfigError when the file is no prompt and none was ever in force."""
        self._path, self._settings, self._versions, self._now = path, settings, versions, now
        self._stamp: object = None
        self._refused = ""
        self.prompt = self._first()

    async def look(self) -> Prompt:
        """The prompt from here on: the file's, if it changed and will do."""
        if (stamp := self._stat()) == self._stamp:
            return self.prompt
        source = ""
        try:
            source = read_text(self._path)
            await asyncio.sleep(SETTLE_SECONDS)
            if self._stat() != stamp or read_text(self._path) != source:
                return self.prompt  # still being saved: the next cycle looks again
            self._stamp = stamp
            self._take(self._settings.accept(source, str(self._path)))
        except ConfigError as error:
            self._complain(source, error)
        return self.prompt

    def _first(self) -> Prompt:
        stamp, source = self._stat(), ""
        try:
            source = read_text(self._path)
            prompt = self._settings.accept(source, str(self._path))
        except ConfigError as error:
            last_good = self._versions.last_good()
            if last_good is None:
                raise
            prompt = self._settings.accept(read_text(last_good), str(last_good))
            self._complain(source, error)
        self._stamp = stamp
        self._keep(prompt)
        return prompt

    def _take(self, prompt: Prompt) -> None:
        self._refused = ""
        if prompt.hash != self.prompt.hash:
            words = "the prompt is %s from the next cycle on, no longer %s"
            logger.info(words, prompt.hash[:12], self.prompt.hash[:12])
        self.prompt = prompt
        self._keep(prompt)

    def _keep(self, prompt: Prompt) -> None:
        with _disk_trouble():
            self._versions.in_force(prompt, self._now())

    def _complain(self, source: str, error: ConfigError) -> None:
        """Once for each bad version, however often it is looked at."""
        if (bad := f"{error}\0{source}") != self._refused:
            self._refused = bad
            words = "the prompt stays as it was: %s"
            logger.error(words, error, extra=alert(AlertKind.BAD_PROMPT))

    def _stat(self) -> object:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


@contextlib.contextmanager
def _disk_trouble() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        logger.error("the version of the prompt is not kept: %s", error)
