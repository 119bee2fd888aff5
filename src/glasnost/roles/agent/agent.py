"""Puts the parts of an agent together, and is the `LocalAgent` of its own process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.address import Route
from glasnost.core.address.names import Name
from glasnost.core.protocols.record_rules import shown
from glasnost.core.routes import Vantage
from glasnost.core.wire import messages as m
from glasnost.errors import GlasnostError, Refused, UnknownName
from glasnost.net.heartbeat import Heartbeat
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.systemd import Given
from glasnost.roles.agent.announced import Announcements
from glasnost.roles.agent.bare import Bare, Other
from glasnost.roles.agent.brokers import Brokers
from glasnost.roles.agent.clients import MAX_SHOWN, Client, user_name
from glasnost.roles.agent.dialling import Dialling, Ended
from glasnost.roles.agent.directories import Directories
from glasnost.roles.agent.listening import Listening
from glasnost.roles.agent.lookups import Answer, Lookups
from glasnost.roles.agent.publication import Publication
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.roles.agent.rereading import Reread, Rereading
from glasnost.roles.agent.services import OwnOffering, Services
from glasnost.roles.agent.upkeep import Upkeep
from glasnost.roles.agent.websockets import WebSockets
from glasnost.roles.dialler import CONNECT_TIMEOUT, in_time
from glasnost.roles.directory_client import DirectoryClient
from glasnost.roles.enrol import renew
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import Take
from glasnost.settings import Settings
from glasnost.trust.records import Verifier
from glasnost.version import __version__

log = logging.getLogger("glasnost.agent")

#: Programs connected to the local socket at a time.
MAX_CLIENTS = 4096
#: After a restart with listeners that stayed open, a call of a name that nobody has waits so long,
#: seconds, for its service to return: services look for a lost agent every five.
RETURN = 10.0
#: At the end of an agent whose listeners stay open: for callers that were accepted, seconds.
HAND_ON = 1.0
#: The longest that a program may have us try to connect, seconds.
MAX_DIAL = 60.0


class Agent:
    """One host's agent. ``run`` is the directory of its sockets; None: it is embedded in one
    program, has no local socket, and serves nobody else. ``read_again`` gives the settings as they
    stand now; None: what it was given holds to its end. ``other``: what else its port speaks."""

    def __init__(
        self,
        identity: NodeIdentity,
        settings: Settings,
        run: Path | None,
        port: int | None = None,
        given: Given | None = None,
        read_again: Callable[[], Settings] | None = None,
        other: Other | None = None,
    ) -> None:
        self._rereading = Rereading(read_again)
        self._look_for_brokers = asyncio.Event()
        self.identity = identity
        self.settings = settings
        self.run = run
        self.replies = Replies()
        self.services = Services(identity.node, lambda: self._publication.soon())
        self.announced = Announcements(self.services, identity.full)
        self.dialling = Dialling(identity, settings, run, self.replies, self.vantage, self.doors)
        self._websockets = WebSockets(settings.websocket)
        upgrade = self._upgrade if settings.websocket else None
        foreign = other and other(Bare(self.services, self.replies))
        self._port = SharedPort(self._called, upgrade=upgrade, foreign=foreign)
        number = settings.port if port is None else port
        self._given = given
        self._listening = Listening(settings, number, run, self._port, self._welcome, given)
        self._clients: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._directories = Directories(self.dialling)
        self._directories.follow(identity.pool.directories)
        verifier = Verifier(identity.root, identity.domain)
        self._lookups = Lookups(self._directories, verifier, identity.clock)
        self._brokers = Brokers(self)
        self._upkeep = Upkeep(identity, self._renew, self._renewed)
        self._publication = Publication(
            identity,
            settings,
            run,
            self._directories,
            self.services,
            self.announced,
            lambda: self.port_number,
            self._brokers.doors,
            self._check,
        )
        self._heartbeat = Heartbeat(lambda seconds: self._check())

    def __repr__(self) -> str:
        return f"<Agent {self.identity.node}, {len(self.services)} services>"

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and begin to publish and to register. Raises `SettingsError`; whether it does
        or not, `close` has to be called in the end."""
        self._publication.check()
        if self._given is not None:
            self.services.hold(RETURN)
        self._listening.open()
        self._heartbeat.start()
        self._spawn(self._upkeep.keep())
        self._spawn(self._publication.watch())
        self._spawn(self._follow_brokers())

    async def close(self, *, withdraw: float = 1.0) -> None:
        """Withdraw what was published (for at most so many seconds), then stop."""
        self._heartbeat.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._given is not None:
            await self._hand_on()
            withdraw = 0.0  # whoever gave us the listeners answers for the names: we may be back
        try:
            await self._publication.close(withdraw)
        finally:
            self._listening.close()
            await self._websockets.close()
            self._directories.close()
            await asyncio.gather(*[client.close() for client in list(self._clients)])
            await self._brokers.close()
            await self.dialling.close()
            self.replies.close()
            self.services.close()

    async def _hand_on(self) -> None:
        """Take no more callers, and see that those who were taken get where they want to."""
        self._listening.retire()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HAND_ON):
                # They end in many places, and this happens once.
                while self._port.half_open or any(one.queued for one in self._clients):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    async def withdraw(self, seconds: float) -> None:
        """Have the directories forget this host, within so many seconds, and publish no more."""
        await self._publication.close(seconds)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the agent died", exc_info=task.exception())

    def reload(self) -> Reread:
        """Read the settings again, for what begins from now on. Raises `SettingsError`; then
        nothing changes."""
        found = self._rereading.again(self.settings, self._publication.follow_settings)
        self.settings = found.settings
        self.dialling.follow_settings(found.settings)
        self._look_for_brokers.set()
        return found

    # --- the shared port, and the local socket --------------------------------------------------

    @property
    def port_number(self) -> int | None:
        """The shared port's, once it is open; None where there is none."""
        return self._listening.number

    def _called(self, incoming: Incoming) -> None:
        if incoming.call.reply:
            self.replies.arrive(incoming)
        else:
            self.services.call(incoming)

    def _upgrade(self, sock: socket.socket, begun: bytes, peer: str) -> None:
        self._websockets.take(self._port, sock, begun, peer)

    def serve(self, sock: socket.socket, peer: str, relayed: bool) -> None:
        """A connection that we opened for a broker's sake: serve it as one that was accepted."""
        self._port.serve(sock, peer, relayed)

    def _welcome(self, sock: socket.socket) -> bool:
        if len(self._clients) >= MAX_CLIENTS:
            log.warning("%d programs are connected already", MAX_CLIENTS)
            return False
        self._clients.add(Client(self, sock))
        return True

    def forget(self, client: Client) -> None:
        """A program has gone."""
        self._clients.discard(client)

    # --- what is published ----------------------------------------------------------------------

    def doors(self) -> list[Route]:
        """Where this host can be met, nearest first; through its brokers last."""
        return self._publication.doors()

    def vantage(self) -> Vantage:
        """What this host reaches, and where it can be dialled back."""
        return self._publication.vantage()

    def dial_ranges(self) -> tuple[str, ...]:
        """The networks this host is itself on."""
        return self._publication.dial_ranges()

    def _check(self) -> None:
        """This host has slept, or its addresses have changed: who is still there?"""
        self._brokers.check()
        self._publication.check_directories()

    async def _follow_brokers(self) -> None:
        while True:
            # A program that only connects has nothing that a broker could bring callers to, and
            # would take its node's contact from one that has.
            if self.run is not None or len(self.services):
                try:
                    await self._brokers.look(self._lookups)
                except GlasnostError as error:
                    log.debug("brokers cannot be listed: %s", error)
            self._publication.soon()
            self._look_for_brokers.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look_for_brokers.wait(), self._brokers.pause)

    async def _renew(self) -> m.Enrolled:
        identity = self.identity
        address = self.dialling.address_of("authority", identity.pool.authority)
        sock = await self.dialling.raw("authority", address)
        return await renew(sock, identity.root, identity.domain, identity.certificate, identity.key)

    def _renewed(self) -> None:
        """All records are signed anew, and the pool's directories may be others now."""
        gone = self._directories.follow(self.identity.pool.directories)
        self._spawn(self._follow_directories(gone))

    async def _follow_directories(self, gone: list[DirectoryClient]) -> None:
        try:
            await self._publication.follow_directories()
        finally:
            for client in gone:
                client.close()

    # --- what programs ask ----------------------------------------------------------------------

    @property
    def domain(self) -> str:
        return self.identity.domain

    @property
    def node(self) -> str:
        return self.identity.node

    @property
    def user(self) -> str:
        return user_name(os.getuid())

    @property
    def root(self) -> x509.Certificate:
        return self.identity.root

    def welcome(self, user: str, version: int) -> m.Welcome:
        root = self.root.public_bytes(Encoding.DER)
        return m.Welcome(v=version, node=self.node, domain=self.domain, user=user, root=root)

    def certify_for(
        self, question: m.Certify, user: str, offered: frozenset[str]
    ) -> list[x509.Certificate]:
        """A certificate for a program's own key: only of what it has offered, or of its user."""
        if question.kind == "user":
            return self.identity.certify_user(user, question.csr)
        if question.kind == "service" and question.name in offered:
            return self.identity.certify_service(question.name, question.csr)
        raise Refused("denied", f"{question.name[:63]!r} is not a service that you have offered")

    async def dial_for(
        self, question: m.Dial, user: str, ended: Ended
    ) -> tuple[m.Dialled, socket.socket]:
        """Connect for a local program, as that user; a sealed stream is copied by us, and
        ``ended`` is told how that came to its end."""
        asked = question.timeout or CONNECT_TIMEOUT
        timeout = asked if 0 < asked < MAX_DIAL else MAX_DIAL
        answer, left = await in_time(self._lookup(question.name), question.name, timeout)
        return await self.dialling.for_program(answer.record, user, left, ended)

    async def lookup(self, name: str) -> tuple[m.Signed, float]:
        answer = await self._lookup(name)
        return answer.signed, answer.age

    async def list_page(self, question: m.List) -> m.Listing:
        return await self._at(question.directory).page(question)

    async def _lookup(self, text: str) -> Answer:
        name = Name.parse(text, self.domain)
        if name.node == self.node:
            own = self._publication.own(str(name))
            if own is not None:
                return Answer(own[0], own[1], 0.0)
            if self.run is not None:  # else another program of this host may have it
                known = f"no service {name.service!r} is registered on {self.node}"
                raise UnknownName("unknown-name", known)
        return await self._lookups.lookup(str(name))

    async def offer(self, offer: m.Offer, take: Take) -> OwnOffering:
        return self.services.offer(offer, take, self.identity.full(offer.name))

    async def announce(self, entries: Sequence[m.Entry]) -> list[str]:
        return [self.announced.put_or_say(self, entry) for entry in entries]

    async def retract(self, names: Sequence[str]) -> None:
        self.announced.remove(self, names)

    async def certify(self, kind: str, name: str, csr: bytes) -> list[x509.Certificate]:
        offered = frozenset(service.offer.name for service in self.services)
        return self.certify_for(m.Certify(kind=kind, name=name, csr=csr), self.user, offered)

    async def resolve(self, name: str) -> tuple[m.Record, float]:
        answer = await self._lookup(name)
        return answer.record, answer.age

    async def listing(self, glob: str) -> list[tuple[m.Record, float]]:
        return await self.query(m.List(glob=glob))

    async def query(self, question: m.List) -> list[tuple[m.Record, float]]:
        lookups = self._at(question.directory)
        return [(one.record, one.age) for one in await lookups.query(question)]

    async def directories(self) -> list[str]:
        return list(self._directories.by_name())

    async def watch(self, question: m.Watch) -> m.Changes:
        return await self._at(question.directory).changes(question)

    def _at(self, directory: str) -> Lookups:
        """Who is to be asked: one directory, by full name, or all."""
        if not directory:
            return self._lookups
        client = self._directories.by_name().get(directory)
        if client is None:
            raise Refused("unknown-directory", f"this host was told of no {shown(directory)}")
        return self._lookups.at(client)

    async def where(self) -> Vantage:
        return self.vantage()

    async def expect(self, timeout: float) -> LocalExpectation:
        return LocalExpectation(self.replies, timeout)

    async def status(self) -> dict[str, Any]:
        return self.describe()

    def describe(self) -> dict[str, Any]:
        """What this agent would tell a person."""
        serving = (client for client in self._clients if client.serves)
        return {
            "version": __version__,
            "pid": os.getpid(),
            "node": self.node,
            "domain": self.domain,
            "port": self.port_number,
            "doors": [str(door) for door in self.doors()],
            "vantage": self.vantage().as_dict(),
            "settings_read": self._rereading.at,
            "services": {one.offer.name: one.calls for one in self.services},
            "brokers": self._brokers.status(),
            "directories": self._publication.status(),
            "programs": [one.describe() for one in islice(serving, MAX_SHOWN)],
            "host": self._publication.host_status(),
            "certificate_not_after": self.identity.not_after,
            "renewal_problem": self._upkeep.problem,
            "accepted": self._port.accepted,
            "refused": self._port.refused,
            "half_open": self._port.half_open,
            "tasks": len(asyncio.all_tasks()),
            "handed_over": self.services.handed_over,
            "connected_programs": len(self._clients),
            "for_brokers": self._brokers.counts,
            "renewals": self._upkeep.counts,
        }
