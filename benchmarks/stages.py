"""One stream through each kind of stage that somebody else's server takes, both ways, beside the
same server used by a bare client.

Such a client is a blocking socket that has said by hand what the server wants to hear, Python's own
TLS over it, or the client of the library `websockets`: none of them copies a byte that it need not,
as curl does. All is on one host of a lab, so the servers' ports are free. What opens a socket
and leaves it alone (`ip4`, `dns`, `unix`, `knock`) has nothing between its ends to be measured.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final, Protocol

from websockets.sync.client import connect as connect_websocket

from benchmarks.figures import Figure, at_least, by_turns, process
from glasnost.net.carrier import carried
from glasnost.net.loops import fast_loop
from glasnost.net.sockets import tune
from glasnost.net.websocket import MESSAGE, accept_ws
from glasnost.settings import ProxySetting, Settings, TlsSetting
from glasnost.stages import KINDS, Means
from glasnost.stages.walk import walk
from glasnost.testing.contracts import path
from glasnost.testing.lab import Host, Lab, available
from tests.lab import servers
from tests.stages.fronts import NAME, Front, certificate

#: Bytes of one stream.
STREAM: Final = 64 << 20
_BLOCK: Final = 256 << 10
#: What a client says first: what it wants to do.
_TO_IT, _FROM_IT = b"<", b">"
_PATH: Final = "/glasnost"
_GOAL: Final = at_least(0.9)


class Stream(Protocol):
    """What both clients have in their hands."""

    def sendall(self, data: bytes, /) -> object: ...
    def recv_into(self, buffer: bytearray, /) -> int: ...
    def close(self) -> object: ...


@dataclass(frozen=True)
class Scene:
    """One host: where its servers keep their files, and the ports of the two far ends: one that
    takes streams as they are, and one that takes them by WebSocket."""

    host: Host
    folder: Path
    shown: Front
    plain: int
    websocket: int

    @property
    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.shown.authority)


@dataclass(frozen=True)
class Way:
    """Through one server, at a port of its own: what starts it there, and how the bare client gets
    through. ``stages`` are ours, behind the server's place and before the far end's."""

    kind: str
    program: str
    port: int
    stages: str
    start: Callable[[Scene, int], object]
    bare: Callable[[Scene, socket.socket], Stream]


def measure() -> list[Figure]:
    """MB/s there and back, by each way."""
    if (reason := available()) is not None:
        return [Figure("one stream through a stage", "", (), note=reason)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gn-bench-")))
        host = stack.enter_context(Lab()).host("here")
        with host.inside():
            _, plain = stack.enter_context(process(run_plain))
            _, websocket = stack.enter_context(process(run_websocket))
        scene = Scene(host, folder, certificate(folder), plain, websocket)
        return [figure for way in WAYS for figure in _figures(way, scene)]


def _figures(way: Way, scene: Scene) -> list[Figure]:
    what = f"one stream through {way.kind} by {way.program}"
    if (reason := servers.missing(way.program)) is not None:
        return [Figure(what, "MB/s", (), note=reason)]
    way.start(scene, way.port)
    figures = []
    with scene.host.inside():
        for deed, do in (("sent", _send), ("received", _take)):

            def ours(do: _Deed = do) -> float:
                return do(_ours(way, scene))

            def bare(do: _Deed = do) -> float:
                sock = socket.create_connection(("127.0.0.1", way.port))
                return do(way.bare(scene, sock))

            ours(), bare()  # what the first one needs, it needs once
            pairs = by_turns(ours, bare)
            figures.append(Figure.of_pairs(f"{what}, {deed} / a bare client", "MB/s", pairs, _GOAL))
    return figures


def _ours(way: Way, scene: Scene) -> socket.socket:
    """The raw socket at the end of our route, for blocking use."""
    at = f"ip4:127.0.0.1:{way.port}"
    through = f"public/{at}/{way.stages}"
    far = f"/ip4:127.0.0.1:{scene.plain}" if KINDS[way.kind].traits.onward else ""
    tls = {NAME: TlsSetting(authorities=str(scene.shown.authority))}
    login = ProxySetting(at, servers.USER, servers.PASSWORD)
    means = Means(settings=Settings(tls=tls, proxies=(login,)))
    sock = asyncio.run(walk(path(through + far), means))
    sock.setblocking(True)
    return sock


# --- what is measured -----------------------------------------------------------------------------

_Deed = Callable[[Stream], float]


def _send(stream: Stream) -> float:
    """MB/s until the far side says that it has all."""
    data, word = bytes(_BLOCK), bytearray(1)
    stream.sendall(_TO_IT)
    stream.recv_into(word)
    begun = time.perf_counter()
    for _ in range(STREAM // _BLOCK):
        stream.sendall(data)
    stream.recv_into(word)
    taken = time.perf_counter() - begun
    stream.close()
    return STREAM / taken / 1e6


def _take(stream: Stream) -> float:
    buffer, left = bytearray(_BLOCK), STREAM
    begun = time.perf_counter()
    stream.sendall(_FROM_IT)
    while left:
        left -= stream.recv_into(buffer) or _cut()
    taken = time.perf_counter() - begun
    stream.close()
    return STREAM / taken / 1e6


def _cut() -> int:
    raise ConnectionError("the far side ended too early")


def serve(sock: socket.socket) -> None:
    """The far end, in a thread: does as the first byte says."""

    def work() -> None:
        buffer = bytearray(_BLOCK)
        with sock, contextlib.suppress(OSError):
            sock.setblocking(True)
            match sock.recv(1):
                case b"<":
                    sock.send(b"!")
                    left = STREAM
                    while left:
                        left -= sock.recv_into(buffer) or _cut()
                    sock.send(b"!")
                case b">":
                    for _ in range(STREAM // _BLOCK):
                        sock.sendall(buffer)
            sock.recv(1)  # until the client has closed

    threading.Thread(target=work, daemon=True).start()


def run_plain(pipe: Connection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pipe.send(listener.getsockname()[1])
        while True:
            serve(tune(listener.accept()[0]))


def run_websocket(pipe: Connection) -> None:
    """As a shared port takes them."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            pipe.send(listener.getsockname()[1])
            while True:
                sock, _ = await asyncio.get_running_loop().sock_accept(listener)
                serve(await carried(functools.partial(accept_ws, tune(sock), _PATH)))

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())


