"""Reply names: who expects a dial-back, for how long. Each name works once."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from glasnost.core.wire.header import TOKEN_SIZE
from glasnost.errors import Refused
from glasnost.net.exact import refuse
from glasnost.net.port import Incoming
from glasnost.roles.awaited import Awaited

#: Dial-backs that one host's programs may expect at a time: far above what a race needs, and a
#: bound on what a program that forgets to cancel can leave here.
MAX_EXPECTED = 4096
#: The longest that a name is kept, seconds: twice what a broker gives a request.
LONGEST = 60.0


def _nothing(reply: bytes) -> None:
    """Nobody need know that a name has ended."""


@dataclass
class _Expected:
    reply: bytes
    take: Callable[[Incoming], bool]
    ended: Callable[[bytes], None]
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

    def expect(
        self,
        take: Callable[[Incoming], bool],
        timeout: float,
        ended: Callable[[bytes], None] = _nothing,
    ) -> bytes:
        """A new name, for ``timeout`` seconds. ``take`` is given its connection and owns it if it
        returns True; ``ended`` is told once the name is no more, however it ended."""
        if len(self._expected) >= MAX_EXPECTED:
            raise Refused("busy", f"{MAX_EXPECTED} dial-backs are expected here already")
        reply = secrets.token_bytes(TOKEN_SIZE)
        seconds = timeout if 0 < timeout < LONGEST else LONGEST  # a program may send any number
        timer = asyncio.get_running_loop().call_later(seconds, self.cancel, reply)
        self._expected[_key(reply)] = _Expected(reply, take, ended, timer)
        return reply

    def cancel(self, reply: bytes) -> None:
        """Forget a name, if it is still there."""
        expected = self._expected.pop(_key(reply), None)
        if expected is not None:
            expected.timer.cancel()
            expected.ended(reply)

    def arrive(self, incoming: Incoming) -> None:
        """Give a dial-back to who expects it; the name is used up."""
        expected = self._find(incoming.call.reply)
        if expected is None:
            refuse(
                incoming.sock,
                "unknown-reply",
                "nobody expects this reply name, or not any more",
                incoming.peer,
            )
            return
        self.cancel(expected.reply)
        if not expected.take(incoming):
            refuse(incoming.sock, "gone", "whoever expected this dial-back has gone", incoming.peer)

    def arrive_bare(self, incoming: Incoming) -> bool:
        """The same for a connection that expects no word of ours; False where nobody takes it,
        and the socket is still the caller's."""
        expected = self._find(incoming.call.reply)
        if expected is None:
            return False
        self.cancel(expected.reply)
        return expected.take(incoming)

    def _find(self, reply: bytes) -> _Expected | None:
        expected = self._expected.get(_key(reply))
        if expected is None or not hmac.compare_digest(expected.reply, reply):
            return None
        return expected

    def close(self) -> None:
        """Forget all names."""
        for expected in list(self._expected.values()):
            self.cancel(expected.reply)


class LocalExpectation(Awaited):
    """An expectation of a program in the agent's own process."""

    def __init__(self, replies: Replies, timeout: float) -> None:
        super().__init__(replies.cancel)
        self.reply = replies.expect(self.arrive, timeout)


def _key(reply: bytes) -> bytes:
    return hashlib.sha256(reply).digest()
