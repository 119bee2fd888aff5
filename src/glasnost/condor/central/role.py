"""Puts a central manager together: who may what, the collector, the broker, and where they are
met. It serves as the endpoint ``collector`` behind a shared port, which other processes' sockets
are handed to like any plain service's."""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any, Final

from glasnost.condor.addresses.convert_v1 import to_v1
from glasnost.condor.addresses.endpoint import IpPort
from glasnost.condor.addresses.sinful import NO_UDP, Sinful
from glasnost.condor.ccb.file import ReconnectFile
from glasnost.condor.ccb.server import CcbServer
from glasnost.condor.central.access import Access, policies
from glasnost.condor.central.keys import SigningKeys
from glasnost.condor.collector.own import Own
from glasnost.condor.commands import Command
from glasnost.condor.port.own import own_addresses, own_sinful
from glasnost.condor.security.methods.base import Doorkeeper
from glasnost.condor.security.methods.kinds import Method, methods_in
from glasnost.condor.security.negotiation import Myself
from glasnost.condor.security.sessions import Identity
from glasnost.condor.server.collector import CollectorServer
from glasnost.condor.server.command import nops
from glasnost.condor.server.endpoint import Endpoint
from glasnost.condor.server.settings import Server
from glasnost.condor.server.udp import serve_datagrams
from glasnost.errors import SettingsError
from glasnost.net.datagrams import Datagrams
from glasnost.net.interfaces import read_host
from glasnost.net.port import Incoming
from glasnost.settings import CondorSetting, Settings

log = logging.getLogger("glasnost.condor")

#: What it is called at the shared port, as HTCondor's own is.
ID: Final = "collector"
#: Where what outlives us lies, below a home.
STATE: Final = "condor"
#: For how long our own address is taken for what it was, seconds.
_ADDRESS_AGE: Final = 10.0


class Central:
    """``domain`` is our pool's, ``number`` the shared port's. Raises `SettingsError`."""

    def __init__(self, home: Path, settings: Settings, domain: str, number: int) -> None:
        self._settings, self._number = settings, number
        own = self._own = settings.condor or CondorSetting()
        self._domain = trust_domain(own, domain)
        self._machine = own.alias or socket.gethostname()
        self._started = int(time.time())
        self._address: tuple[float, Sinful] | None = None
        keys = SigningKeys(home)
        keys.ready()
        self._keys = keys.read()
        self.access = Access(own.allow, own.deny)
        self.collector = CollectorServer(self._tell, self._trusts, keep_absent=own.keep_absent)
        kept = ReconnectFile(home / STATE / "ccb_reconnect")
        self.broker = CcbServer(lambda: str(self.address()).strip("<>"), kept)
        self.server = Server(
            commands={**nops(), **self.collector.commands(), **self.broker.commands()},
            authorize=self.access,
            policy=policies(own.secure, _methods(own)),
            me=self._myself,
            keeper=self._keeper(),
            clock=time.monotonic,
        )
        self.endpoint = Endpoint(self.server, ID)
        self._ports: list[Datagrams] = []
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"<Central of {self._own.pool}, {self.collector!r}, {self.broker!r}>"

    def start(self) -> None:
        """Listen for datagrams, if that is wanted. Raises `SettingsError`; `close` in any case."""
        if not self._own.udp:
            return
        loop = asyncio.get_running_loop()
        for host in self._settings.listen:
            if self._settings.enables("ip6" if ":" in host else "ip4") is False:
                continue
            port = Datagrams(host, self._number)
            self._ports.append(port)
            work = serve_datagrams(port, self.server, self.collector.hear)
            task = loop.create_task(work)
            task.add_done_callback(_ended)
            self._tasks.append(task)

    def take(self, incoming: Incoming) -> None:
        """Serve a connection that was handed over."""
        self.endpoint.take(incoming.sock, incoming.peer)

    def status(self) -> dict[str, Any]:
        """What it counts, for metrics."""
        broker = self.broker.counts
        return {
            "connections": len(self.endpoint),
            "guests": self.endpoint.guests,
            "sessions": len(self.server.sessions),
            "ads": self.collector.counts,
            "ads_bytes": self.collector.size,
            "answers": self.collector.answering,
            **{name: broker[name] for name in ("targets", "requests", "streams")},
        }

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for port in self._ports:
            port.close()
        await self.endpoint.close()
        await self.broker.close()
        await self.collector.close()

    # --- what it is -----------------------------------------------------------------------------

    def address(self) -> Sinful:
        """Where it is met."""
        now = time.monotonic()
        if self._address is None or now - self._address[0] > _ADDRESS_AGE:
            places = own_addresses(read_host(), self._settings, self._number)
            self._address = now, self._met_at(places)
        return self._address[1]

    def _met_at(self, places: tuple[IpPort, ...]) -> Sinful:
        if not self._own.udp:
            return own_sinful(places, self._own.alias, ID)
        # A datagram names no id, so whoever sends them is told of none.
        return own_sinful(places, self._own.alias).with_params(**{NO_UDP: None})

    def _tell(self) -> Own:
        address = self.address()
        v1 = to_v1(address).result or ""
        return Own(self._own.pool, self._machine, str(address), v1, self._started)

    def _trusts(self, identity: Identity, address: str) -> bool:
        """Whether somebody may see private attributes."""
        return any(
            self.server.allowed(one, identity, address)
            for one in (Command.DC_NOP_NEGOTIATOR, Command.DC_NOP_ADMINISTRATOR)
        )

    def _myself(self) -> Myself:
        return Myself(
            subsystem="COLLECTOR",
            pid=os.getpid(),
            trust_domain=self._domain,
            issuer_keys=tuple(self._keys),
            command_sock=str(self.address()),
        )

    def _keeper(self) -> Doorkeeper:
        own = self._own
        return Doorkeeper(
            uid_domain=self._domain,
            trust_domain=self._domain,
            signing_keys=self._keys,
            tls=functools.partial(_tls, own) if own.certificate else None,
            map_subject=own.subjects.get,
            clock=time.time,
        )


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("datagrams are heard no more: a bug of ours", exc_info=error)


def trust_domain(own: CondorSetting, domain: str) -> str:
    """Whose tokens are believed."""
    return own.trust_domain or domain


def _methods(own: CondorSetting) -> tuple[Method, ...]:
    for name in own.methods:
        if not methods_in(name):
            known = ", ".join(method.known for method in Method)
            raise SettingsError(f"condor.methods: {name} is none of {known}")
    if own.certificate:
        _tls(own)  # what is wrong with it is said now, and not to the first who comes
    return methods_in(" ".join(own.methods))


def _tls(own: CondorSetting) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(own.certificate, own.key)
        if own.authorities:
            context.load_verify_locations(own.authorities)
            context.verify_mode = ssl.CERT_OPTIONAL
    except OSError as error:  # ssl's own is one
        raise SettingsError(f"condor: cannot use {own.certificate}: {error}") from None
    return context
