"""Joins two streams of any kind and copies between them, for programs that know nothing of us.

A broker's relay has its own, faster copy (`relay`); this one also takes TLS, and runs only on the
host of the program it serves.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, cast

from glasnost.net.sockets import adopt, resets_on_close
from glasnost.net.tls import TlsTransport

if TYPE_CHECKING:  # it takes a while to import, and few hosts need it
    from glasnost.net.websocket import WsTransport

#: What a service's stream is to its program.
Stream = TlsTransport | socket.socket
#: What can be joined here.
Joinable: TypeAlias = "Stream | WsTransport"


def dispose(stream: Joinable) -> None:
    """Close a stream that nobody wants."""
    if isinstance(stream, socket.socket):
        stream.close()
    else:
        stream.abort()


@dataclass(frozen=True, slots=True)
class Copied:
    """What a bridge has copied, in bytes, and the error that ended it, if one did."""

    forth: int
    back: int
    error: BaseException | None


class _Side(asyncio.Protocol):
    """One of the two streams: what it receives is written to the other."""

    def __init__(self, stream: Joinable, ended: asyncio.Future[None]) -> None:
        self.stream = stream
        self.other: _Side = self
        self.transport: asyncio.Transport | None = None
        self.received = 0
        self.error: BaseException | None = None
        self.lost = False
        self._held = bytearray()
        self._eof = False
        self._ended = ended

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, and behave like them.
        self.transport = cast(asyncio.Transport, transport)
        self.other.catch_up()
        if self.other.lost:  # before this side was there
            if self.other.error is not None:
                self.cut()
            else:
                self.finish()

    def catch_up(self) -> None:
        """Give the other side what came before it was there."""
        if self.other.transport is None:
            return
        if self._held:
            self.other.transport.write(bytes(self._held))
            self._held.clear()
        if self._eof:
            self._end_other()

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self.other.transport is None:
            self._held += data
        else:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        self._eof = True
        self._end_other()
        return True

    def _end_other(self) -> None:
        other = self.other
        if other.transport is None or other.lost:
            return
        if other._eof:
            other.finish()
            self.finish()
        elif not other.transport.is_closing():
            other.transport.write_eof()

    def pause_writing(self) -> None:
        if self.other.transport is not None and not self.other.lost:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None and not self.other.lost:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = True
        self.error = exc
        if self.other.transport is not None and not self.other.lost:
            if exc is not None:
                self.other.cut()
            else:
                self.other.finish()
        elif self.other.lost and not self._ended.done():
            self._ended.set_result(None)

    def finish(self) -> None:
        """Close properly, behind what is still unsent; not what is being cut."""
        if self.transport is None or self.transport.is_closing():
            return
        if isinstance(self.stream, socket.socket):
            resets_on_close(self.stream, False)
        self.transport.close()

    def cut(self) -> None:
        """End so that the peer sees a cut, never a proper end: TLS without its last word, TCP
        with a reset. A unix socket has no such thing."""
        if isinstance(self.stream, socket.socket):
            resets_on_close(self.stream)
        if self.transport is not None:
            self.transport.abort()
        else:
            dispose(self.stream)


async def bridge(one: Joinable, two: Joinable) -> Copied:
    """Copy both ways until both have ended; owns both from here on."""
    ended = asyncio.get_running_loop().create_future()
    sides = _Side(one, ended), _Side(two, ended)
    sides[0].other, sides[1].other = sides[1], sides[0]
    try:
        for side in sides:
            await _attach(side)
        await ended
    except BaseException:
        for side in sides:
            side.cut()
        raise
    return Copied(sides[0].received, sides[1].received, sides[0].error or sides[1].error)


async def _attach(side: _Side) -> None:
    if isinstance(side.stream, socket.socket):
        resets_on_close(side.stream)
        await adopt(side.stream, side)
    else:
        side.stream.attach(side)
