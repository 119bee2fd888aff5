"""Memory of a broker per registered target that is idle, over real TLS on loopback.

A process of many targets registers with a broker in a process of its own, whose resident memory is
read before and after. Compared with the memory of as many connections that asyncio's own TLS
accepts on the same loop and that then say nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from pathlib import Path

from benchmarks.figures import Figure, at_most, process
from benchmarks.pool import Pool
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import BROKER, Codec, Register
from glasnost.net.channel import Channel, open_channel
from glasnost.net.exact import write_call
from glasnost.net.loops import fast_loop
from glasnost.net.port import SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp
from glasnost.net.tls import secure
from glasnost.roles.broker import Broker

#: Registered before it is measured: what a broker needs for the first ones it needs only once.
WARM = 200
COUNT = 2_000
#: Handshakes at a time.
_IN_FLIGHT = 32
_CODEC = Codec(BROKER)


def measure() -> list[Figure]:
    """Kilobytes that the accepting process has grown by, for each connection."""
    pool = Pool.new()
    ours = _growth(run_broker, run_targets, pool)
    base = _growth(run_bare, run_callers, pool)
    what = f"memory of a registered target, of {COUNT:,}; of a uvloop TLS connection"
    return [Figure(what, "kB", [ours], [base], at_most(30, "ours"))]


def _growth(accepting: Callable[..., None], connecting: Callable[..., None], pool: Pool) -> float:
    with (
        process(accepting, pool) as (server, port),
        process(connecting, pool, port, WARM),
    ):
        before = _resident(server.pid)
        with process(connecting, pool, port, COUNT):
            return (_resident(server.pid) - before) / COUNT / 1000


def _resident(pid: int | None) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def run_broker(pipe: Connection, pool: Pool) -> None:
    async def main() -> None:
        broker = Broker(pool.service("broker", "cm"))
        port = SharedPort(broker.take)
        listener = listen_tcp("127.0.0.1", 0)
        port.listen(listener)
        pipe.send(listener.getsockname()[1])
        await asyncio.Event().wait()

    _run(main)


def run_targets(pipe: Connection, pool: Pool, port: int, count: int) -> None:
    async def register(number: int) -> Channel:
        sock = await connect_tcp("127.0.0.1", port)
        await write_call(sock, Call(to="broker"))
        credentials = pool.agent(f"node{count}-{number}")
        channel = await open_channel(sock, credentials, "broker.*", _CODEC)
        await channel.ask(Register(), 30)
        return channel

    _run(lambda: _keep(pipe, register, count))


def run_bare(pipe: Connection, pool: Pool) -> None:
    """Accepts TLS as uvloop does it by itself."""

    async def main() -> None:
        context = pool.service("broker", "cm").server_context()
        server = await asyncio.get_running_loop().create_server(
            asyncio.Protocol, "127.0.0.1", 0, ssl=context
        )
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    _run(main)


def run_callers(pipe: Connection, pool: Pool, port: int, count: int) -> None:
    context = pool.agent("node3").client_context(check_hostname=False)

    async def connect(number: int) -> object:
        return await secure(await connect_tcp("127.0.0.1", port), context)

    _run(lambda: _keep(pipe, connect, count))


async def _keep(pipe: Connection, connect: Callable[[int], Awaitable[object]], count: int) -> None:
    """Make so many connections, and hold them."""
    numbers, held = iter(range(count)), []

    async def worker() -> None:
        for number in numbers:
            held.append(await connect(number))

    await asyncio.gather(*(worker() for _ in range(_IN_FLIGHT)))
    pipe.send(len(held))
    await asyncio.Event().wait()


def _run(main: Callable[[], Awaitable[None]]) -> None:
    async def inner() -> None:
        await main()

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(inner())
