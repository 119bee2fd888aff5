"""The shared port: whole calls, calls in pieces, no calls, and too many of them."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from glasnost.core.wire import header
from glasnost.errors import Refused
from glasnost.net.exact import read_answer
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp, listen_unix, tune
from tests.net.pairs import LOOPS, cut, descriptors, exhausted, run, tcp_pair, turns, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)

CALL = header.Call(to="web", relay=b"r" * header.TOKEN_SIZE)
WEB = header.encode_call(CALL)


class Door:
    """A shared port on loopback, and what it has handed over."""

    def __init__(self, **limits: float) -> None:
        self.came: list[Incoming] = []
        self.port = SharedPort(self.came.append, **limits)  # type: ignore[arg-type]
        listener = listen_tcp("127.0.0.1", 0)
        # The kernel would keep callers that say nothing to itself.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
        self.number: int = listener.getsockname()[1]
        self.port.listen(listener)

    async def caller(self, data: bytes = b"") -> socket.socket:
        sock = await connect_tcp("127.0.0.1", self.number)
        if data:
            sock.send(data)
        return sock


@asynccontextmanager
async def door(**limits: float) -> AsyncIterator[Door]:
    """Everything that was opened meanwhile must be closed again."""
    before = descriptors()
    door = Door(**limits)
    try:
        yield door
    finally:
        door.port.close()
        for incoming in door.came:
            incoming.sock.close()
    await until(lambda: descriptors() == before)  # refused ones linger until their caller closes
    assert door.port.half_open == 0


async def refusal(sock: socket.socket) -> Refused:
    with sock, pytest.raises(Refused) as refused:
        await read_answer(sock)
    return refused.value


def test_a_call_is_handed_over_with_all_that_stands_behind_it(loop: str) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller(WEB + b"the hello behind it") as sock:
                await until(lambda: site.came)
                [incoming] = site.came
                assert incoming.call == CALL
                assert incoming.sock.recv(100) == b"the hello behind it"
                assert incoming.sock.gettimeout() == 0
                assert incoming.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert incoming.peer == "127.0.0.1:%d" % sock.getsockname()[1]
            assert (site.port.accepted, site.port.refused) == (1, 0)
            assert repr(site.port) == "<SharedPort 1 listeners, 0 half-open>"

    run(loop, scenario())


def test_a_call_may_come_byte_by_byte(loop: str) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller() as sock:
                for byte in WEB:
                    assert not site.came
                    sock.send(bytes([byte]))
                    await turns()
                sock.send(b"behind")
                await until(lambda: site.came)
                assert site.came[0].sock.recv(100) == b"behind"
                assert site.port.half_open == 0

    run(loop, scenario())


def test_what_stays_in_the_socket_wakes_nobody(loop: str) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller(WEB + b"x") as sock:
                await until(lambda: site.came)
                sock.send(b"y")
                await turns()
                assert site.came[0].sock.recv(9) == b"xy"

    run(loop, scenario())


PREFIX = struct.Struct(">2sBBH")
GARBAGE = [
    ("another protocol", b"GET / HTTP/1.1\r\n\r\n", "these bytes open no Glasnost header"),
    ("another version", PREFIX.pack(b"\xabG", 2, 1, 0), "version 2 is not spoken"),
    ("an answer", header.encode_answer(header.Answer()), "kind 2 where 1 was expected"),
    ("too long", PREFIX.pack(b"\xabG", 1, 1, 513), "513 bytes exceeds the limit of 512"),
    ("no body", PREFIX.pack(b"\xabG", 1, 1, 0), "unreadable header"),
    ("no map", PREFIX.pack(b"\xabG", 1, 1, 1) + b"\x01", "unreadable header"),
    ("a short token", PREFIX.pack(b"\xabG", 1, 1, 12) + b"\x81\xa5reply\xc4\x03abc", "token of 3"),
]


@pytest.mark.parametrize("name, data, why", GARBAGE, ids=[case[0] for case in GARBAGE])
def test_what_is_no_call_is_refused_with_a_reason(
    loop: str, name: str, data: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with door() as site:
            error = await refusal(await site.caller(data))
            assert error.code == "bad-header"
            assert why in error.why
            assert site.port.refused == 1

    with caplog.at_level(logging.DEBUG):
        run(loop, scenario())
    assert not [each for each in caplog.records if each.exc_info]


@pytest.mark.parametrize("how", [socket.socket.close, cut], ids=["closes", "resets"])
@pytest.mark.parametrize("size", [0, 3, len(WEB) - 1])
def test_a_caller_that_goes_is_forgotten(
    loop: str, how: Callable[[socket.socket], None], size: int
) -> None:
    async def scenario() -> None:
        async with door() as site:
            sock = await site.caller(WEB[:size])
            await until(lambda: site.port.half_open == 1)
            how(sock)
            await until(lambda: site.port.half_open == 0)
            assert not site.came

    run(loop, scenario())


def test_who_is_too_slow_is_told_so_and_others_are_not(loop: str) -> None:
    async def scenario() -> None:
        async with door(timeout=0.02) as site:
            slow = [await site.caller(WEB[:5]) for _ in range(3)]
            quick = await site.caller(WEB)
            for each in slow:
                error = await refusal(each)
                assert (error.code, error.why) == ("too-slow", "no header within 0.02 s")
            quick.close()
            assert len(site.came) == 1
            again = await site.caller(WEB[:5])  # the timer starts anew
            assert (await refusal(again)).code == "too-slow"

    run(loop, scenario())


def test_one_source_cannot_take_all_the_places(loop: str) -> None:
    async def scenario() -> None:
        async with door(per_source=3) as site:
            open_ = [await site.caller() for _ in range(3)]
            await until(lambda: site.port.half_open == 3)
            assert (
                "half-open connections from 127.0.0.1" in (await refusal(await site.caller())).why
            )
            other = await connect_tcp("127.0.0.1", site.number, "127.0.0.2")
            other.send(WEB)
            await until(lambda: site.came)
            open_[0].send(WEB)  # who has called is counted no longer
            await until(lambda: len(site.came) == 2)
            open_.append(await site.caller(WEB))
            await until(lambda: len(site.came) == 3)
            for each in [*open_, other]:
                each.close()

    run(loop, scenario())


def test_all_sources_together_are_bounded(loop: str) -> None:
    async def scenario() -> None:
        async with door(half_open=2) as site:
            open_ = [await site.caller() for _ in range(2)]
            await until(lambda: site.port.half_open == 2)
            assert (await refusal(await site.caller())).code == "busy"
            for each in open_:
                each.close()

    run(loop, scenario())


def test_hundreds_of_callers_at_once(loop: str) -> None:
    async def scenario() -> None:
        async with door(per_source=1000) as site:
            callers = [await site.caller(WEB[: index % len(WEB)]) for index in range(400)]
            await until(lambda: site.port.accepted == 400)
            for index, each in enumerate(callers):
                each.send(WEB[index % len(WEB) :] + index.to_bytes(2, "big"))
            await until(lambda: len(site.came) == 400)
            tails = {incoming.sock.recv(100) for incoming in site.came}
            assert tails == {index.to_bytes(2, "big") for index in range(400)}
            for each in callers:
                each.close()

    run(loop, scenario())


def test_a_connection_that_we_opened_is_served_alike(loop: str) -> None:
    async def scenario() -> None:
        async with door(per_source=0) as site:
            ours, theirs = tcp_pair()
            site.port.serve(ours, "dial-back to node7")
            await turns()
            theirs.send(WEB)
            await until(lambda: site.came)
            assert site.came[0].peer == "dial-back to node7"
            theirs.close()

    run(loop, scenario())


def test_closing_ends_those_that_have_not_called(loop: str) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller() as sock:
                await until(lambda: site.port.half_open == 1)
                site.port.close()
                assert await asyncio.get_running_loop().sock_recv(sock, 1) == b""

    run(loop, scenario())


def test_a_unix_socket_is_a_port_too(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "run" / "port.sock"
        async with door() as site:
            site.port.listen(listen_unix(path))
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.send(WEB)
                await until(lambda: site.came)
                assert site.came[0].peer == "local"

    run(loop, scenario())


def test_without_descriptors_callers_are_told_so_until_there_are_again(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with door() as site:
            callers = [tune(socket.socket()) for _ in range(5)]
            with exhausted():
                for each in callers:
                    each.connect_ex(("127.0.0.1", site.number))
                    each.send(WEB)
                for each in callers:
                    error = await refusal(each)
                    assert (error.code, error.why) == ("busy", "this host has no descriptors left")
            assert (site.port.accepted, site.port.refused, site.came) == (0, 5, [])
            with await site.caller(WEB):
                await until(lambda: site.came)

    with caplog.at_level(logging.ERROR, "glasnost.port"):
        run(loop, scenario())
    said = [one for one in caplog.messages if "callers are refused" in one]
    assert said == ["cannot accept: Too many open files; callers are refused"]


def test_a_reserve_that_is_gone_leaves_callers_waiting(loop: str) -> None:
    async def scenario() -> None:
        async with door() as site:
            site.port._reserve.close()  # as if another thread had taken it
            with tune(socket.socket()) as sock:
                with exhausted():
                    sock.connect_ex(("127.0.0.1", site.number))
                    sock.send(WEB)
                    await until(lambda: site.port._starved)
                await until(lambda: site.came)
            assert (site.port.accepted, site.port.refused) == (1, 0)

    run(loop, scenario())


def test_what_else_keeps_it_from_accepting_makes_it_rest(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Hindered:
        """A listener for which the kernel has no memory at first."""

        def __init__(self, listener: socket.socket) -> None:
            self.listener, self.failures = listener, 3

        def accept(self) -> tuple[socket.socket, object]:
            if self.failures:
                self.failures -= 1
                raise OSError(errno.ENOMEM, "Cannot allocate memory")
            return self.listener.accept()

        def fileno(self) -> int:
            return self.listener.fileno()

        def close(self) -> None:
            self.listener.close()

    async def scenario() -> None:
        async with door() as site:
            listener = listen_tcp("127.0.0.1", 0)
            hindered = Hindered(listener)
            site.port.listen(hindered)  # type: ignore[arg-type]
            with await connect_tcp(*listener.getsockname()) as sock:
                sock.send(WEB)
                await until(lambda: site.came)
            assert (hindered.failures, site.port.refused) == (0, 0)

    with caplog.at_level(logging.ERROR, "glasnost.port"):
        run(loop, scenario())
    assert caplog.messages.count("cannot accept: Cannot allocate memory; resting") == 1
