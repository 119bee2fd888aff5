"""One stream through the broker's relay: to the same service as over TCP directly and through
haproxy, and what a small message takes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from multiprocessing.connection import Connection

from benchmarks import load
from benchmarks.figures import ROUNDS, Figure, at_least, cpu_seconds, process
from benchmarks.haproxy import ABSENT, haproxy
from benchmarks.site import REPLY, SEALED_STREAM, STREAM, Site, call, site
from glasnost.core.wire.header import ACCEPTED
from glasnost.net.loops import fast_loop
from glasnost.net.relay import relay
from glasnost.net.sockets import connect_tcp, tune

#: In how many bytes a program writes: as iperf3 does unless told otherwise, and as much as the
#: kernel likes best, with which TCP over loopback is twice as fast.
BLOCKS = {"128 kB": 128 << 10, "1 MB": 1 << 20}
MESSAGES = 5_000
_MESSAGE = 64

_RELAYED, _PEER = at_least(0.7), at_least(1.5)


def measure() -> list[Figure]:
    """Throughput against TCP and haproxy, plain and sealed; CPU; small messages."""
    with ExitStack() as stack:
        here = stack.enter_context(site())
        sink = here.direct["sink"]
        ours = _relay_to(stack, sink)
        peer = stack.enter_context(haproxy(call("sink"), sink))
        sealed = _relay_to(stack, here.direct["sealed-sink"])
        _, echo = stack.enter_context(process(run_echo))
        small = _relay_to(stack, echo)
        figures = []
        for name, block in BLOCKS.items():
            figures += _throughput(f"in writes of {name}", block, sink, ours, peer)
        return [*figures, _sealed(here, sealed[1]), *_messages(echo, small)]


#: Process id and port.
_Peer = tuple[int, int]


def _relay_to(stack: ExitStack, target: int) -> _Peer:
    child, port = stack.enter_context(process(run_relay, target))
    assert child.pid is not None
    return child.pid, port


def _throughput(how: str, block: int, sink: int, ours: _Peer, peer: _Peer | None) -> list[Figure]:
    through, direct, other = [], [], []
    for _ in range(ROUNDS):
        through.append(_cost(ours[0], partial(_pour, ours[1], block)))
        direct.append(_pour(sink, block))
        if peer is not None:
            other.append(_cost(peer[0], partial(_pour, peer[1], block)))
    rates, cpus = zip(*through, strict=True)
    what = f"one stream relayed, {how}"
    figures = [Figure(f"{what} / TCP", "MB/s", rates, direct, _RELAYED)]
    if not other:
        return [*figures, Figure(f"{what} / haproxy", "MB/s", (), note=ABSENT)]
    peer_rates, peer_cpus = zip(*other, strict=True)
    return [
        *figures,
        Figure(f"{what} / haproxy", "MB/s", rates, peer_rates, _PEER),
        Figure(f"CPU of the relay, {how} / of haproxy", "ms/GB", cpus, peer_cpus),
    ]


def _cost(pid: int, pour: Callable[[], float]) -> tuple[float, float]:
    """MB/s, and milliseconds of that process's CPU for a GB."""
    before = cpu_seconds(pid)
    return pour(), (cpu_seconds(pid) - before) / STREAM * 1e12


def _pour(port: int, block: int) -> float:
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(call("sink"))
        return load.pour(sock, len(REPLY), STREAM, block) / 1e6


def _sealed(here: Site, relayed: int) -> Figure:
    context, name = here.client_context(), here.full("sealed-sink")

    def pour(port: int) -> float:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            with context.wrap_socket(sock, server_hostname=name) as stream:
                return load.pour(stream, len(ACCEPTED + REPLY), SEALED_STREAM) / 1e6

    rates = [(pour(relayed), pour(here.direct["sealed-sink"])) for _ in range(ROUNDS)]
    return Figure.of_pairs("one sealed stream relayed / TLS over TCP", "MB/s", rates, _RELAYED)


def _messages(echo: int, relayed: _Peer) -> list[Figure]:
    """One message there and back, on a connection that stands."""
    times, cpus = [], []
    with (
        socket.create_connection(("127.0.0.1", relayed[1])) as ours,
        socket.create_connection(("127.0.0.1", echo)) as direct,
    ):
        for _ in range(ROUNDS):
            before = cpu_seconds(relayed[0])
            one, other = load.alternately([partial(_ask, ours), partial(_ask, direct)], MESSAGES)
            times.append((one, other))
            cpus.append((cpu_seconds(relayed[0]) - before) / MESSAGES * 1e6)
    return [
        Figure.of_pairs("a message of 64 bytes there and back, relayed / TCP", "us", times),
        Figure("CPU of the relay for it", "us", cpus),
    ]


def _ask(sock: socket.socket) -> None:
    sock.sendall(bytes(_MESSAGE))
    sock.recv(_MESSAGE)


def run_relay(pipe: Connection, target: int) -> None:
    """A process that joins each connection to this port."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            pipe.send(listener.getsockname()[1])
            while True:
                near, _ = await loop.sock_accept(listener)
                await relay(tune(near), await connect_tcp("127.0.0.1", target))

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())


def run_echo(pipe: Connection) -> None:
    """A process that says back what it hears; one thread for each connection."""
    from socketserver import BaseRequestHandler, ThreadingTCPServer

    class Echo(BaseRequestHandler):
        def handle(self) -> None:
            self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := self.request.recv(_MESSAGE):
                self.request.sendall(data)

    with ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        pipe.send(server.server_address[1])
        server.serve_forever()
