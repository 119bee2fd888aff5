"""Crosses the stages of a path, one after the other."""

from __future__ import annotations

import functools
import os
import socket
import ssl
from collections.abc import Callable, Sequence

from glasnost.core.address import Stage
from glasnost.core.routes.path import Path
from glasnost.core.wire.header import Call
from glasnost.errors import GlasnostError, StageFailed
from glasnost.net.exact import write_call
from glasnost.stages import KINDS
from glasnost.stages.base import Means, Step


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

    With ``stop``, only the stages before that index; with ``relay``, the last call before it
    carries that token. ``reached`` is told the index of each stage before it is crossed, and what
    is done there first. Raises `StageFailed`, its cause below it.
    """
    stages = path.route.stages[:stop]
    called = bool(stages) and stages[-1].kind == "service"
    sock: socket.socket | None = None
    for index in range(_start(stages), len(stages)):
        stage = stages[index]
        kind = KINDS[stage.kind]
        reached(index, kind.deed)
        token = relay if called and index == len(stages) - 1 else b""
        reopen = functools.partial(walk, path, means, index, reached=reached)
        doing = functools.partial(reached, index)
        step = Step(path, index, stage, means, reopen, token, doing)
        try:
            sock = await kind.cross(step, sock)
        except StageFailed:
            raise  # on the way to a broker: it names the stage already
        except (OSError, GlasnostError) as error:
            raise StageFailed(index + 1, str(stage), sentence(error)) from error
    assert sock is not None, "a route has stages"
    if relay and not called:
        await _call_relay(sock, relay, len(stages), stages[-1])
    return sock


def _start(stages: Sequence[Stage]) -> int:
    """Where to begin: at the last reversing stage, which finds the way to its broker itself."""
    reversing = [i for i, one in enumerate(stages) if KINDS[one.kind].traits.role == "reversing"]
    return reversing[-1] if reversing else 0


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


def sentence(error: BaseException) -> str:
    """An error as one sentence for a person."""
    if isinstance(error, (socket.gaierror, ssl.SSLError)):  # their numbers are no errno's
        return (error.strerror or str(error)).lower()
    if isinstance(error, OSError) and error.errno:
        # Not its own text: asyncio puts the address there, which is said already.
        return os.strerror(error.errno).lower()
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    return str(error) or type(error).__name__
