"""``service:NAME``: ask the shared port at the other end for one endpoint.

The header goes out and nothing is awaited, so that what comes behind it (another header, a TLS
hello) costs no round trip. A refusal arrives in place of the next answer.
"""

from __future__ import annotations

import socket

from glasnost.core.routes.traits import Traits
from glasnost.core.wire.header import Call
from glasnost.net.exact import write_call
from glasnost.net.sockets import closed_on_error
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Write the call."""
    assert sock is not None, "a forward stage needs a stream"
    with closed_on_error(sock):
        await write_call(sock, Call(to=step.stage.args[0], relay=step.relay))
    return sock


SERVICE = Kind(Traits(role="forward"), cross, "send header")
