"""Each role as an async context: it serves while the context lasts.

A role is given the host's agent (`LocalAgent`), its own process's in ``up``, else the one behind
the local socket; so there is one way to run it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Union

import msgspec

from glasnost.condor.stages import KINDS as HTCONDOR
from glasnost.core.address import Address, Route, Stage
from glasnost.core.routes.endpoint import on_host
from glasnost.core.wire.messages import Directory, Offer
from glasnost.daemons.alone import alone
from glasnost.errors import SettingsError, Unavailable
from glasnost.net.heartbeat import Heartbeat
from glasnost.net.sockets import private_directory
from glasnost.net.systemd import given_listeners
from glasnost.roles.agent import Agent
from glasnost.roles.agent_client import Link
from glasnost.roles.authority import Authority
from glasnost.roles.broker import Broker
from glasnost.roles.directory import DirectoryServer
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import LocalAgent
from glasnost.roles.registration import Registration
from glasnost.settings import Settings, run_directory
from glasnost.stages import register
from glasnost.store.sqlite import SqliteRecords
from glasnost.trust.credentials import Credentials
from glasnost.trust.records import Verifier

register(HTCONDOR)

if TYPE_CHECKING:
    from glasnost.condor.central.role import Central
    from glasnost.condor.port.serving import PortService

#: How often the authority looks where the directories are now, seconds.
LOOK_EVERY = 10.0
#: How long a daemon waits for its host's agent to come up, seconds: on a host that boots, all start
#: at once, and what ends then may be started by nobody.
AGENT_WAIT = 60.0

#: The roles of one process, by name.
Role = Union[Agent, Broker, DirectoryServer, Authority, "Central"]
Roles = dict[str, Role]
#: Reads the settings, with what flags say.
Read = Callable[[], Settings]
Reopen = Callable[[], Awaitable[LocalAgent]]


@asynccontextmanager
async def agent(home: Path, read: Read) -> AsyncIterator[Agent]:
    """The host's agent; its settings are read now, and again when somebody wants that."""
    identity = NodeIdentity(home)
    given = given_listeners()

    def found() -> Settings:
        settings = read().with_networks(identity.pool.networks)
        if given is None:
            return settings
        return msgspec.structs.replace(settings, port=given.number, listen=given.hosts)

    settings = found()
    run = run_directory(settings)
    foreign = _condor(settings)
    with alone(home), alone(run):
        door = None if foreign is None else foreign.door
        serving = Agent(identity, settings, run, given=given, read_again=found, other=door)
        try:
            await serving.start()
            if foreign is not None:
                foreign.start(serving.port_number, serving.serve, serving.dial_ranges)
            yield serving
        finally:
            await serving.close()
            if foreign is not None:
                await foreign.close()


def _condor(settings: Settings) -> PortService | None:
    """What serves HTCondor's programs at the port, if anything does."""
    if settings.condor is None:
        return None
    from glasnost.condor.port.serving import PortService  # few hosts need it

    return PortService(settings)


@asynccontextmanager
async def local_agent(settings: Settings) -> AsyncIterator[tuple[LocalAgent, Reopen]]:
    """The agent that runs on this host, waited for while it starts."""
    link = Link(run_directory(settings))
    try:
        yield await _patient(link.get), link.get
    finally:
        await link.close()


async def _patient(reopen: Reopen) -> LocalAgent:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + AGENT_WAIT
    while True:
        try:
            return await reopen()
        except Unavailable:
            if loop.time() > deadline:
                raise
        await asyncio.sleep(0.1)


@asynccontextmanager
async def broker(settings: Settings, local: LocalAgent, reopen: Reopen) -> AsyncIterator[Broker]:
    """The broker, as the service ``broker`` of this host."""
    offer = Offer(name="broker", labels={"role": "broker"})
    async with _registered(offer, local, reopen) as (registration, credentials):
        serving = Broker(credentials, public=settings.public_ranges(), silence=settings.dead_after)
        heartbeat = Heartbeat(lambda seconds: serving.check())
        heartbeat.start()
        registration.give(serving.take)
        try:
            yield serving
        finally:
            heartbeat.stop()
            await serving.close()


