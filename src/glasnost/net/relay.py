"""Joins two sockets and copies between them, as fast as user space can, in bounded memory.

Bytes are read into one large buffer and written from it at once. Only when the far side takes less
than was read does the stream keep that buffer, and it reads no more until the rest has gone; so an
idle stream holds none, and a blocked direction holds one (buffers.py bounds all together).

A proper end in one direction is passed on as one, and the other direction goes on. A cut (a reset,
a timeout, the idle limit, our own end) is passed on as a reset: who is cut must never take what it
got for everything.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Final, cast

from glasnost.net.buffers import Buffers
from glasnost.net.sockets import keep_alive, resets_on_close, tune

#: Seconds without a byte in either direction, after which a stream is cut. Dead peers are noticed
#: by keep-alive in minutes; this ends what is alive and forgotten, and a session left open over
#: night must not be that. So a day.
IDLE: Final = 86_400.0
#: TCP keep-alive on both legs: after this many silent seconds, every so many, so many times. The
#: dead are noticed in 120 s, sooner than on other streams: here they hold what is others' too.
KEEP_ALIVE: Final = (60, 15, 4)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was copied, in bytes, and what cut the stream (None: both directions ended properly)."""

    bytes_ab: int
    bytes_ba: int
    error: str | None = None


class _Side(asyncio.BufferedProtocol):
    """One of the two sockets: reads go to the other, writes come from there."""

    __slots__ = (
        "_buffers",
        "_held",
        "_relay",
        "_unsent",
        "blocked",
        "ended",
        "lost",
        "name",
        "opening",
        "other",
        "received",
        "sock",
        "transport",
    )
    other: _Side

    def __init__(self, name: str, sock: socket.socket, relay: Relay, buffers: Buffers) -> None:
        self.name, self.sock = name, sock
        self.transport: asyncio.Transport | None = None
        self.received = 0
        self.blocked = False  # the kernel takes no more for this side
        self.ended = False  # this side has said its proper end
        self.lost = False
        self.opening = False
        self._relay, self._buffers = relay, buffers
        self._held: list[bytearray] = []  # buffers that the transport still writes from
        self._unsent: list[memoryview] = []  # what came for this side before it was there

    # --- what asyncio calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's, and behave like them.
        self.transport = cast(asyncio.Transport, transport)
        if self._relay.is_cut:
            self.reset()
            return
        # 0: `pause_writing` comes as soon as a byte is left over, inside write().
        self.transport.set_write_buffer_limits(high=0)
        for data in self._unsent:
            self.transport.write(data)
        self._unsent.clear()
        if not self.blocked:
            self.resume_writing()
        if self.other.ended:
            self.finish()

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._buffers.lend()

    def buffer_updated(self, nbytes: int) -> None:
        self.received += nbytes
        self._relay.touch()
        self.other.send(memoryview(self._buffers.lend())[:nbytes])

    def eof_received(self) -> bool:
        self.ended = True
        self._relay.touch()
        self.other.finish()
        return True  # the other direction goes on

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        self._give_back()
        self._relay.touch()
        source = self.other
        if source.transport is not None and not source.ended and not source.lost:
            source.transport.resume_reading()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost = True
        self._give_back()
        self._relay.side_lost(self, exc)

    # --- what the other side calls --------------------------------------------------------------

    def send(self, data: memoryview) -> None:
        """Write what was just read into the lent buffer; keep it, and stop the reader, if not all
        of it went. Comes before this side is there, too, and after a pause: uvloop reads although
        it was told in `connection_made` not to."""
        if self.lost:
            return
        if self.transport is None:
            self._unsent.append(data)
        else:
            self.transport.write(data)
            if not self.blocked:
                return
        self._held.append(self._buffers.keep())
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def finish(self) -> None:
        """Nothing more comes for this side: say so behind what is still unsent, and close both
        once both have."""
        if self.transport is None or self.lost:
            return
        try:
            if not self.transport.is_closing():
                self.transport.write_eof()
        except OSError as error:  # it was reset in this moment
            self._relay.cut(f"{self.name}: {error.strerror}")
            return
        if self.ended and self.other.transport is not None:
            for side in (self, self.other):
                resets_on_close(side.sock, False)
            self.transport.close()
            self.other.transport.close()

    def reset(self) -> None:
        """Close at once, and let the peer see that it was a cut."""
        resets_on_close(self.sock)
        if self.transport is not None:
            self.transport.abort()
        elif not self.opening:  # or `connection_made` comes here again
            self.lost = True
            self._give_back()
            self.sock.close()

    def _give_back(self) -> None:
        for buffer in self._held:
            self._buffers.give_back(buffer)
        self._held.clear()


