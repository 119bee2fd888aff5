"""One dial-back that this process waits for, whoever keeps its reply name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from glasnost.errors import GlasnostError
from glasnost.net.port import Incoming


class Awaited:
    """What `stages.base.Expectation` promises. ``forget`` gives the reply name back."""

    def __init__(self, forget: Callable[[bytes], None], reply: bytes = b"") -> None:
        self.reply = reply
        self._forget = forget
        self._future: asyncio.Future[Incoming] = asyncio.get_running_loop().create_future()
        self._given = False

    def arrive(self, incoming: Incoming) -> bool:
        """The dial-back is here; True if it is owned from here on."""
        if self._future.done():
            return False
        self._future.set_result(incoming)
        return True

    def fail(self, error: GlasnostError) -> None:
        """It will never come."""
        if not self._future.done():
            self._future.set_exception(error)
            self._future.exception()  # whoever waits hears of it; perhaps nobody does any more

    async def arrival(self) -> socket.socket:
        """The dial-back's socket, which is the caller's from here on."""
        incoming = await self._future
        self._given = True
        return incoming.sock

    def cancel(self) -> None:
        """Nobody waits any more: what has come and was not taken is closed."""
        self._forget(self.reply)
        if not self._future.done():
            self._future.cancel()
        elif self._future.cancelled() or self._future.exception() is not None:
            return
        elif not self._given:
            self._given = True
            self._future.result().sock.close()
