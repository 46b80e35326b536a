"""One market and its servers for all the scenarios of a module."""

from collections.abc import AsyncIterator

import pytest

from tests.scenarios.stage import Stage, raise_stage


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """The exchange, the model and the data server."""
    async with raise_stage(tmp_path_factory.mktemp("stage")) as raised:
        yield raised
