"""A daemon of HTCondor's as our own server side plays it, on a TCP port of loopback."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

from glasnost.condor.caller import Caller
from glasnost.condor.cedar.values import Writer
from glasnost.condor.classad import Ad
from glasnost.condor.client import ClientSettings
from glasnost.condor.commands import Command, Level
from glasnost.condor.config import CondorConfig, Host, read_config
from glasnost.condor.security.methods.base import Doorkeeper, Login, Peer
from glasnost.condor.security.negotiation import Myself, Policy
from glasnost.condor.security.sessions import Identity
from glasnost.condor.security.words import Word
from glasnost.condor.server.call import Call, Then
from glasnost.condor.server.command import nops, serve
from glasnost.condor.server.settings import Served, Server
from glasnost.condor.stream import CedarStream

Handler = Callable[[Call], Awaitable[Then]]


def config(**settings: str) -> CondorConfig:
    """HTCondor's configuration where nothing but this is set."""
    environ = {"CONDOR_CONFIG": "ONLY_ENV", "_CONDOR_FULL_HOSTNAME": "here.example.org"}
    environ |= {f"_CONDOR_{name}": value for name, value in settings.items()}
    return read_config(host=Host(environ=environ, hostname=lambda: "here.example.org"))


def caller(policy: Policy | None = None, login: Login | None = None, **settings: str) -> Caller:
    """Somebody who calls without any configuration of the host's."""
    known = ClientSettings(policy or Policy(methods=()), Myself(pid=7), login or Login())
    return Caller(config(**settings), known)


RAW = Policy(negotiation=Word.NEVER)


class Daemon:
    """Answers ``handlers`` and pings, as ``policy`` says, to whom ``allow`` lets."""

    def __init__(
        self,
        handlers: Mapping[Command, Handler] | None = None,
        policy: Policy | None = None,
        keeper: Doorkeeper | None = None,
        allow: Callable[[Level, Identity, str], bool] = lambda level, who, where: True,
        version: str = "",
    ) -> None:
        me = Myself(subsystem="COLLECTOR")
        if version:
            me = Myself(subsystem="COLLECTOR", version=version)
        self.server = Server(
            commands={
                **nops(),
                **{one: Served.of(one, handler) for one, handler in (handlers or {}).items()},
            },
            authorize=allow,
            policy=lambda level: policy or Policy(methods=(), duration=3600),
            me=lambda: me,
            keeper=keeper or Doorkeeper(),
            clock=asyncio.get_running_loop().time,
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.address = f"<127.0.0.1:{self.port}>"
        self._tasks: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.create_task(self._accept())

    async def _accept(self) -> None:
        while True:
            sock, (host, port) = await asyncio.get_running_loop().sock_accept(self._listener)
            sock.setblocking(False)
            own = "{}:{}".format(*sock.getsockname())
            work = serve(CedarStream(sock), self.server, f"{host}:{port}", Peer(own))
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        self._accepting.cancel()
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(self._accepting, *self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def daemon(
    handlers: Mapping[Command, Handler] | None = None, **how: object
) -> AsyncIterator[Daemon]:
    one = Daemon(handlers, **how)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        await one.close()


def answering(
    ads: Sequence[Ad], heard: list[tuple[int, Ad]] | None = None
) -> dict[Command, Handler]:
    """A collector that finds these ads, whatever it is asked; what that was is noted."""

    async def answer(call: Call) -> Then:
        message = await call.payload()
        question = Ad.from_lines(message.ad())
        message.end()
        if heard is not None:
            heard.append((call.command, question))
        writer: Writer = call.stream.writer()
        for ad in ads:
            writer.integer(1)
            writer.ad(ad.lines())
        writer.integer(0)
        await call.stream.send(writer)
        return Then.CLOSE

    queries = [one for one in Command if one.name.startswith("QUERY_")]
    return dict.fromkeys(queries, answer)


@contextlib.contextmanager
def beside(make: Callable[[], Daemon]) -> Iterator[Daemon]:
    """A daemon in a thread of its own, for tests that wait for programs."""
    started: list[Daemon] = []
    ready, over = threading.Event(), threading.Event()

    async def run() -> None:
        started.append(make())
        ready.set()
        await asyncio.to_thread(over.wait)
        await started[0].close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    try:
        assert ready.wait(20)
        yield started[0]
    finally:
        over.set()
        thread.join()
