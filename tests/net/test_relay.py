"""Copying between two sockets, over real ones, on uvloop and on plain asyncio."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import uvloop

from glasnost.net.buffers import LARGE, SMALL, Buffers
from glasnost.net.relay import Relay, Tally, relay
from glasnost.net.sockets import tune

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a scenario on either loop; none may hang for long."""
    factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(asyncio.wait_for(scenario, 30))

    return run


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        two, _ = listener.accept()
    return tune(one), tune(two)


@dataclass
class Scene:
    """``a`` and ``b`` are the two ends that talk; the relay stands between them."""

    a: socket.socket
    b: socket.socket
    relay: Relay
    buffers: Buffers
    task: asyncio.Task[Tally]

    async def send(self, sock: socket.socket, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(sock, data)

    async def receive(self, sock: socket.socket, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            chunk = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
            if not chunk:
                break
            data += chunk
        return bytes(data)


@asynccontextmanager
async def scene(
    *, before: Callable[[socket.socket, socket.socket], None] | None = None, **options: Any
) -> AsyncIterator[Scene]:
    (a, near_a), (b, near_b) = tcp_pair(), tcp_pair()
    if before is not None:
        before(a, b)
    buffers = Buffers()
    stream = Relay(near_a, near_b, buffers=buffers, **options)
    task = asyncio.get_running_loop().create_task(stream.run())
    try:
        yield Scene(a, b, stream, buffers, task)
        await task
        assert buffers.kept == 0, "a buffer was not given back"
    finally:
        stream.cut("the test is over")
        await asyncio.gather(task, return_exceptions=True)
        a.close()
        b.close()


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, giving the loop its turns."""
    while not condition():  # noqa: ASYNC110 - the conditions are plain facts of the relay
        await asyncio.sleep(0)


def test_every_byte_arrives_both_ways_at_once(run: Run) -> None:
    async def send_in_pieces(s: Scene, sock: socket.socket, data: bytes, seed: int) -> None:
        sizes, at = random.Random(seed), 0
        while at < len(data):
            size = sizes.choice([1, 7, 1500, 65536, 300_000])
            await s.send(sock, data[at : at + size])
            at += size
        sock.shutdown(socket.SHUT_WR)

    async def scenario() -> None:
        forth, back = random.Random(1).randbytes(7_000_000), random.Random(2).randbytes(5_000_001)
        async with scene() as s:
            _, _, got_back, got_forth = await asyncio.gather(
                send_in_pieces(s, s.a, forth, 3),
                send_in_pieces(s, s.b, back, 4),
                s.receive(s.a, len(back) + 1),
                s.receive(s.b, len(forth) + 1),
            )
            assert hashlib.sha256(got_forth).digest() == hashlib.sha256(forth).digest()
            assert hashlib.sha256(got_back).digest() == hashlib.sha256(back).digest()
            assert await s.task == Tally(len(forth), len(back), None)

    run(scenario())


def test_a_proper_end_is_passed_on_and_the_other_direction_goes_on(run: Run) -> None:
    async def scenario() -> None:
        async with scene() as s:
            await s.send(s.a, b"question")
            s.a.shutdown(socket.SHUT_WR)
            assert await s.receive(s.b, 100) == b"question"
            assert not s.task.done()
            for number in range(3):
                await s.send(s.b, b"answer %d" % number)
                assert await s.receive(s.a, 8) == b"answer %d" % number
            s.b.shutdown(socket.SHUT_WR)
            assert await s.receive(s.a, 100) == b""
            assert await s.task == Tally(8, 24, None)

    run(scenario())


def test_what_was_sent_before_the_relay_began_arrives(run: Run) -> None:
    def before(a: socket.socket, b: socket.socket) -> None:
        a.send(b"early")
        a.shutdown(socket.SHUT_WR)
        b.send(b"me too")

    async def scenario() -> None:
        async with scene(before=before) as s:
            assert await s.receive(s.b, 100) == b"early"
            assert await s.receive(s.a, 6) == b"me too"
            s.b.shutdown(socket.SHUT_WR)
            assert (await s.task).error is None

    run(scenario())


def test_a_reader_that_does_not_read_holds_one_buffer_and_no_more(run: Run) -> None:
    async def scenario() -> None:
        data = random.Random(5).randbytes(1 << 20)
        async with scene() as s:
            sent = 0
            while sent < 200 << 20:  # until nothing goes: kernel buffers take some MB
                try:
                    sent += s.a.send(data[sent % len(data) :])
                except BlockingIOError:
                    before = s.relay.tally.bytes_ab
                    await asyncio.sleep(0.05)  # as long as nothing moves, nothing will
                    if s.relay.tally.bytes_ab == before:
                        break
            assert sent < 100 << 20, "there is no back-pressure"
            assert 0 < s.buffers.kept <= LARGE
            assert await s.receive(s.b, sent) == (data * (sent // len(data) + 1))[:sent]
            assert s.buffers.kept == 0
            s.a.shutdown(socket.SHUT_WR)
            s.b.shutdown(socket.SHUT_WR)
            assert await s.task == Tally(sent, 0, None)

    run(scenario())


def test_an_end_behind_unsent_bytes_comes_after_them(run: Run) -> None:
    async def scenario() -> None:
        data = random.Random(6).randbytes(20 << 20)
        async with scene() as s:
            sending = asyncio.ensure_future(s.send(s.a, data))
            await until(lambda: s.buffers.kept > 0)
            s.b.shutdown(socket.SHUT_WR)  # the other direction has ended long before
            assert await s.receive(s.a, 1) == b""
            receiving = asyncio.ensure_future(s.receive(s.b, len(data) + 1))
            await sending
            s.a.shutdown(socket.SHUT_WR)
            assert await receiving == data
            assert await s.task == Tally(len(data), 0, None)

    run(scenario())


@pytest.mark.parametrize("which", ["a", "b"])
def test_a_cut_on_one_side_is_a_cut_on_the_other(run: Run, which: str) -> None:
    async def scenario() -> None:
        async with scene() as s:
            one, other = (s.a, s.b) if which == "a" else (s.b, s.a)
            await s.send(one, b"half a sen")
            assert await s.receive(other, 10) == b"half a sen"
            reset(one)
            with pytest.raises(ConnectionResetError):
                await s.receive(other, 1)
            assert (await s.task).error in (
                f"{which}: Connection reset by peer",
                f"{which}: connection reset by peer",
            )

    run(scenario())


def test_a_cut_while_bytes_are_unsent_is_a_cut(run: Run) -> None:
    async def scenario() -> None:
        async with scene() as s:
            sending = asyncio.ensure_future(s.send(s.a, bytes(50 << 20)))
            await until(lambda: s.buffers.kept > 0)
            reset(s.b)
            with pytest.raises(ConnectionError):
                await sending
            assert ((await s.task).error or "").startswith("b: ")

    run(scenario())


def test_a_side_that_was_gone_before_it_began(run: Run) -> None:
    async def scenario() -> None:
        async with scene(before=lambda a, b: reset(a)) as s:
            with pytest.raises(ConnectionResetError):
                await s.receive(s.b, 1)
            assert (await s.task).error is not None

    run(scenario())


def test_our_own_end_is_a_cut_for_both(run: Run) -> None:
    async def scenario() -> None:
        async with scene() as s:
            await s.send(s.a, b"x")
            assert await s.receive(s.b, 1) == b"x"
            s.relay.cut("the broker closes")
            for sock in (s.a, s.b):
                with pytest.raises(ConnectionResetError):
                    await s.receive(sock, 1)
            assert await s.task == Tally(1, 0, "the broker closes")

    run(scenario())


@pytest.mark.parametrize("turns", range(6))
def test_it_may_be_stopped_in_any_moment(run: Run, turns: int) -> None:
    async def scenario() -> None:
        (a, near_a), (b, near_b) = tcp_pair(), tcp_pair()
        with a, b:
            task = asyncio.get_running_loop().create_task(relay(near_a, near_b))
            for _ in range(turns):
                await asyncio.sleep(0)
            if turns == 0:  # never begun: nothing was owned yet
                near_a.close()
                near_b.close()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            for sock in (a, b):
                with suppress(ConnectionResetError):
                    assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""

    run(scenario())


@pytest.mark.parametrize("turns", range(6))
def test_it_may_be_cut_in_any_moment(run: Run, turns: int) -> None:
    async def scenario() -> None:
        async with scene() as s:
            for _ in range(turns):
                await asyncio.sleep(0)
            s.relay.cut("enough")
            for sock in (s.a, s.b):
                with pytest.raises(ConnectionResetError):
                    await s.receive(sock, 1)
            assert await s.task == Tally(0, 0, "enough")

    run(scenario())


def test_silence_is_cut_after_its_limit_and_not_before(run: Run) -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        async with scene(idle=0.2) as s:  # the duration is what is tested
            await asyncio.sleep(0.1)
            begun = loop.time()
            await s.send(s.a, b"x")
            tally = await s.task
            assert 0.19 <= loop.time() - begun < 5  # uvloop counts milliseconds
            assert tally == Tally(1, 0, "nothing was sent for 0.2 s")
            with pytest.raises(ConnectionResetError):
                await s.receive(s.b, 2)

    run(scenario())


def test_unix_sockets_are_joined_too(run: Run) -> None:
    async def scenario() -> None:
        (a, near_a), (b, near_b) = socket.socketpair(), socket.socketpair()
        with a, b:
            for sock in (a, b):
                sock.setblocking(False)
            task = asyncio.get_running_loop().create_task(relay(near_a, near_b))
            a.send(b"hello")
            assert await asyncio.get_running_loop().sock_recv(b, 5) == b"hello"
            a.close()
            b.close()
            assert (await task).bytes_ab == 5

    run(scenario())


def test_many_streams_share_one_buffer(run: Run) -> None:
    async def scenario() -> None:
        async with scene() as one, scene() as two:
            for s in (one, two):
                await s.send(s.a, b"x" * 1000)
                assert await s.receive(s.b, 1000) == b"x" * 1000
                assert s.buffers.kept == 0
                s.a.shutdown(socket.SHUT_WR)
                s.b.shutdown(socket.SHUT_WR)

    run(scenario())


def test_buffers_get_small_when_much_is_kept_and_large_again() -> None:
    buffers = Buffers(budget=2 * LARGE)
    held = []
    for expected in (LARGE, LARGE, SMALL, SMALL):
        assert len(buffers.lend()) == expected
        assert buffers.lend() is buffers.lend()
        held.append(buffers.keep())
    assert buffers.kept == 2 * LARGE + 2 * SMALL
    assert len({id(buffer) for buffer in held}) == 4
    for buffer in held:
        buffers.give_back(buffer)
    assert buffers.kept == 0
    assert len(buffers.lend()) == LARGE
