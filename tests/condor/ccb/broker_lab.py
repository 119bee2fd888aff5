"""Our broker behind a real port, and targets and requesters that speak with it by hand."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasnost.condor.ccb.file import ReconnectFile
from glasnost.condor.ccb.server import CcbServer
from glasnost.condor.ccb.words import Limits
from glasnost.condor.classad import Ad
from glasnost.condor.client import Call, ClientSettings, start_command
from glasnost.condor.commands import Command
from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.door import Door
from glasnost.condor.security.methods.base import Peer
from glasnost.condor.security.negotiation import Policy
from glasnost.condor.security.sessions import ClientSessions
from glasnost.condor.security.words import Word
from glasnost.condor.server.command import nops
from glasnost.condor.server.endpoint import Endpoint
from glasnost.condor.server.settings import Server
from glasnost.condor.stages.sock import connect_message
from glasnost.condor.stream import CedarStream
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import closed_on_error, connect_tcp, listen_tcp
from tests.condor.rig import Rig
from tests.net.pairs import descriptors, until

RAW = Policy(negotiation=Word.NEVER)
#: What negotiates: AES for everybody, whoever they are.
AES = Policy()
#: What a default pool asks for.
SECURE = Policy(encryption=Word.REQUIRED, integrity=Word.REQUIRED)
POLICIES = {"raw": RAW, "negotiated": AES}


class _Nobody:
    def give(self, incoming: Incoming) -> bool:
        return False


class Site:
    """A broker at a port of its own, as the endpoint ``collector``."""

    def __init__(
        self,
        kept: Path | None = None,
        host: str = "127.0.0.1",
        secure: bool = False,
        **limits: Any,
    ) -> None:
        listener = listen_tcp(host, 0)
        number = listener.getsockname()[1]
        self.host, self.number = host, number
        self.place = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
        self.own = f"{self.place}?noUDP&sock=collector"
        file = ReconnectFile(kept) if kept is not None else None
        self.broker = CcbServer(lambda: self.own, file, limits=Limits(**limits))
        server = Rig(allow=lambda level, who, where: True).answering()
        self.server = Server(
            commands={**nops(), **self.broker.commands()},
            authorize=server.authorize,
            # What is asked of everybody does not touch a target's hello, which has no session.
            policy=(lambda level: SECURE) if secure else server.policy,
            me=server.me,
            keeper=server.keeper,
            clock=server.clock,
        )
        self.endpoint = Endpoint(self.server, "collector")
        endpoints = {"collector": self.endpoint.take}
        door = Door(_Nobody(), Daemons(None), endpoints, "collector")
        self.port = SharedPort(lambda incoming: incoming.sock.close(), foreign=door)
        self.port.listen(listener)

    async def close(self) -> None:
        self.port.close()
        await self.endpoint.close()
        await self.broker.close()

    async def command(self, command: int, policy: Policy) -> Call:
        """Start a command at the broker."""
        sock = await connect_tcp(self.host, self.number)
        await asyncio.get_running_loop().sock_sendall(sock, connect_message("collector", 20))
        settings, sessions = ClientSettings(policy), ClientSessions()
        peer = Peer(self.place, "collector")
        return await start_command(
            CedarStream(sock), command, settings, sessions, f"<{self.own}>", 0.0, peer
        )

    async def target(self, policy: Policy = RAW, old: Ad | None = None) -> Target:
        target = Target(await self.command(Command.CCB_REGISTER, policy))
        with closed_on_error(target.call.stream.sock):
            await target.register(old)
        return target

    async def request(self, ccbid: str, policy: Policy = RAW, **values: Any) -> Requester:
        requester = Requester(await self.command(Command.CCB_REQUEST, policy))
        await requester.ask(ccbid, **values)
        return requester


@asynccontextmanager
async def site(*args: Any, **more: Any) -> AsyncIterator[Site]:
    before = descriptors()
    here = Site(*args, **more)
    try:
        async with asyncio.timeout(20):
            yield here
            await until(lambda: len(here.endpoint) == 0 and not any(here.broker.counts.values()))
    finally:
        await here.close()
    await until(lambda: descriptors() == before)


async def send(call: Call, ad: Ad) -> None:
    writer = call.writer()
    writer.ad(ad.lines())
    await call.stream.send(writer)


async def send_more(stream: CedarStream, ad: Ad) -> None:
    writer = stream.writer()
    writer.ad(ad.lines())
    await stream.send(writer)


async def receive(stream: CedarStream) -> Ad:
    message = await stream.receive()
    ad = Ad.from_lines(message.ad())
    message.end()
    return ad


async def has_ended(stream: CedarStream) -> bool:
    """Whether the other side says nothing more, and closes."""
    with contextlib.suppress(OSError):
        async with asyncio.timeout(10):
            return await stream.receive_or_end() is None
    return True


@dataclass
class Target:
    """A daemon that registers, dials back when it is asked, and answers there."""

    call: Call
    welcome: Ad = field(default_factory=Ad)
    asked: list[Ad] = field(default_factory=list)

    @property
    def contact(self) -> str:
        return str(self.welcome["CCBID"])

    @property
    def ccbid(self) -> str:
        return self.contact.rpartition("#")[2]

    async def register(self, old: Ad | None = None) -> None:
        values: dict[str, Any] = {"Command": 67, "Name": "PYTEST <127.0.0.1:1>"}
        if old is not None:
            values |= {"CCBID": old["CCBID"], "ClaimId": old["ClaimId"]}
        await send(self.call, Ad(values))
        self.welcome = await receive(self.call.stream)

    async def heartbeat(self) -> Ad:
        await send_more(self.call.stream, Ad({"Command": 441}))
        return await receive(self.call.stream)

    async def next(self) -> Ad:
        """The next request that is passed on."""
        ad = await receive(self.call.stream)
        self.asked.append(ad)
        return ad

    async def dial(self, request: Ad) -> socket.socket:
        """Dial where the request says, with the hello; what comes back is the server's end of a
        conversation."""
        text = str(request["MyAddress"]).strip("<>")
        place, _, params = text.partition("?")
        host, _, port = place.rpartition(":")
        sock = await connect_tcp(host.strip("[]"), int(port))
        loop = asyncio.get_running_loop()
        for param in params.split("&"):
            if param.startswith("sock="):
                await loop.sock_sendall(sock, connect_message(param[5:], 20))
        await self.hello(CedarStream(sock), request)
        return sock

    async def hello(self, stream: CedarStream, request: Ad) -> None:
        writer = stream.writer()
        writer.integer(Command.CCB_REVERSE_CONNECT)
        names = ("ClaimId", "RequestID", "MyAddress", "CCBPriorHop", "CCBOriginalRequester")
        known = {name: request[name] for name in (*names, "CCBRoute") if name in request}
        writer.ad(Ad(known).lines())
        await stream.send(writer)

    async def answer(self, request: Ad, error: str = "", **changes: Any) -> None:
        values = {name: request[name] for name in ("ClaimId", "RequestID", "MyAddress")}
        values |= {"Result": not error} | ({"ErrorString": error} if error else {}) | changes
        await send_more(self.call.stream, Ad(values))

    def close(self) -> None:
        self.call.stream.close()


_NUMBERS = itertools.count(1)


@dataclass
class Requester:
    """A client that asks for a target, and listens for its dial-back, or takes a stream."""

    call: Call
    connect_id: str = ""
    listener: socket.socket | None = None

    async def ask(
        self, ccbid: str, streaming: bool = False, returns: str | None = None, **more: Any
    ) -> None:
        self.connect_id = f"{next(_NUMBERS):040x}"
        if returns is None and not streaming:
            self.listener = listen_tcp("127.0.0.1", 0)
            returns = "<127.0.0.1:%d>" % self.listener.getsockname()[1]
        values: dict[str, Any] = {
            "CCBID": ccbid,
            "ClaimId": self.connect_id,
            "Name": "PYREQ",
            "MyAddress": returns or "",
        }
        if streaming:
            values["CCBStreamingRequired"] = True
        await send(self.call, Ad(values | more))

    async def dialled(self) -> tuple[socket.socket, Ad]:
        """The dial-back, and its hello."""
        assert self.listener is not None
        sock, _ = await asyncio.get_running_loop().sock_accept(self.listener)
        return sock, await read_hello(CedarStream(sock))

    async def result(self) -> Ad:
        ad = await receive(self.call.stream)
        assert await has_ended(self.call.stream)
        self.close()
        return ad

    async def stream(self) -> tuple[socket.socket, Ad]:
        """The stream that begins, and its hello."""
        assert (await receive(self.call.stream)) == Ad({"Result": True, "ProxyMode": True})
        hello = await read_hello(self.call.stream)
        return self.call.stream.detach(), hello

    def close(self) -> None:
        self.call.stream.close()
        if self.listener is not None:
            self.listener.close()


async def read_hello(stream: CedarStream) -> Ad:
    message = await stream.receive()
    assert message.integer() == Command.CCB_REVERSE_CONNECT
    ad = Ad.from_lines(message.ad())
    message.end()
    return ad


async def talk(one: socket.socket, other: socket.socket) -> None:
    """Bytes go both ways, and the end of each by itself."""
    loop = asyncio.get_running_loop()
    for here, there in ((one, other), (other, one)):
        await loop.sock_sendall(here, b"what is said")
        assert await loop.sock_recv(there, 100) == b"what is said"
    one.shutdown(socket.SHUT_WR)
    assert await loop.sock_recv(other, 100) == b""
    await loop.sock_sendall(other, b"late")
    assert await loop.sock_recv(one, 100) == b"late"
