"""The kill switch over HTTP: pulled in one step, reset in two, and never by the agent."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from agent_tools._mcp_server import Role
from tests.builders import an_intent
from tests.counters import Roused, doors
from tests.trading import TODAY, Bench, a_bench, a_tape, buy, opened, reasons, turn
from tools.core.alerts import AlertKind
from tools.core.safety import DenialReason, TradingState
from tools.execution.trading_control import BREAKER
from tools.journal import history
from tools.safety import kill_switch, reset_codes

pytestmark = pytest.mark.anyio

REASON = {"reason": "smoke"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return opened(a_bench(tmp_path, tape=a_tape(("10:30", 99))))


def trail(bench: Bench) -> list[tuple[str, str]]:
    lines = history.read(history.safety_path(bench.home, TODAY))
    return [(line["kind"], line["text"]) for line in lines]


async def a_code(client: Any) -> str:
    answer = (await client.post("/reset-code")).json()
    assert answer["expires_in_seconds"] == 300
    return str(answer["code"])


async def test_the_kill_switch_halts_sells_all_and_only_a_code_ends_it(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    buy(bench)
    roused = Roused()
    async with doors(bench, Role.OPERATOR, roused) as client:
        killed = (await client.post("/kill", json=REASON)).json()
        assert (killed["trading_state"], killed["latched"]) == ("HALTED", True)
        assert killed["closing"]
        assert (await client.get("/flatten")).json()["state"] == "running"
        assert roused.times == 1
        assert "kill switch, pulled by the operator: smoke" in caplog.messages
        (line,) = [one for one in caplog.records if hasattr(one, "alert")]
        assert line.alert is AlertKind.KILL_SWITCH
        turn(bench)
        assert bench.held() == {}
        assert (await client.get("/flatten")).json()["report"]["caller"] == "kill switch"
        body = {"code": await a_code(client), "reason": "cleared"}
        reset = (await client.post("/reset", json=body)).json()
        assert (reset["trading_state"], reset["reason"]) == ("ACTIVE", "cleared")
        assert (await client.post("/reset", json=body)).status_code == 403
    assert kill_switch.read(bench.home) is None
    assert [kind for kind, _ in trail(bench)] == [
        "kill_switch", "reset_code", "reset", "reset_refused",
    ]  # fmt: skip


async def test_no_log_and_no_trail_shows_a_code(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with doors(bench, Role.OPERATOR) as client:
        code = await a_code(client)
        await client.post("/reset", json={"code": code, "reason": "r"})
    assert code not in caplog.text + json.dumps(trail(bench))


async def test_positions_may_be_kept_but_no_entry_stays_open(bench: Bench) -> None:
    bench.bracket("SPY")
    bench.broker.inner.submit(
        an_intent("AT-2013-10-07-9-E", symbol="IBM", limit="50", stop="40", target="60")
    )
    async with doors(bench, Role.OPERATOR) as client:
        answer = await client.post("/kill", json=REASON | {"keep_positions": True})
        assert (answer.json()["trading_state"], answer.json()["closing"]) == ("HALTED", False)
        turn(bench)
        assert bench.held() == {"SPY": 10}
        assert (await client.get("/flatten")).json()["state"] == "idle"
        assert bench.room.books.resting("IBM") == []
        assert bench.room.books.resting("SPY"), "its stop stays"
        await client.post("/kill", json=REASON)  # the second thought
        turn(bench)
        assert bench.held() == {}


async def test_outside_the_session_it_stops_and_sells_nothing(bench: Bench) -> None:
    async with doors(bench, Role.OPERATOR) as client:
        for clock in ("09:29:59", "16:00"):
            bench.hands.at(clock)
            answer = (await client.post("/kill", json=REASON)).json()
            assert (answer["trading_state"], answer["closing"]) == ("HALTED", False)
            assert bench.room.monitor.flatten_status().state == "idle"


async def test_the_agent_reaches_none_of_it(bench: Bench) -> None:
    async with doors(bench, Role.AGENT) as client:
        for path in ("/kill", "/reset-code", "/reset"):
            body = REASON | {"code": "ABCDEF"}
            assert (await client.post(path, json=body)).status_code == 403
    assert bench.room.control.current().trading_state is TradingState.ACTIVE


@pytest.mark.parametrize("body", [None, {}, {"reason": ""}, REASON | {"keep_positions": "yes"}])
async def test_a_kill_needs_a_reason_and_a_plain_wish(bench: Bench, body: object) -> None:
    async with doors(bench, Role.OPERATOR) as client:
        assert (await client.post("/kill", json=body)).status_code == 400
    assert bench.room.control.current().trading_state is TradingState.ACTIVE


@pytest.mark.parametrize("body", [REASON, {"code": "ABCDEF"}, {"code": 7, "reason": "r"}])
async def test_a_reset_needs_a_code_and_a_reason(bench: Bench, body: object) -> None:
    async with doors(bench, Role.OPERATOR) as client:
        await client.post("/kill", json=REASON)
        assert (await client.post("/reset", json=body)).status_code == 400
    assert bench.room.control.current().trading_state is TradingState.HALTED


async def test_a_few_wrong_codes_end_the_right_one(bench: Bench) -> None:
    async with doors(bench, Role.OPERATOR) as client:
        await client.post("/kill", json=REASON)
        code = await a_code(client)
        for _ in range(reset_codes.MOST_WRONG):
            body = {"code": "000000", "reason": "r"}
            assert (await client.post("/reset", json=body)).status_code == 403
        answer = await client.post("/reset", json={"code": code, "reason": "r"})
    assert (answer.status_code, "ask for one" in answer.json()["error"]) == (403, True)
    assert bench.room.control.current().trading_state is TradingState.HALTED


def test_a_latch_that_somebody_else_wrote_denies_the_next_order_and_closes(bench: Bench) -> None:
    buy(bench)
    kill_switch.pull(bench.home, reason="by hand", actor="operator", now=bench.hands.read())
    assert reasons(bench.room.desk.close("SPY", reason="x")) == [DenialReason.STATE]
    assert bench.room.monitor.next_wake() == bench.hands.read()
    turn(bench)
    assert bench.held() == {}
    assert trail(bench) == [("kill_switch", "pulled by the operator: by hand")]


def test_neither_a_restart_nor_a_lost_state_file_forgets_it(bench: Bench) -> None:
    bench.room.kill_switch.pull("smoke", "operator")
    again = bench.restart()
    assert again.room.control.current().trading_state is TradingState.HALTED
    again.room.premises.store.close()
    (bench.home / "data" / "state.sqlite3").unlink()
    fresh = opened(a_bench(bench.home, bench.hands, bench.broker))
    assert fresh.room.control.current().trading_state is TradingState.HALTED
    fresh.room.monitor.turn(fresh.hands.wait)
    assert fresh.room.premises.store.trading_state().trading_state is TradingState.HALTED


def test_a_latch_that_cannot_be_written_holds_until_the_restart(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> bool:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(kill_switch, "pull", broken)
    bench.room.kill_switch.pull("smoke", "operator")
    assert bench.room.control.current().trading_state is TradingState.HALTED
    turn(bench)
    assert bench.room.premises.store.trading_state().trading_state is TradingState.HALTED


def test_more_executed_than_asked_for_pulls_it_and_no_new_day_lets_go(bench: Bench) -> None:
    buy(bench)
    began = bench.room.premises.store.session(TODAY)
    assert began is not None
    watch, account = bench.room.auditor._watch, bench.broker.inner.account()
    watch.look(began, account, (), overfilled=("AT-1",))
    turn(bench)
    assert bench.held() == {}
    bench.room.control.begin_session()
    assert bench.room.control.current().trading_state is TradingState.HALTED
    assert bench.room.control.current().actor == BREAKER
