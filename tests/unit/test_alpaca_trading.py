"""Both broker adapters: what they read, and what they make of answers that are none."""

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import an_intent, an_order
from tests.stub_server import HTML, Fault, Reply, StubServer
from tools import alpaca_rest, alpaca_transport
from tools.alpaca_answers import PAGE
from tools.alpaca_rest import RestBroker
from tools.alpaca_trading import AlpacaBroker
from tools.core.errors import BrokerUnavailable, OrderRejected, OutcomeUnknown
from tools.core.seams import Broker
from tools.core.trading import OrderClass, OrderStatus, OrderType, Side

SECRET = "the-secret-of-the-account"
SECONDS = 0.2
START = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


type Adapter = type[AlpacaBroker] | type[RestBroker]
type Connect = Callable[[StubServer], Broker]


@pytest.fixture(params=[AlpacaBroker, RestBroker])
def adapter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Adapter:
    monkeypatch.setattr(alpaca_transport, "READ_SECONDS", SECONDS)
    monkeypatch.setattr(alpaca_rest, "DEADLINE_SECONDS", SECONDS)
    kind: Adapter = request.param
    return kind


@pytest.fixture
def a_broker(adapter: Adapter) -> Connect:
    return lambda server: adapter(key="the-public-key", secret=SECRET, url=server.url)


def said(value: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(value).encode())


def an_answer(number: int = 1, **changes: Any) -> dict[str, Any]:
    """An order as Alpaca writes it, with keys that nobody asked for."""
    return {
        "id": f"00000000-0000-0000-0000-{number:012}",
        "client_order_id": f"AT-{number}",
        "submitted_at": (START + number * timedelta(seconds=1)).isoformat(),
        "filled_at": None,
        "symbol": "SPY",
        "side": "buy",
        "type": "limit",
        "order_class": "",
        "status": "new",
        "qty": "10",
        "filled_qty": "0",
        "filled_avg_price": None,
        "limit_price": "330.4",
        "stop_price": None,
        "legs": None,
        "subtag": None,
        "group_role": "entry",
        **changes,
    }


def test_an_order_is_read_exactly_with_its_legs(a_broker: Connect) -> None:
    leg = an_answer(2, type="stop", side="sell", status="held", limit_price=None, stop_price="329")
    answer = an_answer(
        order_class="oto",
        status="filled",
        filled_qty="10",
        filled_avg_price="0.557436865",
        filled_at="2026-09-15T16:20:35.29220537Z",
        legs=[leg],
    )
    with StubServer(said(answer)) as server:
        order = a_broker(server).order_by_client_id("AT-1")
    assert order is not None
    assert order.status is OrderStatus.FILLED
    assert order.average_fill_price == Decimal("0.557436865")
    assert order.filled_at == datetime(2026, 9, 15, 16, 20, 35, 292205, UTC)
    assert order.legs[0].stop_price == Decimal(329)
    assert order.legs[0].status is OrderStatus.HELD


def test_orders_of_other_hands_are_read_too(a_broker: Connect) -> None:
    foreign = [
        an_answer(1, status="done_for_day", type="trailing_stop", order_class="mleg"),
        an_answer(2, qty=None, filled_qty="0.5", type="stop_limit"),
    ]
    with StubServer(said(foreign)) as server:
        first, second = a_broker(server).open_orders()
    assert (first.status, first.order_type) == (OrderStatus.NEW, OrderType.STOP)
    assert first.order_class is OrderClass.SIMPLE
    assert (second.quantity, second.order_type) == (Decimal("0.5"), OrderType.STOP)


def test_an_order_of_several_legs_hides_no_other(a_broker: Connect) -> None:
    """Alpaca leaves out of it what only its legs have, and out of them what only it has."""
    leg = {key: value for key, value in an_answer(2).items() if key not in ("type", "order_type")}
    options = an_answer(1, order_class="mleg", legs=[leg | {"symbol": "SPY261120C00600000"}])
    for name in ("symbol", "side"):
        del options[name]
    with StubServer(said([options | {"asset_id": ""}, an_answer(3)])) as server:
        assert [one.symbol for one in a_broker(server).open_orders()] == ["", "SPY"]


@pytest.mark.parametrize("body", [{}, "", None])
def test_what_is_no_list_does_not_say_that_there_is_nothing(
    a_broker: Connect, body: object
) -> None:
    with StubServer(said(body)) as server:
        for question in (a_broker(server).positions, a_broker(server).open_orders):
            with pytest.raises(BrokerUnavailable):
                question()


