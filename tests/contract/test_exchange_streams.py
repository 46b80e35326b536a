"""Both streams: unmodified alpaca-py clients, and the protocol word by word."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgpack
import pytest
from alpaca.data.live import StockDataStream
from alpaca.data.models import Bar, Quote, Trade
from alpaca.trading.models import TradeUpdate
from alpaca.trading.stream import TradingStream
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from embedded.exchange import streams_data
from embedded.exchange.access import Access
from tests.contract.exchange import Exchange, serving
from tests.tapes import HandTape, Stage, candles, flat

BUY = {"symbol": "SPY", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
BRACKET = {
    "order_class": "bracket",
    "take_profit": {"limit_price": 110},
    "stop_loss": {"stop_price": 98},
}
AUTH = {"action": "auth", "key": "any", "secret": "thing"}
AUTHENTICATE = {"action": "authenticate", "data": {"key_id": "any", "secret_key": "thing"}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[Exchange]:
    with serving() as exchange:
        yield exchange


@pytest.fixture
def stage() -> Stage:
    """SPY stands still until 10:10, then falls to 97; IBM stands at 50."""
    still, low = (100.0,) * 4, (97.0,) * 4
    spy = candles(*[still] * 40, (100, 100, 97, 97), *[low] * 349)
    return Stage(HandTape({"SPY": spy, "IBM": flat(50)})).at("10:00")


@pytest.fixture
def exchange(server: Exchange, stage: Stage) -> Exchange:
    return server.open(stage, Access(admin_token="operator"))


def post(exchange: Exchange, **more: Any) -> dict[str, Any]:
    return exchange.ask("/v2/orders", "POST", json=BUY | more).json()  # type: ignore[no-any-return]


def arm(exchange: Exchange, kind: str, **more: Any) -> None:
    where = {"method": "WS"}
    body = {"where": where, "what": {"kind": kind}} | more
    headers = {"Authorization": "Bearer operator"}
    assert exchange.ask("/sim/faults", "POST", headers=headers, json=body).status_code == 201


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; the suite's own time-out is five seconds."""
    async with asyncio.timeout(5):
        while not holds():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(stream: Any) -> AsyncIterator[None]:
    """An alpaca-py stream in this loop, from its subscription on until the end of the block."""
    stream._reconnect_min_backoff = 0.01
    task = asyncio.create_task(stream._run_forever())
    try:
        await until(lambda: stream._running)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await stream.close()


@asynccontextmanager
async def socket(exchange: Exchange, path: str, **more: Any) -> AsyncIterator[ClientConnection]:
    async with connect(exchange.url.replace("http", "ws") + path, **more) as connection:
        yield connection


async def say(connection: ClientConnection, message: Any) -> Any:
    """One message in JSON, and its answer."""
    await connection.send(json.dumps(message))
    return await heard(connection)


async def heard(connection: ClientConnection) -> Any:
    async with asyncio.timeout(5):
        return json.loads(await connection.recv())


async def test_alpaca_py_hears_what_becomes_of_its_orders(exchange: Exchange, stage: Stage) -> None:
    told: list[TradeUpdate] = []

    async def keep(update: TradeUpdate) -> None:
        told.append(update)

    stream = TradingStream(
        "any", "thing", url_override=exchange.url.replace("http", "ws") + "/stream"
    )
    stream.subscribe_trade_updates(keep)
    async with running(stream):
        await asyncio.to_thread(exchange.ask, "/v2/account")
        order = await asyncio.to_thread(post, exchange, **BRACKET)
        await until(lambda: "fill" in [update.event for update in told])
        stage.at("10:12")
        await until(lambda: "canceled" in [update.event for update in told])
    events = [update.event for update in told]
    assert events[:3] == ["pending_new", "new", "fill"]
    entry, exit_ = (update for update in told if update.event == "fill")
    assert (str(entry.order.id), entry.qty, entry.position_qty) == (order["id"], 10, 10)
    assert (exit_.price, exit_.position_qty) == (98, 0)
    assert "canceled" in events


