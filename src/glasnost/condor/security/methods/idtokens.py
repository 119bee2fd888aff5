"""IDTOKENS: the client proves that it knows a token's signature, the server that it can make it.

    client   status, its name, the token without signature, 256 random bytes
    server   status, both names, both sides' random bytes, its proof
    client   status, its name, the server's random bytes, its proof

The server says nothing to the last; a client whose proof was wrong hears no more.
"""

from __future__ import annotations

import hmac
from typing import Final

from glasnost.condor.cedar.values import Reader, Writer
from glasnost.condor.commands import implied_by
from glasnost.condor.security.methods.base import Doorkeeper, Login, MethodFailed, Peer, Proven
from glasnost.condor.security.tokens import (
    MAX_TOKEN,
    Proofs,
    Token,
    choose,
    read_signed,
    signature_of,
    wrap_secret,
)
from glasnost.condor.stream import CedarStream
from glasnost.errors import ProtocolError, Refused, TrustError

#: As whom servers introduce themselves since 23.9; clients do not look.
SERVER: Final = "condor@password"
RANDOM_SIZE: Final = 256
PROOF_SIZE: Final = 20
_MAX_NAME: Final = 1024
_LIMIT: Final = MAX_TOKEN + 4096
_OK, _ERROR = 0, -1


async def client(stream: CedarStream, login: Login, peer: Peer) -> Proven:
    token = next(choose(login.tokens, peer.trust_domain, peer.issuer_keys), None)
    asked = stream.chance.octets(RANDOM_SIZE, "idtokens client")
    await _ask(stream, token, asked)
    answer = await stream.receive(limit=_LIMIT)
    status, name = answer.integer(), _name(answer)
    server_name, echoed = _name(answer), _bytes(answer, RANDOM_SIZE)
    answered, proof = _bytes(answer, RANDOM_SIZE), _bytes(answer, PROOF_SIZE)
    answer.end()
    reason, closing = "", b""
    if token is None:
        reason = f"we have no token that {peer.trust_domain or 'the server'} would take"
    elif status != _OK:
        reason = "the server does not take our token"
    else:
        proofs = Proofs.of(token.signature, token.signed)
        good = proofs.of_server(name, server_name, asked, answered)
        if name.decode(errors="replace") != token.subject or echoed != asked:
            reason = "the server answers somebody else"
        elif len(answered) != RANDOM_SIZE or not hmac.compare_digest(good, proof):
            reason = "the server has not signed our token"
        else:
            closing = proofs.of_client(name, answered)
    await _close(stream, name if closing else b"", answered if closing else b"", closing)
    if reason or token is None:
        raise MethodFailed(reason)
    return Proven(token.subject, wrap_secret(answered))


async def _ask(stream: CedarStream, token: Token | None, asked: bytes) -> None:
    writer = stream.writer()
    writer.integer(_ERROR if token is None else _OK)
    _put_name(writer, b"" if token is None else token.subject.encode())
    writer.string("" if token is None else token.signed)
    _put_bytes(writer, b"" if token is None else asked)
    await stream.send(writer)


async def _close(stream: CedarStream, name: bytes, answered: bytes, proof: bytes) -> None:
    writer = stream.writer()
    writer.integer(_OK if proof else _ERROR)
    _put_name(writer, name)
    _put_bytes(writer, answered)
    _put_bytes(writer, proof)
    await stream.send(writer)


async def server(stream: CedarStream, keeper: Doorkeeper, peer: Peer) -> Proven:
    question = await stream.receive(limit=_LIMIT)
    status, name, signed = question.integer(), _name(question), question.string()
    asked = _bytes(question, RANDOM_SIZE)
    question.end()
    answered = stream.chance.octets(RANDOM_SIZE, "idtokens server")
    try:
        if status != _OK or len(asked) != RANDOM_SIZE:
            raise TrustError("the client has no token")
        token = read_signed(signed)
        signature = signature_of(token, keeper.signing_keys)
        proofs = Proofs.of(signature, signed)
    except TrustError as error:
        await _answer(stream, b"", b"", b"", b"", b"")
        await stream.receive(limit=_LIMIT)
        raise MethodFailed(str(error)) from None
    proof = proofs.of_server(name, SERVER.encode(), asked, answered)
    await _answer(stream, name, SERVER.encode(), asked, answered, proof)
    closing = await stream.receive(limit=_LIMIT)
    status, name_again = closing.integer(), _name(closing)
    echoed, proof = _bytes(closing, RANDOM_SIZE), _bytes(closing, PROOF_SIZE)
    closing.end()
    if status != _OK:
        raise MethodFailed("the client does not take our proof")
    good = hmac.compare_digest(proof, proofs.of_client(name, answered))
    if not good or echoed != answered or name_again != name:
        # It believes that it has logged in, and waits: another round would be another's turn.
        raise Refused("security", "the client does not know its token's signature")
    return _proven(token, name, keeper, wrap_secret(answered))


def _proven(token: Token, name: bytes, keeper: Doorkeeper, secret: bytes) -> Proven:
    """What a token whose signature is known says; and whether it holds still."""
    try:
        token.check(keeper.clock(), keeper.token_max_age)
    except TrustError as error:
        raise Refused("security", str(error)) from None
    if not token.subject or name != token.subject.encode():
        raise Refused("security", "the client's name is not its token's")
    if keeper.trust_domain and token.issuer != keeper.trust_domain:
        raise Refused("security", f"a token of {token.issuer[:80]}, which is not our domain")
    limits = None if token.levels is None else implied_by(token.levels)
    return Proven(token.subject, secret, limits)


async def _answer(
    stream: CedarStream, name: bytes, ours: bytes, asked: bytes, answered: bytes, proof: bytes
) -> None:
    writer = stream.writer()
    writer.integer(_OK if proof else _ERROR)
    _put_name(writer, name)
    _put_name(writer, ours)
    _put_bytes(writer, asked)
    _put_bytes(writer, answered)
    _put_bytes(writer, proof)
    await stream.send(writer)


def _put_name(writer: Writer, name: bytes) -> None:
    writer.integer(len(name))
    writer.string(name)


def _put_bytes(writer: Writer, data: bytes) -> None:
    writer.integer(len(data))
    writer.raw(data)


def _name(reader: Reader) -> bytes:
    size = reader.integer()
    name = reader.octets()
    if size != len(name) or size > _MAX_NAME:
        raise ProtocolError("a name that is not as long as it says")
    return name


def _bytes(reader: Reader, most: int) -> bytes:
    size = reader.integer()
    if not 0 <= size <= most:
        raise ProtocolError(f"{size} bytes, where {most} are the most")
    return reader.raw(size)
