"""Crosses the stages of a path, one after the other."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable

from glasnost.core.address import Stage
from glasnost.core.routes.path import Path
from glasnost.core.wire.header import Call
from glasnost.errors import GlasnostError, StageFailed
from glasnost.net.exact import write_call
from glasnost.net.sentences import sentence
from glasnost.stages import kinds
from glasnost.stages.base import Hold, Kind, Means, Step


def _nowhere(index: int, deed: str) -> None:
    """Nobody need know how far a walk has come."""


async def walk(
    path: Path,
    means: Means,
    stop: int | None = None,
    relay: bytes = b"",
    reached: Callable[[int, str], None] = _nowhere,
) -> socket.socket:
    """The raw stream at the end of a path, every header written; it is the caller's to close.

    The exit's stages come first, then the route's. With ``stop``, only the stages before that
    index of the route; with ``relay``, the last call before it carries that token. ``reached`` is
    told the index of each stage (`Path.stage`) before it is crossed, and what is done there first.
    Raises `StageFailed`, its cause below it.
    """
    end = len(path.route.stages) if stop is None else stop
    called = end > 0 and path.stage(end - 1).kind == "service"
    sock: socket.socket | None = None
    before: Kind | None = None
    with _Holds() as holds:
        for index in range(_start(path, end), end):
            stage = path.stage(index)
            kind = kinds()[stage.kind]
            reached(index, kind.deed)
            token = relay if called and index == end - 1 else b""
            reopen = functools.partial(walk, path, means, index, reached=reached)
            doing = functools.partial(reached, index)
            step = Step(path, index, stage, means, reopen, token, doing, holds.append)
            sock = await _cross(kind, step, sock, before)
            if sock is not None:
                holds.give(sock)
            before = kind
    assert sock is not None, "a route has stages"
    if relay and not called:
        await _call_relay(sock, relay, end, path.stage(end - 1))
    return sock


class _Holds(list[Hold]):
    """What preludes hold, until the connection behind them is there."""

    def __enter__(self) -> _Holds:
        return self

    def __exit__(self, *_: object) -> None:
        for hold in self:
            hold.release()

    def give(self, sock: socket.socket) -> None:
        """To the connection: it is there."""
        while self:
            self.pop().give(sock)


async def _cross(
    kind: Kind, step: Step, sock: socket.socket | None, before: Kind | None
) -> socket.socket | None:
    """Cross one stage; behind a proxy, it is the proxy that opens what an origin stage names."""
    try:
        if before is not None and before.onward is not None:
            assert sock is not None, "a proxy is crossed on a stream"
            return await before.onward(step, sock)
        return await kind.cross(step, sock)
    except StageFailed:
        raise  # on the way to a broker: it names the stage already
    except (OSError, GlasnostError) as error:
        raise StageFailed(step.index + 1, str(step.stage), sentence(error)) from error


def _start(path: Path, end: int) -> int:
    """Where to begin: at the last reversing stage, which finds the way to its broker itself."""
    stages = path.route.stages[:end]
    reversing = [i for i, one in enumerate(stages) if kinds()[one.kind].traits.ways]
    return reversing[-1] if reversing else path.first


async def _call_relay(sock: socket.socket, token: bytes, number: int, last: Stage) -> None:
    """A broker that is met without a call of its own is called with nothing but the token."""
    try:
        await write_call(sock, Call(relay=token))
    except OSError as error:
        sock.close()
        raise StageFailed(number, str(last), sentence(error)) from error
    except BaseException:
        sock.close()
        raise
