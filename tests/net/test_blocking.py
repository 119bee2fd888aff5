"""TLS for callers that block: the same promises as on the loop, and plain sockets in the end."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.wire import header
from glasnost.errors import GlasnostError, PathCut, ProtocolError, Refused, TrustError
from glasnost.net import blocking
from glasnost.net.blocking import let_in, secure_blocking
from glasnost.net.tls import TlsTransport, secure
from tests.net.pairs import (
    LOOPS,
    WEB,
    agent,
    cut,
    descriptors,
    run,
    streams,
    tcp_pair,
    turns,
    web,
)
from tests.trust.pool import Pool, lab

pytestmark = pytest.mark.parametrize("loop", LOOPS)

Scenario = Callable[[], Awaitable[None]]


def play(loop: str, scenario: Scenario) -> None:
    async def whole() -> None:
        await scenario()
        await turns()

    before = descriptors()
    run(loop, whole())
    assert descriptors() == before


async def pair() -> tuple[ssl.SSLSocket, TlsTransport]:
    ours, theirs = tcp_pair()
    client, server = await asyncio.gather(
        secure_blocking(ours, agent().client_context(), WEB),
        secure(theirs, web().server_context(), server_side=True),
    )
    return client, server


async def apart(client: ssl.SSLSocket, work: Callable[[ssl.SSLSocket], object]) -> object:
    """What a program would do that blocks, in its thread."""
    client.settimeout(10)
    return await asyncio.to_thread(work, client)


def test_it_is_an_ordinary_ssl_socket(loop: str) -> None:
    async def scenario() -> None:
        client, server = await pair()
        server.write(header.ACCEPTED + b"welcome")
        far = streams(server)
        with client:
            await apart(client, let_in)
            assert await apart(client, lambda sock: sock.recv(100)) == b"welcome"
            await apart(client, lambda sock: sock.sendall(b"hello"))
            assert await far.reader.readexactly(5) == b"hello"
        far.writer.close()
        await turns()

    play(loop, scenario)


ANSWERS: list[tuple[str, bytes, type[GlasnostError], str]] = [
    (
        "a refusal",
        header.encode_answer(header.Answer("denied", "not you")),
        Refused,
        "not you",
    ),
    ("another byte", b"x" * 20, ProtocolError, "open no Glasnost header"),
    ("the end", b"", PathCut, "before it let us in"),
    ("half a refusal", header.encode_answer(header.Answer("denied"))[:7], PathCut, "before it let"),
]


@pytest.mark.parametrize(
    ("said", "kind", "says"), [c[1:] for c in ANSWERS], ids=[c[0] for c in ANSWERS]
)
def test_who_is_not_let_in_hears_why(
    loop: str, said: bytes, kind: type[GlasnostError], says: str
) -> None:
    async def scenario() -> None:
        client, server = await pair()
        if said:
            server.write(said)
        server.close()
        with pytest.raises(kind, match=says):
            await apart(client, let_in)
        assert client.fileno() < 0

    play(loop, scenario)


def test_a_server_that_does_not_believe_us(loop: str) -> None:
    async def scenario() -> None:
        stranger = Pool(time.time())
        context = stranger.agent(stranger.node("node8")).client_context()
        context.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(_der(lab())))
        ours, theirs = tcp_pair()
        serving = asyncio.ensure_future(secure(theirs, web().server_context(), server_side=True))
        client = await secure_blocking(ours, context, WEB)
        with pytest.raises(TrustError, match="the peer ended the handshake"):
            await apart(client, let_in)
        await asyncio.wait([serving])
        assert isinstance(serving.exception(), TrustError)

    play(loop, scenario)


def _der(pool: Pool) -> bytes:
    return pool.root.public_bytes(Encoding.DER)


INSTEAD: list[tuple[str, bytes, type[Exception], str]] = [
    ("a refusal", header.encode_answer(header.Answer("no-service", "no")), Refused, "no"),
    ("an accept", header.encode_answer(header.Answer()), Refused, "refused"),
    ("half a refusal", header.encode_answer(header.Answer("busy"))[:-1], TrustError, "version"),
    ("another protocol", b"SSH-2.0-OpenSSH_9.2\r\n", TrustError, "wrong version"),
    ("the end", b"", PathCut, "was cut"),
]


@pytest.mark.parametrize(
    ("said", "kind", "says"), [c[1:] for c in INSTEAD], ids=[c[0] for c in INSTEAD]
)
@pytest.mark.parametrize("early", [True, False])
def test_what_comes_instead_of_a_handshake(
    loop: str, early: bool, said: bytes, kind: type[Exception], says: str
) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with theirs:

            def answer() -> None:
                if said:
                    theirs.send(said)
                theirs.shutdown(socket.SHUT_WR)

            if early:
                answer()
            else:  # when our hello is there
                asyncio.get_running_loop().add_reader(theirs.fileno(), once, theirs, answer)
            with pytest.raises(kind, match=says):
                await secure_blocking(ours, agent().client_context(), WEB)
            assert ours.fileno() < 0

    def once(theirs: socket.socket, answer: Callable[[], None]) -> None:
        asyncio.get_running_loop().remove_reader(theirs.fileno())
        answer()

    play(loop, scenario)


def test_a_stream_that_was_reset_already(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        cut(theirs)
        with pytest.raises((OSError, PathCut, TrustError)):
            await secure_blocking(ours, agent().client_context(), WEB)
        assert ours.fileno() < 0

    play(loop, scenario)


def test_a_peer_that_says_nothing(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "HANDSHAKE_TIMEOUT", 0.01)

    async def scenario() -> None:
        ours, theirs = tcp_pair()
        with theirs:
            with pytest.raises(TimeoutError):
                await secure_blocking(ours, agent().client_context(), WEB)
            assert ours.fileno() < 0

    play(loop, scenario)
