"""The roles that anybody may call, each behind a door: what floods and slow callers knock at."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from socket import socket

from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import AUTHORITY, Codec, Ping, Pong, Root, RootIs
from glasnost.net.channel import open_channel
from glasnost.net.dialogue import receive_in_clear, send_in_clear
from glasnost.net.port import Incoming
from glasnost.roles.broker import Broker
from glasnost.roles.enrol import MAX_CLEAR
from tests.net.pairs import descriptors, until
from tests.roles.authority_lab import Lab, pair
from tests.roles.broker_lab import CODEC
from tests.roles.directory_lab import Site as DirectorySite
from tests.trust.pool import lab, node8


class Door:
    """``take`` owns what comes, ``held`` counts who is not in yet; ``ask`` is what somebody who
    means well asks on a connection of its own: it raises where it is not served."""

    def __init__(
        self,
        name: str,
        take: Callable[[Incoming], None],
        held: Callable[[], int],
        ask: Callable[[socket], Awaitable[None]],
    ) -> None:
        self._name, self._take, self.held, self._ask = name, take, held, ask

    def call(self, peer: str) -> socket:
        """A connection from this address, whose call has been read."""
        ours, theirs = pair()
        self._take(Incoming(Call(to=self._name), theirs, peer))
        return ours

    async def ask(self, peer: str) -> None:
        await self._ask(self.call(peer))


def asking(name: str) -> Callable[[socket], Awaitable[None]]:
    """Shake hands, ask once, and go."""

    async def ask(sock: socket) -> None:
        channel = await open_channel(sock, lab().agent(node8()), name, CODEC)
        assert isinstance(await channel.ask(Ping(), 20), Pong)
        channel.close()

    return ask


async def ask_root(sock: socket) -> None:
    codec = Codec(AUTHORITY)
    with sock:
        await send_in_clear(sock, Root(id=1))
        assert isinstance(await receive_in_clear(sock, codec, MAX_CLEAR), RootIs)


@asynccontextmanager
async def broker(folder: Path) -> AsyncIterator[Door]:
    role = Broker(lab().service(lab().node("cm"), "broker"))
    yield Door("broker", role.take, lambda: role.status()["handshakes"], asking("broker.*"))
    await role.close()


@asynccontextmanager
async def directory(folder: Path) -> AsyncIterator[Door]:
    site = DirectorySite()
    role = await site.start()
    name = site.credentials.identity.full
    yield Door("directory", role.take, lambda: role.status()["handshakes"], asking(name))
    await site.stop()


@asynccontextmanager
async def authority(folder: Path) -> AsyncIterator[Door]:
    role = Lab(folder).authority
    yield Door("authority", role.take, lambda: role.status()["dialogues"], ask_root)
    await role.close()


DOORS = {"broker": broker, "directory": directory, "authority": authority}


@asynccontextmanager
async def door(name: str, folder: Path) -> AsyncIterator[Door]:
    """One of `DOORS`: in the end nobody is held there, and nothing is open that was not before."""
    before = descriptors()
    async with DOORS[name](folder) as opened:
        yield opened
        await until(lambda: not opened.held())
    await until(lambda: descriptors() == before)


def hello() -> bytes:
    """The first that a member says in TLS."""
    said = ssl.MemoryBIO()
    context = lab().agent(node8()).client_context(check_hostname=False, control=True)
    tls = context.wrap_bio(ssl.MemoryBIO(), said)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return said.read()


def ends(sock: socket) -> bool:
    """Whether the other side has ended this, now or in the meantime."""
    try:
        while True:
            if not sock.recv(65536):
                return True
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
