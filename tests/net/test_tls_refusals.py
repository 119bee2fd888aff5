"""TLS streams: who is refused, in place of the handshake, inside it and after it, on both loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.wire import header
from glasnost.errors import PathCut, ProtocolError, Refused, TrustError
from glasnost.net.tls import secure
from glasnost.trust.credentials import Credentials
from tests.net.pairs import (
    LOOPS,
    WEB,
    App,
    agent,
    descriptors,
    ended,
    run,
    streams,
    tcp_pair,
    tls_pair,
    turns,
    until,
    web,
)
from tests.trust.pool import DOMAIN, Pool, lab

pytestmark = pytest.mark.parametrize("loop", LOOPS)

NO = header.Answer("no-such-service", "nobody here is called 'web'")


# --- refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "byte by byte"])
def test_a_port_refuses_in_place_of_the_handshake(loop: str, whole: bool) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        before = descriptors()
        shaking = asyncio.ensure_future(secure(ours, agent().client_context(), server_name=WEB))
        answer = header.encode_answer(NO)
        for piece in [answer] if whole else [answer[i : i + 1] for i in range(len(answer))]:
            await asyncio.get_running_loop().sock_sendall(theirs, piece)
            await turns()
        with pytest.raises(Refused) as refused:
            await shaking
        assert (refused.value.code, refused.value.why) == (NO.code, NO.why)
        await turns()
        assert descriptors() == before - 1
        theirs.close()

    run(loop, scenario())


def test_a_refusal_survives_the_ports_reset(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        theirs.send(header.encode_answer(NO))
        theirs.close()  # and our hello will be answered with a reset
        with pytest.raises(Refused, match="nobody here"):
            await secure(ours, agent().client_context(), server_name=WEB)
        await turns()

    run(loop, scenario())


@pytest.mark.parametrize(
    "answer, kind",
    [
        (b"\xabGarbage", ProtocolError),
        (header.encode_answer(NO)[:-1], PathCut),
        (b"HTTP/1.1 400 Bad Request\r\n", TrustError),
        (b"", PathCut),
    ],
    ids=["garbage after the magic", "half a refusal", "another protocol", "nothing"],
)
def test_what_is_no_handshake_has_a_name(loop: str, answer: bytes, kind: type[Exception]) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        theirs.send(answer)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(kind):
            await secure(ours, agent().client_context(), server_name=WEB)
        await turns()
        theirs.close()

    run(loop, scenario())


STATUSES = [
    ("alone", [b"\0", b"data"], b"data"),
    ("with data", [b"\0data"], b"data"),
    ("and data like it", [b"\0\0\0"], b"\0\0"),
    ("and data like a refusal", [b"\0\xabG"], b"\xabG"),
]


@pytest.mark.parametrize("name, writes, data", STATUSES, ids=[case[0] for case in STATUSES])
def test_the_status_is_taken_off(loop: str, name: str, writes: list[bytes], data: bytes) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        app = App()
        client.attach(app)
        for each in writes:
            server.write(each)
            await turns()
        await until(lambda: len(app.data) == len(data))
        assert app.data == data
        server.close()
        await until(lambda: app.eof)
        assert app.ends == []
        await ended(client)

    run(loop, scenario())


def test_a_status_alone_is_no_data(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        near = streams(client)
        server.write_eof()
        assert await near.reader.read() == b""
        await ended(client, server)

    run(loop, scenario())


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_server_refuses_inside(loop: str, size: int) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        app = App()
        client.attach(app)
        answer = header.encode_answer(NO)
        for at in range(0, len(answer), size):
            server.write(answer[at : at + size])
        server.close()
        await until(lambda: app.ends)
        assert isinstance(app.end, Refused)
        assert str(app.end) == NO.why
        assert not app.data
        assert not app.eof
        await turns()

    run(loop, scenario())


def test_a_refusal_reaches_a_client_that_keeps_writing(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        app = App()
        client.write(bytes(1 << 20))
        refusing = asyncio.ensure_future(server.refuse(NO))
        await turns()
        client.write(bytes(1 << 20))
        client.attach(app)
        await until(lambda: app.ends)
        assert isinstance(app.end, Refused)
        await refusing

    run(loop, scenario())


@pytest.mark.parametrize(
    "bytes_inside, kind",
    [(b"HTTP", ProtocolError), (b"", PathCut), (header.encode_answer(NO)[:9], PathCut)],
    ids=["no status", "nothing", "half a refusal"],
)
def test_who_was_not_let_in_sees_no_proper_end(
    loop: str, bytes_inside: bytes, kind: type[Exception]
) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        app = App()
        client.attach(app)
        server.write(bytes_inside + bytes(3 if bytes_inside == b"HTTP" else 0))
        server.close()
        await until(lambda: app.ends)
        assert isinstance(app.end, kind)
        assert not app.eof
        await turns()

    run(loop, scenario())


# --- certificates ---------------------------------------------------------------------------------


def foreign() -> Credentials:
    other = Pool(lab().now)
    return other.agent(other.node("node8"))


def expired() -> Credentials:
    """A node whose certificate is over; `lab`'s root believes in it but for that."""
    pool = Pool.__new__(Pool)
    pool.now, pool.domain, pool.key, pool.root = lab().now - 3000, DOMAIN, lab().key, lab().root
    node = pool.node("node8", lifetime=600)
    return pool.agent(node, lifetime=600)


@pytest.mark.parametrize(
    "credentials, sentence",
    [(foreign, "unknown ca|decrypt error"), (expired, "certificate expired")],
    ids=["foreign", "expired"],
)
@pytest.mark.parametrize("size", [0, 1 << 20], ids=["silent", "writing"])
def test_a_client_learns_that_its_certificate_does_not_hold(
    loop: str, credentials: Callable[[], Credentials], sentence: str, size: int
) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        before = descriptors()
        theirs_context = web().server_context()
        accepting = asyncio.ensure_future(secure(theirs, theirs_context, server_side=True))
        context = credentials().client_context()
        if credentials is foreign:  # it may yet believe the server
            context.load_verify_locations(cadata=root_der())
        client = await secure(ours, context, server_name=WEB)
        app = App()
        client.attach(app)
        client.write(bytes(size))
        with pytest.raises(TrustError, match="certificate verify failed"):
            await accepting
        await until(lambda: app.ends)
        assert isinstance(app.end, TrustError)
        assert any(each in str(app.end) for each in sentence.split("|"))
        await turns()
        assert descriptors() == before - 2

    run(loop, scenario())


def root_der() -> bytes:
    return lab().root.public_bytes(Encoding.DER)


def test_a_server_that_is_not_the_one_is_named_so(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        before = descriptors()
        client, server = await asyncio.gather(
            secure(ours, agent().client_context(), server_name=f"db.node7.{DOMAIN}"),
            secure(theirs, web().server_context(), server_side=True),
            return_exceptions=True,
        )
        assert isinstance(client, TrustError)
        assert "Hostname mismatch" in str(client)
        assert isinstance(server, TrustError)
        assert "the peer ended the handshake" in str(server)
        await turns()
        assert descriptors() == before - 2

    run(loop, scenario())


def test_who_shows_no_certificate_is_told_so(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        bare = ssl.create_default_context(cadata=root_der())
        accepting = asyncio.ensure_future(secure(theirs, web().server_context(), server_side=True))
        app = App()
        (await secure(ours, bare, server_name=WEB)).attach(app)
        with pytest.raises(TrustError, match="did not return a certificate"):
            await accepting
        await until(lambda: app.ends)
        assert "certificate required" in str(app.end)

    run(loop, scenario())
