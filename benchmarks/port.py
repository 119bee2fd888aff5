"""New connections to a plain service: through an agent's shared port, and accepted directly.

The service answers 8 bytes and closes. Both ways it takes the raw socket from a readiness
callback, with TCP_DEFER_ACCEPT; that is the fastest we know to accept in Python.
"""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.figures import ROUNDS, Figure, at_least, at_most, cpu_seconds, process
from glasnost.cli.init import make_pool
from glasnost.core.wire.header import Answer, Call, encode_answer, encode_call
from glasnost.core.wire.messages import Offer
from glasnost.net.port import Incoming
from glasnost.roles.agent import Agent
from glasnost.roles.agent_client import AgentClient
from glasnost.roles.home import NodeIdentity
from glasnost.roles.registration import Registration
from glasnost.settings import Settings

CONNECTIONS = 4000
IN_FLIGHT = 64
REPLY = b"8 bytes."
CALL = encode_call(Call(to="bench"))
ACCEPT = encode_answer(Answer())


def measure() -> list[Figure]:
    """Rate, CPU of the port's process, and the time of one connection alone."""
    with tempfile.TemporaryDirectory(prefix="gn-bench-") as folder:
        home = Path(folder)
        make_pool(home, "bench", "bench", ())
        with (
            process(run_agent, folder) as (agent, port),
            process(run_service, folder),
            process(run_direct) as (direct, direct_port),
        ):
            assert agent.pid is not None and direct.pid is not None
            rates, cpus, alone = [], [], []
            for _ in range(ROUNDS):
                before = cpu_seconds(agent.pid)
                ours = asyncio.run(load(port, len(ACCEPT + REPLY), CONNECTIONS, IN_FLIGHT))
                used = (cpu_seconds(agent.pid) - before) / CONNECTIONS
                before = cpu_seconds(direct.pid)
                base = asyncio.run(load(direct_port, len(REPLY), CONNECTIONS, IN_FLIGHT))
                cpus.append((used * 1e6, (cpu_seconds(direct.pid) - before) / CONNECTIONS * 1e6))
                rates.append((CONNECTIONS / ours, CONNECTIONS / base))
                one = asyncio.run(load(port, len(ACCEPT + REPLY), CONNECTIONS // 4, 1))
                other = asyncio.run(load(direct_port, len(REPLY), CONNECTIONS // 4, 1))
                alone.append((one / CONNECTIONS * 4e6, other / CONNECTIONS * 4e6))
    return [
        Figure.of_pairs("new connections, 64 at a time", "1/s", rates, at_least(0.9)),
        Figure.of_pairs(
            "CPU of the port, of the direct service", "us each", cpus, at_most(18, of="ours")
        ),
        Figure.of_pairs("one connection alone", "us", alone, at_most(40, of="added")),
    ]


async def load(port: int, size: int, count: int, in_flight: int) -> float:
    """Seconds for ``count`` connections that each read ``size`` bytes."""
    loop = asyncio.get_running_loop()
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            with socket.socket() as sock:
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await loop.sock_connect(sock, ("127.0.0.1", port))
                await loop.sock_sendall(sock, CALL)
                left = size
                while left:
                    left -= len(await loop.sock_recv(sock, left)) or _cut()

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return time.perf_counter() - begun


def _cut() -> int:
    raise ConnectionError("the service ended too early")


def run_agent(pipe: Connection, folder: str) -> None:
    async def main() -> None:
        agent = Agent(NodeIdentity(Path(folder)), _settings(), Path(folder) / "run")
        await agent.start()
        pipe.send(agent.port_number)
        await asyncio.Event().wait()

    asyncio.run(main())


def run_service(pipe: Connection, folder: str) -> None:
    async def main() -> None:
        local = await AgentClient.connect(Path(folder) / "run")

        async def never() -> AgentClient:
            raise ConnectionError("the benchmark's agent does not come back")

        registration = Registration(Offer(name="bench", protection="plain"), never)
        await registration.start(local)
        registration.give(_answer)
        pipe.send(os.getpid())
        await asyncio.Event().wait()

    asyncio.run(main())


def run_direct(pipe: Connection) -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
        listener.setblocking(False)

        def accept() -> None:
            for _ in range(64):
                try:
                    sock, _ = listener.accept()
                except BlockingIOError:
                    return
                sock.recv(len(CALL))
                sock.send(REPLY)
                sock.close()

        asyncio.get_running_loop().add_reader(listener.fileno(), accept)
        pipe.send(listener.getsockname()[1])
        await asyncio.Event().wait()

    asyncio.run(main())


def _answer(incoming: Incoming) -> None:
    incoming.sock.send(REPLY)
    incoming.sock.close()


def _settings() -> Settings:
    return Settings(port=0, listen=("127.0.0.1",))
