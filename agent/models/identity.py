"""Who answered: a provider may change the model behind an id without a word."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from tools.core.alerts import AlertKind, alert
from tools.core.errors import ModelMisconfigured
from tools.core.seams import ModelTurn
from tools.general_tools import atomic_write

logger = logging.getLogger(__name__)

REMEMBERED = 50
LONGEST_NAME = 100


class IdentityWatch:
    """Remembers every model and fingerprint that has answered; a new one is an alert."""

    def __init__(self, file: Path | None = None, allowed: Sequence[str] = ()) -> None:
        """`allowed` names the fingerprints to trade by; empty trades by any."""
        self._file, self._allowed = file, frozenset(allowed)
        self._known = self._read()

    def heard(self, turn: ModelTurn) -> None:
        """Take note of who gave `turn`. Raises ModelMisconfigured if it may not trade."""
        name = identity(turn)
        if name and name not in self._known:
            if self._known:
                kind = alert(AlertKind.MODEL_CHANGED)
                logger.warning(
                    "another model answers: %s, after %s", name, self._known[-1], extra=kind
                )
            self._known = [*self._known, name][-REMEMBERED:]
            self._write()
        if self._allowed and turn.fingerprint not in self._allowed:
            stranger = repr(turn.fingerprint[:LONGEST_NAME])
            raise ModelMisconfigured(
                f"the fingerprint {stranger} is not among models[].allowed_fingerprints"
            )

    def _read(self) -> list[str]:
        try:
            known = json.loads(self._file.read_text(encoding="utf-8")) if self._file else []
            return [str(name) for name in known]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            logger.warning("%s: %s; who answered before is forgotten", self._file, error)
            return []

    def _write(self) -> None:
        if self._file is None:
            return
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic_write(self._file, json.dumps(self._known) + "\n")
        except OSError as error:
            logger.error("who answered is not written down: %s", error)


def identity(turn: ModelTurn) -> str:
    """Model and fingerprint in one word, "" where a provider tells neither."""
    parts = (turn.model[:LONGEST_NAME], turn.fingerprint[:LONGEST_NAME])
    return "/".join(part for part in parts if part)
