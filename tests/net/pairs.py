"""Pairs of connected sockets and streams, both event loops, and what the tests of net wait for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any

import uvloop

from glasnost.core.wire import header
from glasnost.net.tls import TlsTransport, secure
from glasnost.testing.contracts import descriptors as descriptors
from glasnost.testing.contracts import nothing_left_open as nothing_left_open
from glasnost.trust.credentials import Credentials
from tests.trust.pool import DOMAIN, lab, node7, node8

WEB = f"web.node7.{DOMAIN}"

#: Both event loops that we run on.
LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "uvloop": uvloop.new_event_loop,
}


def run(loop: str, scenario: Coroutine[Any, Any, None]) -> None:
    """Run a scenario on one of `LOOPS`; whatever an event loop only logs is a failure."""
    complaints: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: complaints.append(context))
        runner.run(scenario)
    assert complaints == []


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until ``condition`` holds. 10 s: a machine that is busy elsewhere."""
    async with asyncio.timeout(10):
        # Others' objects send no events.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


@contextlib.contextmanager
def exhausted(left: int = 0) -> Iterator[None]:
    """This process can have no descriptors any more, but for so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(map(int, os.listdir("/proc/self/fd"))), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(left):
            os.close(taken.pop())
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)


def packet_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


async def turns() -> None:
    """Let the loop do what it has put off: transports close their sockets so."""
    for _ in range(5):
        await asyncio.sleep(0)


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection over loopback, non-blocking."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        two, _ = listener.accept()
    one.setblocking(False)
    two.setblocking(False)
    return one, two


def cut(sock: socket.socket) -> None:
    """Reset a connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    sock.close()


def web() -> Credentials:
    return lab().service(node7(), "web")


def agent() -> Credentials:
    return lab().agent(node8())


async def tls_pair(accepted: bool = True) -> tuple[TlsTransport, TlsTransport]:
    """Client and server after their handshake; the server has let the client in."""
    ours, theirs = tcp_pair()
    client, server = await asyncio.gather(
        secure(ours, agent().client_context(), server_name=WEB),
        secure(theirs, web().server_context(), server_side=True),
    )
    if accepted:
        server.write(header.ACCEPTED)
    return client, server


async def ended(*transports: TlsTransport) -> None:
    for transport in transports:
        transport.abort()
    await turns()


@dataclass
class Streams:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


def streams(transport: TlsTransport, limit: int = 65536) -> Streams:
    """The stream in asyncio's high-level clothes."""
    reader = asyncio.StreamReader(limit)
    protocol = asyncio.StreamReaderProtocol(reader)
    transport.attach(protocol)
    loop = asyncio.get_running_loop()
    return Streams(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


@dataclass(eq=False)
class App(asyncio.Protocol):
    """An application that notes what it is told."""

    stays: bool = True
    data: bytearray = field(default_factory=bytearray)
    eof: bool = False
    ends: list[BaseException | None] = field(default_factory=list)
    writing: bool = True

    def data_received(self, data: bytes) -> None:
        self.data += data

    def eof_received(self) -> bool:
        self.eof = True
        return self.stays

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ends.append(exc)

    def pause_writing(self) -> None:
        self.writing = False

    def resume_writing(self) -> None:
        self.writing = True

    @property
    def end(self) -> BaseException | None:
        """The error that ended it; there was one end."""
        [end] = self.ends
        return end
