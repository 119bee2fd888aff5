"""Puts the parts of an agent together, and is the `LocalAgent` of its own process."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from glasnost.core.address import Address, Route, Stage
from glasnost.core.address.names import Name
from glasnost.core.routes import Target, Vantage
from glasnost.core.wire import messages as m
from glasnost.errors import GlasnostError, Refused, SettingsError, UnknownName
from glasnost.net.bridge import Stream, bridge
from glasnost.net.channel import Channel, open_channel
from glasnost.net.interfaces import read_host
from glasnost.net.port import Incoming, SharedPort
from glasnost.net.sockets import listen_tcp, listen_unix, pair, peer_user
from glasnost.net.tls import TlsTransport
from glasnost.roles.agent.brokers import Brokers
from glasnost.roles.agent.clients import Client, allowed_users, user_name
from glasnost.roles.agent.lookups import Answer, Lookups
from glasnost.roles.agent.publication import Records
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.roles.agent.services import Service, Services
from glasnost.roles.dialler import Connected, as_socket, connect, target_of
from glasnost.roles.directory_client import DirectoryClient
from glasnost.roles.enrol import renew
from glasnost.roles.finish import dispose, finish
from glasnost.roles.home import NodeIdentity
from glasnost.roles.local import Take
from glasnost.roles.publisher import Publisher
from glasnost.roles.vantage import dial_ranges, doors, vantage_of
from glasnost.settings import Settings
from glasnost.stages import Means
from glasnost.trust.certificates import make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key
from glasnost.trust.records import Verifier

log = logging.getLogger("glasnost.agent")

#: What a kernel without IPv6 says about listening on it.
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_DIRECTORY = m.Codec(m.DIRECTORY)
#: How often the host's own addresses are looked at, seconds.
LOOK_EVERY = 2.0
#: How long to wait after a renewal that failed: a tenth of what is left, within these bounds.
RENEW_RETRY = (1.0, 600.0)
#: A broker list that changed is noticed within this time, seconds.
BROKERS_EVERY = 30.0
#: While no broker is known, the directories are asked more often: at start they may be coming up.
BROKERS_EVERY_AT_FIRST = 1.0
#: Programs connected to the local socket at a time.
MAX_CLIENTS = 4096


@dataclass
class _OwnOffering:
    """A service of the agent's own process."""

    full: str
    _services: Services
    _service: Service

    def withdraw(self) -> None:
        self._services.remove(self._service)


