"""Callers of the shared port that come by WebSocket, through a front that lets nothing else in."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from typing import Final

from glasnost.errors import GlasnostError
from glasnost.net.carrier import carried
from glasnost.net.exact import refuse
from glasnost.net.port import SharedPort
from glasnost.net.sentences import sentence

log = logging.getLogger("glasnost.agent")

#: Handshakes at a time, each bounded in time: a front's worth of callers at once, and little
#: memory for strangers.
MAX_HANDSHAKES: Final = 256


class WebSockets:
    """Takes WebSockets at ``path``; what is inside is the port's, as if it had accepted that."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._shaking: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<WebSockets at {self._path}, {len(self._shaking)} handshakes>"

    def take(self, port: SharedPort, sock: socket.socket, begun: bytes, peer: str) -> None:
        """Shake hands with this caller, who has begun so; its socket is ours from here on."""
        if len(self._shaking) >= MAX_HANDSHAKES:
            refuse(sock, "busy", f"{MAX_HANDSHAKES} WebSockets are being opened")
            return
        task = asyncio.get_running_loop().create_task(self._serve(port, sock, begun, peer))
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    async def close(self) -> None:
        """End the handshakes; what is established ends with its service's connection."""
        await asyncio.sleep(0)  # until each has taken its first step, its socket is nobody's
        for task in self._shaking:
            task.cancel()
        await asyncio.gather(*self._shaking, return_exceptions=True)

    async def _serve(self, port: SharedPort, sock: socket.socket, begun: bytes, peer: str) -> None:
        from glasnost.net.websocket import accept_ws  # it takes a while, and few hosts need it

        try:
            inside = await carried(functools.partial(accept_ws, sock, self._path, begun))
        except (GlasnostError, OSError) as error:
            log.info("%s: no WebSocket: %s", peer, sentence(error))
        else:
            port.serve(inside, f"{peer} by WebSocket")
