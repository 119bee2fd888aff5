"""SSL, and SCITOKENS on top of it: TLS inside CEDAR, and a secret that the server says in it.

The client knows the server by its certificate and the name that it dialled. The server knows the
client by its certificate, if it has shown one, or by the SciToken that it has sent.
"""

from __future__ import annotations

import ssl
from typing import Final

from cryptography.x509 import load_der_x509_certificate

from glasnost.condor.security.methods.base import Doorkeeper, Login, MethodFailed, Peer, Proven
from glasnost.condor.security.methods.tls_records import OK, TlsRecords
from glasnost.condor.security.negotiation import NOBODY
from glasnost.condor.stream import CedarStream
from glasnost.errors import GlasnostError

SECRET_SIZE: Final = 256


async def client(stream: CedarStream, login: Login, peer: Peer) -> Proven:
    _, secret = await _client(stream, login, peer)
    return Proven("", secret)


async def scitokens_client(stream: CedarStream, login: Login, peer: Peer) -> Proven:
    """SSL, and the token said to the server that was verified by it."""
    records, secret = await _client(stream, login, peer)
    token = login.scitoken.encode()
    await records.phase(records.writing(len(token).to_bytes(4, "big") + token), ours_first=True)
    return Proven("", secret)


async def _client(stream: CedarStream, login: Login, peer: Peer) -> tuple[TlsRecords, bytes]:
    ready, reason = _context(login, peer)
    their_status = (await stream.receive(limit=64)).integer()
    await _say_status(stream, OK if ready else -1)
    if ready is None or their_status != OK:
        raise MethodFailed(reason or "the server has no certificate")
    records = TlsRecords(stream, ready, False, peer.alias or None)
    await records.phase(records.handshake, ours_first=True)
    secret = bytearray()
    await records.phase(records.reading(secret, SECRET_SIZE), ours_first=False)
    return records, bytes(secret)


def _context(login: Login, peer: Peer) -> tuple[ssl.SSLContext | None, str]:
    """What verifies the server, or why nothing can."""
    try:
        context = login.tls()
    except (GlasnostError, OSError, ValueError) as error:
        return None, f"TLS: {error}"
    if context.check_hostname and not peer.alias:
        return None, "the server's address has no name (alias) to find in its certificate"
    return context, ""


async def server(stream: CedarStream, keeper: Doorkeeper, peer: Peer) -> Proven:
    assert keeper.tls is not None, "who has no certificate does not offer SSL"
    await _say_status(stream, OK)
    if (await stream.receive(limit=64)).integer() != OK:
        raise MethodFailed("the client cannot verify us")
    records = TlsRecords(stream, keeper.tls(), True, None)
    await records.phase(records.handshake, ours_first=False)
    secret = stream.chance.octets(SECRET_SIZE, "ssl secret")
    await records.phase(records.writing(secret), ours_first=True)
    return Proven(_user(records, keeper), secret)


def _user(records: TlsRecords, keeper: Doorkeeper) -> str:
    """Who has shown a certificate that was verified, if somebody knows its subject."""
    shown = records.engine.getpeercert(binary_form=True)
    if shown is None:
        return NOBODY
    subject = load_der_x509_certificate(shown).subject.rfc4514_string()
    return keeper.map_subject(subject) or NOBODY


async def _say_status(stream: CedarStream, status: int) -> None:
    writer = stream.writer()
    writer.integer(status)
    await stream.send(writer)
