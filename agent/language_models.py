"""OpenAICompatibleModel: the language model seam over the openai client (DeepSeek, any compatible
endpoint, the embedded model).

The SDK's retries are off and so are its read time-outs: DeepSeek keeps a queued request alive with
blank lines, which no read time-out survives to see; only a deadline over the whole call holds. Its
request and answer types are not used either: `agent.models.wire` writes and reads the bytes.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import httpx2
import openai

from agent.models.budget import Budget, Reservation
from agent.models.capabilities import capabilities_of, completions_url
from agent.models.identity import IdentityWatch
from agent.models.preparation import Finding, examine
from agent.models.wire import Unfinished, Unreadable, read_turn, request
from tools.core.alerts import AlertKind, alert
from tools.core.errors import ModelMisconfigured, ModelOutOfCredit, ModelUnavailable
from tools.core.seams import ModelTurn

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
PREPARE_SECONDS = 10.0
LONGEST_QUOTE = 300
JITTER = 0.25
SHORTEST_SECRET = 8  # a local server's "x" would blot out plain text
RATE_LIMITED, REQUEST_TIMEOUT, OUT_OF_CREDIT = 429, 408, 402
MISCONFIGURED = (401, 403, 404)
_NO_MODEL = ("model not exist", "model_not_found", "model does not exist", "unknown model")


class _Transient(ModelUnavailable):
    """A failure that may pass; `wait_seconds` is what the server asked for, if it did."""

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is, and how it is asked. `model` is the id on the wire.

    A call that met 429, 5xx or no connection is repeated within its deadline: `max_retries` times,
    after `base_delay` seconds that double each time, or when `Retry-After` says, and up to
    a quarter longer, so that not all who were refused come back at once. `strict_tools` holds the
    model to the tools' schemas.
    """

    model: str
    base_url: str
    api_key: str
    thinking: bool = False
    max_output_tokens: int = 4096
    max_retries: int = 3
    base_delay: float = 1.0
    strict_tools: bool = False