class Agent:
    """One host's agent. ``run`` is the directory of its sockets; None: it is embedded in one
    program, has no local socket, and serves nobody else."""

    def __init__(
        self, identity: NodeIdentity, settings: Settings, run: Path | None, port: int | None = None
    ) -> None:
        self.identity = identity
        self.settings = settings
        self.run = run
        self.replies = Replies()
        self.services = Services(identity.node, self._republish)
        self.port_number: int | None = settings.port if port is None else port
        self._facts = read_host()
        self._records = Records(identity)
        self._clients: set[Client] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._users: dict[str, Credentials] = {}
        self._port = SharedPort(self._called)
        self._directories = {one.name: self._directory(one) for one in identity.pool.directories}
        self._publishers = [Publisher(one) for one in self._directories.values()]
        verifier = Verifier(identity.root, identity.domain)
        self._lookups = Lookups(list(self._directories.values()), verifier, identity.clock)
        self._brokers = Brokers(self)
        self._publishing = False

    def __repr__(self) -> str:
        return f"<Agent {self.identity.node}, {len(self.services)} services>"

    # --- life -----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and begin to publish and to register. Raises `SettingsError`."""
        self._listen()
        self._facts = read_host()
        self._spawn(self._keep_certificates())
        self._spawn(self._watch_addresses())
        self._spawn(self._follow_brokers())
        self._republish()

    async def close(self, *, withdraw: float = 1.0) -> None:
        """Withdraw what was published (for at most so many seconds), then stop."""
        closing = (publisher.close(timeout=withdraw) for publisher in self._publishers)
        await asyncio.gather(*closing, return_exceptions=True)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._brokers.close()
        for directory in self._directories.values():
            directory.close()
        for client in list(self._clients):
            client.close()
        self._port.close()
        for name in ("agent.sock", "port.sock") if self.run is not None else ():
            assert self.run is not None
            with contextlib.suppress(OSError):
                (self.run / name).unlink()

    def _listen(self) -> None:
        for host in self.settings.listen if self.port_number is not None else ():
            allowed = self.settings.enable_ipv6 if ":" in host else self.settings.enable_ipv4
            if not allowed:
                continue
            try:
                listener = listen_tcp(host, self.port_number or 0)
            except SettingsError as error:
                cause = error.__cause__
                if host == "::" and isinstance(cause, OSError) and cause.errno in _NO_IPV6:
                    continue  # this kernel has no IPv6
                raise
            self.port_number = listener.getsockname()[1]
            self._port.listen(listener)
        if self.run is not None:
            self._port.listen(listen_unix(self.run / "port.sock"))
            local = listen_unix(self.run / "agent.sock", socket.SOCK_SEQPACKET)
            loop = asyncio.get_running_loop()
            loop.add_reader(local.fileno(), self._accept_client, local)
            self._spawn(self._hold(local))

    async def _hold(self, listener: socket.socket) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            asyncio.get_running_loop().remove_reader(listener.fileno())
            listener.close()

    def _accept_client(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return
        if peer_user(sock) not in allowed_users():
            log.warning("user %d may not ask this agent", peer_user(sock))
            sock.close()
        elif len(self._clients) >= MAX_CLIENTS:
            log.warning("%d programs are connected already", MAX_CLIENTS)
            sock.close()
        else:
            self._clients.add(Client(self, sock))

    def forget(self, client: Client) -> None:
        """A program has gone."""
        self._clients.discard(client)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the agent died", exc_info=task.exception())

    # --- the shared port ------------------------------------------------------------------------

    def _called(self, incoming: Incoming) -> None:
        if incoming.call.reply:
            self.replies.arrive(incoming)
        else:
            self.services.call(incoming)

    def serve(self, sock: socket.socket, peer: str, relayed: bool) -> None:
        """A connection that we opened for a broker's sake: serve it as one that was accepted."""
        self._port.serve(sock, peer, relayed)

    # --- what is published ----------------------------------------------------------------------

    def doors(self) -> list[Route]:
        """Where this host can be met, nearest first; through its brokers last."""
        unix = None if self.run is None else str(self.run.resolve() / "port.sock")
        near = doors(self._facts, self.settings, self.port_number, unix)
        return near + self._brokers.doors()

    def vantage(self) -> Vantage:
        """What this host reaches, and where it can be dialled back."""
        own = doors(self._facts, self.settings, self.port_number, None)
        return vantage_of(self._facts, self.settings, own)

    def dial_ranges(self) -> tuple[str, ...]:
        return dial_ranges(self._facts, self.settings)

    def _republish(self) -> None:
        """Tell the directories, once, after whatever else happens in this step."""
        if not self._publishing:
            self._publishing = True
            asyncio.get_running_loop().call_soon(self._publish)

    def _publish(self) -> None:
        self._publishing = False
        reach = tuple(str(landing) for landing in self.vantage().reach)
        shared = tuple(one for one in sorted(reach) if not one.startswith("unix@"))
        records = self._records.make(self.services, self.doors(), shared)
        for publisher in self._publishers:
            publisher.want(records)

    async def _watch_addresses(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            facts = read_host()
            if facts != self._facts:
                log.info("this host's addresses have changed")
                self._facts = facts
            self._republish()  # also what must be signed again for its age

    async def _follow_brokers(self) -> None:
        while True:
            # A program that only connects has nothing that a broker could bring callers to, and
            # would take its node's contact from one that has.
            if self.run is not None or len(self.services):
                try:
                    await self._brokers.look(self._lookups)
                except GlasnostError as error:
                    log.debug("brokers cannot be listed: %s", error)
            self._republish()
            await asyncio.sleep(BROKERS_EVERY if self._brokers.known else BROKERS_EVERY_AT_FIRST)

    async def _keep_certificates(self) -> None:
        """Renew the node's certificate, and then the agent's own leaf, at half-life."""
        identity = self.identity
        while True:
            now = identity.clock()
            if now >= identity.renew_at():
                try:
                    await self._renew()
                except (GlasnostError, OSError) as error:
                    log.warning("the node's certificate cannot be renewed: %s", error)
                    left = (identity.not_after - now) / 10
                    await asyncio.sleep(min(max(left, RENEW_RETRY[0]), RENEW_RETRY[1]))
                    continue
            if now >= identity.credentials.renew_at(now) - 1:
                identity.refresh()
            next_at = min(identity.renew_at(), identity.credentials.renew_at(now))
            # A clock that is set forward must not find us asleep for days.
            await asyncio.sleep(min(max(next_at - identity.clock(), 0.2), 60.0))

    async def _renew(self) -> None:
        identity = self.identity
        address = self._address_of("authority", identity.pool.authority)
        sock = await self.dial_address("authority", address)
        answer = await renew(
            sock, identity.root, identity.domain, identity.certificate, identity.key
        )
        identity.renewed(answer)
        log.info("the node's certificate was renewed")
        self._republish()

    # --- dialling -------------------------------------------------------------------------------

    def means(self, credentials: Credentials | None = None) -> Means:
        """What this agent has for crossing stages; brokers are shown ``credentials``."""

        async def expect(timeout: float) -> LocalExpectation:
            return LocalExpectation(self.replies, timeout)

        directories = frozenset() if self.run is None else frozenset({str(self.run.resolve())})
        return Means(
            credentials or self.identity.credentials,
            expect,
            socket_owners=allowed_users(),
            socket_directories=directories,
        )

    async def dial_address(self, name: str, address: Address) -> socket.socket:
        """A raw stream to an endpoint of the pool's own whose address we were told."""
        connected = await connect(
            name,
            Target(address),
            self.vantage(),
            self.means(),
            as_socket,
            socket.socket.close,
            delay=self.settings.attempt_delay,
        )
        return connected.result

    async def open_control(
        self,
        name: str,
        address: Address,
        codec: m.Codec,
        on_message: Callable[[Channel, m.Message], None] | None = None,
        on_close: Callable[[Channel, BaseException | None], None] | None = None,
    ) -> Connected[Channel]:
        """A control channel to the service with this full name."""

        async def finish_channel(sock: socket.socket) -> Channel:
            credentials = self.identity.credentials
            return await open_channel(sock, credentials, name, codec, on_message, on_close)

        return await connect(
            name,
            Target(address),
            self.vantage(),
            self.means(),
            finish_channel,
            Channel.close,
            delay=self.settings.attempt_delay,
        )

    def _address_of(self, service: str, text: str) -> Address:
        """Where a service of the pool's own is; no text says that it is on this very host."""
        if text:
            return Address.parse(text)
        return Address(tuple(door.then(Stage.service(service)) for door in self.doors()[:1]))

    def _directory(self, directory: m.Directory) -> DirectoryClient:
        async def open_it() -> Channel:
            address = self._address_of("directory", directory.address)
            return (await self.open_control(directory.name, address, _DIRECTORY)).result

        return DirectoryClient(open_it)

    async def dial_for(self, question: m.Dial, user: str) -> tuple[m.Dialled, socket.socket]:
        """Connect for a local program, as that user; a sealed stream is copied by us."""
        answer = await self._lookup(question.name)
        record = answer.record
        credentials = self._user_credentials(user)

        async def finish_it(sock: socket.socket) -> Stream:
            return await finish(sock, record, credentials)

        connected = await connect(
            record.name,
            target_of(record),
            self.vantage(),
            self.means(credentials),
            finish_it,
            dispose,
            delay=self.settings.attempt_delay,
            timeout=question.timeout or 15.0,
        )
        dialled = m.Dialled(
            full=record.name, protection=record.protection, route=str(connected.path)
        )
        stream = connected.result
        if isinstance(stream, TlsTransport):
            ours, theirs = pair()
            self._spawn(_copy(stream, ours))
            return dialled, theirs
        return dialled, stream

    def _user_credentials(self, user: str) -> Credentials:
        now = self.identity.clock()
        known = self._users.get(user)
        if known is not None and now < known.renew_at(now) - 1:
            return known
        key = new_key()
        chain = self.identity.certify_user(user, make_csr(key))
        self._users[user] = Credentials(self.identity.root, self.identity.domain, key, chain)
        return self._users[user]

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

    def welcome(self, user: str) -> m.Welcome:
        root = self.root.public_bytes(Encoding.DER)
        return m.Welcome(node=self.node, domain=self.domain, user=user, root=root)

    def certify_for(
        self, question: m.Certify, user: str, offered: frozenset[str]
    ) -> list[x509.Certificate]:
        """A certificate for a program's own key: only of what it has offered, or of its user."""
        if question.kind == "user":
            return self.identity.certify_user(user, question.csr)
        if question.kind == "service" and question.name in offered:
            return self.identity.certify_service(question.name, question.csr)
        raise Refused("denied", f"{question.name[:63]!r} is not a service that you have offered")

    async def lookup(self, name: str) -> tuple[m.Signed, float]:
        answer = await self._lookup(name)
        return answer.signed, answer.age

    async def list_page(self, question: m.List) -> m.Listing:
        return await self._lookups.page(question)

    async def _lookup(self, text: str) -> Answer:
        name = Name.parse(text, self.domain)
        if name.node == self.node:
            self._publish()
            own = self._records.get(str(name))
            if own is not None:
                return Answer(own[0], own[1], 0.0)
            if self.run is not None:  # else another program of this host may have it
                known = f"no service {name.service!r} is registered on {self.node}"
                raise UnknownName("unknown-name", known)
        return await self._lookups.lookup(str(name))

    async def offer(self, offer: m.Offer, take: Take) -> _OwnOffering:
        def deliver(incoming: Incoming) -> bool:
            take(incoming)
            return True

        service = Service(offer, lambda: True, deliver)
        self.services.add(service)
        return _OwnOffering(self.identity.full(offer.name), self.services, service)

    async def certify(self, kind: str, name: str, csr: bytes) -> list[x509.Certificate]:
        offered = frozenset(service.offer.name for service in self.services)
        return self.certify_for(m.Certify(kind=kind, name=name, csr=csr), self.user, offered)

    async def resolve(self, name: str) -> tuple[m.Record, float]:
        answer = await self._lookup(name)
        return answer.record, answer.age

    async def listing(self, glob: str) -> list[tuple[m.Record, float]]:
        return [(one.record, one.age) for one in await self._lookups.all(glob)]

    async def where(self) -> Vantage:
        return self.vantage()

    async def expect(self, timeout: float) -> LocalExpectation:
        return LocalExpectation(self.replies, timeout)

    async def status(self) -> dict[str, Any]:
        return self.describe()

    def describe(self) -> dict[str, Any]:
        """What this agent would tell a person."""
        return {
            "node": self.node,
            "domain": self.domain,
            "port": self.port_number,
            "doors": [str(door) for door in self.doors()],
            "vantage": self.vantage().as_dict(),
            "services": {one.offer.name: one.calls for one in self.services},
            "brokers": self._brokers.status(),
            "directories": {
                name: publisher.away or "told of everything"
                for name, publisher in zip(self._directories, self._publishers, strict=True)
            },
            "certificate_not_after": self.identity.not_after,
            "accepted": self._port.accepted,
            "refused": self._port.refused,
            "half_open": self._port.half_open,
        }


async def _copy(stream: TlsTransport, sock: socket.socket) -> None:
    copied = await bridge(stream, sock)
    if copied.error is not None:
        log.info("a copied stream ended: %s", copied.error)
