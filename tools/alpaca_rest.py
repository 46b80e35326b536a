"""RestBroker: the broker seam over the standard library alone.

For the flatten program, so that one library's fault cannot stop both ways of getting flat. What
answers mean is the same text as AlpacaBroker's (`tools.alpaca_answers`, which imports no library
either); the wire underneath has nothing in common with it.
"""

import http.client
import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn, cast
from urllib.parse import quote, urlencode, urlsplit

from tools.alpaca_answers import (
    AT_ONCE,
    BEGINNING,
    MISSHAPEN,
    PAGE,
    SHORTEST_SECRET,
    AnswerLost,
    CallFailed,
    NotSent,
    account_of,
    acted,
    asked,
    clock_of,
    closing,
    every_order,
    found,
    instrument_of,
    nothing,
    once,
    order_of,
    orders_of,
    positions_of,
    standing,
    turned_down,
)
from tools.core.market import Instrument, Market, market_of
from tools.core.trading import Account, BrokerClock, Order, OrderClass, OrderIntent, Position

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 13.0
"""What one call may take in all: names, connection, question and answer."""

CONNECT_SECONDS = 3.05


class RestBroker:
    """`tools.core.seams.Broker` over HTTP. Every call ends within 13 s; none is repeated."""

    def __init__(self, *, key: str, secret: str, url: str) -> None:
        """`url` is the trading host, with or without `/v2`."""
        self._wire = _Wire(url, key, secret)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="broker")

    def clock(self) -> BrokerClock:
        """The broker's own time and whether the market is open."""
        return asked(lambda: self._wire.get(clock_of, "/clock"))

    def account(self) -> Account:
        """The account's money."""
        return asked(lambda: self._wire.get(account_of, "/account"))

    def positions(self) -> tuple[Position, ...]:
        """All positions, by symbol."""
        return asked(lambda: self._wire.get(positions_of, "/positions"))

    def open_orders(self) -> tuple[Order, ...]:
        """All orders that may still act; the legs of a filled entry stand by themselves."""
        listed = self._orders("open", BEGINNING, nested=False)
        return standing(listed, self.orders_since)

    def orders_since(self, since: datetime) -> tuple[Order, ...]:
        """All orders submitted at or after `since` in any state, legs nested; oldest first."""
        return self._orders("all", since, nested=True)

    def order_by_client_id(self, client_order_id: str) -> Order | None:
        """The order with that id, legs nested; None is "not found now", never "was never sent"."""
        by_id = {"client_order_id": client_order_id}
        order = found(lambda: self._wire.get(order_of, "/orders:by_client_order_id", by_id))
        if order is None or order.order_class is OrderClass.SIMPLE or order.legs:
            return order
        # This route cannot be asked for legs; the one by id can.
        path = _order_path(order)
        return found(lambda: self._wire.get(order_of, path, {"nested": "true"}))

    def submit(self, intent: OrderIntent) -> Order:
        """Send one day order. The same id twice gives the first order, never a second."""
        return self._once(intent.client_order_id, "POST", "/orders", _body(intent))

    def replace_stop(self, order: Order, *, stop_price: Decimal, client_order_id: str) -> Order:
        """Move a resting stop to `stop_price` without ever being without one."""
        change = {"stop_price": str(stop_price), "client_order_id": client_order_id}
        return self._once(client_order_id, "PATCH", _order_path(order), change)

    def cancel(self, order: Order) -> None:
        """Ask for the end of one order. A request, not a state: read it back."""
        acted(lambda: self._wire.call(nothing, "DELETE", _order_path(order)))

    def cancel_all(self) -> None:
        """Ask for the end of every open order."""
        acted(lambda: self._wire.call(nothing, "DELETE", "/orders"))

    def instrument(self, symbol: str) -> Instrument | None:
        """What the broker says of `symbol`; None when it does not know it, or it is no US equity.

        The shape is checked first: what is no symbol is not put into a path.
        """
        if market_of(symbol) is not Market.US_EQUITY:
            return None
        return found(lambda: self._wire.get(instrument_of, f"/assets/{symbol}"))

    def begin[T](self, call: Callable[[], T]) -> Future[T]:
        """Start `call` in a thread of its own."""
        return self._pool.submit(call)

    def _orders(self, status: str, since: datetime, *, nested: bool) -> tuple[Order, ...]:
        def page_after(after: datetime) -> tuple[Order, ...]:
            query = {
                "status": status,
                "limit": str(PAGE),
                "after": after.isoformat(),
                "direction": "asc",
                "nested": "true" if nested else "false",
            }
            return asked(lambda: self._wire.get(orders_of, "/orders", query))

        return every_order(page_after, since)

    def _once(self, client_order_id: str, method: str, path: str, body: Mapping[str, Any]) -> Order:
        return once(
            client_order_id,
            lambda: self._wire.call(order_of, method, path, body=body),
            lambda: self.order_by_client_id(client_order_id),
        )


