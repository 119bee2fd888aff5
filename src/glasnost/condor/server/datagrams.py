"""Commands that come as datagrams: by strangers, or by the name of a session that they have."""

from __future__ import annotations

from dataclasses import dataclass

from glasnost.condor.cedar.datagrams import Datagram
from glasnost.condor.cedar.values import Reader
from glasnost.condor.classad import read_security_ad
from glasnost.condor.classad.limits import MAX_SECURITY_ATTRIBUTES
from glasnost.condor.commands import Command, name_of
from glasnost.condor.security.ads import read_request
from glasnost.condor.security.sessions import Identity, Session
from glasnost.condor.server.settings import Server
from glasnost.errors import ProtocolError, Refused


@dataclass(frozen=True)
class DatagramCall:
    """A command that is allowed; what belongs to it is the rest of its message."""

    command: int
    identity: Identity
    message: Reader


def open_datagram(datagram: Datagram, server: Server, address: str) -> DatagramCall:
    """What a datagram asks for. Raises `Refused` or `ProtocolError` where it is to be dropped:
    nobody is answered here.

    A session that enciphers is named in the header. One that does not is named in an ad, which
    anybody can overhear and send again, so that makes nobody known.
    """
    sealer = _session(server, datagram.session) if datagram.session else None
    if sealer is None:
        reader = Reader(datagram.body)
    elif sealer.key is not None:
        reader = Reader(datagram.opened(sealer.key), encrypted=True)
    else:
        raise ProtocolError("a datagram enciphered by a session that has no key")
    command = reader.integer()
    if command == Command.DC_AUTHENTICATE:
        request = read_request(read_security_ad(reader.ad(limit=MAX_SECURITY_ATTRIBUTES)))
        named = _session(server, request.resumes)
        if sealer is not None and named.name != sealer.name:
            raise ProtocolError("a datagram of two sessions")
        command = request.meant
    if not server.is_enough(command, sealer):
        raise Refused("security", f"{name_of(command)} without the security that it needs")
    identity = Identity() if sealer is None else sealer.identity
    if not server.allowed(command, identity, address):
        raise Refused("denied", f"{identity.user} may not have {name_of(command)} from {address}")
    return DatagramCall(command, identity, reader)


def _session(server: Server, name: str) -> Session:
    session = server.sessions.find(name, server.clock())
    if session is None:
        raise Refused("session", f"there is no session {name[:80]!r} (any more)")
    return session
