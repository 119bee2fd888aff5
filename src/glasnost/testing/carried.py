"""What a forward kind promises whose stream is carried, to be run on one's own: as `contracts`, for
what changes every byte of a stream (TLS, WebSocket), so that no `Talk` can hold what is said.

A test gives a `Far`: who takes the far side's part on a real socket. Between both lies a wire
that passes the far side's bytes on singly, closes after any of them, or stops there. Promised is:

- the stream begins with the far side's first word, is whole both ways, and ends;
- a far side that closes in the middle is an `OSError` or a `GlasnostError`, or, where the handshake
  was over for us, a stream that ends;
- a crossing that waits, and is cancelled, ends at once;
- whoever is given a connection owns it: however crossing ends, nothing is left open.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

from glasnost.errors import GlasnostError
from glasnost.net.carrier import carried
from glasnost.stages.base import Kind, Means
from glasnost.testing.contracts import TAIL, check_traits, descriptors, path, receive, step_on

#: More than buffers hold between two sockets, so that either side has to wait for the other.
_LONG: Final = bytes(range(256)) * 8192
#: After how many of the far side's bytes it closes, or stops: all of the first, then fewer and
#: fewer, as certificates are long and much alike.
_POINTS: Final = (*range(24), *range(24, 200, 16), *range(200, 3000, 150))
#: Seconds within which the carrier's thread does what it does at once.
_PATIENCE: Final = 20.0


@dataclass(frozen=True)
class Far:
    """The second stage of ``route``, and its far side: ``plays`` is given the far end's socket,
    which it owns. It says `TAIL` as soon as it may, then says back what it hears, and ends when
    that ends."""

    name: str
    route: str
    plays: Callable[[socket.socket], Awaitable[None]]
    means: Means = field(default_factory=Means)


def check_carried(kind: Kind, far: Far) -> None:
    """All that holds for a forward kind whose stream is carried."""
    check_traits(kind)
    for promise in PROMISES:
        promise(kind, far)


def check_whole(kind: Kind, far: Far) -> None:
    """The stream is what the far side has said and heard, in one piece or byte by byte."""

    async def scenario(drip: bool) -> None:
        loop = asyncio.get_running_loop()
        async with _Scene(kind, far, drip=drip) as scene:
            with await scene.crossing as sock:
                assert sock.gettimeout() == 0, "a connection is handed on as event loops use it"
                heard = await _hear(sock, len(TAIL))
                assert heard == TAIL, f"the stream's first word is {heard!r}, not {TAIL!r}"
                scene.drip = False  # the rest would take long
                sending = asyncio.create_task(loop.sock_sendall(sock, _LONG))
                heard = await _hear(sock, len(_LONG))
                await sending
                assert heard == _LONG, f"of {len(_LONG)} bytes, {len(heard)} came back, or others"
                sock.shutdown(socket.SHUT_WR)
                assert await _hear(sock, 1) == b"", "there is more than was said"

    for drip in (False, True):
        play_carried(lambda drip=drip: scenario(drip))  # type: ignore[misc]


def check_cut(kind: Kind, far: Far) -> None:
    """A far side that closes after so many bytes."""

    async def scenario() -> None:
        for size in _POINTS:
            async with _Scene(kind, far, until=size, closes=True) as scene:
                try:
                    sock = await asyncio.wait_for(scene.crossing, _PATIENCE)
                except TimeoutError:
                    raise AssertionError(
                        f"it waits for who has closed after {size} bytes"
                    ) from None
                except (OSError, GlasnostError):
                    continue
                with sock:
                    assert size, "crossed, though the far side said nothing at all"
                    heard = await _hear(sock, len(TAIL))
                    assert TAIL.startswith(heard), f"the stream's first word is {heard!r}"
                    if heard == TAIL:
                        return  # it has said all, and closes after none of it

    play_carried(scenario)


def check_let_go(kind: Kind, far: Far) -> None:
    """Cancelled where it waits, behind so many of the far side's bytes."""

    async def scenario() -> None:
        for size in _POINTS:
            async with _Scene(kind, far, until=size) as scene:
                await scene.said()
                scene.crossing.cancel()
                done, _ = await asyncio.wait({scene.crossing}, timeout=_PATIENCE)
                assert done, f"it goes on though it was cancelled (after {size} bytes)"
                if not scene.crossing.cancelled():
                    scene.crossing.result().close()
                    return  # it needs no more than that to be crossed

    play_carried(scenario)


