"""HTCondor's side of our port: whom its clients call, and how they get there.

An id is that of an endpoint in this process, of a plain service of ours, of a dial-back that a
program here expects, or of a daemon of HTCondor's with a socket of its own. Whoever cannot be
served is let go without a word, as by HTCondor's own shared port.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from glasnost.condor.port.connect import LEAST, Connect, head_size, is_web, read_connect
from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.itself import SELF
from glasnost.core.text import facts
from glasnost.core.wire.header import TOKEN_SIZE, Call
from glasnost.errors import ProtocolError
from glasnost.net.exact import note_refusal
from glasnost.net.foreign import Stranger
from glasnost.net.port import Incoming

log = logging.getLogger("glasnost.condor")

#: How the id of a dial-back begins; its reply name follows in hexadecimal.
_REPLY: Final = "reply_"
_ID: Final = re.compile(r"[A-Za-z0-9._-]+")


class Host(Protocol):
    """What an agent does for callers who expect no word of ours."""

    def give(self, incoming: Incoming) -> bool:
        """Hand a connection to the plain service or the dial-back it calls; False where there is
        none that takes it."""


#: Owns a connection from here on, the caller's address in hand.
Serve = Callable[[socket.socket, str], None]
#: The same for the port's own endpoint, which is also given the header: it is a part of that
#: conversation, as the only one of all.
Own = Callable[[socket.socket, str, bytes], None]


def reply_id(reply: bytes) -> str:
    """The id at which a dial-back finds who expects it by this reply name."""
    return _REPLY + reply.hex()


class Door:
    """What `net.port` needs to know of HTCondor.

    ``endpoints`` are those of this process, by id; ``default`` is the id of who names none, and
    ``web`` of who speaks HTTP or TLS (empty: nobody). ``own`` is the port's own endpoint.
    """

    least = LEAST

    def __init__(
        self,
        host: Host,
        daemons: Daemons,
        endpoints: Mapping[str, Serve],
        default: str,
        web: str = "",
        own: Own | None = None,
    ) -> None:
        self._own = own
        self._host, self._daemons, self._endpoints = host, daemons, endpoints
        self._default, self._web = default, web

    def __repr__(self) -> str:
        return f"<Door of {', '.join(self._endpoints) or 'no endpoint'}, {self._daemons!r}>"

    def size(self, seen: bytes) -> int:
        return head_size(seen)

    def take(self, stranger: Stranger, head: bytes) -> None:
        try:
            connect = read_connect(head)
        except ProtocolError as error:
            _refuse(stranger, "bad-header", str(error))
        else:
            if connect.id == SELF and self._own is not None:
                self._own(stranger.sock, stranger.peer, head)
            else:
                self._call(stranger, connect)

    def pass_on(self, stranger: Stranger, seen: bytes) -> None:
        to = self._web if is_web(seen) else self._default
        self._call(stranger, Connect(to))

    def _call(self, stranger: Stranger, connect: Connect) -> None:
        id, peer = connect.id, stranger.peer
        if not _ID.fullmatch(id):
            _refuse(stranger, "bad-name", "an id has letters, digits, '.', '-' and '_' only")
        elif (endpoint := self._endpoints.get(id)) is not None:
            endpoint(stranger.sock, peer)
        elif self._host.give(Incoming(_call_of(id), stranger.sock, peer, stranger.relayed)):
            log.debug("handed to %s", id[:80], extra=facts(peer=peer))
        elif id == SELF or not self._daemons.take(stranger.sock, connect):
            _refuse(stranger, "no-service", f"nobody is called {id[:80]!r} here")


def _call_of(id: str) -> Call:
    digits = id.removeprefix(_REPLY)
    if digits != id and re.fullmatch(rf"[0-9a-f]{{{2 * TOKEN_SIZE}}}", digits):
        return Call(reply=bytes.fromhex(digits))
    return Call(to=id)


def _refuse(stranger: Stranger, code: str, why: str) -> None:
    note_refusal(code, why, stranger.peer)
    stranger.sock.close()
