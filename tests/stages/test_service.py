"""``service``: one call, and nothing is awaited."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from glasnost.core.wire.header import TOKEN_SIZE, Call, encode_call
from tests.net.pairs import tcp_pair
from tests.stages.crossing import cross, play

ROUTE = "public/ip4:192.0.2.1:9618/service:web"


@pytest.mark.parametrize("relay", [b"", b"t" * TOKEN_SIZE])
def test_the_call_is_all_that_is_written(relay: bytes) -> None:
    async def scenario() -> None:
        ours, theirs = tcp_pair()
        assert await cross(ROUTE, ours, relay=relay) is ours
        ours.close()
        with theirs:
            theirs.setblocking(True)
            assert theirs.recv(1000) == encode_call(Call(to="web", relay=relay))
            assert theirs.recv(1000) == b""

    play(scenario)


def test_a_stream_that_was_cut_is_closed() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.close()
        with pytest.raises(BrokenPipeError):
            await cross(ROUTE, ours)
        assert ours.fileno() < 0

    play(scenario)


def test_cancelled_while_the_peer_takes_nothing() -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            with contextlib.suppress(BlockingIOError):
                while ours.send(b"x" * 65536):
                    pass
            crossing = asyncio.ensure_future(cross(ROUTE, ours))
            await asyncio.sleep(0)
            crossing.cancel()
            await asyncio.wait([crossing])
            assert ours.fileno() < 0

    play(scenario)
