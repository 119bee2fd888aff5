"""Another protocol at the same port: what it must say, and how its header is read.

The first bytes are looked at and left where they are. Whose protocol it is says how many bytes its
header has: these are read, in pieces if they come so, and not one more; or none, where somebody
else has to see all of them.
"""

from __future__ import annotations

import select
import socket
from typing import Final, Protocol

import msgspec

#: How much is looked at: most headers whole.
LOOK: Final = 512
#: How the kernel says that no more will come; elsewhere the caller's time has to run out.
_ENDED: Final = getattr(select, "POLLRDHUP", 0)


class Stranger(msgspec.Struct, frozen=True):
    """A connection that speaks another protocol. The socket does not block."""

    sock: socket.socket
    peer: str = ""
    #: Whether a broker copies its bytes: a service's record says whether it may.
    relayed: bool = False


class Foreign(Protocol):
    """A protocol that is not ours, told apart by its first bytes. Who is given a `Stranger` owns
    its socket, and must not raise."""

    #: Bytes that must be there before anything can be said; at most `LOOK`.
    least: int

    def size(self, seen: bytes) -> int:
        """How many bytes its header has, as far as the ones ``seen`` say; it is asked again when
        so many are there. 0: none are to be read. Raises `ProtocolError` for what is no header."""

    def take(self, stranger: Stranger, head: bytes) -> None:
        """Its header has been read, and nothing behind it."""

    def pass_on(self, stranger: Stranger, seen: bytes) -> None:
        """Nothing has been read; it begins with ``seen``."""


class Head:
    """The header of one connection, while it comes."""

    __slots__ = ("_asked", "_foreign", "_sock", "data", "unread")

    def __init__(self, foreign: Foreign, sock: socket.socket) -> None:
        self._foreign, self._sock = foreign, sock
        #: What was read; where nothing had to be, what was seen.
        self.data = b""
        #: Whether nothing had to be read.
        self.unread = False
        self._asked = False

    def read(self) -> bool:
        """Read on; True once all is there. Raises `ProtocolError`, OSError or EOFError."""
        if not self.data and self._look():
            return True
        while self.data and (size := self._foreign.size(self.data)) > len(self.data):
            try:
                more = self._sock.recv(size - len(self.data))
            except BlockingIOError:
                return False
            if not more:
                raise EOFError
            self.data += more
        return bool(self.data)

    def _look(self) -> bool:
        """See what it begins with; True if that was all. Until it is enough we are not woken:
        bytes that stay in the kernel would wake us for ever."""
        seen = self._sock.recv(LOOK, socket.MSG_PEEK)
        if len(seen) < self._foreign.least:
            if not seen or self._has_ended():
                raise EOFError
            self._wake_at(self._foreign.least)
            return False
        if self._asked:
            self._wake_at(1)  # it goes with the socket
        size = self._foreign.size(seen)
        self.unread = not size
        self.data = self._sock.recv(size) if size else seen
        return size <= len(seen)

    def _wake_at(self, size: int) -> None:
        self._asked = size > 1
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _has_ended(self) -> bool:
        poll = select.poll()
        poll.register(self._sock, _ENDED)
        return bool(poll.poll(0))

    def give(self, peer: str, relayed: bool) -> None:
        """Hand the connection to whom it is for."""
        stranger = Stranger(self._sock, peer, relayed)
        deliver = self._foreign.pass_on if self.unread else self._foreign.take
        deliver(stranger, self.data)
