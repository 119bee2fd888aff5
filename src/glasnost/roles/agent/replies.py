"""Reply names: who expects a dial-back, for how long. Each name works once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

from glasnost.core.wire.header import TOKEN_SIZE
from glasnost.errors import Refused
from glasnost.net.exact import refuse
from glasnost.net.port import Incoming

#: Dial-backs that one host's programs may expect at a time: far above what a race needs, and a
#: bound on what a program that forgets to cancel can leave here.
MAX_EXPECTED = 4096


@dataclass
class _Expected:
    reply: bytes
    take: Callable[[Incoming], bool]
    timer: asyncio.TimerHandle


class Replies:
    """The reply names of one agent.

    They are found by their hash, so how long a lookup takes says nothing about them, and
    compared in constant time.
    """

    def __init__(self) -> None:
        self._expected: dict[bytes, _Expected] = {}

    def __len__(self) -> int:
        return len(self._expected)

    def expect(self, take: Callable[[Incoming], bool], timeout: float) -> bytes:
        """A new name. ``take`` is given its connection and owns it if it returns True."""
        if len(self._expected) >= MAX_EXPECTED:
            raise Refused("busy", f"{MAX_EXPECTED} dial-backs are expected here already")
        reply = secrets.token_bytes(TOKEN_SIZE)
        timer = asyncio.get_running_loop().call_later(timeout, self.cancel, reply)
        self._expected[_key(reply)] = _Expected(reply, take, timer)
        return reply

    def cancel(self, reply: bytes) -> None:
        """Forget a name, if it is still there."""
        expected = self._expected.pop(_key(reply), None)
        if expected is not None:
            expected.timer.cancel()

    def arrive(self, incoming: Incoming) -> None:
        """Give a dial-back to who expects it; the name is used up."""
        expected = self._expected.get(_key(incoming.call.reply))
        if expected is None or not hmac.compare_digest(expected.reply, incoming.call.reply):
            refuse(
                incoming.sock, "unknown-reply", "nobody expects this reply name, or not any more"
            )
            return
        self.cancel(expected.reply)
        if not expected.take(incoming):
            refuse(incoming.sock, "gone", "whoever expected this dial-back has gone")


class LocalExpectation:
    """An expectation of a program in the agent's own process."""

    def __init__(self, replies: Replies, timeout: float) -> None:
        self._replies = replies
        self._future: asyncio.Future[Incoming] = asyncio.get_running_loop().create_future()
        self._given = False
        self.reply = replies.expect(self._take, timeout)

    async def arrival(self) -> socket.socket:
        incoming = await self._future
        self._given = True
        return incoming.sock

    def cancel(self) -> None:
        self._replies.cancel(self.reply)
        if not self._future.done():
            self._future.cancel()
        elif not self._future.cancelled() and not self._given:
            self._future.result().sock.close()

    def _take(self, incoming: Incoming) -> bool:
        if self._future.done():
            return False
        self._future.set_result(incoming)
        return True


def _key(reply: bytes) -> bytes:
    return hashlib.sha256(reply).digest()