# --- the bare client ------------------------------------------------------------------------------


def _socks5(scene: Scene, sock: socket.socket) -> Stream:
    sock.sendall(b"\5\1\0")
    sock.recv(2)
    sock.sendall(b"\5\1\0\1\x7f\0\0\1" + scene.plain.to_bytes(2, "big"))
    sock.recv(10)
    return sock


def _http_connect(scene: Scene, sock: socket.socket) -> Stream:
    login = base64.b64encode(f"{servers.USER}:{servers.PASSWORD}".encode()).decode()
    head = f"CONNECT 127.0.0.1:{scene.plain} HTTP/1.1\r\nProxy-Authorization: Basic {login}\r\n\r\n"
    sock.sendall(head.encode())
    while not sock.recv(4096).endswith(b"\r\n\r\n"):
        pass
    return sock


def _tls(scene: Scene, sock: socket.socket) -> Stream:
    return scene.context.wrap_socket(sock, server_hostname=NAME)


class _WebSocket:
    """The client of the library, which has messages, as a stream."""

    def __init__(self, scene: Scene, sock: socket.socket) -> None:
        url = f"ws://{NAME}{_PATH}"
        # Its farewell would be waited for, which is not what is measured.
        self._talk = connect_websocket(
            url, sock=sock, max_size=None, compression=None, close_timeout=0.01
        )
        self._message = memoryview(b"")

    def sendall(self, data: bytes) -> None:
        for start in range(0, len(data), MESSAGE):
            self._talk.send(data[start : start + MESSAGE])

    def recv_into(self, buffer: bytearray) -> int:
        if not self._message:
            self._message = memoryview(self._talk.recv(decode=False))
        data = self._message[: len(buffer)]
        self._message = self._message[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._talk.close()


# --- the servers ----------------------------------------------------------------------------------


def _start_tinyproxy(scene: Scene, port: int) -> None:
    servers.tinyproxy(scene.host, port, scene.folder)


def _start_squid(scene: Scene, port: int) -> None:
    servers.squid(scene.host, port, port + 1000, scene.folder, scene.shown)


def _start_haproxy(scene: Scene, port: int) -> None:
    servers.haproxy(scene.host, port, scene.folder, scene.shown, f"127.0.0.1:{scene.plain}")


def _start_nginx(scene: Scene, port: int) -> None:
    servers.nginx_stream(scene.host, port, scene.folder, scene.shown, f"127.0.0.1:{scene.plain}")


def _start_nginx_http(scene: Scene, port: int) -> None:
    to = {_PATH: f"http://127.0.0.1:{scene.websocket}"}
    servers.nginx_http(scene.host, port, scene.folder, None, to)


def _start_microsocks(scene: Scene, port: int) -> None:
    servers.microsocks(scene.host, port, scene.folder)


def _start_danted(scene: Scene, port: int) -> None:
    servers.danted(scene.host, port, scene.folder)


WAYS: Final = [
    Way("socks5", "microsocks", 7001, "socks5", _start_microsocks, _socks5),
    Way("socks5", "danted", 7002, "socks5", _start_danted, _socks5),
    Way("http-connect", "tinyproxy", 7003, "http-connect", _start_tinyproxy, _http_connect),
    Way("http-connect", "squid", 7004, "http-connect", _start_squid, _http_connect),
    Way("tls", "haproxy", 7005, f"tls:{NAME}", _start_haproxy, _tls),
    Way("tls", "nginx", 7006, f"tls:{NAME}", _start_nginx, _tls),
    Way("ws", "nginx", 7007, f"ws:{NAME}:%2Fglasnost", _start_nginx_http, _WebSocket),
]
