"""The launcher watches whether simulated time moves."""

import asyncio
from pathlib import Path
from typing import Any

import httpx2
import pytest

from console.children import Children
from console.plan import Request, make_plan
from console.simulation import Launcher, TimeStoodStill
from console.simulation_home import Ports, environment
from tests.conftest import ROOT
from tools.settings import load

pytestmark = pytest.mark.anyio


def launcher_of(tmp_path: Path, state: dict[str, Any]) -> Launcher:
    """A launcher whose exchange answers `GET /time` with `state`."""
    ports = Ports(1, 2, 3, 4, 5)
    told = environment(tmp_path, ports, {})
    exchange = httpx2.MockTransport(lambda _: httpx2.Response(200, json=state))
    return Launcher(
        make_plan(Request(date="2026-11-27")),
        load(told),
        ports,
        Children(told, folder=tmp_path, cwd=ROOT),
        httpx2.AsyncClient(transport=exchange),
    )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.simulation.LOOKS_SECONDS", 0.001)


async def test_time_that_an_actor_holds_for_a_minute_is_shown_with_its_name(
    tmp_path: Path,
) -> None:
    held = launcher_of(tmp_path, {"running": ["trader"], "still_for": 60.5})

    with pytest.raises(TimeStoodStill, match=r"stood still: .*\"running\": \[\"trader\"\]"):
        await held.stillness()


@pytest.mark.parametrize(
    "state",
    [
        {"running": ["trader"], "still_for": 59.5},
        {"running": [], "still_for": 90.0},  # a slow --speed: nobody runs, the move is not yet due
    ],
)
async def test_time_that_is_only_slow_is_left_alone(tmp_path: Path, state: dict[str, Any]) -> None:
    slow = launcher_of(tmp_path, state)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slow.stillness(), 0.05)
