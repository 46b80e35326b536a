"""The operator's side of the trade server's routes, over the standard library alone.

A command that is to stop everything does not wait for imports.
"""

import json
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from typing import Any

from tools.core.errors import ActiveTraderError, Unavailable
from tools.settings import Settings

STOP_SECONDS = 0.3
"""A trade server that has not answered by then is stopped without it."""

ASK_SECONDS = 5.0


class NobodyAnswers(Unavailable):
    """No trade server listens, or it hangs."""


class Refused(ActiveTraderError):
    """The trade server answered, but would not do it."""


class TradeDesk:
    """One call is one connection."""

    def __init__(self, settings: Settings) -> None:
        self._port = settings.trade_port
        self._token = settings.operator_token.get_secret_value()

    def post(
        self, path: str, body: Mapping[str, object], *, seconds: float = ASK_SECONDS
    ) -> dict[str, Any]:
        """The answer. Raises NobodyAnswers, after twice `seconds` at most, and Refused."""
        return self._ask("POST", path, body, seconds)

    def get(self, path: str, *, seconds: float = ASK_SECONDS) -> dict[str, Any]:
        """The answer. Raises NobodyAnswers, after twice `seconds` at most, and Refused."""
        return self._ask("GET", path, None, seconds)

    def _ask(
        self, method: str, path: str, body: Mapping[str, object] | None, seconds: float
    ) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=seconds)
        text = None if body is None else json.dumps(body)
        try:
            connection.request(method, path, text, {"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            status, said = answer.status, json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            why = str(error) or type(error).__name__
            raise NobodyAnswers(f"no trade server answers on port {self._port} ({why})") from error
        finally:
            connection.close()
        if status >= 400 or not isinstance(said, dict):
            words = said.get("error", "") if isinstance(said, dict) else ""
            raise Refused(f"the trade server refuses ({status}): {words}")
        return said
