"""One host for all of these tests: installed once, uninstalled by the last."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.systemd.host import Host, copy_checkout, why_not

FIRST_EVENING = "2026-10-28 20:00:00"


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
