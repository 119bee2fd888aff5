"""The small HTTP server: pages, and what nobody can do to it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from glasnost.errors import SettingsError
from glasnost.net import http
from glasnost.net.http import MAX_CONNECTIONS, MAX_HEAD, HttpServer, Page
from glasnost.net.sockets import connect_tcp
from tests.net.pairs import LOOPS, descriptors, run, until

pytestmark = pytest.mark.parametrize("loop", LOOPS)


@asynccontextmanager
async def serving(**options: float) -> AsyncIterator[HttpServer]:
    asked = iter(range(1, 1000))
    pages = {"/count": lambda: Page(f"{next(asked)}\n".encode())}
    server = HttpServer(pages, **options)
    server.listen("127.0.0.1", 0)
    try:
        yield server
    finally:
        await server.close()


async def ask(server: HttpServer, request: bytes) -> bytes:
    """Everything that comes, until the end."""
    with await connect_tcp("127.0.0.1", server.port) as sock:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(sock, request)
        return await rest(sock)


async def rest(sock: socket.socket) -> bytes:
    answer = b""
    async with asyncio.timeout(10):
        while data := await asyncio.get_running_loop().sock_recv(sock, 65536):
            answer += data
    return answer


ASKED = [
    # what, request, status line, end
    ("a page", b"GET /count HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 ", b"\r\n\r\n1\n"),
    ("its head", b"HEAD /count HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200 ", b"\r\n\r\n"),
    ("a query", b"GET /count?all HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 ", b"\r\n\r\n1\n"),
    ("elsewhere", b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 404 ", b"there are /count\n"),
    ("to change", b"POST /count HTTP/1.0\r\nContent-Length: 1\r\n\r\nx", b"HTTP/1.1 405 ",
     b"only GET and HEAD are answered\n"),
    ("nonsense", b"\x16\x03\x01\x02\r\n\r\n", b"HTTP/1.1 400 ", b"this is no request\n"),
    ("too much", b"GET /count HTTP/1.0\r\nX: " + b"x" * 10 * MAX_HEAD, b"HTTP/1.1 431 ",
     b"this is no request\n"),
]  # fmt: skip


@pytest.mark.parametrize("request_, status, end", [c[1:] for c in ASKED], ids=[c[0] for c in ASKED])
def test_answers(loop: str, request_: bytes, status: bytes, end: bytes) -> None:
    async def scenario() -> None:
        async with serving() as server:
            answer = await ask(server, request_)
            assert answer.startswith(status) and answer.endswith(end)
            assert b"\r\nConnection: close\r\n" in answer

    before = descriptors()
    run(loop, scenario())
    assert descriptors() == before


def test_who_is_slow_is_let_go(loop: str) -> None:
    """One that says nothing, one that never ends its request, one that goes away."""

    async def scenario() -> None:
        async with serving(timeout=0.05) as server:
            assert await ask(server, b"") == b""
            assert await ask(server, b"GET /count HTTP/1.1\r\n") == b""
            (await connect_tcp("127.0.0.1", server.port)).close()
            await until(lambda: not server._tasks)

    run(loop, scenario())


def test_so_many_at_once_and_the_others_wait(loop: str) -> None:
    async def scenario() -> None:
        async with serving(timeout=1000) as server:
            idle = [await connect_tcp("127.0.0.1", server.port) for _ in range(MAX_CONNECTIONS)]
            await until(lambda: len(server._tasks) == MAX_CONNECTIONS)
            asking = asyncio.ensure_future(ask(server, b"GET /count HTTP/1.0\r\n\r\n"))
            for _ in range(50):
                await asyncio.sleep(0)
            assert not asking.done() and len(server._tasks) == MAX_CONNECTIONS
            idle.pop().close()
            assert (await asking).endswith(b"\n1\n")
            for sock in idle:
                sock.close()

    before = descriptors()
    run(loop, scenario())
    assert descriptors() == before


def test_a_page_that_cannot_be_made_ends_its_own_connection_only(
    loop: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with serving() as server:
            server._pages = {"/": lambda: Page(str(1 // 0).encode()), "/x": lambda: Page(b"x")}
            assert await ask(server, b"GET / HTTP/1.0\r\n\r\n") == b""
            assert (await ask(server, b"GET /x HTTP/1.0\r\n\r\n")).endswith(b"\r\n\r\nx")

    run(loop, scenario())
    assert "a page could not be made" in caplog.text


def test_without_descriptors_it_rests_and_goes_on(
    loop: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        """A listener whose process has no descriptors left, once."""

        def __init__(self, sock: socket.socket) -> None:
            self._sock, self.left = sock, 1

        def __getattr__(self, name: str) -> object:
            return getattr(self._sock, name)

        def accept(self) -> tuple[socket.socket, object]:
            if self.left:
                self.left -= 1
                raise OSError(24, "Too many open files")
            return self._sock.accept()

    monkeypatch.setattr(http, "_REST", 0.0)

    async def scenario() -> None:
        async with serving() as server:
            assert server._listener is not None
            server._listener = Full(server._listener)  # type: ignore[assignment]
            assert (await ask(server, b"GET /count HTTP/1.0\r\n\r\n")).endswith(b"\n1\n")

    run(loop, scenario())
    assert "cannot accept: Too many open files; resting" in caplog.text


def test_a_place_that_is_taken_is_one_sentence(loop: str) -> None:
    async def scenario() -> None:
        async with serving() as server:
            with pytest.raises(SettingsError, match=f"port {server.port}: Address already in use"):
                HttpServer({}).listen("127.0.0.1", server.port)

    run(loop, scenario())
