"""Dial-backs on warm control connections, whole: a request to the broker, its word to the target,
the target's connection to the requester's shared port, where its reply name is expected.

Three processes over loopback, with the broker's and the target's own code, and the stage that
clients cross. Compared with a bare TCP connection that is accepted: what is added is the price.
Then a stream on such a connection, against one that the same process accepts directly.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from statistics import median

from benchmarks import load
from benchmarks.figures import ROUNDS, Figure, at_least, at_most, cpu_seconds, process
from benchmarks.pool import Pool
from benchmarks.site import (
    REPLY,
    SEALED_STREAM,
    STREAM,
    accept_directly,
    answer_sealed,
    call,
    drain,
)
from glasnost.core.address import Landing, Route
from glasnost.core.routes import Crossing, Exit, Path
from glasnost.core.wire.header import ACCEPTED, Call
from glasnost.core.wire.messages import BROKER, Codec
from glasnost.net.channel import Channel, OnClose, OnMessage, open_channel
from glasnost.net.exact import write_call
from glasnost.net.loops import fast_loop
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.roles.broker import Broker
from glasnost.roles.target import Target
from glasnost.stages import Means
from glasnost.stages.shared import SharedChannels
from glasnost.stages.walk import walk

COUNT = 4_000
IN_FLIGHT = 16
ALONE = 1_000
#: Loopback is never dialled, so return routes name this address, and are dialled on loopback.
PUBLIC = "198.51.100.4"
_CODEC = Codec(BROKER)


def measure() -> list[Figure]:
    """Rate with some in flight, CPU of broker and target, and the time of one alone."""
    pool = Pool.new()
    with (
        process(run_broker, pool) as (broker, port),
        process(run_target, pool, port) as (target, sinks),
        process(run_bare) as (_, bare),
    ):
        assert broker.pid is not None and target.pid is not None
        rates, alone, cpus = [], [], []
        with asyncio.Runner(loop_factory=fast_loop()) as runner:
            requester = runner.run(_requester(pool, port))
            runner.run(_many(requester.dial_back, COUNT // 4, IN_FLIGHT))  # warm
            for _ in range(ROUNDS):
                before = cpu_seconds(broker.pid), cpu_seconds(target.pid)
                ours = COUNT / runner.run(_many(requester.dial_back, COUNT, IN_FLIGHT))
                after = cpu_seconds(broker.pid), cpu_seconds(target.pid)
                cpus.append([(b - a) / COUNT * 1e6 for a, b in zip(before, after, strict=True)])
                base = COUNT / runner.run(_many(lambda: _bare(bare), COUNT, IN_FLIGHT))
                rates.append((ours, base))
                alone.append(
                    (
                        runner.run(_median(requester.dial_back)),
                        runner.run(_median(lambda: _bare(bare))),
                    )
                )
            streams = _throughput(pool, sinks, lambda: runner.run(requester.connect()))
            runner.run(requester.close())
    return [
        Figure.of_pairs(
            f"dial-backs, {IN_FLIGHT} at a time; bare connections",
            "1/s",
            rates,
            at_least(4_000, "ours"),
        ),
        Figure.of_pairs("one dial-back alone, p50", "us", alone, at_most(500, "ours")),
        Figure("CPU of a dial-back in the broker", "us", [one for one, _ in cpus]),
        Figure("CPU of a dial-back in the target", "us", [other for _, other in cpus]),
        *streams,
    ]


def _throughput(
    pool: Pool, sinks: dict[str, int], dial_back: Callable[[], socket.socket]
) -> list[Figure]:
    """One stream, plain and sealed, on a connection that was dialled back, and directly."""
    context = pool.agent("node3").client_context()
    name = f"sealed-sink.node7.{pool.domain}"

    def plain(sock: socket.socket) -> float:
        with sock:
            sock.sendall(call("sink"))
            return load.pour(sock, len(REPLY), STREAM) / 1e6

    def sealed(sock: socket.socket) -> float:
        with context.wrap_socket(sock, server_hostname=name) as stream:
            return load.pour(stream, len(ACCEPTED + REPLY), SEALED_STREAM) / 1e6

    def direct(sink: str) -> socket.socket:
        return socket.create_connection(("127.0.0.1", sinks[sink]))

    def dialled() -> socket.socket:
        sock = dial_back()
        sock.setblocking(True)
        return sock

    def dialled_sealed() -> socket.socket:
        sock = dialled()
        sock.sendall(call("sealed-sink"))
        return sock

    return [
        Figure.of_pairs(
            "one stream, dialled back / TCP",
            "MB/s",
            [(plain(dialled()), plain(direct("sink"))) for _ in range(ROUNDS)],
            at_least(0.97),
        ),
        Figure.of_pairs(
            "one sealed stream, dialled back / accepted directly",
            "MB/s",
            [(sealed(dialled_sealed()), sealed(direct("sealed-sink"))) for _ in range(ROUNDS)],
            at_least(0.97),
        ),
    ]


class Requester:
    """A client with a shared port of its own, and one channel to the broker."""

    def __init__(self, pool: Pool, port: int) -> None:
        self._replies = Replies()
        self._port = SharedPort(self._replies.arrive)
        listener = listen_tcp("127.0.0.1", 0)
        self._port.listen(listener)
        number = listener.getsockname()[1]
        front = Route.parse(f"public/ip4:127.0.0.1:{port}/service:broker/ccb:node7")
        back = Route.parse(f"public/ip4:{PUBLIC}:{number}")
        self._path = Path(
            Exit(Landing("ip4", "public")), 1, front, 1, (Crossing(2, "dial-back", (back,)),)
        )
        self._shared = SharedChannels()
        self._means = Means(pool.agent("node3"), self._expect, shared=self._shared)

    async def _expect(self, timeout: float) -> LocalExpectation:
        return LocalExpectation(self._replies, timeout)

    async def connect(self) -> socket.socket:
        return await walk(self._path, self._means)

    async def dial_back(self) -> None:
        (await self.connect()).close()

    async def close(self) -> None:
        self._shared.close()
        self._port.close()


async def _requester(pool: Pool, port: int) -> Requester:
    return Requester(pool, port)


async def _many(one: Callable[[], Awaitable[None]], count: int, in_flight: int) -> float:
    """Seconds for ``count``, so many at a time."""
    numbers = iter(range(count))

    async def worker() -> None:
        for _ in numbers:
            await one()

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return time.perf_counter() - begun


async def _median(one: Callable[[], Awaitable[None]]) -> float:
    """Microseconds of the median one, one after the other."""
    taken = []
    for _ in range(ALONE):
        begun = time.perf_counter()
        await one()
        taken.append(time.perf_counter() - begun)
    return median(taken) * 1e6


async def _bare(port: int) -> None:
    """A connection that was accepted: the other side has closed it."""
    sock = await connect_tcp("127.0.0.1", port)
    await asyncio.get_running_loop().sock_recv(sock, 1)
    sock.close()


def run_broker(pipe: Connection, pool: Pool) -> None:
    async def main() -> None:
        broker = Broker(pool.service("broker", "cm"))
        port = SharedPort(broker.take)
        listener = listen_tcp("127.0.0.1", 0)
        port.listen(listener)
        pipe.send(listener.getsockname()[1])
        await asyncio.Event().wait()

    _run(main)


def run_target(pipe: Connection, pool: Pool, broker: int) -> None:
    async def main() -> None:
        credentials = pool.agent("node7")
        sealed = pool.service("sealed-sink", "node7")
        tasks: set[asyncio.Task[None]] = set()

        def answer(incoming: Incoming) -> None:
            task = asyncio.create_task(answer_sealed(incoming, sealed, True))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        def take(incoming: Incoming) -> None:
            {"sink": drain, "sealed-sink": answer}[incoming.call.to](incoming)

        port = SharedPort(take)
        sinks = {
            "sink": accept_directly(drain, len(call("sink"))),
            "sealed-sink": accept_directly(answer, 0),
        }

        async def open_broker(_: str, hear: OnMessage, lost: OnClose) -> Channel:
            sock = await connect_tcp("127.0.0.1", broker)
            await write_call(sock, Call(to="broker"))
            return await open_channel(sock, credentials, "broker.*", _CODEC, hear, lost)

        async def open_leg(_: str, token: bytes) -> socket.socket:
            raise ConnectionError("nothing is relayed here")

        target = Target(
            open_broker=open_broker,
            open_leg=open_leg,
            serve=port.serve,
            ranges=lambda: [f"{PUBLIC}/24"],
            dial=lambda _, number: connect_tcp("127.0.0.1", number),
            on_change=lambda: pipe.send(sinks),
        )
        target.follow(["broker"])
        await asyncio.Event().wait()

    _run(main)


def run_bare(pipe: Connection) -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        listener.setblocking(False)

        def accept() -> None:
            try:
                listener.accept()[0].close()
            except BlockingIOError:
                return

        asyncio.get_running_loop().add_reader(listener.fileno(), accept)
        pipe.send(listener.getsockname()[1])
        await asyncio.Event().wait()

    _run(main)


def _run(main: Callable[[], Awaitable[None]]) -> None:
    async def inner() -> None:
        await main()

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(inner())