def test_an_intent_is_sent_as_a_day_order_with_its_legs(a_broker: Connect) -> None:
    with StubServer(said(an_answer())) as server:
        a_broker(server).submit(an_intent("AT-1", limit="100.10", stop="99.01", target="103.5"))
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v2/orders")
    body = json.loads(request.body)
    numbers = [body.pop("qty"), body.pop("limit_price")]
    numbers += [body.pop("stop_loss")["stop_price"], body.pop("take_profit")["limit_price"]]
    assert [Decimal(str(number)) for number in numbers] == [
        Decimal(written) for written in ("10", "100.10", "99.01", "103.5")
    ]
    assert body == {
        "symbol": "SPY",
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "order_class": "bracket",
        "client_order_id": "AT-1",
    }


def test_a_sale_says_that_it_closes_so_that_none_can_open_a_short(a_broker: Connect) -> None:
    with StubServer(said(an_answer(side="sell"))) as server:
        a_broker(server).submit(an_intent("AT-1", side=Side.SELL, stop=None))
    assert json.loads(server.requests[0].body)["position_intent"] == "sell_to_close"


def test_a_url_may_end_in_v2_as_alpacas_pages_print_it(a_broker: Connect) -> None:
    with StubServer(said([])) as server:
        server.url += "/v2/"
        a_broker(server).positions()
    assert server.requests[0].path == "/v2/positions"


def test_the_account_needs_none_of_the_day_trader_fields(a_broker: Connect) -> None:
    answer = {
        "account_number": "PA1",
        "cash": "99000.5",
        "equity": "100000",
        "last_equity": "0",
        "buying_power": "4",
        "trading_blocked": False,
        "account_blocked": True,
    }
    with StubServer(said(answer)) as server:
        account = a_broker(server).account()
    assert account.cash == Decimal("99000.5")
    assert account.day_pnl_fraction == 0
    assert account.trading_blocked


def test_a_position_without_a_current_price_is_valued_at_the_last_one(a_broker: Connect) -> None:
    answer = {"symbol": "SPY", "qty": "-3", "avg_entry_price": "10", "lastday_price": "11"}
    with StubServer(said([answer | {"current_price": None}])) as server:
        (position,) = a_broker(server).positions()
    assert (position.quantity, position.current_price) == (Decimal(-3), Decimal(11))


def test_more_than_one_page_of_orders_is_read_without_gap_or_repetition(a_broker: Connect) -> None:
    answers = [an_answer(number) for number in range(1, PAGE + 3)]
    pages = said(answers[:PAGE]), said(answers[PAGE - 1 :])
    with StubServer(*pages) as server:
        orders = a_broker(server).orders_since(START)
    assert [order.client_order_id for order in orders] == [it["client_order_id"] for it in answers]
    first, second = (request.path for request in server.requests)
    assert "after=2026-11-20T14%3A59%3A59.999999%2B00%3A00" in first
    assert "after=2026-11-20T15%3A08%3A19.999999%2B00%3A00" in second


def test_a_page_full_of_one_instant_ends_the_reading(a_broker: Connect) -> None:
    answers = [an_answer(1) | {"id": str(number)} for number in range(PAGE)]
    with StubServer(said(answers)) as server:
        assert len(a_broker(server).orders_since(START)) == PAGE
    assert len(server.requests) == 2


def test_an_id_that_is_taken_gives_the_order_that_took_it(a_broker: Connect) -> None:
    taken = said({"code": 40010001, "message": "client_order_id must be unique"}, 422)
    with StubServer(taken, said(an_answer(status="filled"))) as server:
        assert a_broker(server).submit(an_intent("AT-1")).status is OrderStatus.FILLED
    assert [request.method for request in server.requests] == ["POST", "GET"]


@pytest.mark.parametrize("lookup", [Reply(503), said({"code": 40410000}, 404)])
def test_an_id_that_is_taken_by_nobody_knows_what_leaves_the_outcome_unknown(
    a_broker: Connect, lookup: Reply
) -> None:
    taken = said({"code": 40010001, "message": "client_order_id must be unique"}, 422)
    with StubServer(taken, lookup) as server, pytest.raises(OutcomeUnknown, match="AT-1"):
        a_broker(server).submit(an_intent("AT-1"))


@pytest.mark.parametrize(
    "reply",
    [
        Reply(500),
        Reply(504, HTML),
        Reply(408),
        Reply(200, HTML),
        Reply(200, b""),
        Reply(200, b'{"id": "1"}'),
        Reply(302),
        Reply(200, b'{"id"', torn=True),
        said(an_answer(filled_qty="NaN")),
        said(an_answer(side="both")),
        Fault.DROP,
        Fault.HANG,
    ],
)
def test_a_lost_answer_leaves_an_order_unknown_and_a_question_open(
    a_broker: Connect, reply: Reply | Fault
) -> None:
    with StubServer(reply) as server:
        broker = a_broker(server)
        with pytest.raises(OutcomeUnknown):
            broker.submit(an_intent("AT-1"))
        with pytest.raises(BrokerUnavailable):
            broker.order_by_client_id("AT-1")
    assert len(server.requests) == 2


