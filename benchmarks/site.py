"""One host: an agent, and a program with services that can be called through the shared port or
at a port of their own. Both ways the same process takes the same sockets with the same code.

Directly it accepts on a readiness callback, with TCP_DEFER_ACCEPT: the fastest way in Python that
we know of.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.figures import process
from glasnost.cli.init import make_pool
from glasnost.condor.port.serving import PortService
from glasnost.core.wire.header import ACCEPTED, Answer, Call, encode_answer, encode_call
from glasnost.core.wire.messages import Offer
from glasnost.net.loops import fast_loop
from glasnost.net.port import Incoming
from glasnost.net.sockets import BACKLOG, DEFER_ACCEPT, tune
from glasnost.net.tls import secure
from glasnost.roles.agent import Agent
from glasnost.roles.agent_client import AgentClient
from glasnost.roles.home import NodeIdentity
from glasnost.roles.registration import Registration
from glasnost.settings import CondorSetting, Settings
from glasnost.trust.certificates import make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import identity_of
from glasnost.trust.keys import new_key

REPLY = b"8 bytes."
ACCEPT = encode_answer(Answer())
#: What a caller of a sink sends before it is told that all of it has come.
STREAM = 1 << 30
SEALED_STREAM = STREAM >> 2


def call(name: str) -> bytes:
    """What a caller of the shared port says first, and here a caller of the service, too."""
    return encode_call(Call(to=name))


@dataclass(frozen=True)
class Site:
    """Process ids; the shared port, and the services' own ports by name."""

    home: Path
    agent: int
    service: int
    port: int
    direct: dict[str, int]

    def full(self, name: str) -> str:
        return NodeIdentity(self.home).full(name)

    def client_context(self) -> ssl.SSLContext:
        """For a member that calls a sealed service."""
        identity, key = NodeIdentity(self.home), new_key()
        chain = identity.certify_user("bench", make_csr(key))
        return Credentials(identity.root, identity.domain, key, chain).client_context()


@contextmanager
def site(condor: bool = False) -> Iterator[Site]:
    """An agent and the services ``plain``, ``sealed``, ``sink`` and ``sealed-sink``. ``condor``:
    its port knows HTCondor's header, and daemons with sockets in ``home / "daemons"``."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gn-bench-"))
        make_pool(Path(folder), "bench", "bench", ())
        (Path(folder) / "daemons").mkdir()
        agent, port = stack.enter_context(process(run_agent, folder, condor))
        service, direct = stack.enter_context(process(run_services, folder))
        assert agent.pid is not None and service.pid is not None
        yield Site(Path(folder), agent.pid, service.pid, port, direct)


def run_agent(pipe: Connection, folder: str, condor: bool) -> None:
    async def main() -> None:
        own = CondorSetting(sockets=f"{folder}/daemons")
        settings = Settings(port=0, listen=("127.0.0.1",), condor=own)
        door = PortService(settings).door if condor else None
        agent = Agent(NodeIdentity(Path(folder)), settings, Path(folder) / "run", other=door)
        await agent.start()
        pipe.send(agent.port_number)
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())


def run_services(pipe: Connection, folder: str) -> None:
    async def main() -> None:
        local = await AgentClient.connect(Path(folder) / "run")
        tasks: set[asyncio.Task[None]] = set()

        async def never() -> AgentClient:
            raise ConnectionError("the benchmark's agent does not come back")

        async def serve(name: str, protection: str) -> tuple[Registration, int]:
            registration = Registration(Offer(name=name, protection=protection), never)
            await registration.start(local)

            def spawn(incoming: Incoming) -> None:
                assert registration.credentials is not None
                sink = name.endswith("sink")
                task = asyncio.create_task(answer_sealed(incoming, registration.credentials, sink))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            plainly = drain if name == "sink" else _answer
            take = plainly if protection == "plain" else spawn
            registration.give(take)
            # Who speaks TLS to a port of its own sends no header before it.
            size = len(call(name)) if protection == "plain" else 0
            return registration, accept_directly(take, size)

        served = {
            name: await serve(name, protection)
            for name, protection in (
                ("plain", "plain"),
                ("sink", "plain"),
                ("sealed", "sealed"),
                ("sealed-sink", "sealed"),
            )
        }
        pipe.send({name: number for name, (_, number) in served.items()})
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())


def accept_directly(take: Callable[[Incoming], None], size: int) -> int:
    """Accept from a port of our own, whose number comes out; ``size`` bytes are read first."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, DEFER_ACCEPT)
    listener.setblocking(False)

    def accept() -> None:
        for _ in range(64):
            try:
                sock, _ = listener.accept()
            except BlockingIOError:
                return
            if size:
                sock.recv(size)
            take(Incoming(Call(), sock))

    asyncio.get_running_loop().add_reader(listener.fileno(), accept)
    return int(listener.getsockname()[1])


def _answer(incoming: Incoming) -> None:
    incoming.sock.send(REPLY)
    incoming.sock.close()


def drain(incoming: Incoming) -> None:
    """Say that we are there, read all, and say so."""

    def work() -> None:
        buffer, left = bytearray(1 << 20), STREAM
        with incoming.sock as sock:
            tune(sock).setblocking(True)
            sock.send(REPLY)
            while left:
                left -= sock.recv_into(buffer)
            sock.send(b"!")

    threading.Thread(target=work, daemon=True).start()


async def answer_sealed(incoming: Incoming, credentials: Credentials, sink: bool) -> None:
    context = credentials.server_context()
    transport = await secure(tune(incoming.sock), context, server_side=True)
    identity_of(transport.get_extra_info("peercert"), credentials.domain)
    transport.write(ACCEPTED + REPLY)
    if sink:
        transport.attach(_Sink())
    else:
        transport.close()


class _Sink(asyncio.Protocol):
    def __init__(self) -> None:
        self.left = SEALED_STREAM

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.left -= len(data)
        if not self.left:
            self.transport.write(b"!")
            self.transport.close()


def wait_until_listening(port: int) -> None:
    """Return once somebody accepts there, within five seconds."""
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
