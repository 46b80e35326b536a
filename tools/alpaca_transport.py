"""What both Alpaca adapters need of alpaca-py: time-outs, of which it has none; no retries of its
own, since it repeats a POST; and failures sorted by what may have happened at the other end.
"""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from alpaca.common.exceptions import APIError
from alpaca.common.rest import RESTClient
from requests.adapters import HTTPAdapter
from urllib3.exceptions import NewConnectionError

from tools.alpaca_answers import (
    AT_ONCE,
    MISSHAPEN,
    SHORTEST_SECRET,
    AnswerLost,
    CallFailed,
    NotSent,
    turned_down,
)

logger = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 3.05, 10.0


type Heard = Callable[[Mapping[str, str]], None]
"""Hears the headers of every answer."""


def unheard(_: Mapping[str, str]) -> None:
    """Nobody counts the calls."""


def outlast(_: str) -> None:
    """A time-out is one failure among others."""


class Calls:
    """The calls of one alpaca-py client, from any thread: they share only urllib3's pool."""

    def __init__(
        self,
        client: RESTClient,
        on_timeout: Callable[[str], None] = outlast,
        on_answer: Heard = unheard,
    ) -> None:
        """Takes `client` over. The names with an underscore are alpaca-py 0.44's own (pinned).

        `on_timeout` hears of each time-out before it is raised, `on_answer` of each answer.
        """
        self._on_timeout = on_timeout
        for scheme in ("https://", "http://"):
            client._session.mount(scheme, _TimeoutAdapter(pool_maxsize=AT_ONCE))
        client._session.auth = _by_headers
        client._session.hooks["response"].append(lambda answer, **_: on_answer(answer.headers))
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
        except (requests.RequestException, *MISSHAPEN) as error:
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
        response = error.response
        failed = turned_down(name, int(error.status_code), response.content, self._secrets)
        if isinstance(failed, NotSent):
            logger.warning("%s", failed)
        return failed


def _by_headers(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """alpaca-py puts the keys there: without this, each call looks for a .netrc."""
    return request


class _TimeoutAdapter(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        return super().send(request, **options | {"timeout": (CONNECT_SECONDS, READ_SECONDS)})


def _disconnected(name: str, error: requests.ConnectionError) -> CallFailed:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(reason, NewConnectionError):
        refused = isinstance(reason.__cause__, ConnectionRefusedError)
        why = "connection refused" if refused else f"no connection ({reason.__cause__})"
    else:
        return AnswerLost(f"{name}: the connection broke ({type(error).__name__})")
    logger.warning("%s: %s", name, why)
    return NotSent(f"{name}: {why}")
