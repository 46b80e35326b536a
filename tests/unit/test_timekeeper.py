"""The owner of simulated time, without its sockets: who wakes when, what makes time stand still."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from embedded.exchange.timekeeper import EPOCH, MICROSECOND, TimeKeeper

pytestmark = pytest.mark.anyio

START = datetime(2013, 10, 7, 13, 0, tzinfo=UTC)
LEASE = object()


class Hall:
    """A timekeeper and the order in which it woke its actors."""

    def __init__(self, folder: Path, speed: float = float("inf")) -> None:
        self.keeper = TimeKeeper(START, folder / "page", speed=speed)
        self.woken: list[tuple[str, float]] = []

    def join(self, name: str, rank: int = 50, lease: object = LEASE) -> None:
        self.keeper.join(name, rank, lease)

    def sleep(self, name: str, seconds: float) -> None:
        until = (START + timedelta(seconds=seconds) - EPOCH) // MICROSECOND
        self.keeper.wait(name, 1, until, self._wake)

    def _wake(self, name: str, _: int) -> None:
        self.woken.append((name, (self.keeper.now() - START).total_seconds()))


async def test_time_moves_only_when_everybody_sleeps(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.join("a")
    hall.join("b")
    hall.sleep("a", 10)
    assert hall.woken == []
    hall.sleep("b", 5)
    assert hall.woken == [("b", 5)]
    hall.sleep("b", 20)
    assert hall.woken == [("b", 5), ("a", 10)]


async def test_ties_go_by_rank_and_then_by_name(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    for name, rank in (("z", 10), ("b", 50), ("a", 50)):
        hall.join(name, rank)
    for name in ("b", "a", "z"):
        hall.sleep(name, 7)
    assert hall.woken == [("z", 7)]
    hall.keeper.leave("z", LEASE)
    assert hall.woken[1:] == [("a", 7)]
    hall.keeper.leave("a", LEASE)
    assert hall.woken[2:] == [("b", 7)]


async def test_a_wish_for_the_past_is_one_for_now(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.join("a")
    hall.sleep("a", -60)
    assert hall.woken == [("a", 0)]


async def test_who_joins_holds_time_until_he_sleeps(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.join("a")
    hall.join("launcher", 99)
    hall.sleep("a", 3)
    assert hall.keeper.state()["running"] == ["launcher"]
    hall.keeper.leave("launcher", LEASE)
    assert hall.woken == [("a", 3)]


async def test_a_lost_connection_takes_its_actors_along(tmp_path: Path) -> None:
    hall, gone = Hall(tmp_path), object()
    hall.join("a")
    hall.join("dead", lease=gone)
    hall.sleep("a", 3)
    hall.keeper.lost(gone)
    assert hall.woken == [("a", 3)]
    hall.join("dead")


async def test_an_actor_cannot_be_there_twice_nor_sleep_twice(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.join("a")
    hall.join("b")
    with pytest.raises(ValueError, match="exists"):
        hall.join("a")
    hall.sleep("a", 3)
    with pytest.raises(ValueError, match="already sleeps"):
        hall.sleep("a", 4)


async def test_a_roused_actor_runs_and_time_waits_for_it(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.join("monitor", 10)
    hall.join("trader")
    hall.sleep("monitor", 60)
    hall.keeper.rouse("monitor")
    assert hall.woken == [("monitor", 0)]
    hall.sleep("trader", 1)
    assert hall.keeper.now() == START
    hall.sleep("monitor", 60)
    assert hall.woken == [("monitor", 0), ("trader", 1)]


async def test_speed_delays_a_move_and_changes_nothing_else(tmp_path: Path) -> None:
    hall = Hall(tmp_path, speed=1000)
    hall.join("a")
    began = asyncio.get_running_loop().time()
    hall.sleep("a", 20)
    assert hall.woken == []
    while not hall.woken:
        await asyncio.sleep(0)
    assert hall.woken == [("a", 20)]
    assert asyncio.get_running_loop().time() - began >= 0.02


async def test_without_actors_time_stands(tmp_path: Path) -> None:
    hall = Hall(tmp_path, speed=1)
    assert hall.keeper.now() == START
    hall.join("a")
    hall.keeper.leave("a", LEASE)
    assert hall.keeper.now() == START


async def test_other_processes_read_the_time_from_the_page(tmp_path: Path) -> None:
    hall = Hall(tmp_path)
    hall.join("a")
    hall.sleep("a", 90)
    microseconds = int.from_bytes((tmp_path / "page").read_bytes(), "little")
    assert EPOCH + timedelta(microseconds=microseconds) == START + timedelta(seconds=90)