@asynccontextmanager
async def directory(
    home: Path, settings: Settings, local: LocalAgent, reopen: Reopen
) -> AsyncIterator[Roles]:
    """The directory, as the service ``directory`` of this host, and what is beside it."""
    state = home / "directory"
    private_directory(state)
    offer = Offer(name="directory", labels={"role": "directory"})
    async with (
        _central(home, settings, local, reopen) as central,
        _registered(offer, local, reopen) as (registration, credentials),
    ):
        store = SqliteRecords(state / "records.sqlite")
        verifier = Verifier(local.root, local.domain)
        serving = DirectoryServer(credentials, verifier, store, silence=settings.dead_after)
        heartbeat = Heartbeat(lambda seconds: serving.check())
        try:
            await serving.start()
            heartbeat.start()
            registration.give(serving.take)
            roles: Roles = {"directory": serving}
            if central is not None:
                roles["collector"] = central
            yield roles
        finally:
            heartbeat.stop()
            await serving.close()


@asynccontextmanager
async def _central(
    home: Path, settings: Settings, local: LocalAgent, reopen: Reopen
) -> AsyncIterator[Central | None]:
    """HTCondor's collector and broker beside the directory, if that is wanted: the plain service
    ``collector``, which HTCondor's clients find by that id."""
    own = settings.condor
    if own is None or not own.collector:
        yield None
        return
    from glasnost.condor.central.role import ID, Central  # few hosts need it

    number = (await local.status())["port"]
    if number is None:
        raise SettingsError("condor.collector needs a shared port, and this agent has none")
    relay = "any" if own.secure else "no"  # what is relayed is read by who relays it
    offer = Offer(name=ID, protection="plain", relay=relay, labels={"role": ID})
    serving = Central(home, settings, local.domain, number)
    registration = Registration(offer, reopen)
    try:
        serving.start()
        await registration.start(local)
        registration.give(serving.take)
        yield serving
    finally:
        await registration.close()
        await serving.close()


@asynccontextmanager
async def authority(
    home: Path, local: LocalAgent, reopen: Reopen, node_lifetime: float | None = None
) -> AsyncIterator[Authority]:
    """The authority, as the service ``authority`` of this host; it brings its own TLS."""
    where = _Directories(NodeIdentity(home), local)
    await where.look()
    more = {} if node_lifetime is None else {"node_lifetime": node_lifetime}
    serving = Authority(home / "authority", where.now, clock=time.time, **more)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(serving.close)
        registration = Registration(Offer(name="authority"), reopen, certified=False)
        await registration.start(local)
        stack.push_async_callback(registration.close)
        registration.give(serving.take)
        looking = asyncio.create_task(where.keep_looking())
        stack.push_async_callback(_ended, looking)
        yield serving


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def everything(home: Path, read: Read) -> AsyncIterator[tuple[Agent, Roles]]:
    """``glasnost up``: the agent, and all roles that this home has the keys for."""
    async with AsyncExitStack() as stack:
        own = await stack.enter_async_context(agent(home, read))
        settings = own.settings
        roles: Roles = {"agent": own}

        async def reopen() -> LocalAgent:
            return own

        if (home / "authority").exists():
            roles["authority"] = await stack.enter_async_context(authority(home, own, reopen))
            beside = directory(home, settings, own, reopen)
            roles |= await stack.enter_async_context(beside)
            roles["broker"] = await stack.enter_async_context(broker(settings, own, reopen))
            # While there is still a directory to be told.
            stack.push_async_callback(own.withdraw, 1.0)
        yield own, roles


@asynccontextmanager
async def _registered(
    offer: Offer, local: LocalAgent, reopen: Reopen
) -> AsyncIterator[tuple[Registration, Credentials]]:
    registration = Registration(offer, reopen)
    await registration.start(local)
    assert registration.credentials is not None, "it was asked for"
    try:
        yield registration, registration.credentials
    finally:
        await registration.close()


class _Directories:
    """Where the directories are, for nodes that join: those on this host are at its doors, or, if
    it knows of none, wherever the joining node has met the authority (an empty address)."""

    def __init__(self, identity: NodeIdentity, local: LocalAgent) -> None:
        self._identity, self._local = identity, local
        self._known: tuple[Directory, ...] = ()

    def now(self) -> tuple[Directory, ...]:
        return self._known

    async def look(self) -> None:
        here = await own_address(self._local, "directory")
        self._known = tuple(
            one if one.address else Directory(one.name, here)
            for one in self._identity.pool.directories
        )

    async def keep_looking(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Unavailable:
                continue  # the agent restarts; what was known is still the best there is


async def own_address(local: LocalAgent, service: str) -> str:
    """Where a service of this host is met from other hosts, by who is no member yet and so has no
    broker; empty if nowhere."""
    doors = [Route.parse(text) for text in (await local.status())["doors"]]
    met = [route for route in doors if not on_host(route.network)]
    direct = [route for route in met if all(one.kind != "ccb" for one in route.stages)]
    stage = Stage.service(service)
    return str(Address(tuple(route.then(stage) for route in direct))) if direct else ""
