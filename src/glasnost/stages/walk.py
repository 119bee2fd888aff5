"""Crosses the stages of a path, one after the other."""

from __future__ import annotations

import functools
import os
import socket

from glasnost.core.routes.path import Path
from glasnost.core.wire.header import Call
from glasnost.errors import GlasnostError, StageFailed
from glasnost.net.exact import write_call
from glasnost.stages import KINDS
from glasnost.stages.base import Means, Step


async def walk(
    path: Path, means: Means, stop: int | None = None, relay: bytes = b""
) -> socket.socket:
    """The raw stream at the end of a path, every header written; it is the caller's to close.

    With ``stop``, only the stages before that index; with ``relay``, the last call before it
    carries that token. Raises `StageFailed`, its cause below it.
    """
    stages = path.route.stages[:stop]
    called = bool(stages) and stages[-1].kind == "service"
    sock: socket.socket | None = None
    for index, stage in enumerate(stages):
        token = relay if called and index == len(stages) - 1 else b""
        reopen = functools.partial(walk, path, means, index)
        step = Step(path, index, stage, means, reopen, token)
        try:
            sock = await KINDS[stage.kind].cross(step, sock)
        except (OSError, GlasnostError) as error:
            raise StageFailed(index + 1, str(stage), sentence(error)) from error
    assert sock is not None, "a route has stages"
    if relay and not called:
        try:
            await write_call(sock, Call(relay=relay))
        except OSError as error:
            sock.close()
            raise StageFailed(len(stages), "relay", sentence(error)) from error
    return sock


def sentence(error: BaseException) -> str:
    """An error as one sentence for a person."""
    if isinstance(error, OSError) and error.errno:
        # Not its own text: asyncio puts the address there, which is said already.
        return os.strerror(error.errno).lower()
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    if isinstance(error, StageFailed):
        return f"on the way there: {error}"
    return str(error) or type(error).__name__
