"""Carries streams that are no socket to whoever needs one: a local pair, and a copy behind it.

What TLS or WebSocket makes of a connection lives in this process, while the rest of us hands
sockets on. The copying has a thread and a loop of its own, so that it goes on whatever becomes of
the loop that asked for it: a blocking connect ends its loop, and keeps its socket. What a local
pair cannot say is that the path was cut: to who reads a carried stream, that is its end.
"""

from __future__ import annotations

import array
import asyncio
import atexit
import concurrent.futures
import fcntl
import functools
import logging
import socket
import termios
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Final

from glasnost.net.bridge import Joinable, bridge, dispose
from glasnost.net.loops import fast_loop
from glasnost.net.sentences import sentence
from glasnost.net.sockets import pair, resets_on_close

log = logging.getLogger("glasnost.carrier")

#: How long a program that ends waits for what it has written last to leave, seconds. For a socket
#: of its own, its kernel would see to that.
FAREWELL: Final = 2.0

_Opener = Callable[[], Awaitable[Joinable]]
_Answer = concurrent.futures.Future[socket.socket]


async def carried(opener: _Opener) -> socket.socket:
    """A socket that is the stream which ``opener`` opens; its errors are raised.

    ``opener`` runs on the carrier's own loop, and owns what it uses from the moment it is called.
    """
    answer = _Answer()
    _carrier().begin(opener, answer)
    try:
        return await asyncio.wrap_future(answer)
    except asyncio.CancelledError:
        answer.add_done_callback(_close)  # it may have come in this moment
        raise


@functools.cache
def _carrier() -> Carrier:
    """This process's, once it needs one."""
    return Carrier()


class Carrier:
    """The thread with its loop, and what is copied there."""

    def __init__(self) -> None:
        self._loop = (fast_loop() or asyncio.new_event_loop)()
        self._copies: dict[asyncio.Task[None], tuple[Joinable, socket.socket]] = {}
        thread = threading.Thread(target=self._loop.run_forever, name="carrier", daemon=True)
        thread.start()
        atexit.register(self.farewell)

    def __repr__(self) -> str:
        return f"<Carrier of {len(self._copies)} streams>"

    def begin(self, opener: _Opener, answer: _Answer) -> None:
        """Open and carry; ``answer`` gets the near end. Who cancels it stops the opening."""
        self._loop.call_soon_threadsafe(self._begin, opener, answer)

    def farewell(self) -> None:
        """Let what has been written leave, within `FAREWELL` seconds, and end all streams well."""
        until = time.monotonic() + FAREWELL
        while any(map(_under_way, list(self._copies.values()))) and time.monotonic() < until:
            time.sleep(0.01)
        ended = threading.Event()
        self._loop.call_soon_threadsafe(self._end, ended)
        ended.wait(FAREWELL)

    # --- in the thread --------------------------------------------------------------------------

    def _begin(self, opener: _Opener, answer: _Answer) -> None:
        opening = self._loop.create_task(self._open(opener))
        answer.add_done_callback(lambda _: self._loop.call_soon_threadsafe(opening.cancel))
        opening.add_done_callback(functools.partial(_tell, answer))

    async def _open(self, opener: _Opener) -> socket.socket:
        stream = await opener()
        try:
            ours, theirs = pair()
        except BaseException:  # there are no descriptors left
            dispose(stream)
            raise
        theirs.setblocking(False)
        copy = self._loop.create_task(_copy(stream, ours))
        self._copies[copy] = stream, ours
        copy.add_done_callback(self._copies.pop)
        return theirs

    def _end(self, ended: threading.Event) -> None:
        for stream, _ in self._copies.values():
            if isinstance(stream, socket.socket):
                resets_on_close(stream, False)  # while it is copied, its end would be a cut
            stream.close()
        self._loop.call_soon(ended.set)


async def _copy(stream: Joinable, sock: socket.socket) -> None:
    copied = await bridge(stream, sock)
    if copied.error is not None:
        log.info("a carried stream ended: %s", sentence(copied.error))


def _tell(answer: _Answer, opening: asyncio.Task[socket.socket]) -> None:
    """What came of an opening, to whoever still waits for it."""
    error = asyncio.CancelledError() if opening.cancelled() else opening.exception()
    if not answer.set_running_or_notify_cancel():
        if error is None:
            opening.result().close()
    elif error is None:
        answer.set_result(opening.result())
    else:
        answer.set_exception(error)


def _close(answer: _Answer) -> None:
    if not answer.cancelled() and answer.exception() is None:
        answer.result().close()


def _under_way(copy: tuple[Joinable, socket.socket]) -> bool:
    """Whether anything that a program has written has not left yet."""
    stream, ours = copy
    if ours.fileno() < 0 or isinstance(stream, socket.socket):
        return False
    waiting = array.array("i", [0])
    fcntl.ioctl(ours, termios.FIONREAD, waiting)
    return bool(waiting[0] or stream.get_write_buffer_size())
