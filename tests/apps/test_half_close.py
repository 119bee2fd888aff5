"""Either side may end first, and the other goes on: by every kind of path, sealed and plain."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import glasnost
from glasnost.apps.expose import expose
from glasnost.apps.forward import Forwarder
from glasnost.core.wire import header
from glasnost.core.wire import messages as m
from glasnost.core.wire.header import Call
from glasnost.net.exact import accept_now, write_call
from glasnost.net.sockets import connect_unix, tune
from glasnost.net.streams import streams
from glasnost.net.tls import secure
from glasnost.node import Node
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.roles.finish import finish
from tests.net.pairs import turns
from tests.roles.agent_lab import Program, call, known_host, nothing_left_open, running
from tests.roles.broker_lab import PUBLIC, Door, world
from tests.trust.pool import lab, node7, node8

__all__ = ["known_host"]

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Way = Callable[[AsyncExitStack, Path, str], Awaitable[tuple[Pair, Pair]]]

FULL = f"echo.node7.{lab().domain}"
#: More than the buffers between the two hold, so that what comes behind an end has to flow.
MUCH = os.urandom(3 << 20)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, known_host: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLASNOST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GLASNOST_RUN", str(tmp_path / "run"))


# --- the ways -------------------------------------------------------------------------------------


class Service:
    """A TCP or Glasnost service that leaves its one caller's stream to the test."""

    def __init__(self) -> None:
        self.called: asyncio.Future[Pair] = asyncio.get_running_loop().create_future()
        self._over = asyncio.Event()

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.called.set_result((reader, writer))
        await self._over.wait()

    def close(self) -> None:
        self._over.set()


async def served(stack: AsyncExitStack, protection: str) -> Service:
    service = Service()
    server = await glasnost.start_server(service.handle, "echo", protection=protection)
    await stack.enter_async_context(server)
    stack.callback(service.close)
    return service


async def finished(sock: socket.socket, protection: str) -> Pair:
    """What a client makes of a raw stream to the service."""
    door = "public/ip4:192.0.2.1:9618/service:echo"
    record = m.Record(name=FULL, address=door, protection=protection)
    return await streams(await finish(sock, record, lab().agent(node8())))


async def handed_over(stack: AsyncExitStack, folder: Path, protection: str) -> tuple[Pair, Pair]:
    agent = await stack.enter_async_context(running(folder))
    service = await served(stack, protection)
    client = await finished(await call(agent, Call(to="echo")), protection)
    return client, await service.called


async def by_unix_socket(stack: AsyncExitStack, folder: Path, protection: str) -> tuple[Pair, Pair]:
    await stack.enter_async_context(running(folder))
    service = await served(stack, protection)
    sock = await connect_unix(str(folder / "run" / "port.sock"), frozenset({os.getuid()}))
    await write_call(sock, Call(to="echo"))
    return await finished(sock, protection), await service.called


async def copied_by_the_agent(
    stack: AsyncExitStack, folder: Path, protection: str
) -> tuple[Pair, Pair]:
    """What ``glasnost connect`` is given."""
    agent = await stack.enter_async_context(running(folder))
    service = await served(stack, protection)
    program = Program(agent)
    stack.callback(program.close)
    program.send(m.Dial(id=1, name="echo.node7"))
    answer, sock = await program.receive()
    assert isinstance(answer, m.Dialled) and sock is not None, answer
    return await streams(tune(sock)), await service.called


async def forwarded_and_exposed(
    stack: AsyncExitStack, folder: Path, protection: str
) -> tuple[Pair, Pair]:
    """Two programs that know nothing of us: two copies, and between them one of our streams."""
    await stack.enter_async_context(running(folder))
    node = await stack.enter_async_context(Node())
    service = Service()
    stack.callback(service.close)
    listening = await asyncio.start_server(service.handle, "127.0.0.1", 0)
    stack.callback(listening.close)
    port = listening.sockets[0].getsockname()[1]
    exposed = await expose(node, "echo", "127.0.0.1", port, protection=protection, relay="sealed")
    await stack.enter_async_context(exposed)
    forwarder = Forwarder(node, "echo.node7", "127.0.0.1", 0)
    running_on = asyncio.ensure_future(forwarder.run())
    stack.push_async_callback(lambda: asyncio.gather(running_on, return_exceptions=True))
    stack.callback(running_on.cancel)
    client = await asyncio.open_connection(*forwarder.address.split(":"))
    return client, await service.called


async def met(ours: socket.socket, theirs: socket.socket, protection: str) -> tuple[Pair, Pair]:
    """Both ends of a stream that a broker has arranged, once the service has accepted."""
    if protection == "plain":
        assert accept_now(theirs)
        server = await streams(tune(theirs))
        return await finished(ours, protection), server
    context = lab().service(node7(), "echo").server_context()
    entering = asyncio.ensure_future(secure(theirs, context, server_side=True))
    client = await finished(ours, protection)
    (await entering).write(header.ACCEPTED)
    return client, await streams(await entering)


async def relayed(stack: AsyncExitStack, folder: Path, protection: str) -> tuple[Pair, Pair]:
    w = await stack.enter_async_context(world())
    ours, incoming = await w.relay()
    return await met(ours, incoming.sock, protection)


async def dialled_back(stack: AsyncExitStack, folder: Path, protection: str) -> tuple[Pair, Pair]:
    w = await stack.enter_async_context(world())
    replies = Replies()
    home = Door(replies.arrive)
    stack.callback(home.close)
    expected = LocalExpectation(replies, 10)
    returns = (f"public/ip4:{PUBLIC}:{home.number}",)
    await w.ask(way="dial-back", reply=expected.reply, returns=returns, timeout=10)
    ours = await expected.arrival()
    await write_call(ours, Call(to="echo"))
    incoming = await w.door.arrived.get()
    return await met(ours, incoming.sock, protection)


WAYS: list[Way] = [
    handed_over,
    by_unix_socket,
    copied_by_the_agent,
    forwarded_and_exposed,
    relayed,
    dialled_back,
]


# --- the ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
@pytest.mark.parametrize("protection", ["sealed", "plain"])
@pytest.mark.parametrize("first", ["client", "service"])
def test_one_side_ends_and_the_other_goes_on(
    tmp_path: Path, way: Way, protection: str, first: str
) -> None:
    async def scenario() -> None:
        async with AsyncExitStack() as stack:
            client, service = await way(stack, tmp_path, protection)
            ends, goes_on = (client, service) if first == "client" else (service, client)
            ends[1].write(b"this is all")
            ends[1].write_eof()
            assert await goes_on[0].read() == b"this is all"
            received = asyncio.ensure_future(ends[0].read())
            for at in range(0, len(MUCH), 100_000):
                goes_on[1].write(MUCH[at : at + 100_000])
                await goes_on[1].drain()
            assert not received.done(), "there is no end before it is said"
            goes_on[1].write_eof()
            assert await received == MUCH
            for _, writer in (client, service):
                writer.close()
            for _, writer in (client, service):
                await writer.wait_closed()
            await turns()
        await turns()

    async def run() -> None:
        async with asyncio.timeout(60):
            await scenario()

    with nothing_left_open():
        asyncio.run(run())
