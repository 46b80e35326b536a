"""One host for all of these tests: installed once, uninstalled by the last."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.host import Host, copy_checkout, why_not

# The host's exchange knows no way back in time, and the last takes everything away.
ORDER = (
    "document",
    "life",
    "failures",
    "flatten_timer",
    "days",
    "secrets",
    "uninstall",
    "user_mode",
)
FIRST_EVENING = "2026-10-28 20:00:00"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of the host's calendar, among themselves."""
    names = [f"test_{name}" for name in ORDER]
    places = [n for n, item in enumerate(items) if item.path.parent == Path(__file__).parent]
    ours = sorted((items[n] for n in places), key=lambda item: names.index(item.path.stem))
    for place, item in zip(places, ours, strict=True):
        items[place] = item


@pytest.fixture(scope="session")
def bare_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host with a checkout, and nothing installed."""
    if reason := why_not():
        pytest.skip(f"no private systemd: {reason}")
    folder = tmp_path_factory.mktemp("checkout")
    copy_checkout(folder)
    host = Host.boot(folder, home=Path(sys.base_prefix))
    try:
        yield host
    finally:
        host.down()


@pytest.fixture(scope="session")
def installed(bare_host: Host) -> Host:
    """Without keys, at night, nothing started."""
    bare_host.set_time(FIRST_EVENING)
    bare_host.manage("install")
    return bare_host


@pytest.fixture
def host(installed: Host) -> Host:
    """Everything runs, whatever the test before has done."""
    if not installed.running():
        installed.manage("start")
    return installed
