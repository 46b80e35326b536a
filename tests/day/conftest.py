"""Each recorded day is run once, and looked at by many tests."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.day.runs import Run, simulate

type RunDay = Callable[[str], Run]


@pytest.fixture(scope="session")
def recorded(market_data: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDay:
    """The run of a recorded day with the default seed."""

    @cache
    def run(day: str) -> Run:
        return simulate(
            tmp_path_factory.mktemp(f"day-{day}") / "home",
            *("--date", day, "--data", str(market_data)),
        )

    return run
