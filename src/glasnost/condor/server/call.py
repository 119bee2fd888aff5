"""One command that is allowed, as its handler gets it, and what the handler answers."""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass
from typing import Final

from glasnost.condor.cedar.values import Reader
from glasnost.condor.security.sessions import Identity, Session
from glasnost.condor.stream import MAX_MESSAGE, CedarStream
from glasnost.errors import Refused

#: How long a command's payload may be waited for, seconds; HTCondor's own.
PAYLOAD_TIME: Final = 300.0


class Then(enum.Enum):
    """What becomes of the connection when a handler has returned."""

    CLOSE = "close"
    #: Another command may follow, raw.
    READ_ON = "read on"
    #: The handler has taken the connection: the stream or its socket is somebody else's now.
    TAKEN = "taken"


@dataclass(frozen=True)
class Call:
    """One command that is allowed, for its handler."""

    command: int
    stream: CedarStream
    identity: Identity
    #: The client's IP address and port, for people and for rules.
    address: str
    session: Session | None
    #: Of a raw command: the message that its number has begun.
    begun: Reader | None = None

    @property
    def raw(self) -> bool:
        """Whether nothing was negotiated on this connection."""
        return self.session is None

    def exact(self) -> None:
        """Raises `Refused` where more than the command has been taken from the socket, so that it
        can be nobody else's any more."""
        if self.stream.read_ahead:
            raise Refused("command", "a command for another connection than a daemon's updates")

    async def payload(self, limit: int = MAX_MESSAGE) -> Reader:
        """The message that belongs to the command, whole."""
        if self.begun is not None and self.begun.whole:
            return self.begun
        async with asyncio.timeout(PAYLOAD_TIME):
            if self.begun is None:
                return await self.stream.receive(limit)
            await self.stream.finish(self.begun, limit)
            return self.begun
