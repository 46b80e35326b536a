"""What every test gets: no network but this machine's, and recorded days where there are some."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio alone, as the program does."""
    return "asyncio"


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """Refuse every connection that would leave this machine, and ask no proxy for the others."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def refuse_strangers(address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in _LOOPBACK:
            raise RuntimeError(f"a test tried to reach {address[0]}")

    def guarded_connect(self: socket.socket, address: Any) -> None:
        refuse_strangers(address)
        connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        refuse_strangers(address)
        return connect_ex(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "*")
        patch.setenv("no_proxy", "*")
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket.socket, "connect_ex", guarded_connect_ex)
        yield


@pytest.fixture(scope="session")
def market_data() -> Path:
    """The folder of recorded days; without one the test is skipped, and says so."""
    named = os.environ.get("ACTIVE_TRADER_MARKET_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "market_data"
    if not any(folder.glob("????-??-??/*.bars.csv")):
        pytest.skip(f"no recorded days in {folder}: set ACTIVE_TRADER_MARKET_DATA")
    return folder.resolve()
