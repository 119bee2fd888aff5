"""TLS inside CEDAR's messages: each carries a status and what the engine wants to send.

The sides take turns. One that has done its part of a phase says so, and the phase is over when
both have; so it is over for both at the same message.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final

from glasnost.condor.security.methods.base import MethodFailed
from glasnost.condor.stream import CedarStream
from glasnost.errors import ProtocolError

OK: Final = 0
ERROR: Final = -1
RECEIVING: Final = 2
QUITTING: Final = 3
HOLDING: Final = 4

#: A server's whole chain and its tickets are in one message.
MAX_RECORDS: Final = 256 << 10
#: Turns of one phase; a handshake has four, of a TLS that asks again six.
_MAX_TURNS: Final = 20


class TlsRecords:
    """One TLS engine, its records sent and received by messages."""

    def __init__(
        self, stream: CedarStream, context: ssl.SSLContext, server_side: bool, name: str | None
    ) -> None:
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.engine = context.wrap_bio(self._incoming, self._outgoing, server_side, name)

    async def phase(self, step: Callable[[], bool], ours_first: bool) -> None:
        """Turns until both sides have done their step. Raises `MethodFailed` when one gives up."""
        done = theirs = False
        our_turn = ours_first
        for _ in range(_MAX_TURNS):
            if done and theirs:
                return
            if our_turn:
                done = await self._turn(step)
            else:
                theirs = await self._listen()
            our_turn = not our_turn
        raise ProtocolError("TLS that comes to no end")

    async def _turn(self, step: Callable[[], bool]) -> bool:
        try:
            done = step()
        except ssl.SSLError as error:
            await self._say(ERROR)
            raise MethodFailed(f"TLS: {_reason(error)}") from None
        except MethodFailed:
            await self._say(QUITTING)
            raise
        await self._say(HOLDING if done else RECEIVING)
        return done

    async def _say(self, status: int) -> None:
        records = self._outgoing.read()
        writer = self._stream.writer()
        writer.integer(status)
        writer.integer(len(records))
        writer.raw(records)
        await self._stream.send(writer)

    async def _listen(self) -> bool:
        message = await self._stream.receive(limit=MAX_RECORDS)
        status = message.integer()
        self._incoming.write(message.raw(message.integer()))
        message.end()
        if status not in (OK, 1, RECEIVING, HOLDING):
            raise MethodFailed("the peer gives TLS up")
        return status == HOLDING

    # --- steps -----------------------------------------------------------------------------------

    def handshake(self) -> bool:
        try:
            self.engine.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def writing(self, data: bytes) -> Callable[[], bool]:
        """A step that says something once."""
        left = [data]

        def step() -> bool:
            if left:
                self.engine.write(left.pop())
            return True

        return step

    def reading(self, into: bytearray, size: int) -> Callable[[], bool]:
        """A step that hears so many bytes."""

        def step() -> bool:
            try:
                while len(into) < size:
                    into.extend(self.engine.read(size - len(into)))
            except ssl.SSLWantReadError:
                return False
            return True

        return step

    @staticmethod
    def idle() -> bool:
        return True


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not hold: {error.verify_message.removesuffix('.')}"
    return (error.reason or "failed").replace("_", " ").lower()
