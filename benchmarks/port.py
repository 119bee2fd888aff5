"""New connections through an agent's shared port, accepted directly by the same service, and
through haproxy to it; and how fast a stream is after that."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from benchmarks import load
from benchmarks.figures import ROUNDS, Figure, at_least, at_most, by_turns, cpu_seconds
from benchmarks.haproxy import ABSENT, haproxy
from benchmarks.site import ACCEPT, REPLY, SEALED_STREAM, STREAM, Site, call, site
from glasnost.core.wire.header import ACCEPTED

CONNECTIONS, IN_FLIGHT = 5000, 64
#: A TLS handshake with certificates on both sides costs a hundred times an accept.
HANDSHAKES, SHAKING = 400, 8
ALONE = 400

_RATE = at_least(0.9)
_PORT_CPU = at_most(18, of="ours")
_ADDED = at_most(40, of="added")
_THROUGHPUT = at_least(0.97)


def measure() -> list[Figure]:
    """Rate, CPU of the port's process, the time of one connection alone, throughput."""
    with site() as here, haproxy(call("plain"), here.direct["plain"]) as peer:
        return [*_plain(here, peer), *_sealed(here), *_throughput(here)]


class _Measured(NamedTuple):
    """Connections per second, and CPU microseconds of one process for each."""

    rate: float
    cpu: float


def _cost(pid: int, count: int, work: Callable[[], float]) -> _Measured:
    before = cpu_seconds(pid)
    rate = work()
    return _Measured(rate, (cpu_seconds(pid) - before) / count * 1e6)


def _plain(here: Site, peer: tuple[int, int] | None) -> list[Figure]:
    request, size = call("plain"), len(REPLY)
    # Whom we compare: process, port, and bytes of the answer.
    sides = [
        (here.agent, here.port, len(ACCEPT) + size),
        (here.service, here.direct["plain"], size),
        *([(*peer, size)] if peer else []),
    ]
    rounds = [
        [
            _cost(
                pid, CONNECTIONS, partial(load.plain, port, request, answer, CONNECTIONS, IN_FLIGHT)
            )
            for pid, port, answer in sides
        ]
        for _ in range(ROUNDS)
    ]
    alone = [
        load.alternately(
            [partial(load.ask, port, request, answer) for _, port, answer in sides], ALONE
        )
        for _ in range(ROUNDS)
    ]
    figures = [
        Figure.of_pairs(
            f"new connections, {IN_FLIGHT} at a time / accepted directly",
            "1/s",
            [(ours.rate, direct.rate) for ours, direct, *_ in rounds],
            _RATE,
        ),
        Figure.of_pairs(
            "CPU of the port / of a service that accepts directly",
            "us each",
            [(ours.cpu, direct.cpu) for ours, direct, *_ in rounds],
            _PORT_CPU,
        ),
        Figure.of_pairs(
            "one connection alone / accepted directly",
            "us",
            [(ours, direct) for ours, direct, *_ in alone],
            _ADDED,
        ),
    ]
    if peer is None:
        return [*figures, Figure("new connections / through haproxy", "1/s", (), note=ABSENT)]
    return [
        *figures,
        Figure.of_pairs(
            f"new connections, {IN_FLIGHT} at a time / through haproxy",
            "1/s",
            [(ours.rate, other.rate) for ours, _, other in rounds],
            at_least(2),
        ),
        Figure.of_pairs(
            "CPU of the port / of haproxy",
            "us each",
            [(ours.cpu, other.cpu) for ours, _, other in rounds],
        ),
        Figure.of_pairs(
            "one connection alone / through haproxy", "us", [(one[0], one[2]) for one in alone]
        ),
    ]


def _sealed(here: Site) -> list[Figure]:
    """The same with TLS from end to end, against the same TLS accepted directly."""
    ask = partial(
        load.ask_sealed,
        size=len(ACCEPTED + REPLY),
        context=here.client_context(),
        name=here.full("sealed"),
    )
    errands = [
        partial(ask, here.port, call("sealed")),
        partial(ask, here.direct["sealed"], b""),
    ]
    rounds = [
        [
            _cost(here.agent, HANDSHAKES, partial(load.threaded, errand, HANDSHAKES, SHAKING))
            for errand in errands
        ]
        for _ in range(ROUNDS)
    ]
    alone = [tuple(load.alternately(errands, ALONE)) for _ in range(ROUNDS)]
    return [
        Figure.of_pairs(
            f"new sealed connections, {SHAKING} at a time / accepted directly",
            "1/s",
            [(ours.rate, direct.rate) for ours, direct in rounds],
            _RATE,
        ),
        Figure(
            "CPU of the port for a sealed one",
            "us each",
            [ours.cpu for ours, _ in rounds],
            goal=_PORT_CPU,
        ),
        Figure.of_pairs(
            "one sealed connection alone / accepted directly",
            "us",
            [(ours, direct) for ours, direct in alone],
            _ADDED,
        ),
    ]


def _throughput(here: Site) -> list[Figure]:
    context = here.client_context()

    def plain(port: int, before: bytes) -> float:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(call("sink"))
            return load.pour(sock, len(before + REPLY), STREAM) / 1e6

    def sealed(port: int, request: bytes) -> float:
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(request)
            name = here.full("sealed-sink")
            with context.wrap_socket(sock, server_hostname=name) as stream:
                return load.pour(stream, len(ACCEPTED + REPLY), SEALED_STREAM) / 1e6

    own, own_sealed = here.direct["sink"], here.direct["sealed-sink"]
    return [
        Figure.of_pairs(
            "one stream, handed over / TCP",
            "MB/s",
            by_turns(partial(plain, here.port, ACCEPT), partial(plain, own, b"")),
            _THROUGHPUT,
        ),
        Figure.of_pairs(
            "one sealed stream, handed over / accepted directly",
            "MB/s",
            by_turns(
                partial(sealed, here.port, call("sealed-sink")), partial(sealed, own_sealed, b"")
            ),
            _THROUGHPUT,
        ),
    ]
