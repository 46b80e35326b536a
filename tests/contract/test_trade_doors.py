"""The trade counter's doors: who may open which, and what is behind them."""

from pathlib import Path

import pytest

from agent_tools._mcp_server import Role
from tests.counters import Roused, doors
from tests.trading import Bench, a_bench, a_tape

pytestmark = pytest.mark.anyio


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = a_bench(tmp_path, tape=a_tape(("10:30", 99)))
    bench.room.monitor.look()
    return bench


@pytest.mark.parametrize(
    ("method", "path", "agent"),
    [
        ("POST", "/kill", 403),
        ("POST", "/reset-code", 403),
        ("GET", "/state", 200),
        ("GET", "/flatten", 200),
        ("GET", "/incidents", 200),
    ],
)
async def test_each_door_opens_for_its_roles_only(
    bench: Bench, method: str, path: str, agent: int
) -> None:
    body = {"reason": "a test"} if method == "POST" else None
    for role, status in ((None, 401), (Role.AGENT, agent), (Role.OPERATOR, 200)):
        async with doors(bench, role) as client:
            assert (await client.request(method, path, json=body)).status_code == status


async def test_the_agent_may_flatten_from_the_flatten_time_on(bench: Bench) -> None:
    roused = Roused()
    async with doors(bench, Role.AGENT, roused) as client:
        bench.hands.at("15:54:59")
        assert (await client.post("/flatten", json={"reason": "x"})).status_code == 403
        assert roused.times == 0
        bench.hands.at("15:55")
        answer = await client.post("/flatten", json={"reason": "x"})
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    assert roused.times == 1


async def test_a_flatten_is_asked_for_carried_out_and_reported(bench: Bench) -> None:
    bench.bracket("SPY")
    async with doors(bench, Role.OPERATOR) as client:
        assert (await client.get("/flatten")).json() == {"state": "idle", "report": None}
        assert (await client.post("/flatten")).status_code == 202
        assert (await client.get("/flatten")).json() == {"state": "running", "report": None}
        bench.room.monitor.turn(bench.hands.wait)
        assert (await client.get("/flatten")).json() == {
            "state": "done",
            "report": {
                "session": "2013-10-07",
                "started_at": "2013-10-07T14:00:00+00:00",
                "ended_at": "2013-10-07T14:00:02+00:00",
                "flat": True,
                "closed_symbols": ["SPY"],
                "remaining_symbols": [],
                "errors": [],
                "caller": "operator",
            },
        }
    assert bench.held() == {}


@pytest.mark.parametrize("path", ["/kill", "/reset", "/flatten"])
@pytest.mark.parametrize(
    "body", ["{", "[]", '{"reason": 7}', '"x"', f'{{"reason": "{"x" * 501}"}}']
)
async def test_a_torn_body_changes_nothing(bench: Bench, path: str, body: str) -> None:
    before = bench.room.control.current()
    async with doors(bench, Role.OPERATOR) as client:
        assert (await client.post(path, content=body)).status_code == 400
    assert bench.room.control.current() == before
    assert bench.room.monitor.flatten_status().state == "idle"


async def test_cycles_that_fail_in_a_row_close_entries(bench: Bench) -> None:
    async with doors(bench, Role.OPERATOR) as client:
        assert (await client.post("/cycle", json={"ok": True})).status_code == 403
    async with doors(bench, Role.AGENT) as client:
        assert (await client.post("/cycle", json={"error": "x"})).status_code == 400
        for well in (False, False, True, *(False,) * 4):
            told = {"ok": well, "error": "" if well else "no answer"}
            assert (await client.post("/cycle", json=told)).status_code == 202
        assert (await client.get("/state")).json()["trading_state"] == "ACTIVE"
        await client.post("/cycle", json={"ok": False, "error": "no answer"})
        state = (await client.get("/state")).json()
    assert state["trading_state"] == "REDUCING"
    assert "analysis_failures" in state["reason"]
