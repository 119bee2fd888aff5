"""Bridges: bytes both ways, ends and cuts passed on, memory bounded, on both loops."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from glasnost.errors import PathCut
from glasnost.net.bridge import Copied, Stream, bridge
from glasnost.net.tls import TlsTransport
from tests.net.pairs import (
    LOOPS,
    App,
    cut,
    descriptors,
    run,
    streams,
    tcp_pair,
    tls_pair,
    turns,
    until,
)

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def plain() -> tuple[Stream, Ends]:
    """A stream for the bridge, and the other end of it."""
    ours, theirs = tcp_pair()
    return ours, await asyncio.open_connection(sock=theirs)


async def local() -> tuple[Stream, Ends]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return ours, await asyncio.open_unix_connection(sock=theirs)


async def sealed() -> tuple[Stream, Ends]:
    client, server = await tls_pair()
    theirs = streams(client)
    return server, (theirs.reader, theirs.writer)


KINDS: dict[str, tuple[Callable[[], Awaitable[tuple[Stream, Ends]]], ...]] = {
    "plain to plain": (plain, plain),
    "local to sealed": (local, sealed),
    "sealed to plain": (sealed, plain),
    "sealed to sealed": (sealed, sealed),
}

pytestmark = [
    pytest.mark.parametrize("loop", LOOPS),
    pytest.mark.parametrize("kinds", KINDS.values(), ids=KINDS),
]
Kinds = tuple[Callable[[], Awaitable[tuple[Stream, Ends]]], ...]


async def bridged(kinds: Kinds) -> tuple[asyncio.Future[Copied], Ends, Ends]:
    (one, near), (two, far) = await kinds[0](), await kinds[1]()
    return asyncio.ensure_future(bridge(one, two)), near, far


async def close(*ends: Ends) -> None:
    for _, writer in ends:
        writer.close()
    for _, writer in ends:
        await writer.wait_closed()
    await turns()


def test_a_dialogue_with_both_ends(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        before = descriptors()
        copying, near, far = await bridged(kinds)
        near[1].write(b"question\n")
        assert await far[0].readline() == b"question\n"
        far[1].write(b"answer\n")
        assert await near[0].readline() == b"answer\n"
        near[1].write_eof()
        assert await far[0].read() == b""
        far[1].write(b"and a last word")
        far[1].write_eof()
        assert await near[0].read() == b"and a last word"
        assert await copying == Copied(9, 22, None)
        await close(near, far)
        assert descriptors() == before

    run(loop, scenario())


def test_much_both_ways_at_once(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        copying, near, far = await bridged(kinds)
        data = os.urandom(8 << 20)

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
            async def write() -> None:
                for at in range(0, len(data), 100_000):
                    writer.write(data[at : at + 100_000])
                    await writer.drain()
                writer.write_eof()

            _, received = await asyncio.gather(write(), reader.read())
            return hashlib.sha256(received).digest()

        expected = hashlib.sha256(data).digest()
        assert set(await asyncio.gather(talk(*near), talk(*far))) == {expected}
        assert await copying == Copied(len(data), len(data), None)
        await close(near, far)

    run(loop, scenario())


def test_what_came_before_the_bridge_is_copied(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        (one, near), (two, far) = await kinds[0](), await kinds[1]()
        near[1].write(b"early")
        near[1].write_eof()
        far[1].write(b"too")
        far[1].write_eof()
        await turns()
        copied = await bridge(one, two)
        assert (copied.forth, copied.back, copied.error) == (5, 3, None)
        assert await far[0].read() == b"early"
        assert await near[0].read() == b"too"
        await close(near, far)

    run(loop, scenario())


def test_a_slow_reader_slows_the_other_side(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        copying, near, far = await bridged(kinds)
        transport = cast(asyncio.Transport, far[1].transport)
        transport.pause_reading()
        sent = 0
        while near[1].transport.get_write_buffer_size() < 1 << 20:
            near[1].write(bytes(65536))
            sent += 65536
            await asyncio.sleep(0)
            assert sent < 64 << 20
        transport.resume_reading()
        near[1].write_eof()
        received = 0
        while data := await far[0].read(1 << 20):
            received += len(data)
        assert received == sent
        far[1].write_eof()
        await copying
        await close(near, far)

    run(loop, scenario())


def test_a_cut_is_passed_on_as_one(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        if local in kinds:
            return  # unix sockets know no resets
        before = descriptors()
        copying, near, far = await bridged(kinds)
        near[1].write(b"x")
        assert await far[0].readexactly(1) == b"x"
        if kinds[0] is plain:
            # Below asyncio, whose abort() is a proper end to TCP.
            near[1].get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            )
        near[1].transport.abort()
        with pytest.raises((ConnectionResetError, PathCut)):
            await far[0].read()
        copied = await copying
        assert isinstance(copied.error, ConnectionError)
        far[1].close()
        await turns()
        assert descriptors() == before

    run(loop, scenario())


def test_a_cancelled_bridge_is_a_cut_to_both(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        before = descriptors()
        copying, near, far = await bridged(kinds)
        near[1].write(b"x")
        assert await far[0].readexactly(1) == b"x"
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        for (reader, writer), kind in zip((near, far), kinds, strict=True):
            if kind is local:
                assert await reader.read() == b""
            else:
                with pytest.raises((ConnectionResetError, PathCut)):
                    await reader.read()
            writer.close()
        await turns()
        assert descriptors() == before

    run(loop, scenario())


@pytest.mark.parametrize("turn", range(6))
def test_cancelled_while_it_begins(loop: str, kinds: Kinds, turn: int) -> None:
    async def scenario() -> None:
        before = descriptors()
        (one, near), (two, far) = await kinds[0](), await kinds[1]()
        copying = asyncio.ensure_future(bridge(one, two))
        for _ in range(turn):
            await asyncio.sleep(0)
        copying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await copying
        if turn == 0:  # it never had them
            for stream in (one, two):
                stream.abort() if isinstance(stream, TlsTransport) else stream.close()
        for _, writer in (near, far):
            writer.close()
        await turns()
        assert descriptors() == before

    run(loop, scenario())


def test_a_stream_that_is_cut_already(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        before = descriptors()
        ours, theirs = tcp_pair()
        cut(theirs)
        two, far = await kinds[1]()
        copied = await bridge(ours, two)
        assert isinstance(copied.error, ConnectionError)
        if kinds[1] is local:
            assert await far[0].read() == b""
        else:
            with pytest.raises((ConnectionResetError, PathCut)):
                await far[0].read()
        far[1].close()
        await turns()
        assert descriptors() == before

    run(loop, scenario())


def test_an_application_of_ones_own_at_the_far_end(loop: str, kinds: Kinds) -> None:
    async def scenario() -> None:
        one, near = await kinds[0]()
        client, server = await tls_pair()
        app = App()
        client.attach(app)
        copying = asyncio.ensure_future(bridge(one, server))
        near[1].write(b"hello")
        near[1].write_eof()
        await until(lambda: app.eof)
        client.close()
        await copying
        assert app.data == b"hello"
        await close(near)

    run(loop, scenario())
