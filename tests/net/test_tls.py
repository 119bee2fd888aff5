"""TLS streams: handshakes, refusals, both ends' ends, cuts and back-pressure, on both loops."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import ssl
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.wire import header
from glasnost.errors import PathCut, ProtocolError, Refused, TrustError
from glasnost.net.tls import TlsTransport, secure
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import identity_of
from tests.net.pairs import (
    LOOPS,
    WEB,
    App,
    agent,
    cut,
    descriptors,
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


async def ended(*transports: TlsTransport) -> None:
    for transport in transports:
        transport.abort()
    await turns()


def test_both_ends_know_each_other_and_talk(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        assert str(identity_of(client.get_extra_info("peercert"), DOMAIN)) == "web.node7"
        assert str(identity_of(server.get_extra_info("peercert"), DOMAIN)) == "node8"
        near, far = streams(client), streams(server)
        near.writer.write(b"question\n")
        assert await far.reader.readline() == b"question\n"
        far.writer.writelines([b"ans", b"wer\n"])
        assert await near.reader.readline() == b"answer\n"
        near.writer.close()
        assert await far.reader.read() == b""
        far.writer.close()
        await near.writer.wait_closed()
        await far.writer.wait_closed()

    run(loop, scenario())


def test_a_unix_socket_carries_it_too(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        client, server = await asyncio.gather(
            secure(ours, agent().client_context(), server_name=WEB),
            secure(theirs, web().server_context(), server_side=True),
        )
        server.write(header.ACCEPTED + b"hello")
        app = App()
        client.attach(app)
        await until(lambda: app.data == b"hello")
        await ended(client, server)

    run(loop, scenario())


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


# --- ends -----------------------------------------------------------------------------------------


def test_the_client_ends_and_the_server_answers(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        near, far = streams(client), streams(server)
        near.writer.write(b"the whole question")
        near.writer.write_eof()
        near.writer.write_eof()  # twice is once
        assert await far.reader.read() == b"the whole question"
        far.writer.write(b"the whole answer")
        far.writer.close()
        assert await near.reader.read() == b"the whole answer"
        near.writer.close()
        await near.writer.wait_closed()
        await far.writer.wait_closed()

    run(loop, scenario())


def test_the_server_ends_and_the_client_goes_on(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        near, far = streams(client), streams(server)
        far.writer.write(b"a greeting")
        far.writer.write_eof()
        assert await near.reader.read() == b"a greeting"
        near.writer.write(bytes(1 << 20))
        near.writer.close()
        assert len(await far.reader.read()) == 1 << 20
        far.writer.close()
        await near.writer.wait_closed()
        await far.writer.wait_closed()

    run(loop, scenario())


def test_an_end_does_not_lose_what_has_come_already(loop: str) -> None:
    """OpenSSL, shutting down, refuses data that it has not decrypted yet."""

    async def scenario() -> None:
        client, server = await tls_pair()
        far = App()
        server.attach(far)
        server.pause_reading()
        client.write(bytes(600_000))
        client.write_eof()
        await turns()
        server.resume_reading()
        server.write_eof()
        await until(lambda: far.eof)
        assert len(far.data) == 600_000
        await ended(client, server)

    run(loop, scenario())


def test_writing_after_ones_own_end_is_a_bug(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        client.write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            client.write(b"more")
        client.close()
        client.write(b"more")  # after close, as with asyncio's own, nothing happens
        await ended(client, server)

    run(loop, scenario())


def test_an_application_that_does_not_stay_is_closed(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        near, far = App(), App(stays=False)
        client.attach(near)
        server.attach(far)
        client.write(b"that was all")
        client.write_eof()
        await until(lambda: far.ends and near.eof)
        assert (bytes(far.data), far.eof, far.end) == (b"that was all", True, None)
        assert near.ends == []
        client.close()
        await until(lambda: near.ends)
        assert near.end is None

    run(loop, scenario())


@pytest.mark.parametrize("how", [socket.socket.close, cut], ids=["closed", "reset"])
def test_a_cut_is_not_an_end(loop: str, how: Callable[[socket.socket], None]) -> None:
    async def scenario() -> None:
        client, proxy = tcp_pair()
        proxied, server = tcp_pair()
        passing = asyncio.ensure_future(_pass_on(proxy, proxied))
        near_tls, far_tls = await asyncio.gather(
            secure(client, agent().client_context(), server_name=WEB),
            secure(server, web().server_context(), server_side=True),
        )
        far_tls.write(header.ACCEPTED + b"half of")
        near, far = streams(near_tls), streams(far_tls)
        assert await near.reader.readexactly(7) == b"half of"
        passing.cancel()
        await asyncio.wait([passing])
        how(proxy)
        how(proxied)
        with pytest.raises(PathCut):
            await near.reader.read()
        with pytest.raises(PathCut):
            await far.reader.read()
        await turns()

    run(loop, scenario())


async def _pass_on(one: socket.socket, two: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    async def copy(source: socket.socket, sink: socket.socket) -> None:
        while data := await loop.sock_recv(source, 65536):
            await loop.sock_sendall(sink, data)

    await asyncio.gather(copy(one, two), copy(two, one))


def test_a_writer_hears_of_a_cut_after_its_peers_end(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        near, far = App(), App()
        client.attach(near)
        server.attach(far)
        client.write_eof()
        await until(lambda: far.eof)
        server.write(bytes(8 << 20))  # more than the kernel takes
        client.abort()
        await until(lambda: far.ends)
        assert isinstance(far.end, PathCut)

    run(loop, scenario())


def test_an_abort_is_a_cut_to_the_peer_and_none_here(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        near, far = App(), App()
        client.attach(near)
        server.attach(far)
        client.abort()
        await until(lambda: far.ends and near.ends)
        assert near.end is None
        assert isinstance(far.end, PathCut)
        await turns()

    run(loop, scenario())


# --- before anybody reads -------------------------------------------------------------------------


def test_what_comes_early_waits_and_holds_little(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        server.attach(App())
        server.write(bytes(16 << 20))
        await turns()
        for _ in range(100):  # give it every chance to read
            await asyncio.sleep(0)
        assert len(client._pending) + client._incoming.pending < 1 << 20
        app = App()
        client.attach(app)
        await until(lambda: len(app.data) == 16 << 20)
        await ended(client, server)

    run(loop, scenario())


def test_who_comes_late_still_gets_everything(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        server.write(b"last words")
        server.close()
        await turns()
        app = App(stays=False)
        client.attach(app)
        await until(lambda: app.ends)
        assert (bytes(app.data), app.eof, app.end) == (b"last words", True, None)

    run(loop, scenario())


def test_who_comes_after_a_cut_hears_of_it_once(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair(accepted=False)
        server.abort()
        await until(lambda: client.is_closing())
        await turns()
        app = App()
        client.attach(app)
        await until(lambda: app.ends)
        await turns()
        assert isinstance(app.end, PathCut)

    run(loop, scenario())


def test_an_application_may_begin_by_not_reading(loop: str) -> None:
    class Slow(App):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, TlsTransport)
            transport.pause_reading()

    async def scenario() -> None:
        client, server = await tls_pair()
        server.write(b"not now")
        app = Slow()
        client.attach(app)
        await turns()
        assert not client.is_reading()
        assert not app.data
        client.resume_reading()
        await until(lambda: app.data == b"not now")
        await ended(client, server)

    run(loop, scenario())


# --- much -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1000, 65536, 8 << 20])
def test_eight_megabytes_each_way(loop: str, chunk: int) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        data = os.urandom(8 << 20)

        async def talk(transport: TlsTransport) -> bytes:
            ends = streams(transport)

            async def write() -> None:
                for at in range(0, len(data), chunk):
                    ends.writer.write(data[at : at + chunk])
                    await ends.writer.drain()
                ends.writer.write_eof()

            _, received = await asyncio.gather(write(), ends.reader.read())
            ends.writer.close()
            await ends.writer.wait_closed()
            return hashlib.sha256(received).digest()

        expected = hashlib.sha256(data).digest()
        assert set(await asyncio.gather(talk(client), talk(server))) == {expected}

    run(loop, scenario())


def test_a_slow_reader_slows_the_writer(loop: str) -> None:
    async def scenario() -> None:
        client, server = await tls_pair()
        near, far = App(), App()
        client.attach(near)
        server.attach(far)
        server.pause_reading()
        sent = 0
        while near.writing:
            client.write(bytes(65536))
            sent += 65536
            await asyncio.sleep(0)
            assert sent < 64 << 20
        assert not far.data
        assert len(server._pending) + server._incoming.pending < 1 << 20
        assert client.get_write_buffer_size() < 1 << 20
        server.resume_reading()
        await until(lambda: near.writing and len(far.data) == sent)
        client.close()
        await until(lambda: far.eof)
        await ended(server)

    run(loop, scenario())


def test_a_reader_that_pauses_at_each_piece_gets_all_of_them(loop: str) -> None:
    class Sipping(App):
        transport: asyncio.Transport

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.transport.pause_reading()
            asyncio.get_running_loop().call_soon(self.transport.resume_reading)

    async def scenario() -> None:
        client, server = await tls_pair()
        far = Sipping()
        far.transport = server
        server.attach(far)
        client.write(bytes(3 << 20))
        client.write_eof()
        await until(lambda: far.eof)
        assert len(far.data) == 3 << 20
        await ended(client, server)

    run(loop, scenario())


# --- nothing is left open -------------------------------------------------------------------------


def test_a_handshake_takes_its_time_and_no_more(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        before = descriptors()
        with pytest.raises(TimeoutError, match=r"no TLS handshake within 0\.01 s"):
            await secure(ours, agent().client_context(), server_name=WEB, timeout=0.01)
        await turns()
        assert descriptors() == before - 1
        theirs.close()

    run(loop, scenario())


@pytest.mark.parametrize("server_side", [False, True])
def test_a_cancelled_handshake_leaves_nothing_open(loop: str, server_side: bool) -> None:
    async def scenario() -> None:
        context = web().server_context() if server_side else agent().client_context()
        name = None if server_side else WEB
        for turn in range(6):  # cancelled at every step on the way
            ours, theirs = tcp_pair()
            before = descriptors()
            shaking = asyncio.ensure_future(
                secure(ours, context, server_side=server_side, server_name=name)
            )
            for _ in range(turn):
                await asyncio.sleep(0)
            shaking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await shaking
            await turns()
            # A task cancelled before its first step never had the socket.
            assert ours.fileno() < 0 or turn == 0
            ours.close()
            assert descriptors() == before - 1
            theirs.close()

    run(loop, scenario())


def test_a_name_that_is_none_leaves_nothing_open(loop: str) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        before = descriptors()
        with pytest.raises(ValueError):
            await secure(ours, agent().client_context(), server_name="." * 300)
        assert descriptors() == before - 1
        theirs.close()

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
