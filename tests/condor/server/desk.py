"""Our collector behind a command server, and connections to it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

from glasnost.condor.cedar.frames import cut
from glasnost.condor.cedar.values import Writer
from glasnost.condor.central.access import Access, policies
from glasnost.condor.classad import Ad, Value
from glasnost.condor.classad.answers import AnswerReader
from glasnost.condor.client import Call, ClientSettings, start_command
from glasnost.condor.collector.own import Own
from glasnost.condor.commands import Command
from glasnost.condor.security.methods.base import Doorkeeper, Peer
from glasnost.condor.security.methods.kinds import Method
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.security.sessions import ClientSessions
from glasnost.condor.security.words import Word
from glasnost.condor.server.collector import CollectorServer
from glasnost.condor.server.command import nops
from glasnost.condor.server.endpoint import Endpoint
from glasnost.condor.server.settings import Server
from glasnost.condor.stream import CedarStream
from tests.net.pairs import tcp_pair, until

RAW = ClientSettings(Policy(negotiation=Word.NEVER))
AES = ClientSettings(Policy(methods=()))
ADDRESS = "<127.0.0.1:9618>"
OWN = Own("My Pool", "vm", ADDRESS, "{}", 1_700_000_000)
EVERYBODY = {"DAEMON": ("*",), "NEGOTIATOR": ("*",)}


class Desk:
    """Everybody may advertise, and nothing is wanted, unless it is said otherwise."""

    def __init__(
        self,
        allow: Mapping[str, tuple[str, ...]] = EVERYBODY,
        secure: bool = False,
        keeper: Doorkeeper | None = None,
        own: Own = OWN,
        **more: Any,
    ) -> None:
        self.collector = CollectorServer(
            lambda: own,
            lambda who, where: self.server.allowed(Command.QUERY_STARTD_PVT_ADS, who, where),
            **more,
        )
        methods = (Method.TOKEN, Method.CLAIMTOBE)
        self.server = Server(
            commands={**nops(), **self.collector.commands()},
            authorize=Access(allow, {}),
            policy=policies(secure, methods),
            me=lambda: Myself(subsystem="COLLECTOR"),
            keeper=keeper or Doorkeeper("wire.test"),
            clock=asyncio.get_running_loop().time,
        )
        self.endpoint = Endpoint(self.server, "collector")
        self.sessions = ClientSessions()

    def connect(self) -> socket.socket:
        ours, theirs = tcp_pair()
        self.endpoint.take(theirs, "127.0.0.1:5")
        return ours

    async def start(self, command: int, settings: ClientSettings = RAW) -> Call:
        stream = CedarStream(self.connect())
        peer = Peer("127.0.0.1:9618", alias="localhost")
        return await start_command(stream, command, settings, self.sessions, ADDRESS, 0.0, peer)

    async def tell(self, ads: list[Ad], command: int, settings: ClientSettings = RAW) -> None:
        """Advertise on one connection, until it is over."""
        call = await self.start(command, settings)
        writer = call.writer()
        for ad in ads:
            writer.ad(ad.lines())
            await call.stream.send(writer)
            writer = call.again(command)
        call.stream.sock.shutdown(socket.SHUT_WR)
        assert await call.stream.receive_or_end() is None
        call.stream.close()

    async def ask(self, command: int, settings: ClientSettings = RAW, **values: Value) -> list[Ad]:
        """The ads that a query finds."""
        call = await self.start(command, settings)
        writer = call.writer()
        writer.ad(Ad({"MyType": "Query", **values}).lines())
        await call.stream.send(writer)
        message = await call.stream.receive(1 << 30)
        answers = AnswerReader(encrypted=call.stream.encrypted)
        ads = answers.feed(message.raw(message.left))
        answers.finish()
        call.stream.close()
        return ads


@contextlib.asynccontextmanager
async def desk(*args: Any, **more: Any) -> AsyncIterator[Desk]:
    one = Desk(*args, **more)
    try:
        async with asyncio.timeout(20):
            yield one
            await until(lambda: len(one.endpoint) == 0)
    finally:
        await one.endpoint.close()
        await one.collector.close()


def message(command: int, *ads: Ad) -> bytes:
    """A raw command as its packets."""
    writer = Writer()
    writer.integer(command)
    for ad in ads:
        writer.ad(ad.lines())
    return framed(writer.message())


def framed(body: bytes) -> bytes:
    return b"".join(bytes([last]) + len(part).to_bytes(4, "big") + part for last, part in cut(body))


def schedd(name: str, **values: Value) -> Ad:
    return Ad({"MyType": "Scheduler", "Name": name, "MyAddress": "<192.0.2.1:5>", **values})


async def all_of(sock: socket.socket, size: int | None = None) -> bytes:
    """So many bytes, or everything until the other side closes."""
    data = b""
    loop = asyncio.get_running_loop()
    while size is None or len(data) < size:
        try:
            chunk = await loop.sock_recv(sock, 65536)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            break
        data += chunk
    return data
