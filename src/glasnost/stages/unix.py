"""``unix:PATH``: a unix socket of this machine, followed only where our settings allow."""

from __future__ import annotations

import os
import socket

from glasnost.core.routes.traits import Traits
from glasnost.errors import Refused
from glasnost.net.sockets import connect_unix
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Connect, if the socket lies in a directory of ours and belongs to whom we trust."""
    assert sock is None, "an origin stage opens its own socket"
    path, directory = _resolved(step.stage.args[0])
    if directory not in step.means.socket_directories:
        raise Refused("forbidden", f"{path} lies in no directory that our settings allow")
    return await connect_unix(path, step.means.socket_owners)


def _resolved(path: str) -> tuple[str, str]:
    """The path without symbolic links, and its directory: links must not lead out of ours."""
    try:
        path = os.path.realpath(path)
    except ValueError:  # a byte of zero in it
        raise Refused("forbidden", f"{path!r} can be no path") from None
    return path, os.path.dirname(path)


UNIX = Kind(Traits(role="origin", protocol="unix"), cross, "connect")
