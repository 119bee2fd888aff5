"""TLS streams: handshakes, refusals, both ends' ends, cuts and back-pressure, on both loops."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Callable

import pytest

from glasnost.core.wire import header
from glasnost.errors import PathCut
from glasnost.net.tls import TlsTransport, secure
from glasnost.trust.identity import identity_of
from tests.net.pairs import (
    LOOPS,
    WEB,
    App,
    agent,
    cut,
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
from tests.trust.pool import DOMAIN

pytestmark = pytest.mark.parametrize("loop", LOOPS)


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


@pytest.mark.parametrize("size", [100_000, 250_000, 1 << 20])
def test_the_sockets_end_does_not_overtake_what_waits(loop: str, size: int) -> None:
    """Whoever reads in bits pauses behind each; the rest and its proper end wait here meanwhile."""

    class Hesitant(App):
        server: TlsTransport

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            assert isinstance(transport, TlsTransport)
            self.server = transport

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self.server.pause_reading()
            asyncio.get_running_loop().call_soon(self.server.resume_reading)

    async def scenario() -> None:
        client, server = await tls_pair()
        far = Hesitant()
        server.attach(far)
        client.attach(App())
        await turns()  # a socket that has unread bytes is reset when it is closed
        client.write(bytes(size))
        client.close()
        await until(lambda: far.eof)
        assert len(far.data) == size
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
        assert client._engine.held < 1 << 20
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
        assert server._engine.held < 1 << 20
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
