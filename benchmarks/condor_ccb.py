"""Dial-backs through HTCondor's broker as we speak it, raw: a request on a new connection, its way
to the target, the target's connection to the requester with its hello. Target and requester are as
cheap as Python can be; HTCondor's own broker did 8,814 a second, 16 at a time, on such a machine,
with a target and a requester in C++.

Compared with a bare connection to the same requester by the same target."""

from __future__ import annotations

import asyncio
import re
import select
import socket
import struct
import time
from multiprocessing.connection import Connection
from typing import Final

from benchmarks.figures import ROUNDS, Figure, at_least, cpu_seconds, process
from glasnost.condor.ccb.server import CcbServer
from glasnost.condor.cedar.values import Writer
from glasnost.condor.classad import Ad
from glasnost.condor.commands import Command
from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.door import Door
from glasnost.condor.security.methods.base import Doorkeeper
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.server.endpoint import Endpoint
from glasnost.condor.server.settings import Server
from glasnost.condor.stages.sock import connect_message
from glasnost.net.loops import fast_loop
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import listen_tcp

COUNT: Final = 4_000
IN_FLIGHT: Final = (1, 16)
_HEAD: Final = struct.Struct(">BI")


def measure() -> list[Figure]:
    """Rates, and the broker's CPU."""
    figures = []
    with process(run_broker) as (broker, port), process(run_target, port):
        assert broker.pid is not None
        for many in IN_FLIGHT:
            rates, cpus = [], []
            for _ in range(ROUNDS):
                before = cpu_seconds(broker.pid)
                rates.append(dial_backs(port, COUNT, many))
                cpus.append((cpu_seconds(broker.pid) - before) / COUNT * 1e6)
            goal = at_least(3_000, "ours") if many > 1 else None
            what = f"dial-backs through HTCondor's broker, {many} at a time"
            figures.append(Figure(what, "1/s", rates, goal=goal))
            figures.append(Figure(f"CPU of one in the broker, {many} at a time", "us", cpus))
    return figures


def dial_backs(port: int, count: int, in_flight: int) -> float:
    """So many a second, each from its request until its hello is here."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        listener.setblocking(False)
        place = "127.0.0.1:%d" % listener.getsockname()[1]
        writer = Writer()
        writer.integer(Command.CCB_REQUEST)
        asked = {"CCBID": "1", "ClaimId": "c" * 40, "Name": "BENCH", "MyAddress": f"<{place}>"}
        writer.ad(Ad(asked).lines())
        request = connect_message("collector", 20) + framed(writer.message())
        asking: list[socket.socket] = []

        def ask() -> None:
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(("127.0.0.1", port))
            sock.send(request)
            asking.append(sock)

        begun = time.perf_counter()
        started = min(count, in_flight)
        for _ in range(started):
            ask()
        poll = select.epoll()
        poll.register(listener.fileno(), select.EPOLLIN)
        done = 0
        while done < count:
            poll.poll()
            try:
                while True:
                    sock, _ = listener.accept()
                    sock.setblocking(True)
                    assert sock.recv(4096)[5:13] == struct.pack(">q", 69)
                    sock.close()
                    # As HTCondor's clients: they have what they want, and do not wait for a word.
                    asking.pop(0).close()
                    done += 1
                    if started < count:
                        started += 1
                        ask()
            except BlockingIOError:
                pass
        return count / (time.perf_counter() - begun)


def framed(body: bytes) -> bytes:
    return _HEAD.pack(1, len(body)) + body


def run_broker(pipe: Connection) -> None:
    async def main() -> None:
        listener = listen_tcp("127.0.0.1", 0)
        number = listener.getsockname()[1]
        broker = CcbServer(lambda: f"127.0.0.1:{number}")
        server = Server(
            commands=broker.commands(),
            authorize=lambda level, identity, address: True,
            policy=lambda level: Policy(),
            me=Myself,
            keeper=Doorkeeper(),
            clock=time.time,
        )
        endpoint = Endpoint(server, "collector")
        door = Door(_Nobody(), Daemons(None), {"collector": endpoint.take}, "collector")
        port = SharedPort(lambda incoming: incoming.sock.close(), foreign=door)
        port.listen(listener)
        pipe.send(number)
        await asyncio.Event().wait()

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(main())


class _Nobody:
    def give(self, incoming: Incoming) -> bool:
        return False


def run_target(pipe: Connection, port: int) -> None:
    """Register, and dial whoever is passed on."""
    broker = socket.create_connection(("127.0.0.1", port))
    broker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    writer = Writer()
    writer.integer(Command.CCB_REGISTER)
    writer.ad([b"Command = 67", b'Name = "BENCH"'])
    broker.sendall(connect_message("collector", 20) + framed(writer.message()))
    stream = broker.makefile("rb")
    _next(stream)
    pipe.send("registered")
    while True:
        lines = dict(re.findall(rb'([A-Za-z]+) = "([^"]*)"', _next(stream)))
        claim, number, place = lines[b"ClaimId"], lines[b"RequestID"], lines[b"MyAddress"]
        host, _, where = place.strip(b"<>").partition(b":")
        ids = (b'ClaimId = "%b"' % claim, b'RequestID = "%b"' % number, b'MyAddress = "%b"' % place)
        hello, result = Writer(), Writer()
        hello.integer(Command.CCB_REVERSE_CONNECT)
        hello.ad(ids)
        result.ad([b"Result = true", *ids])
        with socket.create_connection((host.decode(), int(where))) as sock:
            sock.sendall(framed(hello.message()))
        broker.sendall(framed(result.message()))


def _next(stream: object) -> bytes:
    read = stream.read  # type: ignore[attr-defined]
    _, size = _HEAD.unpack(read(_HEAD.size))
    return bytes(read(size))
