"""``ip4:HOST:PORT`` and ``ip6:[HOST]:PORT``: a TCP connection to a literal address."""

from __future__ import annotations

import socket

from glasnost.core.routes.traits import Traits
from glasnost.net.sockets import connect_tcp
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Connect from the exit's source address."""
    assert sock is None, "an origin stage opens its own socket"
    host, port = step.stage.args
    return await connect_tcp(host, int(port), step.path.exit.source)


IP4 = Kind(Traits(role="origin", protocol="ip4"), cross, "connect")
IP6 = Kind(Traits(role="origin", protocol="ip6"), cross, "connect")
