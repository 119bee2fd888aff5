"""A broker, targets and requesters in one process, over real TLS on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import BROKER, Codec, Message, Relay, Request
from glasnost.net.channel import Channel, OnClose, OnMessage, open_channel
from glasnost.net.exact import write_call
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp
from glasnost.roles.broker import Broker
from glasnost.roles.target import Target
from glasnost.trust.credentials import Credentials
from tests.trust.pool import Pool, lab, node7

CODEC = Codec(BROKER)
#: Loopback is never dialled, so return routes name this address, and `Site.dial` goes to loopback.
PUBLIC = "198.51.100.4"


class Door:
    """A shared port on loopback; what arrives there waits in ``arrived``, or goes to ``take``."""

    def __init__(self, take: Callable[[Incoming], None] | None = None) -> None:
        self.arrived: asyncio.Queue[Incoming] = asyncio.Queue()
        self.port = SharedPort(take or self.arrived.put_nowait)
        listener = listen_tcp("127.0.0.1", 0)
        self.number: int = listener.getsockname()[1]
        self.port.listen(listener)

    def close(self) -> None:
        self.port.close()
        while not self.arrived.empty():
            self.arrived.get_nowait().sock.close()


class Site:
    """Where the broker is, or is not: `stop` and `start` are a restart."""

    def __init__(self, pool: Pool | None = None) -> None:
        self.pool = pool or lab()
        self.credentials = self.pool.service(self.pool.node("cm"), "broker")
        self.broker: Broker | None = None
        self.door = Door(self._take)

    def _take(self, incoming: Incoming) -> None:
        if self.broker is None:
            incoming.sock.close()
        else:
            self.broker.take(incoming)

    def start(self, **options: Any) -> Broker:
        self.broker = Broker(self.credentials, **options)
        return self.broker

    async def stop(self) -> None:
        broker, self.broker = self.broker, None
        if broker is not None:
            await broker.close()

    async def raw(self, call: Call) -> socket.socket:
        sock = await connect_tcp("127.0.0.1", self.door.number)
        await write_call(sock, call)
        return sock

    async def channel(
        self,
        credentials: Credentials,
        hear: OnMessage | None = None,
        lost: OnClose | None = None,
    ) -> Channel:
        sock = await self.raw(Call(to="broker"))
        return await open_channel(sock, credentials, "broker.*", CODEC, hear, lost)

    async def leg(self, token: bytes) -> socket.socket:
        return await self.raw(Call(to="broker", relay=token))

    def target(self, credentials: Credentials, door: Door, **options: Any) -> Target:
        """A target that serves at ``door``; ports of `PUBLIC` are ports of loopback."""

        async def open_broker(name: str, hear: OnMessage, lost: OnClose) -> Channel:
            return await self.channel(credentials, hear, lost)

        async def open_leg(name: str, token: bytes) -> socket.socket:
            return await self.leg(token)

        async def dial(host: str, port: int) -> socket.socket:
            assert host == PUBLIC, "only what the dial policy allows is dialled"
            return await connect_tcp("127.0.0.1", port)

        settings: dict[str, Any] = {
            "open_broker": open_broker,
            "open_leg": open_leg,
            "serve": door.port.serve,
            "ranges": lambda: ["198.51.100.0/24"],
            "dial": dial,
            "jitter": lambda: 0.0,
        }
        return Target(**(settings | options))


class World:
    """A site with a running broker, node7 as its target, and a requester, ``alice``."""

    def __init__(self, site: Site, door: Door, target: Target, alice: Channel) -> None:
        self.site, self.door, self.target, self.alice = site, door, target, alice

    @property
    def broker(self) -> Broker:
        assert self.site.broker is not None
        return self.site.broker

    async def ask(self, **fields: Any) -> Message:
        return await self.alice.ask(Request(contact="node7", **fields), timeout=10)

    async def relay(self) -> tuple[socket.socket, Incoming]:
        """A relayed stream: the requester's end, and what arrived at the target's port."""
        answer = await self.ask(way="relay", timeout=10.0)
        assert isinstance(answer, Relay)
        ours = await self.site.leg(answer.token)
        await write_call(ours, Call(to="echo"))
        async with asyncio.timeout(10):
            return ours, await self.door.arrived.get()


@asynccontextmanager
async def world(options: dict[str, Any] | None = None, **target: Any) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        stack.push_async_callback(quiet)
        site, door = Site(), Door()
        stack.callback(site.door.close)
        stack.callback(door.close)
        broker = site.start(**(options or {}))
        stack.push_async_callback(site.stop)
        role = site.target(site.pool.agent(node7()), door, **target)
        stack.push_async_callback(role.close)
        role.follow(["b1"])
        await until(lambda: broker.status()["targets"] == 1 and role.registered)
        alice = await site.channel(site.pool.agent(site.pool.node("node3")))
        stack.callback(alice.close)
        yield World(site, door, role, alice)


async def quiet() -> None:
    """Let transports that are closing finish."""
    for _ in range(20):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Wait for a condition, looking a hundred times per second."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - several objects' plain facts, no event
            await asyncio.sleep(0.01)


async def read(sock: socket.socket, size: int) -> bytes:
    """``size`` bytes, or fewer where the stream ends."""
    data = b""
    async with asyncio.timeout(10):
        while len(data) < size:
            chunk = await asyncio.get_running_loop().sock_recv(sock, size - len(data))
            if not chunk:
                break
            data += chunk
    return data
