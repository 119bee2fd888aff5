"""Crossing one stage by itself: the path it lies on, and what it may use."""

from __future__ import annotations

import contextlib
import socket

import psutil

from glasnost.core.address import Route
from glasnost.core.routes import Crossing, Way
from glasnost.stages import KINDS, Means
from glasnost.testing.carried import play_carried as play_carried
from glasnost.testing.contracts import never as never
from glasnost.testing.contracts import path as path
from glasnost.testing.contracts import play as play
from glasnost.testing.contracts import step_on


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
