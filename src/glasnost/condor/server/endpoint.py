"""An endpoint of this process behind its port: each connection is served as it comes."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Final

from glasnost.condor.security.methods.base import Peer
from glasnost.condor.server.command import serve
from glasnost.condor.server.settings import Server
from glasnost.condor.stream import CedarStream
from glasnost.core.text import facts
from glasnost.net.exact import note_refusal
from glasnost.net.sockets import address_text

log = logging.getLogger("glasnost.condor")

#: Connections at a time, registered targets and advertising daemons included: a pool's worth, and
#: what a process may commonly have descriptors for.
MAX_CONNECTIONS: Final = 20_000


class Endpoint:
    """``id`` is its own at the shared port, which some ways to log in are bound to."""

    def __init__(self, server: Server, id: str, most: int = MAX_CONNECTIONS) -> None:
        self._server, self._id, self._most = server, id, most
        self._tasks: dict[asyncio.Task[None], socket.socket] = {}

    def __repr__(self) -> str:
        return f"<Endpoint {self._id}, {len(self)} connections>"

    def __len__(self) -> int:
        return len(self._tasks)

    def take(self, sock: socket.socket, address: str, before: bytes = b"") -> None:
        """Serve this connection of a client at ``address``; its socket is ours from here on.
        ``before`` is what was read of the conversation already."""
        if len(self) >= self._most:
            note_refusal("busy", f"{len(self)} connections are served already", address)
            sock.close()
            return
        peer = Peer(address_text(sock.getsockname()), self._id)
        stream = CedarStream(sock)
        stream.heard(before)
        work = serve(stream, self._server, address, peer)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = sock
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """End all that are served."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        sock = self._tasks.pop(task)
        if task.cancelled():  # perhaps before its first step: then nobody has closed it
            sock.close()
        elif (error := task.exception()) is not None:
            log.error("a bug of ours", exc_info=error, extra=facts(code="bug"))
