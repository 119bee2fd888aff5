"""A broker and daemons that speak HTCondor's protocols, each a thread on a host of the lab."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from glasnost.condor.addresses.dial import Choice, choose
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.reading import parse
from glasnost.condor.addresses.sinful import NO_UDP, SOCK, Sinful
from glasnost.condor.caller import Caller
from glasnost.condor.ccb.server import CcbServer
from glasnost.condor.classad import Ad
from glasnost.condor.client import ClientSettings
from glasnost.condor.commands import Command, Level
from glasnost.condor.pool import Pool
from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.door import Door
from glasnost.condor.port.target import CcbTarget
from glasnost.condor.questions import about
from glasnost.condor.reaching import Reaching
from glasnost.condor.security.methods.base import Doorkeeper, Peer
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.server.command import nops, serve
from glasnost.condor.server.endpoint import Endpoint
from glasnost.condor.server.settings import Served, Server
from glasnost.condor.stages import KINDS
from glasnost.condor.stages.sock import connect_message
from glasnost.condor.stream import CedarStream
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp
from glasnost.roles.experience import Experience
from glasnost.roles.standing import alone
from glasnost.settings import Settings
from glasnost.stages import register
from glasnost.testing.lab import Host
from glasnost.testing.world import PUBLIC
from tests.condor.bindings import command
from tests.condor.ccb.broker_lab import Target, receive, send
from tests.condor.daemon import answering, config

register(KINDS)

T = TypeVar("T")

PORT: Final = 9618
#: Encrypted for everybody, known or not, as a default pool has it for who reads.
POLICY: Final = Policy(methods=(), duration=3600)


@contextlib.contextmanager
def beside(
    host: Host, program: Callable[[], contextlib.AbstractAsyncContextManager[T]]
) -> Iterator[T]:
    """Run a program on a host, in a thread of its own, while the block runs."""
    started: Future[T] = Future()
    over = threading.Event()

    async def run() -> None:
        try:
            async with program() as it:
                started.set_result(it)
                await asyncio.to_thread(over.wait)
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise

    def thread() -> None:
        with host.inside():
            asyncio.run(run())

    running = threading.Thread(target=thread)
    running.start()
    try:
        yield started.result(20)
    finally:
        over.set()
        running.join()


def server(commands: dict[int, Served]) -> Server:
    return Server(
        commands={**nops(), **commands},
        authorize=lambda level, who, where: level in (Level.READ, Level.DAEMON),
        policy=lambda level: POLICY,
        me=lambda: Myself(subsystem="COLLECTOR"),
        keeper=Doorkeeper(),
        clock=asyncio.get_running_loop().time,
    )


def address_of(host: Host, sock: str) -> Sinful:
    """Where a host's shared port is met, with all addresses that it has."""
    found = [IpPort.of(ip, PORT) for ip in (host.ip4, host.ip6) if ip is not None]
    addrs = [one for one in found if one is not None]
    return Sinful.of(addrs[0].ip, str(PORT), {NO_UDP: "", SOCK: sock}, addrs)


class _Nobody:
    def give(self, incoming: Incoming) -> bool:
        return False


@contextlib.asynccontextmanager
async def broker(host: Host, more: Mapping[int, Served] | None = None) -> AsyncIterator[CcbServer]:
    """Our own broker, behind a shared port, on every address of its host. It answers ``more``
    than requests for others."""
    own = CcbServer(lambda: str(address_of(host, "collector"))[1:-1])
    try:
        async with shared(host, "collector", {**own.commands(), **(more or {})}):
            yield own
    finally:
        await own.close()


@contextlib.asynccontextmanager
async def shared(host: Host, sock: str, commands: dict[int, Served]) -> AsyncIterator[str]:
    """A daemon with this id behind a shared port, on every address of its host; its address."""
    endpoint = Endpoint(server(commands), sock)
    door = Door(_Nobody(), Daemons(None), {sock: endpoint.take}, sock)
    port = SharedPort(lambda incoming: incoming.sock.close(), foreign=door)
    for ip, whole in ((host.ip4, "0.0.0.0"), (host.ip6, "::")):
        if ip is not None:
            port.listen(listen_tcp(whole, PORT))
    try:
        yield str(address_of(host, sock))
    finally:
        port.close()
        await endpoint.close()


