"""HTCondor's collector as we serve it, over loopback and through our port, with 10,000 ads of 184
attributes: updates on one connection, answers until the last byte is read, memory.

Raw, as the figures of HTCondor's own were taken on such a machine (12,712 updates a second, 437 ms
for all ads, 50 for three attributes, 32 for one name, 18 kB an ad); and by AES, as pools are.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from benchmarks.condor_ads import ADS, THREE, query, resident, slot
from benchmarks.figures import ROUNDS, Figure, Goal, at_least, at_most, cpu_seconds, process
from glasnost.condor.central.role import Central
from glasnost.condor.classad import Expression, Value
from glasnost.condor.client import Call, ClientSettings, start_command
from glasnost.condor.commands import Command
from glasnost.condor.port.daemons import Daemons
from glasnost.condor.port.door import Door
from glasnost.condor.security.negotiation import Policy
from glasnost.condor.security.sessions import ClientSessions
from glasnost.condor.security.words import Word
from glasnost.condor.stream import CedarStream
from glasnost.net.loops import fast_loop
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import connect_tcp, listen_tcp
from glasnost.settings import CondorSetting, Settings

RAW: Final = ClientSettings(Policy(negotiation=Word.NEVER))
AES: Final = ClientSettings(Policy(methods=()))
#: Of all 10,000 ads, an update each.
UPDATES: Final = 10_000
Start = Callable[[int], Coroutine[Any, Any, Call]]
ASKED: Final[dict[str, tuple[dict[str, Value], Goal]]] = {
    "one name among 10,000": (
        {"Requirements": Expression('((Name == "slot1@node7777.example.org"))')},
        at_most(2, "ours"),
    ),
    "three of 10,000 ads": ({"Projection": THREE}, at_most(80, "ours")),
    "all of 10,000 ads (61 MB)": ({}, at_most(600, "ours")),
}


def measure() -> list[Figure]:
    figures = []
    with process(run_collector) as (child, (port, _)):
        assert child.pid is not None
        for name, settings in (("raw", RAW), ("AES", AES)):
            client = partial(_run, port, settings)
            goal = at_least(6_000, "ours")
            rates, costs = [], []
            for _ in range(ROUNDS):
                before = cpu_seconds(child.pid)
                rates.append(client(updates))
                costs.append((cpu_seconds(child.pid) - before) / UPDATES * 1e6)
            figures.append(Figure(f"updates on one connection, {name}", "1/s", rates, goal=goal))
            figures.append(Figure(f"CPU of one in the collector, {name}", "us", costs))
            for what, (values, most) in ASKED.items():
                times = [client(partial(asked, values)) * 1e3 for _ in range(ROUNDS)]
                figures.append(Figure(f"{what}, {name}", "ms", times, goal=most))
    return [*figures, _memory()]


def _run(
    port: int,
    settings: ClientSettings,
    what: Callable[[Start], Coroutine[Any, Any, float]],
) -> float:
    """With new connections whose sessions are the same."""
    sessions = ClientSessions()

    async def start(command: int) -> Call:
        stream = CedarStream(await connect_tcp("127.0.0.1", port), read_ahead=True)
        address = f"<127.0.0.1:{port}>"
        return await start_command(stream, command, settings, sessions, address, 0.0)

    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(what(start))


async def updates(start: Start) -> float:
    """So many a second on one connection, from the first until an answer shows that the last is
    there."""
    lines = [slot(number) for number in range(UPDATES)]
    call = await start(Command.UPDATE_STARTD_AD)
    begun = time.perf_counter()
    writer = call.writer()
    for ad in lines:
        writer.ad(ad)
        await call.stream.send(writer)
        writer = call.again(Command.UPDATE_STARTD_AD)
    writer = call.again(Command.UPDATE_STARTD_AD_WITH_ACK)
    writer.ad(lines[-1])
    await call.stream.send(writer)
    await call.stream.receive()
    spent = time.perf_counter() - begun
    call.stream.close()
    return UPDATES / spent


async def asked(values: dict[str, Value], start: Start) -> float:
    """Seconds of a query, in a session that is there, until its last byte."""
    await _ask(values, start)
    return await _ask(values, start)


async def _ask(values: dict[str, Value], start: Start) -> float:
    begun = time.perf_counter()
    call = await start(Command.QUERY_STARTD_ADS)
    writer = call.writer()
    writer.ad(query(**values).lines())
    await call.stream.send(writer)
    reader = await call.stream.begin()
    size = reader.left
    while not reader.whole:
        reader.raw(reader.left)
        await call.stream.more(reader)
        size += reader.left
    spent = time.perf_counter() - begun
    call.stream.close()
    assert size > 100
    return spent


class _Nobody:
    def give(self, incoming: Incoming) -> bool:
        return False


async def _serve(pipe: Connection) -> None:
    """A central manager at a port, as `glasnost up` has it."""
    listener = listen_tcp("127.0.0.1", 0)
    number = listener.getsockname()[1]
    own = CondorSetting(collector=True, secure=False, allow={"DAEMON": ("*",)})
    settings = Settings(listen=("127.0.0.1",), condor=own)
    with tempfile.TemporaryDirectory() as home:
        central = Central(Path(home), settings, "bench.test", number)
        endpoints = {"collector": central.endpoint.take}
        door = Door(_Nobody(), Daemons(None), endpoints, "collector")
        port = SharedPort(lambda incoming: incoming.sock.close(), foreign=door)
        port.listen(listener)
        pipe.send((number, resident()))
        await asyncio.Event().wait()


def run_collector(pipe: Connection) -> None:
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_serve(pipe))


def _memory() -> Figure:
    """What the process has more, when 10,000 ads have come, for each."""
    with process(run_collector) as (child, (port, before)):
        _run(port, AES, updates)
        pages = int(Path(f"/proc/{child.pid}/statm").read_text().split()[1])
        taken = (pages * 4096 - before) / ADS
    return Figure("memory of an ad", "kB", [taken / 1e3], goal=at_most(20, "ours"))
