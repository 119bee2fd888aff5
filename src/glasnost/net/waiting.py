"""Holds a connection that waits for another one, and notices when it closes meanwhile."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable


class Waiting:
    """A socket whose bytes are for somebody else: it is watched, and nothing is read from it.

    ``on_lost`` is called once if the peer closes before it has sent anything. Who has sent
    something is watched no longer: bytes that stay in the kernel would wake us for ever.
    """

    def __init__(self, sock: socket.socket, on_lost: Callable[[], None]) -> None:
        self.sock = sock
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._watched = True
        self._loop.add_reader(sock.fileno(), self._readable)

    def release(self) -> socket.socket:
        """The socket, which is the caller's from here on."""
        self._unwatch()
        return self.sock

    def _readable(self) -> None:
        try:
            lost = not self.sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            lost = True
        self._unwatch()
        if lost:
            self._on_lost()

    def _unwatch(self) -> None:
        if self._watched:
            self._watched = False
            self._loop.remove_reader(self.sock.fileno())