class Relay:
    """One pair of sockets, owned from here on: `run` it, or `cut` it.

    ``idle``: seconds without a byte after which it is cut.
    """

    def __init__(
        self,
        sock_a: socket.socket,
        sock_b: socket.socket,
        *,
        buffers: Buffers | None = None,
        idle: float = IDLE,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        buffers = buffers or Buffers()
        self._a = _Side("a", sock_a, self, buffers)
        self._b = _Side("b", sock_b, self, buffers)
        self._a.other, self._b.other = self._b, self._a
        self._idle = idle
        self._touched = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._error: str | None = None
        self._over = self._loop.create_future()

    def __repr__(self) -> str:
        return f"<Relay {self._a.received} bytes forth, {self._b.received} back>"

    @property
    def tally(self) -> Tally:
        """What it has copied so far."""
        return Tally(self._a.received, self._b.received, self._error)

    async def run(self) -> Tally:
        """Copy until both directions have ended, or the stream is cut: then both sides are reset,
        and the tally says why."""
        if not self.is_cut:
            self._look()
        try:
            await self._open(self._a)
            await self._open(self._b)
            await self._over
        except OSError as error:  # one was reset before it was here
            self.cut(str(error))
        except BaseException:
            self.cut("the relay was stopped")
            raise
        return self.tally

    async def _open(self, side: _Side) -> None:
        if self.is_cut:
            return
        keep_alive(tune(side.sock), KEEP_ALIVE)
        resets_on_close(side.sock)
        side.opening = True
        await self._loop.connect_accepted_socket(lambda: side, side.sock)

    @property
    def is_cut(self) -> bool:
        return self._error is not None

    def cut(self, why: str) -> None:
        """End it now, and let both sides see that it was cut."""
        if self.is_cut or self._both_lost:
            return
        self._error = why
        if self._timer is not None:
            self._timer.cancel()
        self._a.reset()
        self._b.reset()
        self._finish_if_lost()

    # --- what the sides call --------------------------------------------------------------------

    def touch(self) -> None:
        self._touched = self._loop.time()

    def side_lost(self, side: _Side, exc: BaseException | None) -> None:
        if exc is not None or not (side.ended and side.other.ended):
            reason = getattr(exc, "strerror", None) or str(exc or "closed")
            self.cut(f"{side.name}: {reason}")
        self._finish_if_lost()

    @property
    def _both_lost(self) -> bool:
        return self._a.lost and self._b.lost

    def _finish_if_lost(self) -> None:
        if not self._both_lost:
            return
        if self._timer is not None:
            self._timer.cancel()
        if not self._over.done():  # it is, if whoever ran us was cancelled
            self._over.set_result(None)

    def _look(self) -> None:
        """Cut a stream on which nothing has moved for too long."""
        left = self._touched + self._idle - self._loop.time()
        if left <= 0:
            self.cut(f"nothing was sent for {self._idle:g} s")
        else:
            self._timer = self._loop.call_later(left, self._look)


async def relay(
    sock_a: socket.socket,
    sock_b: socket.socket,
    *,
    buffers: Buffers | None = None,
    idle: float = IDLE,
) -> Tally:
    """Join two sockets, owned from here on, and copy until both directions have ended."""
    return await Relay(sock_a, sock_b, buffers=buffers, idle=idle).run()
