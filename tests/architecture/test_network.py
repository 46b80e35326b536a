"""The tests stay on this machine."""

import socket

import pytest


def test_a_connection_that_would_leave_this_machine_is_refused() -> None:
    with (
        socket.socket() as outward,
        pytest.raises(RuntimeError, match=r"tried to reach 192\.0\.2\.1"),
    ):
        outward.connect(("192.0.2.1", 80))
