"""Who may ask: keys for the two APIs, a token for `/sim`."""

import base64
import binascii
import secrets
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

SIM = "/sim/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is asked of clients. Unless `strict`, any key will do: there is one account."""

    key: str = ""
    secret: str = ""
    strict: bool = False
    admin_token: str = ""

    def accepts(self, key: str, secret: str) -> bool:
        """Whether that pair may use the two APIs and the streams."""
        if not self.strict:
            return bool(key and secret)
        return _same(key, self.key) and _same(secret, self.secret)

    def accepts_request(self, headers: Headers) -> bool:
        """Whether a request names such a pair: Alpaca's two headers, or basic authorization."""
        pair = headers.get("apca-api-key-id", ""), headers.get("apca-api-secret-key", "")
        if self.accepts(*pair):
            return True
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            return self.accepts(*_basic(credentials))
        return bool(credentials) and not self.strict

    def accepts_admin(self, headers: Headers) -> bool:
        """Whether a request may command the simulation: `Authorization: Bearer TOKEN`."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return bool(self.admin_token) and scheme == "Bearer" and _same(token, self.admin_token)


class AccessRequired:
    """Answers 401 to whoever may not ask; without an admin token `/sim` is not there at all."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse."""
        answer: ASGIApp = self._app
        if scope["type"] == "http" and not self._may(scope["path"], Headers(scope=scope)):
            answer = JSONResponse({"message": "unauthorized."}, 401)
        await answer(scope, receive, send)

    def _may(self, path: str, headers: Headers) -> bool:
        if path.startswith(SIM):
            return not self._access.admin_token or self._access.accepts_admin(headers)
        return not path.startswith(("/v1", "/v2", "/v3")) or self._access.accepts_request(headers)


def _same(given: str, wanted: str) -> bool:
    return secrets.compare_digest(given.encode(), wanted.encode())


def _basic(credentials: str) -> tuple[str, str]:
    try:
        key, _, secret = base64.b64decode(credentials).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret
