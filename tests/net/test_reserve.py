"""The descriptor that is kept back."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from glasnost.net.reserve import EXHAUSTED, Reserve, any_left
from tests.net.pairs import exhausted


def test_one_connection_can_be_accepted_when_nothing_else_can() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as caller:
        listener.setblocking(False)
        reserve = Reserve()
        before = os.listdir("/proc/self/fd")
        with exhausted():
            assert not any_left()
            caller.connect(listener.getsockname())
            for _ in range(2):
                with pytest.raises(OSError, match="Too many open files"):
                    listener.accept()
            with reserve.accepted(listener) as sock:
                sock.send(b"busy")
            assert caller.recv(10) == b"busy"
            assert caller.recv(10) == b""
            with pytest.raises(BlockingIOError), reserve.accepted(listener):
                pass
            assert not any_left()  # it is back
        assert any_left()
        assert os.listdir("/proc/self/fd") == before
        reserve.close()
        reserve.close()


def test_a_reserve_that_was_taken_comes_back(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as caller:
        listener.setblocking(False)
        caller.connect(listener.getsockname())
        reserve = Reserve()
        reserve.close()
        with exhausted(), pytest.raises(OSError) as caught, reserve.accepted(listener):
            pass
        assert caught.value.errno in EXHAUSTED
        with reserve.accepted(listener) as sock:
            assert sock.getpeername() == caller.getsockname()
        with exhausted():
            caller.close()
            with pytest.raises(BlockingIOError), reserve.accepted(listener):
                pass
        reserve.close()
