"""An agent in this process, with real sockets in a temporary folder, and a directory if asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from glasnost.core.wire import messages as m
from glasnost.core.wire.header import ANSWER, PREFIX_SIZE, Answer, Call, body_size, decode_answer
from glasnost.net.exact import write_call
from glasnost.net.fdpass import MAX_PACKET, connect_packets, receive_packet, send_packet
from glasnost.net.interfaces import HostFacts, InterfaceAddress
from glasnost.net.sockets import connect_tcp
from glasnost.roles.agent import Agent, publication
from glasnost.roles.directory import DirectoryServer
from glasnost.roles.home import NodeIdentity, Pool, write_home
from glasnost.roles.registration import Registration
from glasnost.settings import Network, Settings
from glasnost.store.records import MemoryRecords
from glasnost.trust import checks
from glasnost.trust.records import Verifier
from tests.net.pairs import nothing_left_open as nothing_left_open
from tests.trust.pool import Node, lab, node7

#: An address that this host says it has: one in a range kept for documentation.
ADDRESS = "198.51.100.7"
FACTS = HostFacts("4f2a91", (InterfaceAddress("eth0", "ip4", ADDRESS),), frozenset({"ip4"}))
CODEC = m.Codec(m.LOCAL)


@pytest.fixture
def known_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this host has is the same wherever the tests run."""
    monkeypatch.setattr(publication, "read_host", lambda: FACTS)


def settle(folder: Path, node: Node | None = None, **pool: Any) -> Path:
    """The home of a node that has joined."""
    node = node or node7()
    home = folder / "home"
    fields = {"domain": lab().domain, "node": node.name, "authority": ""} | pool
    write_home(home, node.key, lab().root, Pool(**fields), checks.to_der(node.cert))
    return home


def settings(**changes: Any) -> Settings:
    network = Network("public", ranges=("198.51.100.0/24",))
    fields: dict[str, Any] = {"port": 0, "listen": ("127.0.0.1",), "networks": (network,)}
    return Settings(**(fields | changes))


@asynccontextmanager
async def running(folder: Path, *, directory: bool = False, **pool: Any) -> AsyncIterator[Agent]:
    """The agent of node7, and, if asked, a directory on the same host."""
    full = f"directory.node7.{lab().domain}"
    directories = (m.Directory(full, ""),) if directory else ()
    home = folder / "home"
    if not home.exists():
        settle(folder, directories=directories, **pool)
    async with AsyncExitStack() as stack:
        agent = Agent(NodeIdentity(home), settings(), folder / "run")
        stack.push_async_callback(agent.close)
        await agent.start()
        if directory:
            await stack.enter_async_context(serving_directory(agent))
        yield agent


@asynccontextmanager
async def serving_directory(
    agent: Agent, name: str = "directory"
) -> AsyncIterator[DirectoryServer]:
    async def reopen() -> Agent:
        return agent

    registration = Registration(m.Offer(name=name), reopen)
    await registration.start(agent)
    assert registration.credentials is not None
    verifier = Verifier(agent.root, agent.domain)
    server = DirectoryServer(registration.credentials, verifier, MemoryRecords())
    await server.start()
    registration.give(server.take)
    try:
        yield server
    finally:
        await registration.close()
        await server.close()


class Program:
    """A local program that speaks the protocol of the agent's socket by hand."""

    def __init__(self, agent: Agent) -> None:
        assert agent.run is not None
        self.sock = connect_packets(agent.run / "agent.sock")
        self.sock.setblocking(False)
        self._id = 0

    def close(self) -> None:
        self.sock.close()

    def send(self, message: m.Message, passed: socket.socket | None = None) -> None:
        send_packet(self.sock, m.encode(message), passed)

    async def ask(self, message: m.Message) -> Any:
        self.send(message)
        return (await self.receive())[0]

    async def receive(self) -> tuple[m.Message, socket.socket | None]:
        """The next packet. Raises `PathCut` when the agent has let go."""
        await readable(self.sock)
        data, passed = receive_packet(self.sock)
        assert len(data) <= MAX_PACKET
        return CODEC.decode(data), passed


async def readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sock.fileno(), ready.set)
    try:
        async with asyncio.timeout(10):
            await ready.wait()
    finally:
        loop.remove_reader(sock.fileno())


async def call(agent: Agent, call: Call) -> socket.socket:
    """Call the agent's shared port, and give what answers."""
    assert agent.port_number is not None
    sock = await connect_tcp("127.0.0.1", agent.port_number)
    await write_call(sock, call)
    return sock


def answer_of(data: bytes) -> Answer:
    """The one answer that these bytes are, and nothing behind it."""
    size = body_size(data[:PREFIX_SIZE], ANSWER)
    assert len(data) == PREFIX_SIZE + size, data
    return decode_answer(data[PREFIX_SIZE:])


async def everything(sock: socket.socket) -> bytes:
    """All bytes until the end; the socket is closed."""
    loop = asyncio.get_running_loop()
    data = b""
    with sock:
        async with asyncio.timeout(10):
            while chunk := await loop.sock_recv(sock, 65536):
                data += chunk
    return data
