"""What passes by itself, so that it is waited for."""

from __future__ import annotations

import errno
import socket

import pytest

from frontlist.state.database import gone


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(),
        TimeoutError(),
        OSError(errno.EHOSTUNREACH, "No route to host"),
        OSError(errno.ENETUNREACH, "Network is unreachable"),
        OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 111] Connect call failed"),
        socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
    ],
    ids=str,
)
def test_a_database_that_cannot_be_reached_is_waited_for(error: Exception) -> None:
    assert gone(error)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no such file"), KeyError("x")], ids=str)
def test_a_mistake_of_ours_is_not(error: Exception) -> None:
    assert not gone(error)
