"""Crossing one stage by itself: the path it lies on, and what it may use."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

import psutil

from glasnost.core.address import Route
from glasnost.core.routes import Crossing, Way
from glasnost.net.carrier import carried
from glasnost.stages import KINDS, Means
from glasnost.testing.contracts import descriptors, step_on
from glasnost.testing.contracts import never as never
from glasnost.testing.contracts import path as path
from glasnost.testing.contracts import play as play
from tests.net.pairs import until


def crossing(index: int, way: Way, *returns: str) -> Crossing:
    return Crossing(index, way, tuple(map(Route.parse, returns)))


async def cross(
    route: str, sock: socket.socket | None = None, means: Means | None = None, relay: bytes = b""
) -> socket.socket:
    """Cross the last stage of a route."""
    on = path(route)
    index = len(on.route.stages) - 1
    stage = on.route.stages[index]
    step = step_on(on, index, means or Means(), relay)
    crossed = await KINDS[stage.kind].cross(step, sock)
    assert crossed is not None
    return crossed


def ssh_clients() -> list[psutil.Process]:
    """OpenSSH's clients that this process has started, and not waited for."""
    found = []
    for one in psutil.Process().children():
        with contextlib.suppress(psutil.NoSuchProcess):  # in this moment
            if one.name() == "ssh":
                found.append(one)
    return found


def play_carried(scenario: Callable[[], Awaitable[None]]) -> None:
    """`play`, where streams are carried: the carrier's thread closes them in its own time."""

    async def warm_up() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)

            async def opener() -> socket.socket:
                return ours

            (await carried(opener)).close()
            assert await asyncio.to_thread(theirs.recv, 1) == b""

    asyncio.run(warm_up())
    before = descriptors()
    asyncio.run(_and_wait(scenario, before))


async def _and_wait(scenario: Callable[[], Awaitable[None]], before: int) -> None:
    await scenario()
    await until(lambda: descriptors() <= before + _LOOP)


#: What an event loop of asyncio's own has open while it runs.
_LOOP = 2
