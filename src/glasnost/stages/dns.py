"""``dns:NAME:PORT``: look a host name up, and connect to what it means.

Over the protocol of the exit: a path by IPv4 asks for A records, one by IPv6 for AAAA, and planning
races the two (RFC 8305). Several addresses of one protocol are raced here. On the way to a proxy
that an exit leads through, either protocol will do. Behind a proxy, it is the proxy that looks the
name up.
"""

from __future__ import annotations

import functools
import socket

from glasnost.core.routes.traits import EITHER, Traits
from glasnost.errors import Unavailable
from glasnost.net import race
from glasnost.net.sentences import sentence
from glasnost.net.sockets import connect_tcp, look_up
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Connect to the first address that answers, from the exit's source address."""
    assert sock is None, "an origin stage opens its own socket"
    name, port = step.stage.args
    way_out = step.path.exit
    # By which protocol an exit comes out says nothing of how its proxy is reached.
    addresses = await look_up(name, way_out.lands.protocol if step.index >= 0 else None)
    step.doing("connect")
    attempts = [
        functools.partial(connect_tcp, address, int(port), way_out.source) for address in addresses
    ]
    try:
        won = await race.race(attempts, socket.socket.close, timeout=step.means.timeout)
    except race.Lost as lost:
        told = [f"{addresses[one.index]}: {sentence(one.error)}" for one in lost.failures]
        raise Unavailable("; ".join(told)) from None
    return won.result


DNS = Kind(Traits(role="origin", protocol=EITHER), cross, "look up")
