"""A stream inside a WebSocket: in order, whole, each direction with an end of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode

from glasnost.errors import GlasnostError, PathCut, ProtocolError, Refused
from glasnost.net.websocket import MESSAGE, WsTransport, accept_ws, connect_ws
from tests.net.pairs import LOOPS, descriptors, run, turns, until

PATH = "/glasnost"


class App(asyncio.Protocol):
    """Keeps what it hears."""

    def __init__(self, stream: WsTransport) -> None:
        self.data = bytearray()
        self.ended = False
        self.lost: list[BaseException | None] = []
        self.stream = stream
        stream.attach(self)

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.ended = True
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        self.lost.append(exc)


async def pair(path: str = PATH) -> tuple[App, App]:
    """Client and server."""
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    client, server = await asyncio.gather(
        connect_ws(ours, "gate.example.org", path), accept_ws(theirs, PATH)
    )
    return App(client), App(server)


@pytest.fixture(params=LOOPS)
def play(request: pytest.FixtureRequest) -> Callable[[Callable[[], Awaitable[None]]], None]:
    def play_it(scenario: Callable[[], Awaitable[None]]) -> None:
        async def whole() -> None:
            before = descriptors()
            await scenario()
            await turns()
            assert descriptors() == before

        run(request.param, whole())

    return play_it


Play = Callable[[Callable[[], Awaitable[None]]], None]


def test_both_ways_and_each_end_by_itself(play: Play) -> None:
    async def scenario() -> None:
        client, server = await pair()
        data = bytes(range(256)) * 2000
        assert len(data) > 3 * MESSAGE
        client.stream.write(data)
        client.stream.write_eof()
        await until(lambda: server.ended)
        assert server.data == data
        server.stream.write(data[::-1])  # the other direction goes on
        server.stream.close()
        await until(lambda: client.ended)
        assert client.data == data[::-1]
        client.stream.close()
        await until(lambda: client.lost and server.lost)
        assert client.lost == server.lost == [None]

    play(scenario)


def test_a_cut_is_no_end(play: Play) -> None:
    async def scenario() -> None:
        client, server = await pair()
        client.stream.write(b"half of it")
        await until(lambda: server.data)
        client.stream.abort()
        await until(lambda: server.lost and client.lost)
        assert not server.ended
        assert isinstance(server.lost[0], PathCut)

    play(scenario)


def test_a_client_of_others_that_closes_need_not_wait(play: Play) -> None:
    """It sends its Close and waits until the server has ended the connection below."""

    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        for sock in (ours, theirs):
            sock.setblocking(False)
        asked = f"ws://gate.example.org{PATH}"
        client = connect(asked, sock=ours, close_timeout=None, proxy=None)
        served, client_side = await asyncio.gather(accept_ws(theirs, PATH), client)
        app = App(served)
        await client_side.send(b"the last words")
        async with asyncio.timeout(20):  # without an answer it would be for ever
            await client_side.close()
        await until(lambda: bool(app.lost))
        assert app.data == b"the last words"
        assert isinstance(app.lost[0], PathCut)  # nobody has said that this direction was over

    play(scenario)


def test_who_does_not_read_is_not_filled(play: Play) -> None:
    """What comes is left in the kernel once nobody takes it."""

    async def scenario() -> None:
        client, server = await pair()
        server.stream.pause_reading()
        for _ in range(100):
            client.stream.write(bytes(MESSAGE))
        await turns()
        assert client.stream.get_write_buffer_size() > 50 * MESSAGE
        server.stream.resume_reading()
        client.stream.write_eof()
        await until(lambda: server.ended)
        assert len(server.data) == 100 * MESSAGE
        client.stream.abort()
        server.stream.abort()
        await until(lambda: server.lost and client.lost)

    play(scenario)


def test_a_browser_is_not_let_in(play: Play) -> None:
    """Whose page asks is what it says by Origin, whatever the page would rather say."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours:
            server = asyncio.create_task(accept_ws(theirs, PATH))
            asked = (
                f"GET {PATH} HTTP/1.1\r\nHost: gate\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                "Origin: http://page.example.org\r\n\r\n"
            )
            await loop.sock_sendall(ours, asked.encode())
            assert (await loop.sock_recv(ours, 1000)).startswith(b"HTTP/1.1 403 Forbidden")
            with pytest.raises(ProtocolError, match="answered with 403"):
                await server

    play(scenario)


def test_another_path_is_answered_with_a_status(play: Play) -> None:
    async def scenario() -> None:
        with pytest.raises(ExceptionGroup) as caught:
            await both(connecting(PATH + "/elsewhere"))
        client, server = caught.value.exceptions
        assert str(client) == "the front says: 404 Not Found"
        assert isinstance(client, Refused)
        assert str(server) == "a request that is answered with 404"

    play(scenario)


async def both(work: tuple[Awaitable[object], Awaitable[object]]) -> None:
    done = await asyncio.gather(*work, return_exceptions=True)
    raise ExceptionGroup("both", [one for one in done if isinstance(one, Exception)])


def connecting(path: str) -> tuple[Awaitable[object], Awaitable[object]]:
    ours, theirs = socket.socketpair()
    for sock in (ours, theirs):
        sock.setblocking(False)
    return connect_ws(ours, "gate.example.org", path), accept_ws(theirs, PATH)


NO_SERVER = [
    (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "the front says: 502 Bad Gateway"),
    (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "this is no WebSocket: "),
    (b"SSH-2.0-OpenSSH_9.2\r\n", "this is no WebSocket: "),
    (b"", "the WebSocket was c"),
]


@pytest.mark.parametrize(("answer", "says"), NO_SERVER)
def test_a_front_that_is_none_costs_a_sentence(play: Play, answer: bytes, says: str) -> None:
    async def scenario() -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            theirs.send(answer)
            theirs.shutdown(socket.SHUT_WR)
            with pytest.raises(GlasnostError, match=says):
                await connect_ws(ours, "gate.example.org", PATH)

    play(scenario)


NO_STREAM = [
    ("text", Frame(Opcode.TEXT, b"hello").serialize(mask=True), "no part of a stream"),
    ("not masked", Frame(Opcode.BINARY, b"hello").serialize(mask=False), "this is no WebSocket"),
    ("too long", b"\x82\xff\0\0\0\0\x10\0\0\0abcd", "this is no WebSocket"),
    ("behind its end", b"\x82\x80abcd\x82\x81abcda", "no part of a stream"),
]


@pytest.mark.parametrize(
    ("frame", "says"), [c[1:] for c in NO_STREAM], ids=[c[0] for c in NO_STREAM]
)
def test_messages_that_are_no_stream_end_it(play: Play, frame: bytes, says: str) -> None:
    async def scenario() -> None:
        client, server = await pair()
        assert client.stream._raw is not None
        client.stream._raw.write(frame)
        await until(lambda: server.lost)
        assert isinstance(server.lost[0], ProtocolError)
        assert says in str(server.lost[0])
        client.stream.abort()
        await until(lambda: client.lost)

    play(scenario)
