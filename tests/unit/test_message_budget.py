"""The broker's rate limit: entries end where the exits' reserve begins."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import a_ticket, a_time
from tests.stub_server import Reply, StubServer
from tests.trading import a_bench, opened, reasons
from tools.alpaca_trading import AlpacaBroker
from tools.core.safety import DenialReason
from tools.safety.message_budget import PER_MINUTE, RESERVE, MessageBudget

NOON = a_time("12:00")


class Hands:
    """A clock that a test sets."""

    now: datetime = NOON

    def read(self) -> datetime:
        return self.now


def spent(requests: int) -> tuple[MessageBudget, Hands]:
    hands = Hands()
    budget = MessageBudget(hands.read)
    for _ in range(requests):
        budget.heard({})
    return budget, hands


def limits(remaining: object, reset: object) -> dict[str, str]:
    return {"X-RateLimit-Remaining": str(remaining), "X-RateLimit-Reset": str(reset)}


@pytest.mark.parametrize(("requests", "refused"), [(149, False), (150, True), (500, True)])
def test_the_last_fifty_requests_of_a_minute_are_for_exits(requests: int, refused: bool) -> None:
    budget, _ = spent(requests)
    assert bool(budget.refusal()) is refused


def test_the_budget_comes_back_with_time_and_never_grows_beyond_itself() -> None:
    budget, hands = spent(PER_MINUTE)
    hands.now += timedelta(seconds=15)
    assert budget.refusal() == (
        "50 of 200 requests a minute are left, and the last 50 are for exits"
    )
    hands.now += timedelta(seconds=0.3)
    assert budget.refusal() == ""
    hands.now += timedelta(hours=1)
    for _ in range(PER_MINUTE - RESERVE):
        budget.heard({})
    assert budget.refusal()


@pytest.mark.parametrize(("remaining", "refused"), [(51, False), (50, True), (0, True)])
def test_what_the_broker_says_is_left_is_believed_until_its_reset(
    remaining: int, refused: bool
) -> None:
    budget, hands = spent(0)
    reset = NOON + timedelta(seconds=40)
    budget.heard(limits(remaining, int(reset.timestamp())))
    assert bool(budget.refusal()) is refused
    if refused:
        hands.now = reset - timedelta(seconds=1)
        assert "exits only until" in budget.refusal()
        hands.now = reset
        assert budget.refusal() == ""


@pytest.mark.parametrize("nonsense", ["", "-1", "nan", "\u0663", "1e9", "9" * 400])
def test_a_header_that_is_no_number_is_not_heard(nonsense: str) -> None:
    budget, _ = spent(0)
    budget.heard(limits(nonsense, nonsense))
    assert budget.refusal() == ""


def test_a_reset_beyond_every_date_fails_no_call() -> None:
    budget, _ = spent(0)
    budget.heard(limits(0, "9" * 12))
    assert budget.refusal()


def test_every_answer_of_the_broker_is_counted_a_refusal_too() -> None:
    heard: list[Any] = []
    replies = Reply(200, b"[]"), Reply(429, b"{}", headers=limits(0, 1))
    with StubServer(*replies) as server:
        broker = AlpacaBroker(key="k", secret="s", url=server.url, on_answer=heard.append)
        broker.positions()
        with pytest.raises(Exception, match="rate limit"):
            broker.positions()
    assert [one.get("X-RateLimit-Remaining") for one in heard] == [None, "0"]


def test_a_spent_budget_refuses_an_entry_by_name_and_no_exit(tmp_path: Path) -> None:
    bench = opened(a_bench(tmp_path))
    bench.buy("IBM")
    budget = bench.room.premises.budget
    for _ in range(PER_MINUTE):
        budget.heard({})
    ruling = bench.room.desk.submit(a_ticket())
    assert reasons(ruling) == [DenialReason.RATE]
    assert bench.broker.sent() == []
    assert bench.room.desk.close("IBM", reason="out").verdict.approved
    assert bench.held() == {}
