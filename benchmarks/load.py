"""Callers, as cheap as Python can be: what they cost is taken from the two cores that are shared
with what they measure."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import median

#: Bytes in which a stream is written.
BLOCK = 1 << 20


def plain(port: int, request: bytes, size: int, count: int, in_flight: int) -> float:
    """Connections per second, where each sends ``request`` and reads ``size`` bytes."""
    address = ("127.0.0.1", port)
    poll = select.epoll()
    callers: dict[int, socket.socket] = {}
    left: dict[int, int] = {}

    def call() -> None:
        sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(address)  # over loopback it is done at once
        sock.send(request)
        callers[sock.fileno()], left[sock.fileno()] = sock, size
        poll.register(sock.fileno(), select.EPOLLIN)

    started, done = min(count, in_flight), 0
    begun = time.perf_counter()
    for _ in range(started):
        call()
    while done < count:
        for number, _ in poll.poll():
            left[number] -= len(callers[number].recv(left[number])) or _cut()
            if left[number]:
                continue
            callers.pop(number).close()
            done += 1
            if started < count:
                started += 1
                call()
    taken = time.perf_counter() - begun
    poll.close()
    return count / taken


def threaded(errand: Callable[[], object], count: int, in_flight: int) -> float:
    """Errands per second, from so many threads: for callers that must shake hands."""
    with ThreadPoolExecutor(in_flight) as pool:
        list(pool.map(lambda _: None, range(in_flight)))  # all threads are there
        begun = time.perf_counter()
        list(pool.map(lambda _: errand(), range(count)))
        return count / (time.perf_counter() - begun)


def alternately(errands: Sequence[Callable[[], object]], count: int) -> list[float]:
    """Microseconds of each, one at a time and by turns; the medians, since a neighbour's burst
    hits single ones."""
    taken: list[list[float]] = [[] for _ in errands]
    for _ in range(count):
        for times, errand in zip(taken, errands, strict=True):
            begun = time.perf_counter()
            errand()
            times.append(time.perf_counter() - begun)
    return [median(times) * 1e6 for times in taken]


def ask(port: int, request: bytes, size: int) -> None:
    """One connection: send ``request``, read ``size`` bytes."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(request)
        _read(sock, size)


def ask_sealed(port: int, request: bytes, size: int, context: ssl.SSLContext, name: str) -> None:
    """The same with TLS behind the request, and ``size`` bytes in it."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(request)
        with context.wrap_socket(sock, server_hostname=name) as sealed:
            _read(sealed, size)


def pour(sock: socket.socket, before: int, size: int, block: int = BLOCK) -> float:
    """Bytes per second of one stream, counted from when the far side has said its first
    ``before`` bytes to when it says that it has all."""
    _read(sock, before)
    data = bytes(block)
    begun = time.perf_counter()
    for _ in range(size // block):
        sock.sendall(data)
    _read(sock, 1)
    return size / (time.perf_counter() - begun)


def _read(sock: socket.socket, size: int) -> None:
    while size:
        size -= len(sock.recv(size)) or _cut()


def _cut() -> int:
    raise ConnectionError("the service ended too early")
