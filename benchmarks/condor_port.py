"""New connections through an agent's port by HTCondor's header, against the same process that
accepts them directly: to a service of ours, and to a daemon that listens at a named socket, as
HTCondor's own do behind its own shared port (0.62 of direct, 8 at a time, on such a machine)."""

from __future__ import annotations

import select
import socket
import struct
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

from benchmarks import load
from benchmarks.figures import ROUNDS, Figure, at_least, by_turns, cpu_seconds, process
from benchmarks.site import REPLY, Site, call, site
from glasnost.condor.stages.sock import connect_message

CONNECTIONS = 5000
#: As HTCondor's own figures were taken.
IN_FLIGHT = (1, 8)
NAMED: Final = "endpoint"


def measure() -> list[Figure]:
    """Rates one and eight at a time, and the CPU of the port's process."""
    with site(condor=True) as here:
        direct = here.direct["plain"]
        figures = _through(here, "a service", "plain", direct, call("plain"))
        with process(run_endpoint, str(here.home / "daemons" / NAMED)) as (_, number):
            figures += _through(here, "a named socket", NAMED, number, b"")
        return figures


def _through(here: Site, to: str, id: str, direct: int, said: bytes) -> list[Figure]:
    """``direct`` is the port at which the same process accepts, and is told ``said``."""
    request = connect_message(id, 20, "TOOL")
    figures = []
    for many in IN_FLIGHT:
        work = partial(load.plain, size=len(REPLY), count=CONNECTIONS, in_flight=many)
        before = cpu_seconds(here.agent)
        pairs = by_turns(partial(work, here.port, request), partial(work, direct, said or request))
        spent = (cpu_seconds(here.agent) - before) / (ROUNDS * CONNECTIONS) * 1e6
        what = f"by HTCondor's header to {to}, {many} at a time / accepted directly"
        figures.append(Figure.of_pairs(what, "1/s", pairs, at_least(0.8) if many > 1 else None))
        figures.append(Figure(f"CPU of the port for it, {many} at a time", "us each", [spent]))
    return figures


def run_endpoint(pipe: Connection, path: str) -> None:
    """Take connections at a named socket, and at a port; answer and close."""
    named = socket.socket(socket.AF_UNIX)
    named.bind(path)
    named.listen(500)
    port = socket.create_server(("127.0.0.1", 0), backlog=1024)
    port.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    pipe.send(port.getsockname()[1])
    poll = select.epoll()
    for listener in (named, port):
        listener.setblocking(False)
        poll.register(listener.fileno(), select.EPOLLIN)
    size = len(connect_message(NAMED, 20, "TOOL"))
    while True:
        for number, _ in poll.poll():
            for _ in range(64):
                try:
                    sock, _address = (named if number == named.fileno() else port).accept()
                except BlockingIOError:
                    break
                if number == named.fileno():
                    sock = _taken(sock)
                else:
                    sock.recv(size)
                sock.send(REPLY)
                sock.close()


def _taken(through: socket.socket) -> socket.socket:
    """The connection that is passed, as HTCondor's daemons take it: message first."""
    with through:
        through.setblocking(True)
        through.recv(13)
        _, ancillary, _, _ = through.recvmsg(1, socket.CMSG_SPACE(4))
        [(_, _, data)] = ancillary
        (fd,) = struct.unpack("@i", data)
    return socket.socket(fileno=fd)
