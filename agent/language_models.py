"""OpenAICompatibleModel: the language model seam over the openai client (DeepSeek, any compatible
endpoint, the embedded model).

The SDK's retries are off and so are its read time-outs: DeepSeek keeps a queued request alive with
blank lines, which no read time-out survives to see; only a deadline over the whole call holds. Its
answer types are not used either: they accept anything, and hand on what they could not read.
"""

import asyncio
import itertools
import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any, cast

import httpx2
import openai

from tools.core.errors import ModelUnavailable
from tools.core.seams import ModelTurn, ToolCall

logger = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
LONGEST_QUOTE = 300
SHORTEST_SECRET = 8  # a local server's "x" would blot out plain text
RATE_LIMITED, REQUEST_TIMEOUT = 429, 408


class _Transient(ModelUnavailable):
    """A failure that may pass; `wait_seconds` is what the server asked for, if it did."""

    def __init__(self, message: str, wait_seconds: float | None = None) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class OpenAICompatibleModel:
    """`tools.core.seams.LanguageModel` over HTTP. Close it when done.

    A call that met 429, 5xx or no connection is repeated within its deadline: `max_retries` times,
    after `base_delay` seconds that double each time, or when `Retry-After` says.
    """

    def __init__(
        self,
        *,
        model: str,
        base_url: str,
        api_key: str,
        thinking: bool = False,
        max_retries: int = 3,
        base_delay: float = 1.0,
    ) -> None:
        """`model` is the id on the wire. DeepSeek thinks unless told not to; others are not."""
        told = model.startswith("deepseek") and not thinking
        self._extra_body = {"thinking": {"type": "disabled"}} if told else None
        self._model, self._api_key = model, api_key
        self._max_retries, self._base_delay = max_retries, base_delay
        self._client = openai.AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,
            timeout=httpx2.Timeout(None, connect=CONNECT_SECONDS),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def complete(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        *,
        deadline_seconds: float,
    ) -> ModelTurn:
        """One turn, within `deadline_seconds` of real time, repetitions and waiting included."""
        ends_at = asyncio.get_running_loop().time() + deadline_seconds
        try:
            async with asyncio.timeout_at(ends_at):
                return await self._repeated(messages, tools, ends_at)
        except TimeoutError as error:
            raise ModelUnavailable(f"no answer within {deadline_seconds:g} s") from error

    async def _repeated(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]],
        ends_at: float,
    ) -> ModelTurn:
        failures = 0
        while True:
            try:
                return _turn(await self._ask(messages, tools))
            except _Transient as failed:
                wait = failed.wait_seconds
                if wait is None:
                    wait = self._base_delay * 2**failures
                failures += 1
                late = asyncio.get_running_loop().time() + wait >= ends_at
                if late or failures > self._max_retries:
                    logger.warning("%s; giving up", failed)
                    raise
                logger.warning("%s; asking again in %g s", failed, wait)
                await asyncio.sleep(wait)  # real time, as for all I/O: no clock moves meanwhile

    async def _ask(
        self, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
    ) -> str:
        """The body of a 2xx answer. Raises ModelUnavailable, a time-out being its cause."""
        try:
            answer = await self._client.chat.completions.with_raw_response.create(
                model=self._model,
                messages=cast(Any, messages),
                tools=cast(Any, tools) or openai.omit,
                extra_body=self._extra_body,
            )
        except openai.APIStatusError as error:
            raise self._refusal(error) from None
        except openai.APIConnectionError as error:
            raise _Transient(_unreached(error)) from error
        return answer.text

    def _refusal(self, error: openai.APIStatusError) -> ModelUnavailable:
        said = error.message
        if len(self._api_key) >= SHORTEST_SECRET:
            said = said.replace(self._api_key, "***")
        said = said[:LONGEST_QUOTE]
        if error.status_code == RATE_LIMITED:
            return _Transient(f"rate limit: {said}", _retry_after(error.response))
        if error.status_code >= 500 or error.status_code == REQUEST_TIMEOUT:
            return _Transient(said, _retry_after(error.response))
        return ModelUnavailable(said)


def _turn(body: str) -> ModelTurn:
    """The first choice of an answer. Raises ModelUnavailable for HTML, a torn body, no choice."""
    try:
        answer = json.loads(body)
        choice = answer["choices"][0]
        message: Mapping[str, Any] = choice["message"]
        calls = tuple(map(_tool_call, itertools.count(), message.get("tool_calls") or ()))
        text = _text(message.get("content"))
        usage = answer.get("usage") or {}
        return ModelTurn(
            text=text,
            tool_calls=calls,
            finish_reason=str(choice.get("finish_reason")),
            message=_echo(message, text, calls),
            prompt_tokens=_count(usage.get("prompt_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
        )
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        why = f"unusable answer ({type(error).__name__}): {body[:80]!r}"
        raise ModelUnavailable(why) from None


def _tool_call(number: int, call: Mapping[str, Any]) -> ToolCall:
    """Some servers leave the id out, or send the arguments as an object; neither stops us."""
    function = call["function"]
    arguments = function.get("arguments") or "{}"
    return ToolCall(
        call_id=str(call.get("id") or f"call-{number}"),
        name=str(function["name"]),
        arguments=arguments if isinstance(arguments, str) else json.dumps(arguments),
    )


def _text(content: object) -> str:
    """The content as text, also where it comes in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return "" if content is None else str(content)


def _echo(message: Mapping[str, Any], text: str, calls: Sequence[ToolCall]) -> Mapping[str, Any]:
    """The message as the next request sends it back: with `reasoning_content`, even an empty one
    (DeepSeek insists), without nulls, and with the calls under the ids that we answer them by.
    """
    echo = {name: value for name, value in message.items() if value is not None}
    echo |= {"role": "assistant", "content": text}
    if calls:
        echo["tool_calls"] = [
            {
                "id": call.call_id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
    return echo


def _count(tokens: object) -> int:
    return tokens if isinstance(tokens, int) and tokens > 0 else 0


def _retry_after(response: httpx2.Response) -> float | None:
    """The header's seconds; its other form, a date, is not worth a clock."""
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _unreached(error: openai.APIConnectionError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionRefusedError):
            return "connection refused by the model's server"
        cause = cause.__cause__ or cause.__context__
    return f"no answer from the model's server: {error.__cause__ or error}"
