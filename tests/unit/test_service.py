"""The trader as a process: a signal ends it cleanly, an error of the day ends it as that error."""

import asyncio
import logging
import os
import signal
from datetime import datetime
from pathlib import Path

import pytest

from agent.service import serve
from tests.unit.test_trading_day import World
from tools.schedule.clocks import ClockLost

pytestmark = pytest.mark.anyio

EVENING, NEVER = "25T18:00", "30T23:00"


async def test_a_signal_ends_it_from_its_sleep(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    here = World(tmp_path, EVENING, NEVER)
    asleep = asyncio.Event()

    async def sleep_for_ever(_: datetime) -> None:
        asleep.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(here.clock, "sleep_until", sleep_for_ever)
    serving = asyncio.create_task(serve(here.day(), 0))
    await asleep.wait()
    assert here.health.healthy
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert "Stopped on request" in caplog.text


async def test_an_error_of_the_day_ends_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = World(tmp_path, EVENING, NEVER)

    async def lose(_: datetime) -> None:
        raise ClockLost("ws://127.0.0.1:1/time")

    monkeypatch.setattr(here.clock, "sleep_until", lose)
    with pytest.raises(ClockLost):
        await serve(here.day(), 0)
