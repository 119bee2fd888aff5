"""Makes a name reachable at a local port, for programs that can only dial addresses."""

from __future__ import annotations

import asyncio
import logging
import socket

from glasnost.errors import GlasnostError
from glasnost.net.bridge import bridge
from glasnost.net.sentences import sentence
from glasnost.net.sockets import address_text, listen_local, tune
from glasnost.node import Node

log = logging.getLogger("glasnost.forward")


class Forwarder:
    """Listens on ``host:port`` and connects each caller to ``name``."""

    def __init__(self, node: Node, name: str, host: str, port: int) -> None:
        self._node, self._name = node, name
        self._listener = listen_local(host, port)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Where it listens."""
        return address_text(self._listener.getsockname())

    async def run(self) -> None:
        """Serve until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                sock, _ = await loop.sock_accept(self._listener)
                task = loop.create_task(self._serve(tune(sock)))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        finally:
            self._listener.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, sock: socket.socket) -> None:
        try:
            connected = await self._node.connect(self._name)
        except (GlasnostError, OSError) as error:
            log.warning("%s", sentence(error))
            sock.close()
            return
        except BaseException:
            sock.close()
            raise
        log.info("%s by %s", self._name, connected.path)
        copied = await bridge(sock, connected.result)
        if copied.error is not None:
            log.warning("%s: %s", self._name, sentence(copied.error))
