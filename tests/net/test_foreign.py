"""A port at which another protocol is spoken too: its headers are read exactly, or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from glasnost.core.wire import header
from glasnost.errors import ProtocolError
from glasnost.net.foreign import LOOK, Stranger
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp, listen_unix, tune
from tests.net.pairs import LOOPS, cut, descriptors, run, tcp_pair, turns, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)

WEB = header.encode_call(header.Call(to="web"))


class Parcels:
    """A header is ``P``, three digits and so many bytes, any number of times, then a full stop;
    ``W...`` is for somebody who sees all of it."""

    least = 5

    def __init__(self) -> None:
        self.taken: list[tuple[Stranger, bytes]] = []
        self.passed: list[tuple[Stranger, bytes]] = []

    def size(self, seen: bytes) -> int:
        if seen[:1] == b"W":
            return 0
        size = 0
        while seen[size : size + 1] == b"P":
            if len(seen) < size + 4:
                return size + 4
            if not seen[size + 1 : size + 4].isdigit():
                raise ProtocolError("a parcel without a length")
            size += 5 + int(seen[size + 1 : size + 4])
        if len(seen) > size and seen[size : size + 1] != b".":
            raise ProtocolError("no parcel")
        return size + 1

    def take(self, stranger: Stranger, head: bytes) -> None:
        self.taken.append((stranger, head))

    def pass_on(self, stranger: Stranger, seen: bytes) -> None:
        self.passed.append((stranger, seen))


class Door:
    def __init__(self, **more: object) -> None:
        self.came: list[Incoming] = []
        self.upgraded: list[tuple[socket.socket, bytes, str]] = []
        self.parcels = Parcels()
        self.port = SharedPort(self.came.append, foreign=self.parcels, **more)  # type: ignore[arg-type]
        listener = listen_tcp("127.0.0.1", 0)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 0)
        self.number: int = listener.getsockname()[1]
        self.port.listen(listener)

    async def caller(self, data: bytes = b"") -> socket.socket:
        sock = await connect_tcp("127.0.0.1", self.number)
        if data:
            sock.send(data)
        return sock

    def quick_caller(self, data: bytes) -> socket.socket:
        """One who has spoken before it is accepted."""
        sock = tune(socket.socket())
        sock.connect_ex(("127.0.0.1", self.number))
        sock.send(data)
        return sock

    async def let_go(self, sock: socket.socket) -> None:
        """It is closed, without a word."""
        with sock:
            try:
                assert await asyncio.get_running_loop().sock_recv(sock, 100) == b""
            except ConnectionResetError:
                pass  # bytes of ours were unread

    def handed_over(self) -> list[socket.socket]:
        strangers = self.parcels.taken + self.parcels.passed
        return [one.sock for one in self.came] + [stranger.sock for stranger, _ in strangers]


@asynccontextmanager
async def door(**more: object) -> AsyncIterator[Door]:
    before = descriptors()
    door = Door(**more)
    try:
        yield door
    finally:
        door.port.close()
        for sock in door.handed_over():
            sock.close()
    await until(lambda: descriptors() == before)
    assert door.port.half_open == 0


HEADS = [
    ("one part", b"P003abc!."),
    ("several", b"P003abc!P000!P010..........!."),
    ("more than is looked at", b"P" + b"%03d" % 900 + bytes(900) + b"!."),
]


@pytest.mark.parametrize("head", [case[1] for case in HEADS], ids=[case[0] for case in HEADS])
def test_a_header_is_read_and_nothing_behind_it(loop: str, head: bytes) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller(head + b"the hello behind it") as sock:
                await until(lambda: site.parcels.taken)
                [(stranger, read)] = site.parcels.taken
                assert read == head
                assert stranger.sock.recv(100) == b"the hello behind it"
                assert stranger.peer == "127.0.0.1:%d" % sock.getsockname()[1]
                assert stranger.sock.gettimeout() == 0
                assert not stranger.relayed

    run(loop, scenario())


def test_a_header_may_come_byte_by_byte(loop: str) -> None:
    async def scenario() -> None:
        head = HEADS[1][1]
        async with door() as site:
            with await site.caller() as sock:
                for byte in head:
                    assert not site.parcels.taken
                    sock.send(bytes([byte]))
                    await turns()
                sock.send(b"behind")
                await until(lambda: site.parcels.taken)
                [(stranger, read)] = site.parcels.taken
                assert read == head
                assert stranger.sock.recv(100) == b"behind"
                assert stranger.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1

    run(loop, scenario())


@pytest.mark.parametrize("pieces", [(b"Whole",), (b"Wh", b"o", b"le")])
def test_what_somebody_else_must_see_is_not_touched(loop: str, pieces: tuple[bytes, ...]) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller() as sock:
                for piece in pieces:
                    sock.send(piece)
                    await turns()
                await until(lambda: site.parcels.passed)
                [(stranger, seen)] = site.parcels.passed
                assert seen == b"Whole"
                assert stranger.sock.recv(100) == b"Whole"
                assert stranger.sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT) == 1

    run(loop, scenario())


def test_too_few_bytes_wake_nobody_until_there_are_more(
    loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller() as sock:
                sock.send(b"Who")
                await until(lambda: site.port.half_open)
                looks: list[None] = []
                [caller] = site.port._callers.values()
                await until(lambda: caller.head is not None)
                assert caller.head is not None
                read = caller.head.read

                def noted(head: object) -> bool:
                    looks.append(None)
                    return read()

                monkeypatch.setattr(type(caller.head), "read", noted)
                for _ in range(50):
                    await asyncio.sleep(0)
                assert not looks
                sock.send(b"ever")
                await until(lambda: site.parcels.passed)
                assert len(looks) == 1

    run(loop, scenario())


@pytest.mark.parametrize("how", [socket.socket.close, cut], ids=["closes", "resets"])
@pytest.mark.parametrize("data", [b"P", b"Who", b"P009abc"])
def test_a_caller_that_goes_is_forgotten(loop: str, how: object, data: bytes) -> None:
    async def scenario() -> None:
        async with door() as site:
            sock = await site.caller(data)
            await until(lambda: site.port.half_open == 1)
            how(sock)  # type: ignore[operator]
            await until(lambda: site.port.half_open == 0)
            assert site.handed_over() == []

    run(loop, scenario())


def test_who_ends_together_with_too_few_bytes_is_forgotten_at_once(loop: str) -> None:
    async def scenario() -> None:
        async with door() as site:
            sock = await site.caller(b"Who")
            sock.shutdown(socket.SHUT_WR)
            await site.let_go(sock)

    run(loop, scenario())


NONSENSE = [b"Pxyz!....", b"hello world", b"\x00" * 20, b"P003abc!nonsense"]


@pytest.mark.parametrize("data", NONSENSE)
def test_what_is_no_header_is_let_go_without_a_word(loop: str, data: bytes) -> None:
    async def scenario() -> None:
        async with door() as site:
            await site.let_go(await site.caller(data))
            assert site.port.refused == 1

    run(loop, scenario())


def test_who_is_too_slow_is_let_go_without_a_word(loop: str) -> None:
    async def scenario() -> None:
        async with door(timeout=0.02) as site:
            for data in (b"Wh", b"P900abc"):
                await site.let_go(await site.caller(data))

    run(loop, scenario())


def test_its_callers_share_the_places_with_ours(loop: str) -> None:
    async def scenario() -> None:
        async with door(per_source=2) as site:
            waiting = [await site.caller(b"Wh"), await site.caller(WEB[:4])]
            await until(lambda: site.port.half_open == 2)
            await site.let_go(site.quick_caller(b"Wh"))
            with site.quick_caller(b"Whole"):
                await until(lambda: site.parcels.passed)
            for sock in waiting:
                sock.close()

    run(loop, scenario())


@pytest.mark.parametrize("pieces", [(WEB,), (WEB[:3], WEB[3:9], WEB[9:])])
def test_our_own_calls_are_as_they_were(loop: str, pieces: tuple[bytes, ...]) -> None:
    async def scenario() -> None:
        async with door() as site:
            with await site.caller() as sock:
                for piece in pieces:
                    sock.send(piece)
                    await turns()
                sock.send(b"behind")
                await until(lambda: site.came)
                [incoming] = site.came
                assert incoming.call == header.Call(to="web")
                await turns()
                assert incoming.sock.recv(100) == b"behind"

    run(loop, scenario())


def test_a_call_of_ours_that_is_longer_than_what_is_looked_at(loop: str) -> None:
    async def scenario() -> None:
        call = header.Call(to="w" * (LOOK - 10))
        async with door() as site:
            with await site.caller(header.encode_call(call) + b"behind"):
                await until(lambda: site.came)
                assert site.came[0].call == call
                assert site.came[0].sock.recv(100) == b"behind"

    run(loop, scenario())


def test_websockets_are_not_its_business(loop: str) -> None:
    async def scenario() -> None:
        got: list[tuple[socket.socket, bytes, str]] = []
        async with door(upgrade=lambda *args: got.append(args)) as site:
            with await site.caller(b"GET / HTTP/1.1\r\n\r\n"):
                await until(lambda: got)
                [(sock, begun, _)] = got
                with sock:
                    assert begun + sock.recv(100) == b"GET / HTTP/1.1\r\n\r\n"

    run(loop, scenario())


def test_a_connection_that_we_opened_may_speak_it_too(loop: str) -> None:
    async def scenario() -> None:
        async with door() as site:
            ours, theirs = tcp_pair()
            with theirs:
                site.port.serve(ours, "leg of a stream", relayed=True)
                theirs.send(b"P003abc!.")
                await until(lambda: site.parcels.taken)
                [(stranger, _)] = site.parcels.taken
                assert stranger.relayed
                assert stranger.peer == "leg of a stream"

    run(loop, scenario())


def test_nobody_speaks_it_on_a_unix_socket(loop: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "run" / "port.sock"
        async with door() as site:
            site.port.listen(listen_unix(path))
            with socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(path))
                sock.send(b"Whole bytes")
                sock.setblocking(False)
                answer = await asyncio.get_running_loop().sock_recv(sock, 1000)
                assert b"bad-header" in answer
            assert site.handed_over() == []

    run(loop, scenario())