@pytest.mark.parametrize("reply", [Reply(503), Fault.DROP])
def test_a_lost_answer_leaves_a_change_unknown(a_broker: Connect, reply: Reply | Fault) -> None:
    order = replace(an_order(), order_id=an_answer()["id"])
    with StubServer(reply) as server:
        broker = a_broker(server)
        with pytest.raises(OutcomeUnknown):
            broker.cancel(order)
        with pytest.raises(OutcomeUnknown):
            broker.cancel_all()
        with pytest.raises(OutcomeUnknown):
            broker.replace_stop(order, stop_price=Decimal(99), client_order_id="AT-2")
    assert [request.method for request in server.requests] == ["DELETE", "DELETE", "PATCH"]


def test_a_time_out_is_told_before_it_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_transport, "READ_SECONDS", 0.05)
    heard: list[str] = []
    with StubServer(Fault.HANG) as server, pytest.raises(BrokerUnavailable, match="no answer"):
        AlpacaBroker(key="k", secret="s", url=server.url, on_timeout=heard.append).clock()
    assert heard == ["get_clock: no answer within 0.05 s"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_final_for_an_order_and_no_answer_to_a_question(
    a_broker: Connect, status: int
) -> None:
    refusal = said({"code": 40310000, "message": "insufficient buying power"}, status)
    with StubServer(refusal) as server:
        broker = a_broker(server)
        with pytest.raises(OrderRejected, match="insufficient buying power") as raised:
            broker.submit(an_intent())
        with pytest.raises(BrokerUnavailable, match=str(status)):
            broker.account()
    assert raised.value.code == status


def test_not_found_is_believed_of_alpaca_and_not_of_a_page_in_between(a_broker: Connect) -> None:
    with StubServer(said({"code": 40410000, "message": "order not found"}, 404)) as server:
        broker = a_broker(server)
        assert broker.order_by_client_id("AT-1") is None
        assert broker.instrument("SPY") is None
    with StubServer(Reply(404, HTML)) as server, pytest.raises(BrokerUnavailable, match="not JSON"):
        a_broker(server).order_by_client_id("AT-1")


def test_a_symbol_that_is_no_equity_is_not_asked_for(a_broker: Connect) -> None:
    with StubServer(said({})) as server:
        for symbol in ("BTC/USD", "../account", "spy", "SPY "):
            assert a_broker(server).instrument(symbol) is None
    assert server.requests == []


def test_a_rate_limit_is_named_in_the_log_and_nothing_was_done(
    a_broker: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with StubServer(said({"message": "too many requests."}, 429)) as server:
        with pytest.raises(BrokerUnavailable, match="rate limit"):
            a_broker(server).submit(an_intent())
    assert len(server.requests) == 1
    assert [(one.levelname, "rate limit" in one.message) for one in caplog.records] == [
        ("WARNING", True)
    ]


def test_nobody_there_is_a_refused_connection_and_nothing_was_sent(
    a_broker: Connect,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with StubServer(said({})) as server:
        pass
    with pytest.raises(BrokerUnavailable, match="connection refused"):
        a_broker(server).submit(an_intent())
    assert "connection refused" in caplog.text


def test_no_error_tells_a_secret(a_broker: Connect) -> None:
    echo = said({"code": 1, "message": f"bad key the-public-key with {SECRET}"}, 403)
    with StubServer(echo) as server, pytest.raises(OrderRejected) as raised:
        a_broker(server).submit(an_intent())
    told = "".join(traceback.format_exception(raised.value))
    assert "bad key *** with ***" in told
    assert SECRET not in told


def test_the_broker_of_the_standard_library_outlasts_a_server_that_trickles() -> None:
    with StubServer(Fault.TRICKLE) as server:
        broker = RestBroker(key="k", secret="s", url=server.url)
        began = time.monotonic()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(alpaca_rest, "DEADLINE_SECONDS", SECONDS)
            with pytest.raises(BrokerUnavailable, match=r"no answer within 0\.2 s"):
                broker.positions()
    assert time.monotonic() - began < 3 * SECONDS


def test_a_key_that_cannot_be_sent_is_not_told_either(adapter: Adapter) -> None:
    with StubServer(said({})) as server, pytest.raises(BrokerUnavailable) as raised:
        adapter(key="the-public-key", secret=f"{SECRET}\nX: y", url=server.url).account()
    assert SECRET not in "".join(traceback.format_exception(raised.value))
