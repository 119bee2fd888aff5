"""``ws:HOST:PATH``: WebSocket, to a front such as nginx that lets nothing else through.

Behind the front stands a port of ours that takes WebSockets at that path (the setting
``websocket``). Where the front wants TLS, a ``tls`` stage stands before this one. The stream inside
is carried (net/carrier.py): this process copies it.
"""

from __future__ import annotations

import functools
import socket

from glasnost.core.routes.traits import Traits
from glasnost.net.carrier import carried
from glasnost.stages.base import Kind, Step


async def cross(step: Step, sock: socket.socket | None) -> socket.socket:
    """Ask the front for a WebSocket; what comes out is the stream inside."""
    from glasnost.net.websocket import connect_ws  # it takes a while, and few routes need it

    assert sock is not None, "a forward stage needs a stream"
    server, path = step.stage.args
    host = f"[{server}]" if ":" in server else server
    return await carried(
        functools.partial(connect_ws, sock, host, path, timeout=step.means.timeout)
    )


WS = Kind(Traits(role="forward"), cross, "WebSocket handshake")
