"""The tests stay on this machine."""

import socket

import pytest


def test_a_connection_that_would_leave_this_machine_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"tried to reach 192\.0\.2\.1"):
        socket.create_connection(("192.0.2.1", 80))