class OpenAICompatibleModel:
    """`tools.core.seams.LanguageModel` over HTTP. Close it when done."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        budget: Budget | None = None,
        identity: IdentityWatch | None = None,
    ) -> None:
        """Without a `budget` nothing is counted and nothing is refused for its price."""
        self.endpoint, self.budget = endpoint, budget
        self.on_request: Callable[[str], None] = _unheard
        self.on_answer: Callable[[str], None] = _unheard
        self.on_refusal: Callable[[str], None] = _unheard
        """Hear the bodies on the wire, and why an attempt came to nothing."""
        self._identity = identity or IdentityWatch()
        self._ways = capabilities_of(endpoint.model)
        self._completions = completions_url(endpoint.base_url, strict=endpoint.strict_tools)
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.api_key,
            base_url=endpoint.base_url,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def check(self) -> Sequence[Finding]:
        """What stands in the way of trading by this model. Never raises, and takes seconds."""
        low = self.budget.limits.day_usd if self.budget else Decimal(1)
        return await examine(
            self._get,
            model=self.endpoint.model,
            url=self.endpoint.base_url,
            tells_balance=self._ways.tells_balance,
            low_credit_usd=low,
        )

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        deadline_seconds: float,
        may_call: bool = True,
    ) -> ModelTurn:
        """One turn, within `deadline_seconds` of real time, repetitions and waiting included."""
        ends_at = asyncio.get_running_loop().time() + deadline_seconds
        body = request(
            model=self.endpoint.model,
            ways=self._ways,
            thinking=self.endpoint.thinking,
            most_tokens=self.endpoint.max_output_tokens,
            messages=messages,
            tools=tools,
            may_call=may_call,
            strict=self.endpoint.strict_tools,
        )
        self.on_request(body.decode())
        try:
            async with asyncio.timeout_at(ends_at):
                turn = await self._repeated(body, ends_at)
        except TimeoutError as error:
            raise ModelUnavailable(f"no answer within {deadline_seconds:g} s") from error
        self._identity.heard(turn)
        return turn

    async def _repeated(self, body: bytes, ends_at: float) -> ModelTurn:
        failures = unreadable = 0
        while True:
            try:
                return await self._paid(body)
            except (_Transient, Unfinished, Unreadable) as failed:
                self.on_refusal(str(failed))
                wait = failed.wait_seconds if isinstance(failed, _Transient) else None
                if wait is None:
                    wait = self.endpoint.base_delay * 2**failures
                wait *= 1 + JITTER * random.random()
                failures += 1
                unreadable += isinstance(failed, Unreadable)
                late = asyncio.get_running_loop().time() + wait >= ends_at
                if late or failures > self.endpoint.max_retries or unreadable > 1:
                    logger.warning("%s; giving up", failed)
                    raise
                logger.warning("%s; asking again in %g s", failed, wait)
                await asyncio.sleep(wait)  # real time, as for all I/O: no clock moves meanwhile

    async def _paid(self, body: bytes) -> ModelTurn:
        """One attempt, charged to the budget before it is made."""
        if self.budget is None:
            return read_turn(await self._post(body, None))
        charge = self.budget.reserve(
            request_bytes=len(body), most_output_tokens=self.endpoint.max_output_tokens
        )
        turn = read_turn(await self._post(body, charge))
        return replace(turn, cost_usd=charge.settle(turn))

    async def _post(self, body: bytes, charge: Reservation | None) -> str:
        """The body of a 2xx answer. Raises ModelUnavailable; what was refused is not charged."""
        try:
            answer = await self._client.post(
                self._completions,
                content=body,
                cast_to=httpx2.Response,
                options={"headers": {"Content-Type": "application/json"}},
            )
        except openai.APIStatusError as error:
            if charge:
                charge.release()
            raise self._refusal(error) from None
        except openai.APIConnectionError as error:
            if charge and isinstance(error.__cause__, httpx2.ConnectError):
                charge.release()
            raise _Transient(_unreached(error)) from error
        self.on_answer(answer.text)
        return answer.text

    async def _get(self, path: str) -> str:
        """The body of a 2xx answer, soon. Raises ModelUnavailable."""
        try:
            async with asyncio.timeout(PREPARE_SECONDS):
                answer = await self._client.get(path, cast_to=httpx2.Response)
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except (openai.APIConnectionError, TimeoutError) as error:
            raise ModelUnavailable(f"no answer from {path}: {error}") from error
        return answer.text

    def _refusal(self, error: openai.APIStatusError) -> ModelUnavailable:
        said = error.message
        if len(self.endpoint.api_key) >= SHORTEST_SECRET:
            said = said.replace(self.endpoint.api_key, "***")
        said = said[:LONGEST_QUOTE]
        status = error.status_code
        if status == RATE_LIMITED:
            return _Transient(f"rate limit: {said}", _retry_after(error.response))
        if status >= 500 or status == REQUEST_TIMEOUT:
            return _Transient(said, _retry_after(error.response))
        if status == OUT_OF_CREDIT:
            kind = alert(AlertKind.MODEL_CREDIT)
            logger.critical("the model's account is out of credit: %s", said, extra=kind)
            return ModelOutOfCredit(said)
        if status in MISCONFIGURED or any(words in said.lower() for words in _NO_MODEL):
            return ModelMisconfigured(said)
        return ModelUnavailable(said)


def _unheard(_: str) -> None:
    """Nobody listens."""


def _retry_after(response: httpx2.Response) -> float | None:
    """The header's seconds; its other form, a date, is not worth a clock."""
    try:
        seconds = float(response.headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return seconds if seconds > 0 else 0.0  # not a number, too, means now


def _unreached(error: openai.APIConnectionError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused by the model's server"
        cause = cause.__cause__ or cause.__context__
    return f"no answer from the model's server: {error.__cause__ or error}"
