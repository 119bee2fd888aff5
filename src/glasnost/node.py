"""The library's front door: connect to names, serve under names.

Shaped like asyncio's own calls. With an agent on the host, that is asked; without one, the
program is a node by itself, with the identity that ``glasnost join`` left on this host.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from glasnost.core.address.names import Name
from glasnost.core.routes import Plan, plan
from glasnost.core.wire.messages import Offer, Record
from glasnost.errors import SettingsError, Unavailable
from glasnost.net.blocking import let_in
from glasnost.net.bridge import Stream
from glasnost.net.streams import LIMIT, streams
from glasnost.net.tls import TlsTransport
from glasnost.roles.agent import Agent
from glasnost.roles.agent.clients import allowed_users
from glasnost.roles.agent_client import AgentClient
from glasnost.roles.dialler import CONNECT_TIMEOUT, Connected, connect, target_of
from glasnost.roles.finish import dispose, finish, finish_blocking
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import LocalAgent
from glasnost.roles.server import Server, StreamHandler
from glasnost.settings import Settings, home_directory, load_settings, run_directory
from glasnost.stages import TRAITS, Means
from glasnost.trust.certificates import make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.identity import Identity
from glasnost.trust.keys import new_key

T = TypeVar("T")

#: What `start_server` calls for each caller, as `asyncio.start_server` does.
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None] | None]


class Node:
    """This program's place in its pool. ``async with Node() as node: ...``"""

    def __init__(self, settings: Settings | None = None) -> None:
        self._home = home_directory()
        self._settings = settings or load_settings(self._home)
        self._run = run_directory(self._settings)
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
        try:
            self._local = await AgentClient.connect(self._run)
        except Unavailable:
            if not NodeIdentity.exists(self._home):
                raise
            self._local = await _embed(self._home, self._settings)

    async def close(self) -> None:
        """Let go; connections that were made live on."""
        local, self._local = self._local, None
        if isinstance(local, Agent):
            await _release(local)
        elif local is not None:
            await local.close()

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
        record, _ = await self.local.resolve(self.name(name))

        async def as_stream(sock: socket.socket, credentials: Credentials) -> Stream:
            return await finish(sock, record, credentials)

        return await self.connect_record(record, as_stream, dispose, timeout)

    async def connect_record(
        self,
        record: Record,
        end: Callable[[socket.socket, Credentials], Awaitable[T]],
        drop: Callable[[T], object],
        timeout: float,
    ) -> Connected[T]:
        """Connect to what ``record`` describes; ``end`` owns the raw stream and finishes it."""
        credentials = await self.credentials()

        async def finish_it(sock: socket.socket) -> T:
            return await end(sock, credentials)

        means = Means(
            credentials,
            self.local.expect,
            socket_owners=allowed_users(),
            socket_directories=frozenset({str(self._run.resolve())}),
        )
        return await connect(
            record.name,
            target_of(record),
            await self.local.where(),
            means,
            finish_it,
            drop,
            delay=self._settings.attempt_delay,
            timeout=timeout,
        )

    async def explain(self, name: str) -> Plan:
        """What would be tried, and why; no packet is sent to the target."""
        record, _ = await self.local.resolve(self.name(name))
        return plan(await self.local.where(), target_of(record), kinds=TRAITS)

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
        server = Server(offer, handler, self._reopen, on_close)
        await server.start(self.local)
        return server

    async def credentials(self) -> Credentials:
        """This program's own: it appears as ``user@node``."""
        if self._credentials is None:
            key = new_key()
            chain = await self.local.certify("user", "", make_csr(key))
            self._credentials = Credentials(self.local.root, self.local.domain, key, chain)
        return self._credentials

    async def _reopen(self) -> LocalAgent:
        """The agent again, after it was lost."""
        again = await AgentClient.connect(self._run)
        self._local = again
        return again


