"""A program's place in its pool: connect to names, serve under names.

With an agent on the host, that is asked; without one, the program is a node by itself, with the
identity that ``glasnost join`` left on this host.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import msgspec

from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.core.address.names import Name
from glasnost.core.protocols.views import News
from glasnost.core.routes import Plan, Vantage
from glasnost.core.wire.messages import Offer, Party, Query, Record
from glasnost.errors import GlasnostError, Unavailable
from glasnost.net.bridge import Stream, dispose
from glasnost.roles.agent import Agent
from glasnost.roles.agent.clients import allowed_users
from glasnost.roles.agent_client import Link
from glasnost.roles.dialler import CONNECT_TIMEOUT, Attempt, Connected, connect, in_time, target_of
from glasnost.roles.embedded import embedded_agent, release
from glasnost.roles.experience import Experience
from glasnost.roles.finish import deed, finish
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import LocalAgent
from glasnost.roles.server import Server, StreamHandler
from glasnost.roles.standing import Standing, alone
from glasnost.roles.watcher import Watcher
from glasnost.settings import Settings, home_directory, load_settings, run_directory
from glasnost.stages import Means, register
from glasnost.trust.certificates import make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key

T = TypeVar("T")

register(HTCONDOR)

#: What `start_server` calls for each caller, as `asyncio.start_server` does.
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]

#: What this program has learnt of paths, by the run directory, which is to say by host: `Node`
#: objects come and go with single connections.
_experiences: dict[Path, Experience] = {}


class Node:
    """This program's place in its pool. ``async with Node() as node: ...``"""

    def __init__(self, settings: Settings | None = None) -> None:
        self._home = home_directory()
        self._settings = settings or load_settings(self._home)
        self._run = run_directory(self._settings)
        self._link: Link | None = None
        self._local: LocalAgent | None = None
        self._credentials: Credentials | None = None

    def __repr__(self) -> str:
        return f"<Node {self._local or 'not open'}>"

    async def __aenter__(self) -> Node:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Find the host's agent, or be one. Raises `Unavailable` when neither can be."""
        link = Link(self._run)
        try:
            self._local, self._link = await link.get(), link
        except Unavailable:
            if not NodeIdentity.exists(self._home):
                raise
            # Where the pool's directory is this host's own, only its agent leads there.
            if not NodeIdentity(self._home).pool.authority:
                raise
            self._local = await embedded_agent(self._home, self._settings)

    async def close(self) -> None:
        """Let go; connections that were made live on."""
        local, self._local = self._local, None
        link, self._link = self._link, None
        if link is not None:
            await link.close()
        elif isinstance(local, Agent):
            await release(local)

    async def agent(self) -> LocalAgent:
        """The agent that this node asks, found again if it was lost. Raises `Unavailable`."""
        if self._link is not None:
            self._local = await self._link.get()
        return self.local

    @property
    def local(self) -> LocalAgent:
        """The agent that this node asks."""
        if self._local is None:
            raise Unavailable("this node is not open")
        return self._local

    def name(self, text: str) -> str:
        """A name in full. Raises `BadName`."""
        return str(Name.parse(text, self.local.domain))

    async def connect(self, name: str, timeout: float = CONNECT_TIMEOUT) -> Connected[Stream]:
        """Connect by the best route; the result says which one it was.

        Raises `UnknownName`, `ConnectFailed`, `Unavailable`, `BadName`.
        """
        record, left = await self.resolve(name, timeout)
        return await self.connect_to(record, left)

    async def connect_to(self, record: Record, timeout: float) -> Connected[Stream]:
        """The same to what ``record`` describes."""

        async def as_stream(sock: socket.socket, credentials: Credentials) -> Stream:
            return await finish(sock, record, credentials)

        return await self.connect_record(record, as_stream, dispose, timeout)

    async def resolve(self, name: str, timeout: float) -> tuple[Record, float]:
        """What a name means, and how many of ``timeout`` seconds are left for connecting."""
        agent = await self.agent()
        (record, _), left = await in_time(agent.resolve(self.name(name)), name, timeout)
        return record, left

    async def connect_record(
        self,
        record: Record,
        end: Callable[[socket.socket, Credentials], Awaitable[T]],
        drop: Callable[[T], object],
        timeout: float,
    ) -> Connected[T]:
        """Connect to what ``record`` describes; ``end`` owns the raw stream and finishes it."""
        agent, credentials = await self.agent(), await self.credentials()

        async def finish_it(sock: socket.socket) -> T:
            return await end(sock, credentials)

        return await connect(
            record.name,
            target_of(record),
            await agent.where(),
            self._means(agent, credentials),
            finish_it,
            drop,
            policy=self._settings.policy(),
            experience=_experiences.setdefault(self._run, Experience()),
            delay=self._settings.attempt_delay,
            timeout=timeout,
            deed=deed(record),
        )

    async def each_path(self, record: Record) -> tuple[Plan, list[Attempt[Stream]]]:
        """What `connect` would race, for who tries each path by itself."""
        agent, credentials = await self.agent(), await self.credentials()
        means, found = self._means(agent, credentials), await self._plan(record)

        async def finish_it(sock: socket.socket) -> Stream:
            return await finish(sock, record, credentials)

        return found, [Attempt(path, means, finish_it, deed(record)) for path in found.candidates]

    def _means(self, agent: LocalAgent, credentials: Credentials) -> Means:
        return Means(
            credentials,
            agent.expect,
            socket_owners=allowed_users(),
            socket_directories=frozenset({str(self._run.resolve())}),
            settings=self._settings,
        )

    async def standing(self) -> Standing:
        """Where this program stands, for connecting to what it was told of by address."""
        agent, credentials = await self.agent(), await self.credentials()
        known = _experiences.setdefault(self._run, Experience())
        means = self._means(agent, credentials)
        if isinstance(agent, Agent):  # an agent of our own serves nobody else at its port
            settings = msgspec.structs.replace(means.settings, condor=None)
            means = dataclasses.replace(means, settings=settings)
        return Standing(await agent.where(), means, known)

    async def explain(self, name: str) -> Plan:
        """What would be tried, and why; no packet is sent to the target."""
        record, _ = await self.resolve(name, CONNECT_TIMEOUT)
        return await self._plan(record)

    async def _plan(self, record: Record) -> Plan:
        known = _experiences.setdefault(self._run, Experience())
        here = Standing(await self.local.where(), Means(settings=self._settings), known)
        return here.plan(target_of(record))

    async def query(
        self,
        *terms: str,
        glob: str = "*",
        reachable_from: str | Vantage | None = None,
        reachable_to: str | Vantage | None = None,
    ) -> list[Record]:
        """The records whose labels fit all terms (``role=startd``, ``arch!=arm``, ``gpu``,
        ``!gpu``) and whose full names match, as far as records tell reachable from or to a name
        or a vantage. ``local.where()`` is this host's own. Raises `Refused`, `Unavailable`."""
        agent = await self.agent()
        question = Query(
            glob=glob,
            selector=terms,
            reachable_from=self._party(reachable_from),
            reachable_to=self._party(reachable_to),
        )
        return [record for record, _ in await agent.query(question)]

    async def watch(self, *terms: str, glob: str = "*") -> AsyncGenerator[News, None]:
        """News of the names that match and the labels that fit all terms: `Present` with all that
        is there, then `Appeared`, `Changed` and `Gone` (see `core.protocols.views`). While a
        directory is `Away` the others are listened to; what was missed follows when it is `Back`.
        Raises `Refused`, `Unavailable`."""
        async with contextlib.aclosing(Watcher(self.agent, glob, terms).news()) as news:
            async for one in news:
                yield one

    def _party(self, who: str | Vantage | None) -> Party | None:
        if isinstance(who, Vantage):
            return Party(vantage=who.as_dict())
        return None if who is None else Party(name=self.name(who))

    async def serve(
        self,
        handler: StreamHandler,
        name: str,
        *,
        protection: str = "sealed",
        relay: str = "sealed",
        labels: Mapping[str, str] | None = None,
        on_close: Callable[[], Awaitable[None]] | None = None,
    ) -> Server:
        """Serve ``name`` (one label) on this node until the server is closed; ``handler`` owns
        each caller's stream. Raises `Refused` where another service has the name."""
        offer = Offer(name=name, protection=protection, relay=relay, labels=dict(labels or {}))
        server = Server(offer, handler, self.agent, on_close)
        await server.start(await self.agent())
        return server

    async def credentials(self) -> Credentials:
        """This program's own: it appears as ``user@node``. They renew in place; while the agent
        is away, those there are serve until they end."""
        known, now = self._credentials, time.time()
        if known is not None and not known.is_due(now):
            return known
        key = new_key()
        try:
            agent = await self.agent()
            chain = await agent.certify("user", "", make_csr(key))
        except GlasnostError:
            if known is None or now >= known.not_after:
                raise
            return known
        if known is None:
            known = self._credentials = Credentials(agent.root, agent.domain, key, chain)
        else:
            known.replace(key, chain)
        return known


@contextlib.asynccontextmanager
async def standing() -> AsyncIterator[Standing]:
    """Where this program stands: as a node, or by itself where it can be none."""
    node = Node()
    try:
        await node.open()
    except Unavailable:
        known = _experiences.setdefault(node._run, Experience())
        yield alone(node._settings, known)
        return
    try:
        yield await node.standing()
    finally:
        await node.close()
