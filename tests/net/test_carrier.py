"""Streams that are no socket, carried: whatever becomes of the loop that asked for one."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading

import pytest

from glasnost.errors import Unavailable
from glasnost.net.bridge import Stream
from glasnost.net.carrier import carried
from tests.net.pairs import descriptors


def opened() -> tuple[Stream, socket.socket]:
    """A stream to carry, and its other end."""
    stream, far = socket.socketpair()
    stream.setblocking(False)
    far.settimeout(10)
    return stream, far


async def carry(stream: Stream) -> socket.socket:
    async def opener() -> Stream:
        return stream

    return await carried(opener)


def test_it_goes_on_after_the_loop_that_asked_for_it() -> None:
    stream, far = opened()
    near = asyncio.run(carry(stream))
    near.settimeout(10)
    with near, far:
        near.sendall(b"forth")
        assert far.recv(5) == b"forth"
        far.sendall(b"back")
        assert near.recv(4) == b"back"
        near.shutdown(socket.SHUT_WR)
        assert far.recv(1) == b""
        far.sendall(b"late")  # the other direction goes on
        assert near.recv(4) == b"late"


def test_what_opening_raises_is_raised_here() -> None:
    async def opener() -> Stream:
        raise Unavailable("nobody is there")

    with pytest.raises(Unavailable, match="nobody is there"):
        asyncio.run(carried(opener))


def test_who_stops_waiting_stops_the_opening() -> None:
    begun, ended = threading.Event(), threading.Event()

    async def opener() -> Stream:
        begun.set()
        try:
            await asyncio.Event().wait()
            raise AssertionError("nobody sets it")
        finally:
            ended.set()

    async def scenario() -> None:
        waiting = asyncio.create_task(carried(opener))
        await asyncio.to_thread(begun.wait, 10)
        waiting.cancel()
        await asyncio.wait([waiting])
        assert waiting.cancelled()

    asyncio.run(scenario())
    assert ended.wait(10)


def test_what_comes_when_nobody_waits_any_more_is_closed() -> None:
    """Cancelled at any moment: the stream is either ours, or its other end sees it close."""
    stream, far = opened()
    with far:  # the thread and its loop are there from here on
        asyncio.run(carry(stream)).close()
        assert far.recv(1) == b""

    async def scenario() -> None:
        for turns in range(1, 30):
            stream, far = opened()
            waiting = asyncio.create_task(carry(stream))
            for _ in range(turns):
                await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
            if not waiting.cancelled():
                waiting.result().close()
            with far:
                assert await asyncio.to_thread(far.recv, 1) == b""

    before = descriptors()
    asyncio.run(scenario())
    assert descriptors() <= before  # what earlier tests left may go meanwhile


LAST_WORDS = """
import asyncio, socket, sys
from glasnost.net.carrier import carried

async def opener():
    stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    stream.setblocking(False)
    return stream

near = asyncio.run(carried(opener))
near.setblocking(True)
near.sendall(b"x" * 150_000)
"""


def test_a_program_that_ends_has_said_all_it_wrote() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        child = subprocess.Popen([sys.executable, "-c", LAST_WORDS, port])
        far = listener.accept()[0]
        with far:
            far.settimeout(30)
            heard = 0
            while more := far.recv(65536):
                heard += len(more)
        assert child.wait(30) == 0
        assert heard == 150_000
