"""One stream through the broker's relay, and over TCP directly."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from multiprocessing.connection import Connection

from benchmarks.figures import ROUNDS, Figure, at_least, process
from glasnost.net.loops import fast_loop
from glasnost.net.relay import relay

SIZE = 1 << 30
_BLOCK = bytes(1 << 20)


def measure() -> list[Figure]:
    """Throughput of one stream."""
    with process(run_relay) as (_, port):
        rates = [
            (SIZE / _transfer(port) / 1e6, SIZE / _transfer(None) / 1e6) for _ in range(ROUNDS)
        ]
    return [Figure.of_pairs("one stream relayed, TCP directly", "MB/s", rates, at_least(0.7))]


def _transfer(port: int | None) -> float:
    """Seconds to move `SIZE` bytes, through the relay at ``port`` or not."""
    with socket.create_server(("127.0.0.1", 0)) as sink:
        number = sink.getsockname()[1]
        taken = threading.Thread(target=_take, args=(sink,))
        taken.start()
        with socket.create_connection(("127.0.0.1", port or number)) as source:
            if port is not None:
                source.sendall(number.to_bytes(2, "big"))
            begun = time.perf_counter()
            for _ in range(SIZE // len(_BLOCK)):
                source.sendall(_BLOCK)
            source.shutdown(socket.SHUT_WR)
            source.recv(1)
        taken.join()
        return time.perf_counter() - begun


def _take(sink: socket.socket) -> None:
    sock, _ = sink.accept()
    buffer = bytearray(1 << 20)
    with sock:
        while sock.recv_into(buffer):
            pass


def run_relay(pipe: Connection) -> None:
    """A process that joins each connection to the port it names with its first two bytes."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        pipe.send(listener.getsockname()[1])
        while True:
            near, _ = await loop.sock_accept(listener)
            near.setblocking(False)
            number = int.from_bytes(await loop.sock_recv(near, 2), "big")
            far = socket.socket()
            far.setblocking(False)
            await loop.sock_connect(far, ("127.0.0.1", number))
            await relay(near, far)

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())
