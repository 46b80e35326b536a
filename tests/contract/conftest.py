"""The worlds that the contracts of Broker and MarketData are run in."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.contract.worlds import World, in_memory, over_http, write_market
from tools.alpaca_rest import RestBroker


@pytest.fixture(scope="session")
def market_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market")
    write_market(folder)
    return folder


over_plain_http = partial(over_http, adapter=RestBroker)


@pytest.fixture(
    params=[in_memory, over_http, over_plain_http],
    ids=["in memory", "over http", "over http, standard library alone"],
)
def world(request: pytest.FixtureRequest, market_folder: Path) -> Iterator[World]:
    with request.param(market_folder) as made:
        yield made
