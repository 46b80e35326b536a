"""What both Alpaca adapters need of alpaca-py: time-outs, of which it has none; no retries of its
own, since it repeats a POST; and failures sorted by what may have happened at the other end.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

import requests
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

logger = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 3.05, 10.0
LONGEST_QUOTE = 300
SHORTEST_SECRET = 8  # Alpaca's have 26 and more; a shorter word would blot out plain text

# What parsing an answer of another shape than expected raises.
_MISSHAPEN = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)


class CallFailed(Exception):
    """One call gave no usable answer. The text names the call and holds no secret."""


class NotSent(CallFailed):
    """Nothing was done: no connection, or turned away unread (429)."""


class Refused(CallFailed):
    """The server said no: HTTP `status` 4xx, and Alpaca's own `code` where the body holds one."""

    def __init__(self, message: str, *, status: int, code: int | None) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class AnswerLost(CallFailed):
    """Sent, then a time-out, a cut connection, a 5xx or an unreadable body: it may be done."""


def outlast(_: str) -> None:
    """A time-out is one failure among others."""


class Calls:
    """The calls of one alpaca-py client, from any thread: they share only urllib3's pool."""

    def __init__(self, client: RESTClient, on_timeout: Callable[[str], None] = outlast) -> None:
        """Takes `client` over. The names with an underscore are alpaca-py 0.44's own (pinned).

        `on_timeout` hears of each time-out before it is raised.
        """
        self._on_timeout = on_timeout
        for scheme in ("https://", "http://"):
            client._session.mount(scheme, _TimeoutAdapter(pool_maxsize=16))
        client._retry_codes = []
        keys = client._api_key, client._secret_key
        self._secrets = [key for key in keys if key and len(key) >= SHORTEST_SECRET]

    def __call__[T](
        self, parse: Callable[[Any], T], request: Callable[..., Any], *arguments: Any
    ) -> T:
        """`parse` of what the client's method `request` answers. Raises only CallFailed."""
        name, began = request.__name__, time.perf_counter()
        try:
            return parse(request(*arguments))
        except APIError as error:
            raise self._turned_down(name, error) from None
        except requests.Timeout as error:
            raise self._too_late(name, error) from None
        except requests.ConnectionError as error:
            raise _disconnected(name, error) from None
        except (requests.RequestException, *_MISSHAPEN) as error:
            raise AnswerLost(f"{name}: unusable answer ({type(error).__name__})") from None
        finally:
            logger.debug("%s took %.6f s", name, time.perf_counter() - began)

    def _too_late(self, name: str, error: requests.Timeout) -> CallFailed:
        if isinstance(error, requests.ConnectTimeout):
            failed: CallFailed = NotSent(f"{name}: no connection within {CONNECT_SECONDS} s")
        else:
            failed = AnswerLost(f"{name}: no answer within {READ_SECONDS:g} s")
        logger.warning("%s", failed)
        self._on_timeout(str(failed))
        return failed

    def _turned_down(self, name: str, error: APIError) -> CallFailed:
        status = int(error.status_code)
        code, message = _body(error.response)
        text = f"{name}: HTTP {status}: {self._without_secrets(message)}"
        if status == requests.codes.too_many_requests:
            logger.warning("rate limit: %s", text)
            return NotSent(f"rate limit: {text}")
        if status >= 500 or status == requests.codes.request_timeout:
            return AnswerLost(text)
        return Refused(text, status=status, code=code)

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text[:LONGEST_QUOTE]


class _TimeoutAdapter(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        return super().send(request, **options | {"timeout": (CONNECT_SECONDS, READ_SECONDS)})


def _body(response: requests.Response) -> tuple[int | None, str]:
    """Alpaca's error code and message, or (None, what stands there instead)."""
    try:
        body = response.json()
    except ValueError:
        return None, "an answer that is not JSON"
    if not isinstance(body, dict):
        return None, "an answer without a message"
    code = body.get("code")
    return code if isinstance(code, int) else None, str(body.get("message", "no message"))


def _disconnected(name: str, error: requests.ConnectionError) -> CallFailed:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NewConnectionError):
        refused = isinstance(reason.__cause__, ConnectionRefusedError)
        why = "connection refused" if refused else f"no connection ({reason.__cause__})"
    else:
        return AnswerLost(f"{name}: the connection broke ({type(error).__name__})")
    logger.warning("%s: %s", name, why)
    return NotSent(f"{name}: {why}")
