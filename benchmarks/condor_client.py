"""HTCondor's commands as our client gives them, to a server of ours over loopback: one in a session
that is there already, one in a new session, and answers of ten thousand ads.

The server is a process of its own and has its answers ready, so what is measured is the way there:
planning, connecting, logging in, and reading what comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from multiprocessing.connection import Connection

from benchmarks.condor_ads import ADS, ENCRYPTED, QUERY, filled, slot
from benchmarks.figures import ROUNDS, Figure, Goal, at_most, process
from glasnost.condor.caller import Caller
from glasnost.condor.classad import Ad
from glasnost.condor.client import ClientSettings
from glasnost.condor.commands import Command
from glasnost.condor.config import CondorConfig, Host, read_config
from glasnost.condor.pool import Pool
from glasnost.condor.questions import about, located
from glasnost.condor.reaching import Reaching
from glasnost.condor.security.methods.base import Doorkeeper, Peer
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.security.sessions import ClientSessions
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.command import nops, serve
from glasnost.condor.server.settings import Served, Server
from glasnost.condor.stages import KINDS
from glasnost.condor.stream import CedarStream
from glasnost.net.loops import fast_loop
from glasnost.net.sockets import listen_tcp, tune
from glasnost.roles.experience import Experience
from glasnost.roles.standing import alone
from glasnost.settings import Settings
from glasnost.stages import register

#: Commands of one round.
COUNT = 300
#: How much of an answer is sealed at a time.
PIECE = 1 << 20


def measure() -> list[Figure]:
    with process(run_server) as (_, port), asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(_measured(int(port)))


async def _measured(port: int) -> list[Figure]:
    question = located("slot1@node7.example.org", "startd")
    async with pool_at(port) as pool:

        async def one() -> None:
            assert len(await pool.ads(question)) == 1

        async def anew() -> None:
            pool.caller = dataclasses.replace(pool.caller, sessions=ClientSessions())
            await one()

        async def all_of(projection: tuple[str, ...]) -> None:
            assert len(await pool.ads(about("startd", projection=projection))) == ADS

        return [
            await timed("a command in a session again", one, COUNT, at_most(1.3, "ours")),
            await timed("... in a new session", anew, COUNT),
            await timed(
                "10,000 ads of three attributes",
                lambda: all_of(("Name", "MyAddress", "State")),
                1,
                at_most(400, "ours"),
            ),
            await timed("... of all attributes", lambda: all_of(()), 1, at_most(8_000, "ours")),
        ]


async def timed(
    what: str, work: Callable[[], Awaitable[None]], count: int, goal: Goal | None = None
) -> Figure:
    await work()
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(count):
            await work()
        rounds.append((time.perf_counter() - begun) / count * 1e3)
    return Figure(what, "ms", rounds, (), goal)


@contextlib.asynccontextmanager
async def pool_at(port: int) -> AsyncIterator[Pool]:
    register(KINDS)
    config: CondorConfig = read_config(host=Host(environ={"CONDOR_CONFIG": "ONLY_ENV"}))
    caller = Caller(config, ClientSettings(Policy(methods=(), duration=3600)))
    with Reaching(alone(Settings(), Experience()), config) as reaching:
        yield Pool(caller, reaching, [f"127.0.0.1:{port}"])


# --- the server -----------------------------------------------------------------------------------


def run_server(pipe: Connection) -> None:
    """Answer queries until the process is ended."""
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        runner.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    answers = Answers()

    async def answer(call: Call) -> Then:
        message = await call.payload()
        body = answers.to(Ad.from_lines(message.ad()))
        writer = call.stream.writer()
        for at in range(0, len(body), PIECE):
            writer.raw(body[at : at + PIECE])
            await call.stream.send(writer, last=at + PIECE >= len(body))
        return Then.CLOSE

    server = Server(
        commands={
            **nops(),
            Command.QUERY_STARTD_ADS: Served.of(Command.QUERY_STARTD_ADS, answer),
        },
        authorize=lambda level, who, where: True,
        policy=lambda level: Policy(methods=(), duration=3600),
        me=lambda: Myself(subsystem="COLLECTOR"),
        keeper=Doorkeeper(),
        clock=time.monotonic,
    )
    listener = listen_tcp("127.0.0.1", 0)
    pipe.send(listener.getsockname()[1])
    tasks: set[asyncio.Task[None]] = set()
    while True:
        sock, address = await asyncio.get_running_loop().sock_accept(listener)
        work = serve(CedarStream(tune(sock)), server, f"{address[0]}:{address[1]}", Peer())
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)


class Answers:
    """What each question is answered with, made once."""

    def __init__(self) -> None:
        self._collector = filled([slot(number) for number in range(ADS)])
        self._known: dict[str, bytes] = {}

    def to(self, question: Ad) -> bytes:
        words = ("Requirements", "Projection")
        key = " ".join(question.text(word) for word in words if word in question)
        if key not in self._known:
            found = self._collector.query(QUERY, question)
            self._known[key] = b"".join(found.pieces(ENCRYPTED))
        return self._known[key]
