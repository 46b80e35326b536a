"""`/v2/iex`: trades, quotes and bars as minutes end, in JSON or msgpack as the client asked."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgpack
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket

from embedded.exchange import facts
from embedded.exchange.access import Access
from embedded.exchange.faults import Faults
from embedded.exchange.streams import Link
from tools.simulation.market import Market
from tools.simulation.tape import MINUTE

MSGPACK = "application/msgpack"
CHANNELS = (
    *("trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds"),
    *("corrections", "cancelErrors"),
)
WITH_TRADES = "corrections", "cancelErrors"  # come with a subscription to trades
COUNTED, MOST_SYMBOLS = ("trades", "quotes"), 30
FREE_FEEDS = {"iex", "delayed_sip", "test"}
ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
}
AUTH_SECONDS = 10.0
INSTANT = timedelta(microseconds=1)


class DataStream:
    """The one client that may listen to `market` as it is at `now()`."""

    def __init__(
        self, market: Market, now: Callable[[], datetime], access: Access, faults: Faults
    ) -> None:
        self._market, self._now, self._access, self._faults = market, now, access, faults
        self._clients: list[_Client] = []

    def routes(self) -> list[BaseRoute]:
        """Every path that is served here."""
        return [WebSocketRoute(f"/v2/{feed}", self.connect) for feed in (*FREE_FEEDS, "sip")]

    async def connect(self, socket: WebSocket) -> None:
        """Serve one client until it leaves."""
        await socket.accept()
        packed = socket.headers.get("content-type") == MSGPACK
        link = Link(socket, self._faults, _msgpack if packed else _json)
        feed = socket.scope["path"].removeprefix("/v2/")
        client = _Client(link, self, feed=feed, unpack=msgpack.unpackb if packed else json.loads)
        link.say([{"T": "success", "msg": "connected"}])
        try:
            await link.serve(client.hear, client.look)
        finally:
            self.left(client)

    def accepts(self, key: str, secret: str) -> bool:
        """Whether that pair may listen."""
        return self._access.accepts(key, secret)

    def entered(self, client: "_Client") -> bool:
        """Whether there is room for one more; then it is taken."""
        if self._clients:
            return False
        self._clients.append(client)
        return True

    def left(self, client: "_Client") -> None:
        """Its room is free again."""
        if client in self._clients:
            self._clients.remove(client)

    def now(self) -> datetime:
        """The market's time."""
        return self._now()

    def symbols(self, named: list[str]) -> set[str]:
        """What those names stand for; `*` is everything."""
        return {*self._market.symbols} if "*" in named else {*named}

    def since(
        self, before: datetime, until: datetime, wanted: Mapping[str, list[str]]
    ) -> Iterator[list[dict[str, Any]]]:
        """What happened in (before, until], an array for each minute that ended then."""
        found: dict[int, list[dict[str, Any]]] = {}
        for symbol in self._market.symbols:
            channels = {name for name, named in wanted.items() if {symbol, "*"} & {*named}}
            if channels:
                for at, message in self._told(symbol, before, until, channels):
                    found.setdefault(at, []).append(message)
        yield from (found[at] for at in sorted(found))

    def _told(
        self, symbol: str, before: datetime, until: datetime, channels: set[str]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        minute = timedelta(seconds=MINUTE)
        begin = before + INSTANT
        for candle in self._market.candles(
            symbol, MINUTE, start=begin - minute, end=until - minute, at=until
        ):
            at = candle.start + MINUTE
            if "trades" in channels:
                yield at, {"T": "t", "S": symbol} | facts.trade(candle)
            if "bars" in channels:
                yield at, {"T": "b", "S": symbol} | facts.bar(candle)
            if "dailyBars" in channels:
                today = next(self._market.days(symbol, datetime.fromtimestamp(at, until.tzinfo)))
                yield at, {"T": "d", "S": symbol} | facts.bar(today)
        for tick in self._market.ticks(symbol, start=begin, end=until, at=until):
            if "quotes" in channels:
                yield tick.at, {"T": "q", "S": symbol} | facts.quote(tick)


class _Client:
    """What one client may say, and what it is told."""

    def __init__(
        self, link: Link, stream: DataStream, *, feed: str, unpack: Callable[[Any], Any]
    ) -> None:
        self._link, self._stream, self._feed, self._unpack = link, stream, feed, unpack
        self._authenticated = False
        self._wanted: dict[str, list[str]] = {name: [] for name in CHANNELS}
        self._told_until = stream.now()
        self._authenticate_by = asyncio.get_running_loop().time() + AUTH_SECONDS

    def hear(self, text: str | bytes) -> None:
        """Answer one message."""
        try:
            message = self._unpack(text)
        except (ValueError, msgpack.exceptions.UnpackException):
            message = None
        match message:
            case {"action": "auth", "key": str(key), "secret": str(secret)}:
                self._authenticate(key, secret)
            case {"action": "subscribe" | "unsubscribe"} if not self._authenticated:
                self._error(401)
            case {"action": "subscribe" | "unsubscribe" as action, **channels}:
                self._change(str(action), {str(name): it for name, it in channels.items()})
            case _:
                self._error(400)

    def look(self) -> None:
        """Tell what has happened since the last look."""
        if not self._authenticated:
            if asyncio.get_running_loop().time() > self._authenticate_by:
                self._fail(404)
            return
        now, before = self._stream.now(), self._told_until
        if now <= before or self._link.closing:
            return
        self._told_until = now
        if any(self._wanted.values()):
            for array in self._stream.since(before, now, self._wanted):
                self._link.push(array)
        if self._link.slow:
            self._fail(407)

    def _authenticate(self, key: str, secret: str) -> None:
        if self._authenticated:
            self._error(403)
        elif not self._stream.accepts(key, secret):
            self._fail(402)
        elif self._feed not in FREE_FEEDS:
            self._fail(409)
        elif not self._stream.entered(self):
            self._fail(406)
        else:
            self._authenticated = True
            self._link.say([{"T": "success", "msg": "authenticated"}])

    def _change(self, action: str, channels: Mapping[str, Any]) -> None:
        if not {*channels} <= {*CHANNELS}:
            self._error(410)
            return
        if not all(isinstance(names, list) for names in channels.values()):
            self._error(400)
            return
        wanted = dict(self._wanted)
        for channel, names in channels.items():
            kept = [name for name in wanted[channel] if name not in names]
            wanted[channel] = [*kept, *names] if action == "subscribe" else kept
        for channel in WITH_TRADES:
            wanted[channel] = wanted["trades"]
        counted = set[str]().union(*(self._stream.symbols(wanted[name]) for name in COUNTED))
        if len(counted) > MOST_SYMBOLS:
            self._error(405)
            return
        self.look()
        self._wanted = wanted
        self._link.say([{"T": "subscription", **wanted}])

    def _error(self, code: int) -> None:
        self._link.say([{"T": "error", "code": code, "msg": ERRORS[code]}])

    def _fail(self, code: int) -> None:
        if not self._link.closing:
            self._error(code)
            self._link.close()


def _json(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def _msgpack(message: Any) -> bytes:
    """Times as msgpack's own: alpaca-py wants no text there."""
    rows = [row | {"t": _timestamp(row["t"])} if "t" in row else row for row in message]
    packed: bytes = msgpack.packb(rows)
    return packed


def _timestamp(text: str) -> Any:
    return msgpack.Timestamp.from_datetime(datetime.fromisoformat(text))
