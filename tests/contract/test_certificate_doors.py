"""What the trade server tells of certificates, and who may acknowledge."""

from pathlib import Path

import pytest

from agent_tools._mcp_server import Role
from agent_tools._stopping import close_before_stopping
from tests.counters import doors
from tests.trading import Bench, a_bench, buy, state, turn
from tools.core.safety import TradingState
from tools.execution.certificates import certificates_path

pytestmark = pytest.mark.anyio
NOTE = {"session": "2013-10-07", "reason": "sold by hand"}


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    bench = a_bench(tmp_path)
    turn(bench)
    return bench


async def test_the_last_certificate_is_shown_to_both(bench: Bench) -> None:
    async with doors(bench, Role.AGENT) as client:
        assert (await client.get("/certificates")).json() == {"certificate": None, "fault": ""}
    turn(bench, "15:56")
    for role in (Role.AGENT, Role.OPERATOR):
        async with doors(bench, role) as client:
            answer = (await client.get("/certificates")).json()
        assert answer["certificate"]["session"] == "2013-10-07"
        assert answer["certificate"]["flat"] is True
    async with doors(bench, None) as client:
        assert (await client.get("/certificates")).status_code == 401


async def test_an_operator_acknowledges_and_entries_open(bench: Bench) -> None:
    buy(bench)
    turn(bench, "16:01")
    assert state(bench) is TradingState.REDUCING
    async with doors(bench, Role.AGENT) as client:
        assert (await client.post("/acknowledge", json=NOTE)).status_code == 403
    async with doors(bench, Role.OPERATOR) as client:
        answer = await client.post("/acknowledge", json=NOTE)
    assert (answer.status_code, answer.json()["trading_state"]) == (200, "ACTIVE")
    assert state(bench) is TradingState.ACTIVE


@pytest.mark.parametrize(
    "body", ["{", "[]", "7", '{"session": "x", "reason": "y"}', '{"session": "2013-10-07"}']
)
async def test_a_torn_body_acknowledges_nothing(bench: Bench, body: str) -> None:
    async with doors(bench, Role.OPERATOR) as client:
        assert (await client.post("/acknowledge", content=body)).status_code == 400
    assert not certificates_path(bench.home).exists()


async def test_close_on_stop_flattens_in_the_session_and_does_nothing_outside(
    bench: Bench,
) -> None:
    buy(bench)

    async def rouse() -> None:
        turn(bench)

    await close_before_stopping(bench.room, rouse)
    assert bench.held() == {}
    report = bench.room.monitor.flatten_status().report
    assert report is not None
    assert report.caller == "stop"
    bench.hands.at("17:00")
    await close_before_stopping(bench.room, rouse)
    assert bench.room.monitor.flatten_status().state == "done"