class Daemon:
    """A daemon that nobody can dial: it registers at a broker, and dials back as HTCondor's do,
    which is to the one address that it likes best."""

    def __init__(
        self, host: Host, target: Target, contact: str, more: Mapping[int, Served]
    ) -> None:
        self._host, self._target, self.contact = host, target, contact
        own = parse(f"<{host.ip4 or f'[{host.ip6}]'}:{PORT}>")
        self.address = str(own.with_params(CCBID=contact, PrivNet=host.name))
        ad = Ad({"MyType": "Machine", "Name": host.name, "MyAddress": self.address})
        handlers = answering([ad])
        self._server = server({**{one: Served.of(one, h) for one, h in handlers.items()}, **more})
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while True:
            task = asyncio.create_task(self._serve(await self._target.next()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: Ad) -> None:
        try:
            async with asyncio.timeout(3):
                stream = CedarStream(await dial(self._host, str(request["MyAddress"])))
                await self._target.hello(stream, request)
        except OSError as error:
            await self._target.answer(request, error.strerror or "failed to connect")
            return
        await self._target.answer(request)
        await serve(CedarStream(stream.detach()), self._server, "", Peer())


async def dial(host: Host, address: str) -> socket.socket:
    """Connect as a daemon of HTCondor's on this host does."""
    sinful = parse(address)
    has = Choice(ip4=host.ip4 is not None, ip6=host.ip6 is not None)
    there = choose(sinful, has) or sinful
    sock = await connect_tcp(there.host, there.port_number or 0)
    if there.sock:
        message = connect_message(there.sock, 20, "STARTD")
        await asyncio.get_running_loop().sock_sendall(sock, message)
    return sock


@contextlib.asynccontextmanager
async def behind(
    host: Host, at: Host, through: str = "", more: Mapping[int, Served] | None = None
) -> AsyncIterator[Daemon]:
    """A daemon on ``host`` that is registered at the broker on ``at``, which is itself met
    ``through`` a contact, or dialled. It answers ``more`` than it does anyway."""
    broker_address = str(address_of(at, "collector"))
    sock = await dial(host, broker_address)
    caller = Caller(config(), ClientSettings(POLICY))
    call = await caller.start(CedarStream(sock), Command.CCB_REGISTER, broker_address)
    target = Target(call)
    await send(call, Ad({"Command": 67, "Name": f"STARTD {host.name}"}))
    target.welcome = await receive(call.stream)
    contact = f"{through}#{target.ccbid}" if through else target.contact
    one = Daemon(host, target, contact, more or {})
    running = asyncio.create_task(one.run())
    try:
        yield one
    finally:
        running.cancel()
        await asyncio.wait([running])
        target.close()


@dataclass(frozen=True)
class Ours:
    """A host of ours that nobody dials, by the address of the daemon behind its port."""

    address: str


@contextlib.asynccontextmanager
async def ours_behind(host: Host, at: Host) -> AsyncIterator[Ours]:
    """A host of ours, registered at the broker on ``at`` as its agent does that, with a daemon
    behind its port."""
    ads: list[Ad] = []
    own = server({one: Served.of(one, handler) for one, handler in answering(ads).items()})
    endpoint = Endpoint(own, "startd")
    door = Door(_Nobody(), Daemons(None), {"startd": endpoint.take}, "startd")
    port = SharedPort(lambda incoming: incoming.sock.close(), foreign=door)
    registered = asyncio.Event()
    target = CcbTarget(
        lambda: Caller(config(), ClientSettings(POLICY)),
        port.serve,
        ranges=lambda: PUBLIC,  # which stands for the internet here, and is not global
        changed=registered.set,
    )
    target.follow([str(address_of(at, "collector"))])
    try:
        async with asyncio.timeout(20):
            await registered.wait()
        nowhere = parse(f"<{host.ip4 or f'[{host.ip6}]'}:1>")
        contacts = " ".join(target.contacts)
        params = {"CCBID": contacts, "PrivNet": host.name, "sock": "startd"}
        found = Ours(str(nowhere.with_params(**params)))
        ads.append(Ad({"MyType": "Machine", "Name": host.name, "MyAddress": found.address}))
        yield found
    finally:
        await target.close()
        port.close()
        await endpoint.close()


@contextlib.asynccontextmanager
async def broker_behind(host: Host, at: Host) -> AsyncIterator[Daemon]:
    """A broker that nobody can dial but its neighbours, registered at the one on ``at``."""
    async with broker(host) as own, behind(host, at, more=own.commands()) as one:
        yield one


#: On a busy machine, too, the best way has time to be the first.
PATIENT: Final = Settings(attempt_delay=1.0)


def ask(
    host: Host,
    work: Callable[[Pool], Awaitable[T]],
    ours: Settings = PATIENT,
    told: Mapping[str, str] | None = None,
) -> T:
    """What a client on a host comes to: one without an agent, with settings of ours, and what
    HTCondor's configuration tells."""

    async def scenario() -> T:
        caller = Caller(config(**(told or {})), ClientSettings(POLICY))
        with Reaching(alone(ours, Experience()), caller.config) as reaching:
            return await work(Pool(caller, reaching))

    with host.inside():
        return asyncio.run(scenario())


async def reach(pool: Pool, address: str) -> tuple[str, ...]:
    """Ask a daemon for what it is; the ways in which its brokers brought it."""
    pinged = await pool.ping(address)
    assert pinged.allowed
    found = await Pool(pool.caller, pool._reaching, [address]).ads(about())
    assert [ad["MyAddress"] for ad in found] == [address]
    return tuple(one.way for one in pinged.connected.path.crossings)


def bindings_on(host: Host, environment: Mapping[str, str], requests: list[list[Any]]) -> list[Any]:
    """What HTCondor's bindings make of some requests, on this host."""
    done = host.run(
        command(requests), env=dict(environment), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
