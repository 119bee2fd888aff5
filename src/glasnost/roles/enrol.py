"""A node's side of enrolment: it joins with a token, and renews with the certificate it has.

Each function talks to the authority over a connection that is already made (and that it owns from
then on), once, and closes it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from hmac import compare_digest
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from glasnost.core.wire.messages import (
    AUTHORITY,
    Codec,
    Enrol,
    Enrolled,
    Message,
    RenewNode,
    Root,
    RootIs,
)
from glasnost.errors import PathCut, ProtocolError, TrustError
from glasnost.net.dialogue import open_dialogue, receive_in_clear, send_in_clear
from glasnost.trust import checks
from glasnost.trust.certificates import check_node, make_csr
from glasnost.trust.credentials import base_context
from glasnost.trust.identity import AUTHORITY as AUTHORITY_NAME
from glasnost.trust.keys import p256, public_bytes
from glasnost.trust.tokens import JoinToken

#: The longest message in the clear: a root certificate is about 600 bytes.
MAX_CLEAR: Final = 4096
#: The longest message inside TLS: a certificate, and where the directories are.
MAX_FRAME: Final = 16_384
#: How long the whole dialogue may take, seconds: four round trips, with some packets lost.
TIMEOUT: Final = 30.0

_codec = Codec(AUTHORITY)


async def join(sock: socket.socket, token: JoinToken, key: ec.EllipticCurvePrivateKey) -> Enrolled:
    """Become the node that ``token`` is for; ``key`` is the node's own. What comes back names
    the pool's root too.

    The secret is sent only to who has proved to be the authority whose fingerprint the token
    holds. Raises `TrustError` (it is another, or the certificate is not what was asked for),
    `Refused` (the authority says no), `PathCut`, `ProtocolError`.
    """
    question = Enrol(token=token.id, secret=token.secret, csr=make_csr(key))
    async with _limited():
        try:
            root = await _ask_root(sock, token)
        except BaseException:
            sock.close()
            raise
        answer = await _ask(sock, root, token.domain, question)
    return _checked(answer, root, token.node, key)


async def renew(
    sock: socket.socket,
    root: x509.Certificate,
    domain: str,
    node_cert: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
) -> Enrolled:
    """The next certificate for a node that has one. Raises as `join` does."""
    question = RenewNode(certificate=checks.to_der(node_cert), csr=make_csr(key))
    async with _limited():
        answer = await _ask(sock, root, domain, question)
    node = checks.subtree(node_cert).partition(".")[0]
    return _checked(answer, root, node, key)


async def ask_time(sock: socket.socket) -> float:
    """What the clock of whoever answers as the authority says, in seconds since 1970 (0: it does
    not say); nothing proves it. Owns the socket."""
    async with _limited():
        with sock:
            await send_in_clear(sock, Root(id=1))
            answer = await receive_in_clear(sock, _codec, MAX_CLEAR)
    return answer.now if isinstance(answer, RootIs) else 0.0


@asynccontextmanager
async def _limited() -> AsyncIterator[None]:
    """Bounds a dialogue in time, and gives what happens to connections one name."""
    try:
        async with asyncio.timeout(TIMEOUT):
            yield
    except TimeoutError:
        raise PathCut(f"the authority did not answer within {TIMEOUT:.0f} s") from None
    except PathCut:
        raise
    except OSError as error:
        raise PathCut(f"the connection to the authority was lost: {error.strerror}") from error


async def _ask_root(sock: socket.socket, token: JoinToken) -> x509.Certificate:
    """The root of who answers, if it is the one whose fingerprint the token holds."""
    # A port that has refused already reads no more; its sentence is still there to be read.
    with suppress(ConnectionError):
        await send_in_clear(sock, Root(id=1))
    answer = await receive_in_clear(sock, _codec, MAX_CLEAR)
    if not isinstance(answer, RootIs):
        raise ProtocolError("the authority did not say which root is its own")
    root = checks.read_certificate(answer.certificate)
    if not compare_digest(checks.fingerprint(root), token.fingerprint):
        raise TrustError(
            "whoever answers at the authority's address is not the authority that made this "
            "join token: its fingerprint is another; nothing secret was sent"
        )
    if checks.domain_of(root) != token.domain:
        raise TrustError(f"the authority's pool is not {token.domain}, as the token says")
    return root


async def _ask(
    sock: socket.socket, root: x509.Certificate, domain: str, question: Message
) -> Message:
    """Ask the authority of this root, after TLS has shown that it is that; owns the socket."""
    context = base_context(ssl.PROTOCOL_TLS_CLIENT, root, control=True)
    name = f"{AUTHORITY_NAME}.{domain}"
    dialogue = await open_dialogue(sock, context, name, _codec, MAX_FRAME)
    try:
        return await dialogue.ask(msgspec.structs.replace(question, id=1))
    finally:
        dialogue.close()


def _checked(
    answer: Message, root: x509.Certificate, node: str, key: ec.EllipticCurvePrivateKey
) -> Enrolled:
    """The answer, if its certificate makes ``key`` that node's."""
    if not isinstance(answer, Enrolled):
        raise ProtocolError(f"the authority answered with {type(answer).__name__}")
    certificate = checks.read_certificate(answer.certificate)
    named = check_node(root, certificate, time.time())
    certified = public_bytes(p256(certificate.public_key()))
    if named != node or certified != public_bytes(key.public_key()):
        raise TrustError(f"the authority certified something else than {node} and its key")
    return msgspec.structs.replace(answer, root=checks.to_der(root))