#: What holds for every such kind, to parametrize a test by.
PROMISES: Final[tuple[Callable[[Kind, Far], None], ...]] = (check_whole, check_cut, check_let_go)


async def _hear(sock: socket.socket, size: int) -> bytes:
    try:
        return await asyncio.wait_for(receive(sock, size), _PATIENCE)
    except TimeoutError:
        raise AssertionError(f"not all of {size} bytes of the stream come, and no end") from None


class _Scene:
    """A crossing, the far side, and the wire between. The far side is let say so many bytes
    (``until``); then the wire closes, or stops. In the end all is gone."""

    def __init__(
        self,
        kind: Kind,
        far: Far,
        *,
        drip: bool = False,
        until: int = 1 << 40,
        closes: bool = False,
    ) -> None:
        self._kind, self._far = kind, far
        self.drip, self._left, self._closes = drip, until, closes

    async def __aenter__(self) -> _Scene:
        ours, near = socket.socketpair()
        distant, theirs = socket.socketpair()
        self._given, self._wire = ours, (near, distant)
        for sock in (ours, near, distant, theirs):
            sock.setblocking(False)
        self.crossing = asyncio.create_task(_cross(self._kind, self._far, ours))
        self._far_side = asyncio.ensure_future(self._far.plays(theirs))
        self._said = asyncio.create_task(self._back(distant, near))
        self._forth = asyncio.create_task(_copy(near, distant))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.crossing.cancel()
        await asyncio.wait({self.crossing})
        for copying in (self._said, self._forth):
            copying.cancel()
            await asyncio.wait({copying})
        for sock in self._wire:
            sock.close()
        with contextlib.suppress(OSError, EOFError):
            async with asyncio.timeout(_PATIENCE):
                await self._far_side
        if self.crossing.cancelled() or self.crossing.exception() is not None:
            with self._given:
                await _until(lambda: self._given.fileno() < 0, "what it was given is left open")

    async def said(self) -> None:
        """Wait until the far side has said what it is let say, or the stage is crossed."""
        waiting = {self.crossing, self._said}
        await asyncio.wait(waiting, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED)

    async def _back(self, source: socket.socket, sink: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while self._left:
                size = min(1 if self.drip else 65536, self._left)
                if not (data := await loop.sock_recv(source, size)):
                    break
                await loop.sock_sendall(sink, data)
                self._left -= len(data)
                await asyncio.sleep(0)
            if self._closes or self._left:
                for sock in self._wire:
                    sock.shutdown(socket.SHUT_RDWR)


async def _copy(source: socket.socket, sink: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):
        while data := await loop.sock_recv(source, 65536):
            await loop.sock_sendall(sink, data)
        sink.shutdown(socket.SHUT_WR)


async def _cross(kind: Kind, far: Far, sock: socket.socket) -> socket.socket:
    crossed = await kind.cross(step_on(path(far.route), 1, far.means), sock)
    assert crossed is not None, "a forward stage gives a connection"
    return crossed


async def _until(condition: Callable[[], bool], otherwise: str) -> None:
    """The carrier's thread closes what it has in its own time, which is soon."""
    end = asyncio.get_running_loop().time() + _PATIENCE
    while not condition():
        assert asyncio.get_running_loop().time() < end, otherwise
        await asyncio.sleep(0.001)


def play_carried(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it; in the end no more sockets may be open than before, once the carrier is done."""

    async def whole() -> None:
        await _warm_up()
        before = descriptors()
        await scenario()
        await _until(lambda: descriptors() <= before, "sockets are left open")

    asyncio.run(whole())


async def _warm_up() -> None:
    """Have the carrier carry once, so that what it keeps open is open."""
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)

        async def opener() -> socket.socket:
            return ours

        (await carried(opener)).close()
        assert await asyncio.to_thread(theirs.recv, 1) == b""