class _Wire:
    """One connection per call: nothing is left over from a call that went wrong."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        parts = urlsplit(url.rstrip("/").removesuffix("/v2"))
        self._host, self._base = parts.hostname or "", f"{parts.path}/v2"
        self._tls = _tls_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        self._secrets = [word for word in (key, secret) if len(word) >= SHORTEST_SECRET]

    def get[T](
        self, parse: Callable[[Any], T], path: str, query: Mapping[str, str] | None = None
    ) -> T:
        """A question. Raises only CallFailed, as `call` does."""
        return self.call(parse, "GET", f"{path}?{urlencode(query)}" if query else path)

    def call[T](
        self,
        parse: Callable[[Any], T],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
    ) -> T:
        """`parse` of the JSON that is answered. Raises only CallFailed."""
        name = f"{method} {path.partition('?')[0]}"
        deadline = _Deadline(DEADLINE_SECONDS)
        try:
            connection = self._connection(deadline)
        except (OSError, ValueError) as error:
            refused = isinstance(error, ConnectionRefusedError)
            why = "connection refused" if refused else f"no connection ({_kind(error)})"
            logger.warning("%s: %s", name, why)
            raise NotSent(f"{name}: {why}") from None
        try:
            status, answer = self._exchange(connection, method, path, body)
            if not 200 <= status < 300:
                raise self._turned_down(name, status, answer)
            return parse(_json(answer))
        except TimeoutError:
            failed = AnswerLost(f"{name}: no answer within {DEADLINE_SECONDS:g} s")
            logger.warning("%s", failed)
            raise failed from None
        except (OSError, http.client.HTTPException, *MISSHAPEN) as error:
            raise AnswerLost(f"{name}: unusable answer ({_kind(error)})") from None
        finally:
            connection.close()

    def _connection(self, deadline: "_Deadline") -> http.client.HTTPConnection:
        """Connected, with `deadline` on everything that follows. Raises OSError."""
        connection = http.client.HTTPConnection(self._host, self._port)
        connection.sock = _connected(self._host, self._port, self._tls, deadline)
        return connection

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
    ) -> tuple[int, bytes]:
        headers = {**self._headers, "Content-Type": "application/json", "Connection": "close"}
        raw = None if body is None else json.dumps(body).encode()
        connection.request(method, self._base + path, raw, headers)
        response = connection.getresponse()
        return response.status, response.read()

    def _turned_down(self, name: str, status: int, answer: bytes) -> CallFailed:
        failed = turned_down(name, status, answer, self._secrets)
        if isinstance(failed, NotSent):
            logger.warning("%s", failed)
        return failed


class _Deadline:
    """An instant by which everything must be over."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left. Raises TimeoutError when there are none."""
        if (left := self._at - time.monotonic()) <= 0:
            raise TimeoutError
        return left


class _Timed(socket.socket):
    """A socket whose every wait is cut at one deadline.

    A socket's own time-out starts anew with each byte: a server that trickles would never end it.
    """

    deadline: _Deadline

    def sendall(self, *given: Any) -> None:
        self.settimeout(self.deadline.left())
        super().sendall(*given)

    def recv_into(self, *given: Any) -> int:
        self.settimeout(self.deadline.left())
        return super().recv_into(*given)


class _TimedTls(_Timed, ssl.SSLSocket):
    """The same, encrypted."""


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.sslsocket_class = _TimedTls
    return context


def _connected(host: str, port: int, tls: ssl.SSLContext | None, deadline: _Deadline) -> _Timed:
    """A socket to the first address that answers. Raises OSError."""
    refusal = OSError("no address")
    for family, kind, protocol, _, address in _addresses(host, port, deadline):
        connected = _Timed(family, kind, protocol)
        try:
            connected.settimeout(min(CONNECT_SECONDS, deadline.left()))
            connected.connect(address)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if tls:
                connected = cast("_TimedTls", tls.wrap_socket(connected, server_hostname=host))
        except OSError as error:
            connected.close()
            refusal = error
        else:
            connected.deadline = deadline
            return connected
    raise refusal


def _addresses(host: str, port: int, deadline: _Deadline) -> list[Any]:
    """`getaddrinfo` within the deadline, which it knows nothing of itself."""
    answer: list[Any] = []

    def ask() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.append(error)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(min(CONNECT_SECONDS, deadline.left()))
    if not answer:
        raise TimeoutError("the host's name is not resolved")
    if isinstance(answer[0], OSError):
        raise answer[0]
    return list(answer[0])


def _body(intent: OrderIntent) -> dict[str, Any]:
    """The POST's body; money and shares go as the strings that they are."""
    fields = {
        "symbol": intent.symbol,
        "qty": intent.quantity,
        "side": intent.side.value,
        "type": intent.order_type.value,
        "time_in_force": "day",
        "order_class": intent.order_class.value,
        "position_intent": closing(intent),
        "client_order_id": intent.client_order_id,
        "limit_price": intent.limit_price,
        "stop_price": intent.stop_price,
    }
    body: dict[str, Any] = {k: str(value) for k, value in fields.items() if value is not None}
    if intent.stop_loss_price is not None:
        body["stop_loss"] = {"stop_price": str(intent.stop_loss_price)}
    if intent.take_profit_price is not None:
        body["take_profit"] = {"limit_price": str(intent.take_profit_price)}
    return body


def _order_path(order: Order) -> str:
    return f"/orders/{quote(order.order_id, safe='')}"


def _json(answer: bytes) -> Any:
    """Numbers as Decimal; nothing for an empty body. Raises ValueError, for NaN too."""
    return json.loads(answer, parse_float=Decimal, parse_constant=_refuse) if answer else None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"not a number: {constant}")


def _kind(error: Exception) -> str:
    return type(error).__name__
