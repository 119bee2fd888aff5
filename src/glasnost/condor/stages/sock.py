"""``condor.sock:ID``: ask HTCondor's shared port for one of its daemons.

One message, and no answer: what is meant for the daemon follows at once, another message like this
one included. An unknown id is met by silence and an end. The message is no part of the conversation
with the daemon: whoever protects that begins to count behind it.
"""

from __future__ import annotations

import asyncio
import math
import socket
from typing import Final

from glasnost.condor.cedar.frames import HEADER
from glasnost.condor.cedar.values import Writer
from glasnost.net.sockets import closed_on_error
from glasnost.stages.base import Step

#: Always raw: the shared port's daemon wants no permission for it.
SHARED_PORT_CONNECT: Final = 75
#: Who asks, for the far side's log. It looks only whether that is the daemon itself.
CLIENT: Final = "glasnost"


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Write the message."""
    assert sock is not None, "a forward stage needs a stream"
    with closed_on_error(sock):
        message = connect_message(step.stage.args[0], math.ceil(step.means.timeout))
        await asyncio.get_running_loop().sock_sendall(sock, message)
    return sock


def connect_message(shared_port_id: str, deadline: int, client: str = CLIENT) -> bytes:
    """Asks for an endpoint; after ``deadline`` seconds it need not be handed over any more (-1:
    whenever)."""
    writer = Writer()
    writer.integer(SHARED_PORT_CONNECT)
    writer.string(shared_port_id)
    writer.string(client)
    writer.integer(deadline)
    writer.integer(0)  # further strings: none is known
    body = writer.message()
    return HEADER.pack(1, len(body)) + body
