"""An endpoint of this process behind its port: each connection is served as it comes."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections import Counter
from dataclasses import dataclass
from typing import Final

from glasnost.condor.security.methods.base import Peer
from glasnost.condor.server.command import serve
from glasnost.condor.server.settings import Server
from glasnost.condor.stream import CedarStream
from glasnost.core.text import facts
from glasnost.net.exact import note_refusal
from glasnost.net.sockets import address_text
from glasnost.roles.admission import source_of

log = logging.getLogger("glasnost.condor")

#: Connections at a time, registered targets and advertising daemons included: a pool's worth, and
#: what a process may commonly have descriptors for.
MAX_CONNECTIONS: Final = 20_000
#: Guests of one address: who has said nothing yet, or asks and tells nothing. An access point asks
#: a broker for hundreds of targets at once. Whoever advertises or is a target is none of them.
GUESTS_OF_ONE: Final = 1_024
#: Of all connections, those of one address: a NAT with half of a pool's daemons behind it.
_SHARE: Final = 2


@dataclass(eq=False, slots=True)
class _Caller:
    """One connection, whose address's it is, and whether it is a guest's yet."""

    sock: socket.socket
    source: str
    guest: bool = True


class Endpoint:
    """``id`` is its own at the shared port, which some ways to log in are bound to."""

    def __init__(
        self,
        server: Server,
        id: str,
        most: int = MAX_CONNECTIONS,
        guests_of_one: int = GUESTS_OF_ONE,
    ) -> None:
        self._server, self._id = server, id
        self._most, self._guests_of_one = most, guests_of_one
        self._tasks: dict[asyncio.Task[None], _Caller] = {}
        self._sources: Counter[str] = Counter()
        self._guests: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Endpoint {self._id}, {len(self)} connections>"

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def guests(self) -> int:
        """How many of the connections are guests'."""
        return self._guests.total()

    def take(self, sock: socket.socket, address: str, before: bytes = b"") -> None:
        """Serve this connection of a client at ``address``; its socket is ours from here on.
        ``before`` is what was read of the conversation already."""
        source = source_of(address)
        if refusal := self._refusal(source):
            note_refusal("busy", refusal, address)
            sock.close()
            return
        peer = Peer(address_text(sock.getsockname()), self._id)
        stream = CedarStream(sock)
        stream.heard(before)
        self._sources[source] += 1
        self._guests[source] += 1
        caller = _Caller(sock, source)
        member = functools.partial(self._is_member, caller)
        work = serve(stream, self._server, address, peer, member)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = caller
        task.add_done_callback(self._done)

    def _refusal(self, source: str) -> str:
        """Why another connection of this address is not served; nothing where it is."""
        if len(self) >= self._most:
            return f"{len(self)} connections are served already"
        if not source:  # of this host, or let in by somebody else
            return ""
        if self._sources[source] * _SHARE >= self._most:
            return f"{self._sources[source]} connections of {source} are served already, its share"
        if self._guests[source] >= self._guests_of_one:
            return f"{self._guests_of_one} connections of {source} have told nothing, its limit"
        return ""

    def _is_member(self, caller: _Caller) -> None:
        if caller.guest:
            caller.guest = False
            _give_back(self._guests, caller.source)

    async def close(self) -> None:
        """End all that are served."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        caller = self._tasks.pop(task)
        self._is_member(caller)
        _give_back(self._sources, caller.source)
        if task.cancelled():  # perhaps before its first step: then nobody has closed it
            caller.sock.close()
        elif (error := task.exception()) is not None:
            log.error("a bug of ours", exc_info=error, extra=facts(code="bug"))


def _give_back(counts: Counter[str], source: str) -> None:
    counts[source] -= 1
    if not counts[source]:
        del counts[source]
