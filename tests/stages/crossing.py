"""Crossing one stage by itself: the path it lies on, and what it may use."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from glasnost.core.address import Landing, Route
from glasnost.core.routes import Crossing, Exit, Path, Way
from glasnost.net.carrier import carried
from glasnost.stages import KINDS, Means, Step
from tests.net.pairs import descriptors, turns, until
from tests.roles.agent_lab import nothing_left_open


def path(route: str, *crossings: Crossing, via: str = "") -> Path:
    """The path over a route, by a direct exit or through these stages."""
    parsed = Route.parse(route)
    lands = parsed.landing()
    assert lands is not None
    stages = Route.parse(via).stages if via else ()
    return Path(Exit(Landing(lands.protocol, lands.network), stages), 1, parsed, 1, crossings)


def crossing(index: int, way: Way, *returns: str) -> Crossing:
    return Crossing(index, way, tuple(map(Route.parse, returns)))


async def never(token: bytes) -> socket.socket:
    raise AssertionError("nobody reopens this")


async def cross(
    route: str, sock: socket.socket | None = None, means: Means | None = None, relay: bytes = b""
) -> socket.socket:
    """Cross the last stage of a route."""
    on = path(route)
    index = len(on.route.stages) - 1
    stage = on.route.stages[index]
    step = Step(on, index, stage, means or Means(), never, relay)
    crossed = await KINDS[stage.kind].cross(step, sock)
    assert crossed is not None
    return crossed


def play_carried(scenario: Callable[[], Awaitable[None]]) -> None:
    """The same where streams are carried: the carrier's thread closes them in its own time."""

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


def play(scenario: Callable[[], Awaitable[None]]) -> None:
    """Run it; in the end nothing may be open."""

    async def run() -> None:
        await scenario()
        await turns()
        await turns()

    with nothing_left_open():
        asyncio.run(run())
