"""Round trips until the first byte of the answer, by every kind of path.

Three hosts of the lab, each behind a cable of 50 ms, so 100 ms one way between any two. A client
connects, sends one byte, and waits for one byte. What that takes, in whole times of 100 ms, is the
number of trips: everything else together takes some milliseconds. `LEAST` says what each path
cannot do without; the sums stand in docs/topics/round-trips.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

from benchmarks.figures import Figure, at_most
from benchmarks.pool import Pool
from glasnost.core.address import Landing, Route
from glasnost.core.routes import Crossing, Exit, Path, Way
from glasnost.core.wire import header
from glasnost.core.wire.header import Call
from glasnost.core.wire.messages import BROKER, Codec, Offer, Record
from glasnost.net.channel import Channel, OnClose, OnMessage, open_channel
from glasnost.net.exact import write_call
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp, tune
from glasnost.net.streams import streams
from glasnost.net.tls import secure
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.roles.agent.services import Service, Services
from glasnost.roles.broker import Broker
from glasnost.roles.finish import finish
from glasnost.roles.target import Target
from glasnost.settings import Settings
from glasnost.stages import Means
from glasnost.stages.shared import SharedChannels
from glasnost.stages.walk import walk
from glasnost.testing.lab import Host, Lab, available

T = TypeVar("T")

#: Seconds that the whole may take on a machine that does other things too.
PATIENCE: Final = 120.0
#: Seconds from a host to the internet, and from one host to another.
CABLE: Final = 0.05
ONE_WAY: Final = 2 * CABLE
#: Of so many tries the shortest counts: another process may have had the core.
TRIES: Final = 25

PORT: Final = 9618
TCP: Final = 7000
TLS: Final = 7001

#: Trips one way (two are a round trip) until the answer's first byte is here.
LEAST: Final = {
    "TCP": 4,
    "TLS over TCP": 6,
    "plain, direct": 6,
    "sealed, direct": 6,
    "plain, dial-back": 13,
    "plain, dial-back, broker known": 9,
    "sealed, dial-back": 13,
    "sealed, dial-back, broker known": 9,
    "sealed, relayed": 16,
    "sealed, relayed, broker known": 12,
}
_CODEC = Codec(BROKER)
_NAME = "sealed.node7"


def measure() -> list[Figure]:
    """Round trips by each kind of path, against TCP or TLS directly."""
    if (reason := available()) is not None:
        return [Figure("round trips to the answer", "", (), note=reason)]
    counted = count()
    return [
        Figure(
            f"round trips to the answer: {path}",
            "",
            [trips / 2],
            [counted["TCP" if path.startswith("plain") else "TLS over TCP"] / 2],
            at_most(LEAST[path] / 2, "ours"),
        )
        for path, trips in counted.items()
    ]


def count() -> dict[str, int]:
    """Trips one way, by path; needs the lab."""
    pool = Pool.new()
    with Lab() as lab:
        broker, target, client = (lab.host(name, delay=CABLE) for name in ("cm", "node7", "node3"))
        lab.up()
        with Resident(broker) as at_broker, Resident(target) as at_target, Resident(client) as here:
            at_broker.run(_serve_broker(at_broker.stack, pool))
            at_target.run(_serve_target(at_target.stack, pool, str(broker.ip4)))
            return here.run(_count(here.stack, pool, client, target, broker))


class Resident:
    """A loop that lives on a host of the lab: a thread in its network. What is to be closed in the
    end, on that loop, is told to ``stack``."""

    def __init__(self, host: Host) -> None:
        self.stack = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._live, args=(host,))

    def __enter__(self) -> Resident:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._leave())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What comes of it there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def _live(self, host: Host) -> None:
        with host.inside():
            self._loop.run_forever()

    async def _leave(self) -> None:
        await self.stack.aclose()
        while len(left := asyncio.all_tasks()) > 1:
            await asyncio.wait(left - {asyncio.current_task()})
        await asyncio.sleep(2 * ONE_WAY)  # for transports that say goodbye


# --- the hosts ------------------------------------------------------------------------------------


async def _serve_broker(stack: AsyncExitStack, pool: Pool) -> None:
    broker = Broker(pool.service("broker", "cm"))
    stack.push_async_callback(broker.close)
    _listen(stack, SharedPort(broker.take))


def _listen(stack: AsyncExitStack, port: SharedPort) -> None:
    stack.callback(port.close)
    port.listen(listen_tcp("0.0.0.0", PORT))


async def serve_services(stack: AsyncExitStack, pool: Pool) -> SharedPort:
    """node7: a sealed and a plain service at its port."""
    credentials = pool.service("sealed", "node7")
    tasks: set[asyncio.Task[None]] = set()

    def serve(
        answer: Callable[[socket.socket], Coroutine[Any, Any, None]],
    ) -> Callable[[Incoming], bool]:
        def take(incoming: Incoming) -> bool:
            task = asyncio.get_running_loop().create_task(answer(incoming.sock))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return True

        return take

    async def sealed(sock: socket.socket) -> None:
        stream = await secure(sock, credentials.server_context(), server_side=True)
        stream.write(header.ACCEPTED)
        await _answer(*await streams(stream))

    async def plain(sock: socket.socket) -> None:
        await _answer(*await streams(tune(sock)))

    services = Services("node7", lambda: None)
    services.add(Service(Offer(name="sealed"), lambda: True, serve(sealed)))
    services.add(
        Service(Offer(name="plain", protection="plain", relay="any"), lambda: True, serve(plain))
    )
    port = SharedPort(services.call)
    _listen(stack, port)
    return port


async def _serve_target(stack: AsyncExitStack, pool: Pool, broker: str) -> None:
    """The same registered with the broker, and without any of us."""
    port = await serve_services(stack, pool)
    credentials, agent = pool.service("sealed", "node7"), pool.agent("node7")
    for number, context in ((TCP, None), (TLS, credentials.server_context())):
        server = await asyncio.start_server(_answer, "0.0.0.0", number, ssl=context)
        stack.callback(server.close)

    async def open_broker(_: str, hear: OnMessage, lost: OnClose) -> Channel:
        sock = await connect_tcp(broker, PORT)
        await write_call(sock, Call(to="broker"))
        return await open_channel(sock, agent, "broker.*", _CODEC, hear, lost)

    async def open_leg(_: str, token: bytes) -> socket.socket:
        sock = await connect_tcp(broker, PORT)
        await write_call(sock, Call(to="broker", relay=token))
        return sock

    registered = asyncio.Event()
    target = Target(
        open_broker=open_broker,
        open_leg=open_leg,
        serve=port.serve,
        ranges=lambda: ["0.0.0.0/0"],  # the lab's addresses are for documentation elsewhere
        on_change=registered.set,
    )
    stack.push_async_callback(target.close)
    target.follow(["broker"])
    await registered.wait()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One byte for one byte."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        writer.write(await reader.readexactly(1))
    writer.close()


# --- the client -----------------------------------------------------------------------------------


async def _count(
    stack: AsyncExitStack, pool: Pool, client: Host, target: Host, broker: Host
) -> dict[str, int]:
    caller = Caller(stack, pool, client)
    direct = f"public/ip4:{target.ip4}:{PORT}"
    brokered = f"public/ip4:{broker.ip4}:{PORT}/service:broker/ccb:node7"
    counted = {
        "TCP": await trips(lambda: caller.bare(str(target.ip4), TCP, None), LEAST["TCP"]),
        "TLS over TCP": await trips(
            lambda: caller.bare(str(target.ip4), TLS, pool), LEAST["TLS over TCP"]
        ),
    }

    async def add(path: str, front: str, way: Way | None = None) -> None:
        name = path.partition(",")[0]
        counted[path] = await trips(lambda: caller.call(front, name, way, None), LEAST[path])
        if way is None:
            return
        shared = SharedChannels()  # the first one opens what the others find open
        await caller.call(front, name, way, shared)
        known = f"{path}, broker known"
        counted[known] = await trips(lambda: caller.call(front, name, way, shared), LEAST[known])
        shared.close()

    await add("plain, direct", direct)
    await add("sealed, direct", direct)
    await add("plain, dial-back", brokered, "dial-back")
    await add("sealed, dial-back", brokered, "dial-back")
    await add("sealed, relayed", brokered, "relay")
    return counted


class Caller:
    """A client with a shared port, at which it can be dialled back."""

    def __init__(
        self, stack: AsyncExitStack, pool: Pool, host: Host, settings: Settings | None = None
    ) -> None:
        self._settings = settings or Settings()
        self._credentials = pool.agent("node3")
        self._replies = Replies()
        _listen(stack, SharedPort(self._replies.arrive))
        self._back = Route.parse(f"public/ip4:{host.ip4}:{PORT}")
        self._domain = pool.domain

    async def bare(self, host: str, port: int, pool: Pool | None) -> None:
        """Without us: TCP, or TLS by asyncio's own hand."""
        context = None if pool is None else self._credentials.client_context()
        name = None if pool is None else f"{_NAME}.{pool.domain}"
        sock = await connect_tcp(host, port)
        await _ask(*await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name))

    async def call(
        self, front: str, name: str, way: Way | None, shared: SharedChannels | None
    ) -> None:
        """``shared`` has the connections to brokers; None: from nothing."""
        route = Route.parse(f"{front}/service:{name}")
        returns = (self._back,) if way == "dial-back" else ()
        crossings = () if way is None else (Crossing(2, way, returns),)
        path = Path(Exit(Landing("ip4", "public")), 1, route, 1, crossings)
        # What finishing looks at is the last stage: whether it is a service of ours that accepts.
        record = Record(f"{name}.node7.{self._domain}", str(route), protection=name)
        means = Means(self._credentials, self._expect, settings=self._settings, shared=shared)
        sock = await walk(path, means)
        await _ask(*await streams(await finish(sock, record, self._credentials)))

    async def _expect(self, timeout: float) -> LocalExpectation:
        return LocalExpectation(self._replies, timeout)


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Return with the answer's first byte."""
    writer.write(b"?")
    await reader.readexactly(1)
    writer.close()


async def trips(one: Callable[[], Awaitable[None]], least: int) -> int:
    """The fewest of some tries; there is no need to go on once there is none to save."""
    loop = asyncio.get_running_loop()
    fewest = 1000
    for _ in range(TRIES):
        begun = loop.time()
        await one()
        fewest = min(fewest, int((loop.time() - begun) / ONE_WAY))
        if fewest <= least:
            break
    return fewest
