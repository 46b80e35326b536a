"""The OpenAI-compatible face of the rules: /v1/chat/completions, /v1/models, /health."""

import hashlib
import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from embedded.model.conversation import BadRequest, read
from embedded.model.rules import BANNER, Turn, next_turn

NAME = "embedded-rules"
TOKENS_PER_BYTE = 0.3  # an estimate, DeepSeek's own rule of thumb for English: nothing counts them


def create_app(record: Path | None = None) -> Starlette:
    """The model's HTTP application. It keeps nothing between two requests.

    `record` is a file that every question is added to, one line each.
    """

    async def complete(request: Request) -> JSONResponse:
        body = await request.body()
        if record is not None:
            with record.open("ab") as file:
                file.write(body.replace(b"\n", b" ") + b"\n")
        return _complete(body)

    return Starlette(
        routes=[
            Route("/v1/chat/completions", complete, methods=["POST"]),
            Route("/v1/models", _models),
            Route("/health", _health),
        ]
    )


def _complete(body: bytes) -> JSONResponse:
    """The same body gives the same bytes: the id is its hash, and no time is told."""
    try:
        asked = json.loads(body)
        if isinstance(asked, dict) and asked.get("stream"):
            raise BadRequest("streaming is not offered here: send stream=false")
        turn = next_turn(read(asked))
    except ValueError as error:
        fault = {"message": str(error), "type": "invalid_request_error"}
        return JSONResponse({"error": fault}, status_code=400)
    return JSONResponse(_answer(turn, body))


async def _models(_: Request) -> JSONResponse:
    model = {"id": NAME, "object": "model", "created": 0, "owned_by": BANNER}
    return JSONResponse({"object": "list", "data": [model]})


async def _health(_: Request) -> JSONResponse:
    return JSONResponse({"status": "ok", "server": "embedded-model", "model": BANNER})


def _answer(turn: Turn, body: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(body).hexdigest()[:16]
    message: dict[str, Any] = {"role": "assistant", "content": turn.text}
    if turn.calls:
        message["tool_calls"] = [
            {
                "id": f"call_{digest}_{number}",
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
            }
            for number, call in enumerate(turn.calls)
        ]
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "tool_calls" if turn.calls else "stop",
    }
    return {
        "id": f"chatcmpl-{digest}",
        "object": "chat.completion",
        "created": 0,
        "model": NAME,
        "choices": [choice],
        "usage": _usage(len(body), len(json.dumps(message))),
    }


def _usage(prompt_bytes: int, completion_bytes: int) -> dict[str, int]:
    prompt = round(prompt_bytes * TOKENS_PER_BYTE)
    completion = round(completion_bytes * TOKENS_PER_BYTE)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
