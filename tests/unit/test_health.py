"""Health: what monitors are told, and when systemd is told that all is well."""

import asyncio
import socket
from pathlib import Path

import httpx2
import pytest

from agent.health import Health, health_app
from tests.doubles import JumpClock
from tools.hosting import watchdog_seconds
from tools.watchdog import Heartbeat

pytestmark = pytest.mark.anyio

START = "2026-01-05T10:00-05:00"


async def ask(health: Health) -> tuple[int, dict[str, object]]:
    transport = httpx2.ASGITransport(app=health_app(health))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        response = await client.get("/health")
    return response.status_code, response.json()


async def test_a_well_trader_says_what_it_does() -> None:
    health = Health(agent_status="TRADE", cycle_count=7, model_loaded=True, last_error=None)
    assert await ask(health) == (
        200,
        {
            "status": "healthy",
            "agent_status": "TRADE",
            "cycle_count": 7,
            "model_loaded": True,
            "cycle_state": "IDLE",
            "rung": "FULL",
        },
    )


async def test_an_unwell_trader_says_why() -> None:
    assert await ask(Health(model_loaded=True, last_error="rate limit")) == (
        503,
        {
            "status": "unhealthy",
            "agent_status": "STARTING",
            "last_error": "rate limit",
            "cycle_state": "IDLE",
            "rung": "FULL",
        },
    )


async def test_a_trader_that_never_connected_is_unwell() -> None:
    status, _ = await ask(Health())
    assert status == 503


async def test_a_promise_is_broken_a_minute_after_it_was_due() -> None:
    clock = JumpClock(START)
    heartbeat = Heartbeat(clock)
    heartbeat.promise(JumpClock("2026-01-05T10:05-05:00").now())
    await clock.sleep_until(JumpClock("2026-01-05T10:06-05:00").now())
    assert heartbeat.kept
    await clock.sleep_until(JumpClock("2026-01-05T10:06:01-05:00").now())
    assert not heartbeat.kept


async def test_systemd_is_pinged_while_promises_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1")
        clock = JumpClock(START)
        heartbeat = Heartbeat(clock)
        heartbeat.promise(JumpClock("2026-01-05T10:30-05:00").now())
        feeding = asyncio.create_task(heartbeat.feed())
        received = await asyncio.get_running_loop().sock_recv(systemd, 100)
        assert received == b"WATCHDOG=1"
        await clock.sleep_until(JumpClock("2026-01-05T11:00-05:00").now())
        while _drained(systemd):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not _drained(systemd)
        feeding.cancel()


def _drained(systemd: socket.socket) -> bool:
    try:
        return bool(systemd.recv(100))
    except BlockingIOError:
        return False


async def test_the_watchdog_interval_is_systemds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    assert watchdog_seconds() is None
    monkeypatch.setenv("WATCHDOG_USEC", "120000000")
    assert watchdog_seconds() == 120
