"""Parsers of what a proxy answers, before the stream behind it begins."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from typing import Any

from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from glasnost.core.address import Landing, Route
from glasnost.core.routes import Exit, Path
from glasnost.errors import GlasnostError
from glasnost.net.websocket import WsTransport
from glasnost.settings import ProxySetting, Settings
from glasnost.stages import KINDS, Means, Step
from tests.fuzz.parser import Parser, chunks, mutated
from tests.fuzz.streams import Raw

_AT = "ip4:198.51.100.4:1080"
_MEANS = Means(settings=Settings(proxies=(ProxySetting(_AT, "ann", "pass"),)))
_SOCKS = [
    b"\5\0" + b"\5\0\0\1" + bytes(6) + b"tail",
    b"\5\2" + b"\1\0" + b"\5\0\0\4" + bytes(18) + b"tail",
    b"\5\2" + b"\1\1",
    b"\5\0" + b"\5\5\0\3\x04name\0\0" + b"tail",
]
_HTTP = [
    b"HTTP/1.1 200 OK\r\nVia: 1.1 gw\r\n\r\ntail",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 7\r\n\r\ntail",
    b"HTTP/1.1 407 Log in\r\nProxy-Authenticate: Basic realm=x\r\n\r\n",
    b"HTTP/1.1 503 No\r\n\r\n",
]


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    return asyncio.new_event_loop()


async def _never(token: bytes) -> socket.socket:
    raise AssertionError("nobody reopens this")


def check(kind: str, data: bytes) -> bool:
    """Whatever it answers: the stream, from its first byte, or one sentence; nothing open."""
    route = Route.parse(f"public/{_AT}/{kind}/ip4:192.0.2.7:22")
    path = Path(Exit(Landing("ip4", "public")), 1, route, 1)

    async def meet() -> bool:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with ours, theirs:
            for chunk in chunks(data):
                theirs.send(chunk)
            theirs.shutdown(socket.SHUT_WR)
            try:
                proxy = KINDS[kind]
                sock = await proxy.cross(_step(path, 1), ours)
                assert sock is not None and proxy.onward is not None
                sock = await proxy.onward(_step(path, 2), sock)
            except (GlasnostError, ConnectionError) as error:
                assert str(error) and ours.fileno() < 0
                return False
            with contextlib.suppress(BlockingIOError):
                assert data.endswith(sock.recv(1 << 16))
        return True

    return _loop().run_until_complete(meet())


_ASKED = (
    b"GET /glasnost HTTP/1.1\r\nHost: gate.example.org\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)
_FRAMES = b"\x82\x83abcdabc" + b"\x89\x80abcd" + b"\x82\x80abcd" + b"\x88\x80abcd"
#: The example of RFC 6455, section 1.3.
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
_SWITCHED = (
    b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def _client() -> ClientProtocol:
    client = ClientProtocol(parse_uri("ws://gate/glasnost"))
    client.key = _KEY
    return client


def check_websocket(data: bytes, server_side: bool) -> bool:
    """Whatever comes: it is established, or ends in one sentence; what is held is what came."""

    async def meet() -> bool:
        talk = ServerProtocol() if server_side else _client()
        transport = WsTransport(talk, "/glasnost")
        raw: Any = Raw()
        transport.connection_made(raw)
        for chunk in chunks(data):
            if not transport.is_closing():
                transport.data_received(chunk)
        assert len(transport._held) <= len(data)
        transport.connection_lost(None)
        assert transport.established is not None and transport.established.done()
        error = transport.established.exception()
        assert error is None or str(error)
        return error is None

    return _loop().run_until_complete(meet())


def _step(path: Path, index: int) -> Step:
    return Step(path, index, path.stage(index), _MEANS, _never)


PARSERS = [
    Parser(
        "a SOCKS5 proxy's answers",
        ("glasnost.net.exact.read_exactly",),
        functools.partial(check, "socks5"),
        st.binary(max_size=60) | mutated(_SOCKS),
        seeds=lambda: _SOCKS,
    ),
    Parser(
        "an HTTP proxy's answers",
        ("glasnost.net.exact.read_until",),
        functools.partial(check, "http-connect"),
        st.binary(max_size=60) | mutated(_HTTP),
        seeds=lambda: _HTTP,
    ),
    Parser(
        "WebSocket, as server",
        ("glasnost.net.websocket.WsTransport.data_received",),
        functools.partial(check_websocket, server_side=True),
        st.binary(max_size=60) | mutated([_ASKED + _FRAMES]),
        seeds=lambda: [_ASKED + _FRAMES],
    ),
    Parser(
        "WebSocket, as client",
        ("glasnost.net.websocket.WsTransport.data_received",),
        functools.partial(check_websocket, server_side=False),
        st.binary(max_size=60) | mutated([_SWITCHED, *_HTTP]),
        seeds=lambda: [_SWITCHED],
    ),
]
