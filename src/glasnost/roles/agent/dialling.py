"""What an agent connects to: the pool's own services for itself, and any for local programs."""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
from collections.abc import Callable
from pathlib import Path

from glasnost.core.address import Address, Route, Stage
from glasnost.core.routes import Target, Vantage
from glasnost.core.wire import messages as m
from glasnost.errors import Unavailable
from glasnost.net.bridge import Stream, bridge, dispose
from glasnost.net.channel import Channel, OnClose, OnMessage, open_channel
from glasnost.net.sentences import sentence
from glasnost.net.sockets import pair
from glasnost.net.tls import TlsTransport
from glasnost.roles.agent.clients import allowed_users
from glasnost.roles.agent.replies import LocalExpectation, Replies
from glasnost.roles.dialler import Connected, as_socket, connect, target_of
from glasnost.roles.experience import Experience
from glasnost.roles.finish import finish
from glasnost.roles.home import NodeIdentity
from glasnost.settings import Settings
from glasnost.stages import Means
from glasnost.trust.certificates import make_csr
from glasnost.trust.credentials import Credentials
from glasnost.trust.keys import new_key

log = logging.getLogger("glasnost.agent")

#: Told why a stream that is copied for a program was cut; None: it ended as it should.
Ended = Callable[[BaseException | None], None]


class Dialling:
    """``run`` is the directory of the host's sockets, if it has any; ``vantage`` and ``doors``
    say what the host reaches, and where it is met, when they are asked."""

    def __init__(
        self,
        identity: NodeIdentity,
        settings: Settings,
        run: Path | None,
        replies: Replies,
        vantage: Callable[[], Vantage],
        doors: Callable[[], list[Route]],
    ) -> None:
        self._identity = identity
        self._settings = settings
        self._directories = frozenset() if run is None else frozenset({str(run.resolve())})
        self._replies = replies
        self._vantage = vantage
        self._doors = doors
        self._experience = Experience()
        self._users: dict[str, Credentials] = {}
        self._copies: set[asyncio.Task[None]] = set()

    def follow_settings(self, settings: Settings) -> None:
        """What is connected from now on follows these."""
        self._settings = settings

    async def close(self) -> None:
        """Cut the streams that are copied for programs."""
        for task in self._copies:
            task.cancel()
        await asyncio.gather(*self._copies, return_exceptions=True)

    def means(self, credentials: Credentials | None = None) -> Means:
        """What there is for crossing stages; brokers are shown ``credentials``, or our own."""

        async def expect(timeout: float) -> LocalExpectation:
            return LocalExpectation(self._replies, timeout)

        return Means(
            credentials or self._identity.credentials,
            expect,
            socket_owners=allowed_users(),
            socket_directories=self._directories,
            settings=self._settings,
        )

    def address_of(self, service: str, text: str) -> Address:
        """Where a service of the pool's own is; no text says that it is on this very host.
        Raises `AddressError`, `Unavailable`."""
        if text:
            return Address.parse(text)
        doors = self._doors()[:1]
        if not doors:
            raise Unavailable(f"the {service} is on this host, which has no port of its own")
        return Address((doors[0].then(Stage.service(service)),))

    async def raw(self, name: str, address: Address) -> socket.socket:
        """A raw stream to an endpoint of the pool's own whose address we were told."""
        connected = await connect(
            name,
            Target(address),
            self._vantage(),
            self.means(),
            as_socket,
            socket.socket.close,
            policy=self._settings.policy(),
            experience=self._experience,
            delay=self._settings.attempt_delay,
        )
        return connected.result

    async def control(
        self,
        name: str,
        address: Address,
        codec: m.Codec,
        on_message: OnMessage | None = None,
        on_close: OnClose | None = None,
    ) -> Connected[Channel]:
        """A control channel to the service with this full name."""

        async def finish_channel(sock: socket.socket) -> Channel:
            credentials = self._identity.credentials
            silence = self._settings.dead_after
            return await open_channel(
                sock, credentials, name, codec, on_message, on_close, silence=silence
            )

        return await connect(
            name,
            Target(address),
            self._vantage(),
            self.means(),
            finish_channel,
            Channel.close,
            policy=self._settings.policy(),
            experience=self._experience,
            delay=self._settings.attempt_delay,
        )

    async def for_program(
        self, record: m.Record, user: str, timeout: float, ended: Ended
    ) -> tuple[m.Dialled, socket.socket]:
        """Connect as this local user. What comes back is a sealed stream's local end, whose bytes
        we copy, or a plain one's own socket. ``ended`` is told how the copying came to its end:
        through a local socket a cut looks like any end."""
        credentials = self._user_credentials(user)

        async def finish_it(sock: socket.socket) -> Stream:
            return await finish(sock, record, credentials)

        connected = await connect(
            record.name,
            target_of(record),
            self._vantage(),
            self.means(credentials),
            finish_it,
            dispose,
            policy=self._settings.policy(),
            experience=self._experience,
            delay=self._settings.attempt_delay,
            timeout=timeout,
        )
        dialled = m.Dialled(
            full=record.name, protection=record.protection, route=str(connected.path)
        )
        stream = connected.result
        if isinstance(stream, TlsTransport):
            return dialled, self._copied(stream, ended)
        return dialled, stream

    def _copied(self, stream: TlsTransport, ended: Ended) -> socket.socket:
        """A local socket that is the same stream, without TLS."""
        try:
            ours, theirs = pair()
        except BaseException:  # there are no descriptors left
            stream.abort()
            raise
        task = asyncio.get_running_loop().create_task(_copy(stream, ours, ended))
        self._copies.add(task)
        task.add_done_callback(functools.partial(self._ended, stream, ours))
        return theirs

    def _ended(self, stream: TlsTransport, ours: socket.socket, task: asyncio.Task[None]) -> None:
        self._copies.discard(task)
        if task.cancelled():  # perhaps before its first step
            stream.abort()
            ours.close()

    def _user_credentials(self, user: str) -> Credentials:
        known = self._users.get(user)
        if known is not None and not known.is_due(self._identity.clock()):
            return known
        key = new_key()
        chain = self._identity.certify_user(user, make_csr(key))
        self._users[user] = Credentials(self._identity.root, self._identity.domain, key, chain)
        return self._users[user]


async def _copy(stream: TlsTransport, sock: socket.socket, ended: Ended) -> None:
    copied = await bridge(stream, sock)
    if copied.error is not None:
        log.info("a copied stream ended: %s", sentence(copied.error))
    ended(copied.error)