async def open_connection(
    name: str, *, limit: int = LIMIT, timeout: float = CONNECT_TIMEOUT
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a name, as `asyncio.open_connection` does to an address.

    A sealed service that refuses us by its policy says so when it is first read from: the
    reader raises `Refused` with its reason.
    """
    async with Node() as node:
        connected = await node.connect(name, timeout)
    return await streams(connected.result, limit)


async def start_server(
    handler: Handler,
    name: str,
    *,
    limit: int = LIMIT,
    protection: str = "sealed",
    relay: str = "sealed",
    labels: Mapping[str, str] | None = None,
) -> Server:
    """Serve under a name, as `asyncio.start_server` does on an address.

    ``writer.get_extra_info("identity")`` says who the caller is (`trust.identity.Identity`); None
    where the service is declared plain.
    """

    async def as_pair(stream: Stream, identity: Identity | None) -> None:
        if isinstance(stream, TlsTransport):
            stream.extra["identity"] = identity
        reader, writer = await streams(stream, limit)
        answer = handler(reader, writer)
        if answer is not None:
            await answer

    node = Node()
    await node.open()
    try:
        return await node.serve(
            as_pair,
            name,
            protection=protection,
            relay=relay,
            labels=labels,
            on_close=node.close,
        )
    except BaseException:
        await node.close()
        raise


def create_connection(name: str, timeout: float | None = None) -> socket.socket:
    """Connect to a name and block; an `ssl.SSLSocket`, or the bare socket of a plain service.

    ``timeout`` seconds hold for connecting and stay set on the socket, as with
    `socket.create_connection`.
    """
    sock = _run_apart(_create(name, CONNECT_TIMEOUT if timeout is None else timeout))
    sock.settimeout(timeout)
    if isinstance(sock, ssl.SSLSocket):
        let_in(sock)
    return sock


async def explain(name: str) -> Plan:
    """What would be tried to reach a name, and why."""
    async with Node() as node:
        return await node.explain(name)


async def _create(name: str, timeout: float) -> socket.socket:
    async with Node() as node:
        record, _ = await node.local.resolve(node.name(name))

        async def blocking(sock: socket.socket, credentials: Credentials) -> socket.socket:
            return await finish_blocking(sock, record, credentials)

        connected = await node.connect_record(record, blocking, socket.socket.close, timeout)
        return connected.result


@dataclass
class _Embedded:
    """The one agent that the nodes of a loop share where no agent runs on the host."""

    agent: Agent
    users: int = 0


#: By event loop: each program's nodes are one node of the pool.
_embedded: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Future[_Embedded]] = (
    WeakKeyDictionary()
)


async def _embed(home: Path, settings: Settings) -> Agent:
    """The loop's own agent, started by whoever needs it first."""
    loop = asyncio.get_running_loop()
    starting = _embedded.get(loop)
    if starting is None:
        starting = _embedded[loop] = loop.create_future()
        try:
            starting.set_result(_Embedded(await _started(NodeIdentity(home), settings)))
        except BaseException as error:
            del _embedded[loop]
            starting.set_exception(error)
    embedded = await starting
    embedded.users += 1
    return embedded.agent


async def _release(agent: Agent) -> None:
    """One user less; the last one closes it."""
    loop = asyncio.get_running_loop()
    embedded = await _embedded[loop]
    embedded.users -= 1
    if not embedded.users:
        del _embedded[loop]
        await agent.close()


async def _started(identity: NodeIdentity, settings: Settings) -> Agent:
    """An agent of this program's own: on the usual port if that is free, else on any."""
    settings = settings.with_networks(identity.pool.networks)
    agent = Agent(identity, settings, run=None)
    try:
        await agent.start()
    except SettingsError:
        await agent.close(withdraw=0)
        agent = Agent(identity, settings, run=None, port=0)
        await agent.start()
    return agent


def _run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end and wait, also where this thread has a running loop."""
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, work).result()
    return asyncio.run(work)