async def test_the_orders_stream_answers_in_binary_json(exchange: Exchange) -> None:
    async with socket(exchange, "/stream") as connection:
        refused = await say(connection, LISTEN)
        assert refused["data"] == {"status": "unauthorized", "action": "listen"}
        await connection.send(json.dumps(AUTHENTICATE))
        answer = await connection.recv()
        assert isinstance(answer, bytes)
        assert json.loads(answer) == {
            "stream": "authorization",
            "data": {"status": "authorized", "action": "authenticate"},
        }
        assert await say(connection, LISTEN) == {
            "stream": "listening",
            "data": {"streams": ["trade_updates"]},
        }
        post(exchange)
        assert (await heard(connection))["data"]["event"] == "pending_new"
        nothing = {"action": "listen", "data": {"streams": []}}
        while (left := await say(connection, nothing))["stream"] != "listening":
            pass
        assert left["data"] == {"streams": []}


async def test_a_held_leg_that_is_replaced_has_no_event_of_its_own(exchange: Exchange) -> None:
    order = post(exchange, **BRACKET)
    stop = next(leg for leg in order["legs"] if leg["type"] == "stop")
    async with socket(exchange, "/stream") as connection:
        await say(connection, AUTHENTICATE)
        await say(connection, LISTEN)
        answer = exchange.ask(f"/v2/orders/{stop['id']}", "PATCH", json={"stop_price": "97.5"})
        assert answer.json()["status"] == "held"
        exchange.ask("/v2/orders", "DELETE")
        events: list[str] = []
        while events.count("canceled") < 2:
            events.append((await heard(connection))["data"]["event"])
    assert "replaced" in events
    assert "held" not in events


@pytest.mark.parametrize("message", ["{", '"x"', '{"action": "listen", "data": 3}'])
async def test_what_is_not_understood_is_an_error(exchange: Exchange, message: str) -> None:
    async with socket(exchange, "/stream") as connection:
        await say(connection, AUTHENTICATE)
        await connection.send(message)
        assert (await heard(connection))["stream"] == "error"


async def test_a_wrong_key_hears_nothing(server: Exchange, stage: Stage) -> None:
    server.open(stage, Access(key="K", secret="S", strict=True))
    async with socket(server, "/stream") as connection:
        assert (await say(connection, AUTHENTICATE))["data"]["status"] == "unauthorized"
        with pytest.raises(ConnectionClosed):
            await heard(connection)
    async with socket(server, "/v2/iex") as connection:
        await heard(connection)
        assert await say(connection, AUTH) == [{"T": "error", "code": 402, "msg": "auth failed"}]


async def test_alpaca_py_hears_trades_quotes_and_bars(exchange: Exchange, stage: Stage) -> None:
    told: list[Any] = []

    async def keep(one: Any) -> None:
        told.append(one)

    url = exchange.url.replace("http", "ws") + "/v2/iex"
    stream = StockDataStream("any", "thing", url_override=url)
    stream.subscribe_bars(keep, "SPY")
    stream.subscribe_quotes(keep, "SPY", "IBM")
    stream.subscribe_trades(keep, "*")
    stream.subscribe_daily_bars(keep, "IBM")
    async with running(stream):
        await until(lambda: bool(exchange.ask("/v2/clock")))
        await asyncio.sleep(0.1)  # the subscription is on its way
        stage.at("10:01")
        await until(lambda: len(told) == 6)
    kinds = [(type(one), one.symbol) for one in told]
    assert sorted(kinds, key=str) == sorted(
        [
            (Bar, "SPY"),
            (Quote, "SPY"),
            (Quote, "IBM"),
            (Trade, "SPY"),
            (Trade, "IBM"),
            (Bar, "IBM"),
        ],
        key=str,
    )
    [bar] = [one for one in told if isinstance(one, Bar) and one.symbol == "SPY"]
    assert (bar.timestamp.isoformat(), bar.close) == ("2013-10-07T14:00:00+00:00", 100)


