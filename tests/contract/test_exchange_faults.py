"""Every fault that the exchange can be told to have, seen from the client's side of the wire."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest

from embedded.exchange.access import Access
from tests.contract.exchange import Exchange, serving
from tests.tapes import HandTape, Stage, flat

TOKEN = {"Authorization": "Bearer operator"}
ORDER = {"symbol": "SPY", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
POST = {"method": "POST", "path": "/v2/orders"}


@pytest.fixture(scope="module")
def server() -> Iterator[Exchange]:
    with serving() as exchange:
        yield exchange


@pytest.fixture
def stage() -> Stage:
    return Stage(HandTape({"IBM": flat(50), "SPY": flat(100)})).at("10:00")


@pytest.fixture
def exchange(server: Exchange, stage: Stage) -> Exchange:
    return server.open(stage, Access(admin_token="operator"))


def sim(exchange: Exchange, verb: str = "GET", path: str = "", **given: Any) -> requests.Response:
    return exchange.ask(f"/sim/faults{path}", verb, **({"headers": TOKEN} | given))


def arm(exchange: Exchange, kind: str, where: dict[str, str], **more: Any) -> int:
    """Arm one fault; what is no property of a fault is one of its `what`."""
    of_fault = {name: more.pop(name) for name in ("times", "probability", "seed") if name in more}
    body = {"where": where, "what": {"kind": kind} | more} | of_fault
    answer = sim(exchange, "POST", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["number"])


def submit(exchange: Exchange, name: str = "", **given: Any) -> requests.Response:
    return exchange.ask("/v2/orders", "POST", json=ORDER | {"client_order_id": name}, **given)


def names(exchange: Exchange) -> list[str]:
    """The client ids of all orders that the exchange has taken, oldest first."""
    found = exchange.ask("/v2/orders?status=all&direction=asc").json()
    return [order["client_order_id"] for order in found]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}], ids=["none", "wrong"])
def test_faults_need_the_token(exchange: Exchange, headers: dict[str, str]) -> None:
    assert exchange.ask("/sim/faults", headers=headers).status_code == 401


def test_without_a_token_there_are_no_faults(server: Exchange) -> None:
    server.open(Stage(HandTape({"SPY": flat(100)})))
    assert server.ask("/sim/faults", headers=TOKEN).status_code == 404


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_error_comes_before_or_after_the_order_is_taken(
    exchange: Exchange, status: int, after: bool
) -> None:
    arm(exchange, "status", POST, status=status, after=after)
    assert submit(exchange, "first").status_code == status
    assert names(exchange) == ["first"] * after
    assert submit(exchange, "second").status_code == 200


def test_a_rate_limit_has_its_headers(exchange: Exchange) -> None:
    arm(exchange, "status", {}, status=429)
    answer = exchange.ask("/v2/account")
    assert answer.json()["message"] == "too many requests."
    limits = "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "Retry-After"
    assert all(name in answer.headers for name in limits)


def test_a_revoked_key_is_unauthorized_everywhere_until_it_is_back(exchange: Exchange) -> None:
    number = arm(exchange, "status", {}, status=401, times=None)
    for path in ("/v2/account", "/v2/stocks/bars/latest?symbols=SPY", "/v2/orders"):
        answer = exchange.ask(path)
        assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})
    assert sim(exchange, "DELETE", f"/{number}").status_code == 204
    assert exchange.ask("/v2/account").status_code == 200


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_connection_dies_without_a_reply(exchange: Exchange, after: bool) -> None:
    arm(exchange, "drop", POST, after=after)
    with pytest.raises(requests.ConnectionError):
        submit(exchange, "lost")
    assert names(exchange) == ["lost"] * after


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_request_hangs_until_the_client_gives_up(exchange: Exchange, after: bool) -> None:
    arm(exchange, "hang", POST, after=after)
    with pytest.raises(requests.ReadTimeout):
        submit(exchange, "hung", timeout=0.2)
    assert names(exchange) == ["hung"] * after


def test_an_order_may_be_taken_long_after_its_client_gave_up(exchange: Exchange) -> None:
    arm(exchange, "delay", POST, seconds=0.4)
    with pytest.raises(requests.ReadTimeout):
        submit(exchange, "late", timeout=0.1)
    assert names(exchange) == []
    while not names(exchange):
        pass
    assert names(exchange) == ["late"]


def test_a_body_ends_in_the_middle(exchange: Exchange) -> None:
    arm(exchange, "truncate", {"path": "/v2/account"})
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        exchange.ask("/v2/account")


def test_a_proxy_answers_with_a_page(exchange: Exchange) -> None:
    arm(exchange, "html", {"path": "/v2/account"}, status=502)
    with pytest.raises(APIError) as caught:
        exchange.trading.get_account()
    with pytest.raises(json.JSONDecodeError):
        _ = caught.value.message


@pytest.mark.parametrize("told", [[], [{"symbol": "SPY", "qty": "-7"}]], ids=["empty", "absurd"])
def test_the_list_of_positions_may_say_anything(exchange: Exchange, told: list[Any]) -> None:
    submit(exchange)
    arm(exchange, "answer", {"path": "/v2/positions"}, body=told)
    assert exchange.ask("/v2/positions").json() == told
    assert [one["qty"] for one in exchange.ask("/v2/positions").json()] == ["1"]


def test_a_frozen_answer_contradicts_the_others(exchange: Exchange) -> None:
    number = arm(exchange, "freeze", {"path": "/v2/positions"}, times=None)
    assert exchange.ask("/v2/positions").json() == []
    submit(exchange)
    assert exchange.ask("/v2/positions").json() == []
    assert exchange.ask("/v2/positions/SPY").json()["qty"] == "1"
    sim(exchange, "DELETE", f"/{number}")
    assert len(exchange.ask("/v2/positions").json()) == 1


def test_a_stale_quote_is_an_old_one(exchange: Exchange) -> None:
    arm(exchange, "stale", {"path": "/v2/stocks/*"}, seconds=600)
    path = "/v2/stocks/SPY/quotes/latest"
    assert exchange.ask(path).json()["quote"]["t"] == "2013-10-07T13:50:00Z"
    assert exchange.ask(path).json()["quote"]["t"] == "2013-10-07T14:00:00Z"


def test_a_clock_goes_wrong(exchange: Exchange) -> None:
    arm(exchange, "skew", {"path": "/v2/clock"}, seconds=-90)
    assert exchange.ask("/v2/clock").json()["timestamp"] == "2013-10-07T09:58:30-04:00"
    assert exchange.ask("/v2/clock").json()["timestamp"] == "2013-10-07T10:00:00-04:00"
    arm(exchange, "skew", {"path": "/v3/clock"}, seconds=30)
    [clock] = exchange.ask("/v3/clock?markets=NYSE").json()["clocks"]
    assert "10:00:30" in clock["timestamp"]


def test_a_blocked_account_says_so_and_changes_nothing(exchange: Exchange) -> None:
    arm(exchange, "block", {}, times=None)
    account = exchange.trading.get_account()
    assert account.account_blocked  # type: ignore[union-attr]
    refusal = submit(exchange)
    assert (refusal.status_code, refusal.json()["code"]) == (403, 40310000)
    assert exchange.ask("/v2/positions", "DELETE").status_code == 403
    assert exchange.ask("/v2/orders?status=all").json() == []


def only_order(exchange: Exchange) -> Any:
    [order] = exchange.ask("/v2/orders?status=all").json()
    return order


def test_an_order_is_rejected_after_it_was_accepted(exchange: Exchange) -> None:
    arm(exchange, "reject", {"symbol": "SPY"})
    assert submit(exchange).json()["status"] == "pending_new"
    assert (only_order(exchange)["status"], only_order(exchange)["filled_qty"]) == ("rejected", "0")


def test_a_fill_may_be_a_part(exchange: Exchange, stage: Stage) -> None:
    arm(exchange, "partial", {"symbol": "SPY"}, share=0.3)
    exchange.ask("/v2/orders", "POST", json=ORDER | {"qty": "10"})
    assert only_order(exchange)["status"] == "partially_filled"
    assert only_order(exchange)["filled_qty"] == "3"
    stage.at("10:02")
    assert (only_order(exchange)["status"], only_order(exchange)["filled_qty"]) == ("filled", "10")


def test_a_cancel_hangs_until_its_fault_is_gone(exchange: Exchange) -> None:
    number = arm(exchange, "stuck_cancel", {}, times=None)
    resting = ORDER | {"type": "limit", "limit_price": "90"}
    name = exchange.ask("/v2/orders", "POST", json=resting).json()["id"]
    exchange.ask("/v2/account")
    assert exchange.ask(f"/v2/orders/{name}", "DELETE").status_code == 204
    assert only_order(exchange)["status"] == "pending_cancel"
    sim(exchange, "DELETE", f"/{number}")
    assert only_order(exchange)["status"] == "canceled"


def test_nothing_fills_in_a_halt(exchange: Exchange, stage: Stage) -> None:
    number = arm(exchange, "halt", {"symbol": "SPY"})
    submit(exchange)
    stage.at("10:05")
    assert only_order(exchange)["filled_qty"] == "0"
    other = exchange.ask("/v2/orders", "POST", json=ORDER | {"symbol": "IBM"}).json()["id"]
    assert exchange.ask(f"/v2/orders/{other}").json()["status"] == "filled"
    sim(exchange, "DELETE", f"/{number}")
    stage.at("10:07")
    assert len(exchange.ask("/v2/positions").json()) == 2


def test_a_seed_makes_the_same_luck(exchange: Exchange) -> None:
    def lots(seed: int) -> list[int]:
        sim(exchange, "DELETE")
        arm(exchange, "status", {"path": "/v2/clock"}, times=None, probability=0.5, seed=seed)
        return [exchange.ask("/v2/clock").status_code for _ in range(20)]

    assert lots(7) == lots(7) != lots(8)
    assert 4 < lots(7).count(500) < 16


def test_a_fault_tells_how_often_it_has_struck(exchange: Exchange) -> None:
    number = arm(exchange, "status", {"path": "/v2/clock"}, times=3)
    exchange.ask("/v2/clock")
    [told] = sim(exchange).json()
    assert (told["number"], told["struck"], told["left"]) == (number, 1, 2)


def test_alpaca_py_sends_an_order_twice_after_a_504(exchange: Exchange) -> None:
    arm(exchange, "status", POST, status=504, after=True)
    client = exchange.trading
    client._retry_wait = 0
    request = MarketOrderRequest(
        symbol="SPY", qty=1, side=OrderSide.BUY, time_in_force=TimeInForce.DAY, client_order_id="x"
    )
    with pytest.raises(APIError, match="client_order_id must be unique"):
        client.submit_order(request)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "invalid kind: None"),
        ({"what": {"kind": "explode"}}, "invalid kind: explode"),
        ({"what": {"kind": "drop", "seconds": 3}}, "unknown: seconds"),
        ({"what": {"kind": "delay", "seconds": 61}}, "invalid seconds: 61 (0 to 60)"),
        ({"what": {"kind": "stale", "seconds": -1}}, "invalid seconds: -1"),
        ({"what": {"kind": "hang"}, "times": 0}, "invalid times: 0"),
        ({"what": {"kind": "hang"}, "probability": 2}, "invalid probability: 2"),
        ({"what": {"kind": "hang"}, "where": {"host": "x"}}, "unknown: host"),
    ],
)
def test_a_fault_that_is_not_understood_is_refused(
    exchange: Exchange, body: dict[str, Any], said: str
) -> None:
    answer = sim(exchange, "POST", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
    assert sim(exchange, "DELETE", "/1").status_code == 404


def test_other_requests_are_served_while_one_hangs(exchange: Exchange) -> None:
    arm(exchange, "hang", {"path": "/v2/clock"})
    host, port = exchange.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as waiting:
        ask = "GET /v2/clock HTTP/1.1\r\nHost: x\r\nAPCA-API-KEY-ID: a\r\n"
        waiting.sendall(f"{ask}APCA-API-SECRET-KEY: b\r\n\r\n".encode())
        while not sim(exchange).json()[0]["struck"]:
            pass
        assert exchange.ask("/v2/account").status_code == 200
