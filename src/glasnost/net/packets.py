"""The local agent's socket on an event loop, both ends: packets are sent, queued and received."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from glasnost.errors import PathCut, ProtocolError
from glasnost.net.batch import Batch
from glasnost.net.fdpass import receive_packet, send_packet
from glasnost.net.reserve import EXHAUSTED, REST, any_left

log = logging.getLogger("glasnost.agent")

#: Packets that wait for a slow reader before it is refused more: a service that takes nothing
#: holds at most this many connections of ours.
MAX_QUEUED: Final = 256

#: Packets read, at most, before other work gets its turn.
_MOST: Final = 32


class PacketConnection:
    """One end of a packet socket on the event loop.

    ``on_packet(data, passed)`` owns the socket that came with a packet. ``on_close(error)`` is
    told once.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_packet: Callable[[bytes, socket.socket | None], None],
        on_close: Callable[[BaseException], None],
    ) -> None:
        self._sock = sock
        self._sock.setblocking(False)
        self._on_packet, self._on_close = on_packet, on_close
        self._queue: deque[tuple[bytes, socket.socket | None]] = deque()
        self._batch = Batch(_MOST)
        self._retry: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)
        self.closed = False

    def __repr__(self) -> str:
        return f"<PacketConnection {'closed' if self.closed else len(self._queue)} queued>"

    @property
    def queued(self) -> int:
        """Packets that the other end has not made room for."""
        return len(self._queue)

    def send(self, data: bytes, passed: socket.socket | None = None) -> bool:
        """Send, or queue; False when the queue is full or the end is gone: nothing was taken,
        and ``passed`` is still the caller's. A socket that was sent is closed here."""
        if self.closed or len(self._queue) >= MAX_QUEUED:
            return False
        if self._queue or not self._send_now(data, passed):
            if self._sock.fileno() < 0:  # sending has found that the end is gone
                return False
            self._queue.append((data, passed))
        return True

    def close(self, error: BaseException | None = None) -> None:
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        if self._retry is not None:
            self._retry.cancel()
        self._sock.close()
        for _, passed in self._queue:
            if passed is not None:
                passed.close()
        self._queue.clear()
        self._on_close(error or PathCut("closed here"))

    def _send_now(self, data: bytes, passed: socket.socket | None) -> bool:
        """Send; where that cannot be now, see to it that `_writable` is called when it may be."""
        try:
            send_packet(self._sock, data, passed)
        except BlockingIOError:
            self._loop.add_writer(self._sock.fileno(), self._writable)
            return False
        except OSError as error:
            if error.errno == errno.ETOOMANYREFS:
                self._wait_for_takers()
            else:
                self._readable()  # it may have said why it goes
                self.close(error)
            return False
        if passed is not None:
            passed.close()
        return True

    def _wait_for_takers(self) -> None:
        """The kernel carries no more sockets of this user's until programs take some (unix(7)), of
        which nobody tells us: so try again in a moment."""
        if self._retry is None:
            log.warning("too many sockets are on their way to programs; the next ones wait")
        self._loop.remove_writer(self._sock.fileno())
        self._retry = self._loop.call_later(REST, self._writable)

    def _writable(self) -> None:
        while self._queue:
            data, passed = self._queue[0]
            if not self._send_now(data, passed):
                return
            self._queue.popleft()
        self._retry = None
        self._loop.remove_writer(self._sock.fileno())

    def _readable(self) -> None:
        for count in range(self._batch.size):
            try:
                data, passed = receive_packet(self._sock)
            except BlockingIOError:
                self._batch.ended(count)
                return
            except (OSError, PathCut, ProtocolError) as error:
                if isinstance(error, OSError) and error.errno in EXHAUSTED:
                    log.error("no descriptors are left: a connection to us was lost")
                    self._loop.remove_reader(self._sock.fileno())
                    self._read_again()
                else:
                    self.close(error)
                return
            self._on_packet(data, passed)
            if self.closed:
                return
        self._batch.was_full()

    def _read_again(self) -> None:
        """Take packets only while a socket can be taken out of them: until then they stay where
        they are, and whoever sends them hears that we are busy."""
        if self.closed:
            return
        if any_left():
            self._loop.add_reader(self._sock.fileno(), self._readable)
        else:
            self._loop.call_later(REST, self._read_again)
