"""A directory server and its clients in one process, over real TLS on socket pairs."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import DIRECTORY, Codec, Record, Signed
from glasnost.net.channel import Channel, open_channel
from glasnost.net.port import Incoming
from glasnost.roles.directory import DirectoryServer
from glasnost.roles.directory_client import DirectoryClient
from glasnost.store.records import MemoryRecords, RecordStore
from glasnost.trust.credentials import Credentials
from glasnost.trust.records import Verifier, sign_record
from tests.trust.pool import Node, Pool, lab, node7, node8

ADDRESS = "public/ip4:192.0.2.1:9618/service:web"
_sequences = itertools.count(1)


def full(short: str) -> str:
    return f"{short}.{lab().domain}"


def signed(
    short: str = "web.node7",
    *,
    by: Node | None = None,
    address: str = ADDRESS,
    not_after: float | None = None,
) -> Signed:
    """A record of this name by its node, each with a higher sequence than the one before."""
    owner = by or (node8() if short.endswith("node8") else node7())
    until = int(time.time() + 3600 if not_after is None else not_after)
    record = Record(full(short), address, sequence=next(_sequences), not_after=until)
    return sign_record(record, owner.key, owner.cert)


class Site:
    """Where the directory can be reached, or cannot: it may be replaced, as by a restart."""

    def __init__(self, pool: Pool | None = None) -> None:
        self.pool = pool or lab()
        self.credentials = self.pool.service(self.pool.node("cm"), "directory")
        self.server: DirectoryServer | None = None
        self.opened = 0

    async def start(self, store: RecordStore | None = None, **options: float) -> DirectoryServer:
        verifier = Verifier(self.pool.root, self.pool.domain)
        store = store or MemoryRecords()
        server = DirectoryServer(self.credentials, verifier, store, **options)  # type: ignore[arg-type]
        await server.start()
        self.server = server
        return server

    async def stop(self) -> None:
        server, self.server = self.server, None
        if server is not None:
            await server.close()

    def dial(self) -> socket.socket:
        """A raw connection to the server, which takes it when its first bytes are there."""
        server = self.server
        if server is None:
            raise ConnectionRefusedError(111, "Connection refused")
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.setblocking(False)
        self.opened += 1
        loop = asyncio.get_running_loop()

        def take() -> None:
            loop.remove_reader(theirs)
            server.take(Incoming(Call(to="directory"), theirs, "test"))

        loop.add_reader(theirs, take)
        return ours

    def opener(self, credentials: Credentials) -> Callable[[], Awaitable[Channel]]:
        async def open_it() -> Channel:
            codec = Codec(DIRECTORY)
            expect = self.credentials.identity.full
            return await open_channel(self.dial(), credentials, expect, codec)

        return open_it

    def client(self, credentials: Credentials | None = None, **options: float) -> DirectoryClient:
        """By default node7's agent."""
        credentials = credentials or self.pool.agent(node7())
        return DirectoryClient(self.opener(credentials), **options)


@asynccontextmanager
async def served(
    store: RecordStore | None = None, **options: float
) -> AsyncIterator[tuple[Site, DirectoryClient]]:
    """A site with a running server, and node7's client."""
    site = Site()
    await site.start(store, **options)
    client = site.client()
    try:
        yield site, client
    finally:
        client.close()
        await site.stop()
        await quiet()


async def quiet() -> None:
    """Let transports that are closing finish."""
    for _ in range(5):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object | Awaitable[object]]) -> None:
    """Wait for a condition, looking a hundred times per second."""
    async with asyncio.timeout(20):
        while True:
            holds = condition()
            if isinstance(holds, Awaitable):
                holds = await holds
            if holds:
                return
            await asyncio.sleep(0.01)