async def test_the_data_stream_speaks_json_unless_asked_for_msgpack(
    exchange: Exchange, stage: Stage
) -> None:
    async with socket(exchange, "/v2/iex") as connection:
        assert await heard(connection) == [{"T": "success", "msg": "connected"}]
        assert await say(connection, AUTH) == [{"T": "success", "msg": "authenticated"}]
        [subscribed] = await say(connection, {"action": "subscribe", "bars": ["SPY"]})
        assert (subscribed["T"], subscribed["bars"]) == ("subscription", ["SPY"])
        assert {*subscribed} == {"T", *streams_data.CHANNELS}
        stage.at("10:02")
        first, second = await heard(connection), await heard(connection)
        assert [first[0]["t"], second[0]["t"]] == ["2013-10-07T14:00:00Z", "2013-10-07T14:01:00Z"]
        [left] = await say(connection, {"action": "unsubscribe", "bars": ["SPY"]})
        assert left["bars"] == []
    headers = {"Content-Type": "application/msgpack"}
    async with socket(exchange, "/v2/iex", additional_headers=headers) as connection:
        assert msgpack.unpackb(await connection.recv()) == [{"T": "success", "msg": "connected"}]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"action": "subscribe", "orderbooks": ["SPY"]}, 410),
        ({"action": "subscribe", "bars": "SPY"}, 400),
        ({"action": "dance"}, 400),
        (AUTH, 403),
        ({"action": "subscribe", "trades": [f"S{n}" for n in range(31)]}, 405),
    ],
)
async def test_the_errors_of_the_data_stream(
    exchange: Exchange, message: dict[str, Any], code: int
) -> None:
    async with socket(exchange, "/v2/iex") as connection:
        await heard(connection)
        assert (await say(connection, {"action": "subscribe", "bars": ["SPY"]}))[0]["code"] == 401
        await say(connection, AUTH)
        [error] = await say(connection, message)
        assert (error["T"], error["code"]) == ("error", code)


async def test_one_connection_for_each_account(exchange: Exchange) -> None:
    async with socket(exchange, "/v2/iex") as first:
        await heard(first)
        await say(first, AUTH)
        async with socket(exchange, "/v2/iex") as second:
            await heard(second)
            assert (await say(second, AUTH))[0]["code"] == 406
            with pytest.raises(ConnectionClosed):
                await heard(second)


async def test_the_feed_that_has_to_be_paid_for_is_refused(exchange: Exchange) -> None:
    async with socket(exchange, "/v2/sip") as connection:
        await heard(connection)
        assert (await say(connection, AUTH))[0]["code"] == 409


async def test_who_says_nothing_is_shown_out(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams_data, "AUTH_SECONDS", 0.01)
    async with socket(exchange, "/v2/iex") as connection:
        await heard(connection)
        assert (await heard(connection))[0]["code"] == 404


async def bars_under(exchange: Exchange, stage: Stage, kind: str, **more: Any) -> list[str]:
    """The minutes of the bars that come in three minutes while a fault is armed."""
    async with socket(exchange, "/v2/iex") as connection:
        await heard(connection)
        await say(connection, AUTH)
        await say(connection, {"action": "subscribe", "bars": ["SPY"]})
        arm(exchange, kind, **more)
        stage.at("10:03")
        found = []
        with suppress(ConnectionClosed):
            while "14:02" not in found:
                found += [bar["t"][11:16] for bar in await heard(connection)]
        return found


@pytest.mark.parametrize(
    ("kind", "times", "minutes"),
    [
        ("silence", 2, ["14:02"]),
        ("duplicate", 1, ["14:00", "14:00", "14:01", "14:02"]),
        ("reorder", 1, ["14:01", "14:00", "14:02"]),
        ("drop", 1, []),
    ],
)
async def test_a_stream_can_be_silent_stutter_and_mix_things_up(
    exchange: Exchange, stage: Stage, kind: str, times: int, minutes: list[str]
) -> None:
    assert await bars_under(exchange, stage, kind, times=times) == minutes


async def test_a_revoked_key_is_not_let_in(exchange: Exchange) -> None:
    body = {"what": {"kind": "status", "status": 401}, "times": None}
    headers = {"Authorization": "Bearer operator"}
    exchange.ask("/sim/faults", "POST", headers=headers, json=body)
    with pytest.raises(InvalidStatus, match="401"):
        async with socket(exchange, "/stream"):
            pass


async def test_listening_changes_nothing(server: Exchange, stage: Stage) -> None:
    async def orders(*, listening: bool) -> list[Any]:
        again = Stage(stage.tape).at("10:00")
        server.open(again)
        async with socket(server, "/stream") as connection:
            if listening:
                await say(connection, AUTHENTICATE)
                await say(connection, LISTEN)
            post(server, **BRACKET)
            for clock in ("10:01", "10:05", "10:10:30", "10:12"):
                again.at(clock)
                await asyncio.sleep(0.12 if listening else 0)
            return server.ask("/v2/orders?status=all").json()  # type: ignore[no-any-return]

    assert await orders(listening=True) == await orders(listening=False)
